"""Functions of each number: NumPy's and SciPy's names for rules, and compositions of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import Recorded, is_floating, polynomial, shape, stripped, xp
from handgrad.tape.functions.creation import gathered

RULES = """
    add subtract multiply divide negative power square sqrt sign maximum minimum
    exp exp2 expm1 log log1p log2 log10 logaddexp logaddexp2 sin cos tan arcsin arccos arctan arctan2 hypot
    sinh cosh tanh arcsinh arccosh arctanh remainder
""".split()


def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """The rule where the bounds are constants; bounds that are recorded have gradients of their own."""
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    bounds = [bound for bound in (low, high) if bound is not None]
    grows = np.broadcast_shapes(shape(x), *map(shape, bounds)) != shape(x)
    if not grows and not any(isinstance(bound, Recorded) for bound in bounds):
        return rules.clip(x, low, high)
    out = x if low is None else _bounded(x, low, stripped(low) > stripped(x))
    return out if high is None else _bounded(out, high, stripped(high) < stripped(out))


def _bounded(x: Any, bound: Any, is_beyond: Any) -> Any:
    """The bound where x is beyond it, or where it is nan. At a tie x is kept, as in ``clip``."""
    return rules.where(is_beyond | (stripped(bound) != stripped(bound)), bound, x)


def fmod(x: Any, y: Any) -> Any:
    """The remainder with the sign of x."""
    size = rules.abs(y)
    return rules.where(stripped(x) < 0, -rules.remainder(rules.negative(x), size), rules.remainder(x, size))


def divmod(x: Any, y: Any) -> Any:
    return xp.floor_divide(stripped(x), stripped(y)), rules.remainder(x, y)


def float_power(x: Any, y: Any) -> Any:
    """A power of float64 numbers, whatever came."""
    return rules.power(*(rules.multiply(v, np.float64(1)) for v in (x, y)))


@rules.elementwise
def cbrt(x: Any) -> Any:
    """Cube root, out = ∛x.   dx = dout / 3out²"""
    out = xp.cbrt(x)

    def backward(dout: Any) -> Any:
        return dout / (3 * out * out)

    return out, backward


SINC_SLOPE = (1 / 3991680, -1 / 45360, 1 / 840, -1 / 30, 1 / 3)
"""Of (sin y / y - cos y) / y², in powers of y²."""


@rules.elementwise
def sinc(x: Any) -> Any:
    """out = sin(πx) / πx, and 1 at 0.   dx = (cos(πx) - out) / x·dout, by its series near 0"""
    out = xp.sinc(x)

    def backward(dout: Any) -> Any:
        y = math.pi * x
        is_near = np.abs(y) < 0.3
        near = -math.pi * y * polynomial(SINC_SLOPE, y * y)
        far = (np.cos(y) - out) / np.where(is_near, 1.0, x)
        return dout * np.where(is_near, near, far)

    return out, backward


def fmax(x: Any, y: Any) -> Any:
    """The larger, or the one that is no nan."""
    return _unless_nan(rules.maximum, x, y)


def fmin(x: Any, y: Any) -> Any:
    """The smaller, or the one that is no nan."""
    return _unless_nan(rules.minimum, x, y)


def _unless_nan(pick: Callable, x: Any, y: Any) -> Any:
    x_missing, y_missing = xp.isnan(stripped(x)), xp.isnan(stripped(y))
    return pick(rules.where(x_missing, y, x), rules.where(y_missing, x, y))


def heaviside(x: Any, at_zero: Any) -> Any:
    return rules.where(stripped(x) == 0, at_zero, xp.heaviside(stripped(x), 0.5))


def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    value = stripped(x)
    most = np.finfo(x.dtype).max if is_floating(x) else 0
    x = rules.where(xp.isnan(value), nan, x)
    x = rules.where(xp.isposinf(value), most if posinf is None else posinf, x)
    return rules.where(xp.isneginf(value), -most if neginf is None else neginf, x)


def copysign(x: Any, y: Any) -> Any:
    return rules.where(xp.signbit(stripped(x)) == xp.signbit(stripped(y)), x, rules.negative(x))


def modf(x: Any) -> tuple:
    """What comes after the point, and the whole number before it, which has no derivative."""
    whole = xp.trunc(stripped(x))
    return x - whole, whole


def frexp(x: Any) -> tuple:
    """m and n with x = m·2ⁿ and m below 1; n has no derivative."""
    _, n = xp.frexp(stripped(x))
    return x * xp.ldexp(1.0, -n), n


def nextafter(x: Any, y: Any) -> Any:
    """x and a constant, which is the distance to the next number."""
    value = stripped(x)
    return x + (xp.nextafter(value, stripped(y)) - value)


def scaled(factor: float) -> Callable:
    return lambda x: x * factor


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    out = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        out = rules.where(stripped(condition), gathered(choice), out)
    return out


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **options: Any) -> Any:
    conditions = [np.asarray(stripped(c)) for c in condlist]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.logical_or.reduce(conditions))
    out = np.zeros(shape(x))
    for condition, function in zip(conditions, funclist, strict=True):
        piece = function(x[condition], *args, **options) if callable(function) else function
        whole = rules.scatter_add(rules.broadcast_to(piece, (int(condition.sum()),)), condition, shape(x))
        out = rules.where(condition, whole, out)
    return out


def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * math.pi) -> Any:
    """p and whole periods, which are constant between jumps."""
    value = stripped(p)
    return p + (xp.unwrap(value, discont, axis, period=period) - value)


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    if period is not None:
        raise TypeError("np.interp of recorded arrays has no period=: take the remainder first")
    x, xp, fp = gathered(x), gathered(xp), gathered(fp)
    constant = [None if isinstance(end, Recorded) else end for end in (left, right)]
    out = rules.interp(x, xp, fp, *constant)
    if isinstance(left, Recorded):
        out = rules.where(stripped(x) < stripped(xp[0]), left, out)
    return rules.where(stripped(x) > stripped(xp[-1]), right, out) if isinstance(right, Recorded) else out


def real_if_close(a: Any, tol: Any = 100) -> Any:
    return a


def _where(condition: Any, *choices: Any) -> Any:
    condition = stripped(gathered(condition))
    return rules.where(condition, *map(gathered, choices)) if choices else np.where(condition)


def itself(x: Any) -> Any:
    return x


TABLE: dict[Any, Callable] = {
    **{getattr(np, name): getattr(rules, name) for name in RULES},
    np.absolute: rules.abs,
    np.cbrt: cbrt,
    np.clip: clip,
    np.copysign: copysign,
    np.conjugate: itself,
    np.deg2rad: scaled(math.pi / 180),
    np.degrees: scaled(180 / math.pi),
    np.divmod: divmod,
    np.fabs: rules.abs,
    np.float_power: float_power,
    np.frexp: frexp,
    np.fmax: fmax,
    np.fmin: fmin,
    np.fmod: fmod,
    np.heaviside: heaviside,
    np.interp: interp,
    np.ldexp: lambda x, n: x * 2.0 ** np.asarray(stripped(n)),
    np.modf: modf,
    np.nan_to_num: nan_to_num,
    np.nextafter: nextafter,
    np.piecewise: piecewise,
    np.positive: itself,
    np.rad2deg: scaled(180 / math.pi),
    np.radians: scaled(math.pi / 180),
    np.real: itself,
    np.imag: lambda x: np.zeros_like(stripped(x)),
    np.real_if_close: real_if_close,
    np.reciprocal: lambda x: rules.divide(1.0, x),
    np.select: select,
    np.sinc: sinc,
    np.unwrap: unwrap,
    np.where: _where,
}
