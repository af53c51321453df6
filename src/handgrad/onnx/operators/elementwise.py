"""Functions of each number."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped

NAMES = {
    "Abs": "abs", "Acos": "arccos", "Acosh": "arccosh", "Asin": "arcsin", "Asinh": "arcsinh",
    "Atan": "arctan", "Atanh": "arctanh", "Cos": "cos", "Cosh": "cosh", "Erf": "erf", "Exp": "exp",
    "HardSwish": "hardswish",
    "Log": "log", "Mish": "mish", "Neg": "negative", "Relu": "relu", "Sigmoid": "sigmoid", "Sign": "sign",
    "Sin": "sin", "Sinh": "sinh", "Softplus": "softplus", "Softsign": "softsign", "Sqrt": "sqrt",
    "Tan": "tan", "Tanh": "tanh", "Add": "add", "Sub": "subtract", "Mul": "multiply", "PRelu": "prelu",
}  # fmt: skip


def as_made(rule: Callable) -> Callable:
    """In the dtype of the first input, as ONNX has it: rules make float64 of whole numbers."""

    def function(x: Any, *others: Any) -> Any:
        return typed(rule(x, *others), x.dtype)

    return function


def typed(x: Any, dtype: Any) -> Any:
    x = x if hasattr(x, "dtype") else np.asarray(x)
    return x if x.dtype == dtype else rules.astype(x, dtype)


def divide(x: Any, y: Any) -> Any:
    """Whole numbers are divided towards 0."""
    if x.dtype.kind in "iu":
        quotient = np.abs(x.astype(object)) // np.abs(y.astype(object)) if x.dtype.kind == "i" else x // y
        return (quotient * np.sign(x) * np.sign(y)).astype(x.dtype) if x.dtype.kind == "i" else quotient
    return typed(rules.divide(x, y), x.dtype)


def power(x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu":
        return np.power(x, y).astype(x.dtype)
    return typed(rules.power(x, typed(y, x.dtype)), x.dtype)


def mod(x: Any, y: Any, *, fmod: int = 0) -> Any:
    """The sign is that of y, with ``fmod`` that of x."""
    if not fmod:
        return np.mod(x, y) if x.dtype.kind in "iu" else rules.remainder(x, y)
    return np.fmod(x, y)


def beside(function: Callable) -> Callable:
    """Before opset 7 the second array lies along the axes of the first from ``axis`` on, if ``broadcast``."""

    def joined(x: Any, y: Any, /, *, broadcast: int = 0, axis: Any = None) -> Any:
        if broadcast and axis is not None:
            more = len(shape(x)) - axis % len(shape(x)) - len(shape(y))
            y = rules.reshape(y, (*shape(y), *(1,) * more))
        return function(x, y)

    return joined


def folded(rule: Callable) -> Callable:
    def function(*xs: Any) -> Any:
        return typed(functools.reduce(rule, xs), xs[0].dtype)

    return function


def mean(*xs: Any) -> Any:
    return functools.reduce(rules.add, xs) / len(xs)


def clip(x: Any, low: Any = None, high: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Where the lower bound is above the upper, the upper counts."""
    low, high = (min if low is None else low), (max if high is None else high)
    out = x if low is None else rules.maximum(x, typed(low, x.dtype))
    return typed(out if high is None else rules.minimum(out, typed(high, x.dtype)), x.dtype)


def selu(x: Any, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Any:
    return typed(gamma * rules.elu(x, alpha=alpha), x.dtype)


def hard_sigmoid(x: Any, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
    return typed(rules.clip(x * alpha + beta, 0.0, 1.0), x.dtype)


def shrink(x: Any, *, bias: float = 0.0, lambd: float = 0.5) -> Any:
    value = stripped(x)
    return typed(np.where(value < -lambd, x + bias, np.where(value > lambd, x - bias, 0.0)), x.dtype)


def swish(x: Any, *, alpha: float = 1.0) -> Any:
    return x * rules.sigmoid(x * alpha)


def swiglu(a: Any, b: Any, *, alpha: float = 1.0) -> Any:
    return swish(a, alpha=alpha) * b


def softmax(rule: Callable) -> Callable:
    """Before opset 13 all axes from this one on are one."""

    def function(x: Any, *, axis: Any = None, opset: int = 13) -> Any:
        if opset >= 13:
            return rule(x, axis=-1 if axis is None else axis)
        axis = (1 if axis is None else axis) % len(shape(x))
        rows = rules.reshape(x, (*shape(x)[:axis], math.prod(shape(x)[axis:])))
        return rules.reshape(rule(rows), shape(x))

    return function


def hardmax(x: Any, *, axis: Any = None, opset: int = 13) -> Any:
    if opset < 13:
        axis = (1 if axis is None else axis) % len(shape(x))
        return np.reshape(hardmax(np.reshape(x, (math.prod(shape(x)[:axis]), -1))), shape(x))
    axis = -1 if axis is None else axis
    first = np.expand_dims(np.argmax(x, axis=axis), axis)
    out = np.zeros_like(x)
    np.put_along_axis(out, first, 1, axis)
    return out


def where(condition: Any, x: Any, y: Any) -> Any:
    if not all(np.issubdtype(v.dtype, np.number) for v in (x, y)):
        return np.where(condition, x, y)
    return rules.where(condition, x, y)


def is_inf(x: Any, *, detect_negative: int = 1, detect_positive: int = 1) -> Any:
    return (np.isposinf(x) & bool(detect_positive)) | (np.isneginf(x) & bool(detect_negative))


def bit_shift(x: Any, y: Any, *, direction: str) -> Any:
    return np.left_shift(x, y) if direction == "LEFT" else np.right_shift(x, y)


VALUES = {
    "And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor, "Not": np.logical_not,
    "BitwiseAnd": np.bitwise_and, "BitwiseOr": np.bitwise_or, "BitwiseXor": np.bitwise_xor,
    "BitwiseNot": np.bitwise_not,
    "Equal": np.equal, "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal, "Less": np.less,
    "LessOrEqual": np.less_equal, "Ceil": np.ceil, "Floor": np.floor, "Round": np.rint,
    "IsNaN": np.isnan,
}  # fmt: skip


def on_values(function: Callable) -> Callable:
    return lambda *xs: function(*map(stripped, xs))


TABLE: dict[str, Callable] = {
    **{name: as_made(getattr(rules, ours)) for name, ours in NAMES.items()},
    **{name: on_values(function) for name, function in VALUES.items()},
    **{name: beside(as_made(getattr(rules, NAMES[name]))) for name in ("Add", "Sub", "Mul", "PRelu")},
    **{name: beside(on_values(VALUES[name])) for name in ("And", "Or", "Xor", "Equal", "Greater", "Less")},
    "BitShift": bit_shift,
    "Celu": lambda x, *, alpha=1.0: rules.celu(x, alpha=alpha),
    "Clip": clip,
    "Div": beside(divide),
    "Elu": lambda x, *, alpha=1.0: rules.elu(x, alpha=alpha),
    "Gelu": lambda x, *, approximate="none": rules.gelu(x, approximate=approximate),
    "HardSigmoid": hard_sigmoid,
    "Hardmax": hardmax,
    "Identity": lambda x: x,
    "IsInf": is_inf,
    "LeakyRelu": lambda x, *, alpha=0.01: typed(rules.leaky_relu(x, negative_slope=alpha), x.dtype),
    "LogSoftmax": softmax(rules.log_softmax),
    "Max": folded(rules.maximum),
    "Mean": mean,
    "Min": folded(rules.minimum),
    "Mod": mod,
    "Pow": beside(power),
    "Reciprocal": lambda x: typed(1.0 / x, x.dtype),
    "Selu": selu,
    "Shrink": shrink,
    "Softmax": softmax(rules.softmax),
    "Sum": folded(rules.add),
    "SwiGLU": swiglu,
    "Swish": swish,
    "ThresholdedRelu": lambda x, *, alpha=1.0: rules.threshold(x, alpha, 0.0),
    "Where": where,
}
