"""Functions of each number."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import shape, stripped, xp

Parts = namedtuple("Parts", "mantissa exponent")

RULES = """
    exp exp2 expm1 log log1p log2 log10 logaddexp logaddexp2 sqrt square sign negative abs hypot
    sin cos tan asin acos atan atan2 arcsin arccos arctan arctan2
    sinh cosh tanh asinh acosh atanh arcsinh arccosh arctanh
    maximum minimum multiply remainder erf erfc
""".split()
SAME = (
    "clone contiguous positive conj conjugate conj_physical resolve_conj resolve_neg real alias_copy".split()
)
"""What gives its argument, of real numbers."""


def itself(input: Any, *, memory_format: Any = None) -> Any:
    return input


def add(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    return rules.add(input, other if alpha == 1 else alpha * other)


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    return rules.subtract(input, other if alpha == 1 else alpha * other)


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    return sub(other, input, alpha=alpha)


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    return input + value * tensor1 * tensor2


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    return input + value * tensor1 / tensor2


def lerp(input: Any, end: Any, weight: Any) -> Any:
    return input + weight * (end - input)


def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Where a bound is beyond the other, the upper counts."""
    if any(hasattr(bound, "dtype") for bound in (min, max)):
        out = input if min is None else rules.where(stripped(input) < stripped(min), min, input)
        return out if max is None else rules.where(stripped(out) > stripped(max), max, out)
    return rules.clip(input, min, max)


def fmax(input: Any, other: Any) -> Any:
    """The larger, or the one that is no nan; of two that are equal the first."""
    x, y = stripped(input), stripped(other)
    return rules.where((x >= y) | xp.isnan(y), input, other)


def fmin(input: Any, other: Any) -> Any:
    x, y = stripped(input), stripped(other)
    return rules.where((x <= y) | xp.isnan(y), input, other)


def frac(input: Any) -> Any:
    return input - xp.trunc(stripped(input))


def copysign(input: Any, other: Any) -> Any:
    value = stripped(input)
    return rules.abs(input) * xp.copysign(xp.ones_like(value), stripped(other))


def ldexp(input: Any, other: Any) -> Any:
    return input * 2.0**other


def frexp(input: Any) -> Parts:
    _, exponent = xp.frexp(stripped(input))
    return Parts(input / 2.0**exponent, exponent)


def float_power(input: Any, exponent: Any) -> Any:
    import torch

    made = [rules.astype(x, torch.float64) if hasattr(x, "dtype") else x for x in (input, exponent)]
    return rules.power(*made)


def nan_to_num(input: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Any:
    value = stripped(input)
    numbers = xp.nan_to_num(value, nan=nan, posinf=posinf, neginf=neginf)
    return rules.where(xp.isfinite(value), input, numbers)


def scaled(factor: float) -> Callable:
    return lambda input: input * factor


def sinc(input: Any) -> Any:
    is_zero = stripped(input) == 0
    s = rules.where(is_zero, 1.0, input * math.pi)
    return rules.where(is_zero, 1.0, rules.sin(s) / s)


def logit(input: Any, eps: Any = None) -> Any:
    x = input if eps is None else rules.clip(input, eps, 1 - eps)
    return rules.log(x / (1 - x))


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    return rules.where(stripped(mask), value, input)


def to_sizes(x: Any, like: Any) -> Any:
    """x broadcast with a tensor, whose values do not matter."""
    import torch

    return rules.broadcast_to(x, torch.broadcast_shapes(shape(x), shape(like)))


def where(condition: Any, input: Any, other: Any) -> Any:
    return rules.where(stripped(condition), input, other)


TABLE: dict[str, Callable] = {
    **{name: getattr(rules, name) for name in RULES},
    **dict.fromkeys(SAME, itself),
    "absolute": rules.abs,
    "add": add,
    "addcdiv": addcdiv,
    "addcmul": addcmul,
    "clamp": clamp,
    "clamp_max": lambda input, max: clamp(input, max=max),
    "clamp_min": lambda input, min: clamp(input, min=min),
    "copysign": copysign,
    "deg2rad": scaled(math.pi / 180),
    "detach": stripped,
    "div": rules.divide,
    "float_power": float_power,
    "fmax": fmax,
    "fmin": fmin,
    "frac": frac,
    "frexp": frexp,
    "ldexp": ldexp,
    "lerp": lerp,
    "logit": logit,
    "masked_fill": masked_fill,
    "mul": rules.multiply,
    "nan_to_num": nan_to_num,
    "neg": rules.negative,
    "pow": rules.power,
    "rad2deg": scaled(180 / math.pi),
    "reciprocal": lambda input: 1.0 / input,
    "rsqrt": lambda input: 1.0 / rules.sqrt(input),
    "rsub": rsub,
    "sinc": sinc,
    "sub": sub,
    "torch.where": where,
    "Tensor.where": lambda self, condition, other: where(condition, self, other),
    "Tensor.__radd__": lambda self, other: other + self,
    "Tensor.__rmul__": lambda self, other: other * self,
    "Tensor.__rdiv__": lambda self, other: other / self,
    "Tensor.__rmod__": lambda self, other: rules.remainder(other, self),
    "Tensor.__rpow__": lambda self, other: rules.power(other, self),
    "Tensor.__rmatmul__": lambda self, other: rules.matmul(other, self),
    "Tensor.__rsub__": lambda self, other: other - self,
}
