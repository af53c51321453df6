"""``scipy.special`` on recorded arrays: each of its ufuncs with its derivatives, which are more of them.

SciPy is not needed, unless whoever calls has it; PyTorch's special functions are made of the same table.
M. Abramowitz and I. Stegun, "Handbook of mathematical functions", 1964, has the derivatives.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import Recorded, is_symbolic, stripped, xp

OURS = {"erf": "erf", "erfc": "erfc", "expit": "sigmoid", "exp2": "exp2", "expm1": "expm1", "log1p": "log1p"}
"""What is a rule of handgrad's, under its name there."""


def _not_zero(x: Any) -> Any:
    return xp.where(x == 0, 1.0, x)


def _counted(x: Any, y: Any, least: int) -> Any:
    """y, and one more than the least where x is 0 and there is no logarithm of y."""
    return xp.where((x != 0) | (y > least) | (y != y), y, least + 1.0)


# Of each function s.f(x, y, ...) = out, the derivative by each argument; None where there is no formula.
DERIVATIVES: dict[str, tuple[Callable | None, ...]] = {
    "gammaln": (lambda s, out, x: s.psi(x),),
    "loggamma": (lambda s, out, x: s.psi(x),),
    "gamma": (lambda s, out, x: out * s.psi(x),),
    "rgamma": (lambda s, out, x: -out * s.psi(x),),
    "psi": (lambda s, out, x: s.zeta(2.0, x),),
    "_zeta": (None, lambda s, out, n, x: -n * s.zeta(n + 1, x)),
    "beta": (
        lambda s, out, a, b: out * (s.psi(a) - s.psi(a + b)),
        lambda s, out, a, b: out * (s.psi(b) - s.psi(a + b)),
    ),
    "betaln": (lambda s, out, a, b: s.psi(a) - s.psi(a + b), lambda s, out, a, b: s.psi(b) - s.psi(a + b)),
    "betainc": (
        None,
        None,
        lambda s, out, a, b, x: xp.exp((a - 1) * xp.log(x) + (b - 1) * xp.log1p(-x) - s.betaln(a, b)),
    ),
    "gammainc": (None, lambda s, out, a, x: xp.exp((a - 1) * xp.log(x) - x - s.gammaln(a))),
    "gammaincc": (None, lambda s, out, a, x: -xp.exp((a - 1) * xp.log(x) - x - s.gammaln(a))),
    "j0": (lambda s, out, x: -s.j1(x),),
    "j1": (lambda s, out, x: (s.j0(x) - s.jv(2, x)) / 2.0,),
    "jv": (None, lambda s, out, n, x: (s.jv(n - 1, x) - s.jv(n + 1, x)) / 2.0),
    "y0": (lambda s, out, x: -s.y1(x),),
    "y1": (lambda s, out, x: (s.y0(x) - s.yn(2, x)) / 2.0,),
    "yn": (None, lambda s, out, n, x: (s.yn(n - 1, x) - s.yn(n + 1, x)) / 2.0),
    "yv": (None, lambda s, out, n, x: (s.yv(n - 1, x) - s.yv(n + 1, x)) / 2.0),
    "i0": (lambda s, out, x: s.i1(x),),
    "i1": (lambda s, out, x: xp.where(x == 0, 0.5, s.i0(x) - out / _not_zero(x)),),
    "i0e": (lambda s, out, x: s.i1e(x) - xp.sign(stripped(x)) * out,),
    "i1e": (
        lambda s, out, x: xp.where(x == 0, 0.5, s.i0e(x) - out * (xp.sign(stripped(x)) + 1.0 / _not_zero(x))),
    ),
    "iv": (None, lambda s, out, n, x: (s.iv(n - 1, x) + s.iv(n + 1, x)) / 2.0),
    "ive": (
        None,
        lambda s, out, n, x: (s.ive(n - 1, x) + s.ive(n + 1, x)) / 2.0 - xp.sign(stripped(x)) * out,
    ),
    "k0": (lambda s, out, x: -s.k1(x),),
    "k1": (lambda s, out, x: -(s.k0(x) + s.kv(2, x)) / 2.0,),
    "kv": (None, lambda s, out, n, x: -(s.kv(n - 1, x) + s.kv(n + 1, x)) / 2.0),
    "erfinv": (lambda s, out, x: math.sqrt(math.pi) / 2 * xp.exp(out * out),),
    "erfcinv": (lambda s, out, x: -math.sqrt(math.pi) / 2 * xp.exp(out * out),),
    "stdtr": (
        None,
        lambda s, out, n, x: xp.exp(
            s.gammaln((n + 1) / 2)
            - s.gammaln(n / 2)
            - xp.log(n * math.pi) / 2
            - (n + 1) / 2 * xp.log1p(x * x / n)
        ),
    ),
    "ndtr": (lambda s, out, x: xp.exp(-x * x / 2.0) / math.sqrt(2 * math.pi),),
    "erfcx": (lambda s, out, x: 2.0 * x * out - 2.0 / math.sqrt(math.pi),),
    "log_ndtr": (lambda s, out, x: math.sqrt(2 / math.pi) / s.erfcx(x * -math.sqrt(0.5)),),
    "ndtri": (lambda s, out, x: math.sqrt(2 * math.pi) * xp.exp(out * out / 2.0),),
    "logit": (lambda s, out, x: 1.0 / (x * (1.0 - x)),),
    "log_expit": (lambda s, out, x: s.expit(-x),),
    "xlogy": (lambda s, out, x, y: xp.log(_counted(x, y, 0)), lambda s, out, x, y: x / y),
    "xlog1py": (lambda s, out, x, y: xp.log1p(_counted(x, y, -1)), lambda s, out, x, y: x / (1.0 + y)),
    "entr": (lambda s, out, x: -xp.log(x) - 1.0,),
    "rel_entr": (lambda s, out, x, y: xp.log(x / y) + 1.0, lambda s, out, x, y: -x / y),
}
WITHOUT_DERIVATIVE = frozenset({"gammasgn"})


def scipys(ufunc: Any) -> Callable | None:
    """What a function of ``scipy.special`` is for recorded arrays, if this is one of these."""
    special = sys.modules.get("scipy.special")
    name = getattr(ufunc, "__name__", "")
    homes = (special, getattr(special, "_ufuncs", None))
    if special is None or not any(getattr(home, name, None) is ufunc for home in homes):
        return None
    if name in OURS:
        return getattr(rules, OURS[name])
    if name in WITHOUT_DERIVATIVE:
        return lambda *xs: ufunc(*map(stripped, xs))
    return rule_of(ufunc, name, special) if name in DERIVATIVES else None


@functools.cache
def rule_of(ufunc: Any, name: str, special: Any) -> Callable:
    """The function, of which ``special`` has all others, with the derivatives of that name."""
    derivatives = DERIVATIVES[name]

    def applied(*xs: Any) -> tuple[Any, Callable]:
        out = ufunc(*xs)

        def backward(dout: Any) -> tuple:
            return tuple(None if d is None else dout * d(special, out, *xs) for d in derivatives)

        return out, backward

    bodies = (lambda x: applied(x), lambda x, y: applied(x, y), lambda x, y, z: applied(x, y, z))
    body = bodies[len(derivatives) - 1]
    body.__name__ = name.lstrip("_")
    rule = rules.elementwise(body)

    def function(*xs: Any) -> Any:
        if any(map(is_symbolic, map(stripped, xs))):
            raise TypeError(f"SciPy's {rule.name} has no code in programs")
        for i, (x, d) in enumerate(zip(xs, derivatives, strict=True)):
            if d is None and isinstance(x, Recorded):
                raise TypeError(f"there is no rule for the derivative of {rule.name} by its argument {i}")
        return rule(*xs)

    return function
