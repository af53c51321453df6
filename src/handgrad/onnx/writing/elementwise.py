"""Operations on each number, and reductions, as nodes: a function for each, of the writer and the line."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import shape
from handgrad.onnx.writing.writer import NotInOnnx, Writer
from handgrad.program.program import Operation

NAMED = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "negative": "Neg", "abs": "Abs",
    "sign": "Sign", "sqrt": "Sqrt", "exp": "Exp", "log": "Log", "sin": "Sin", "cos": "Cos", "tan": "Tan",
    "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh",
    "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh", "erf": "Erf", "floor": "Floor", "ceil": "Ceil",
    "round": "Round", "rint": "Round", "maximum": "Max", "minimum": "Min", "power": "Pow", "pow": "Pow",
    "reciprocal": "Reciprocal",
}  # fmt: skip
COMPARED = {
    "equal": "Equal", "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
}  # fmt: skip
LOGICAL = {"logical_and": "And", "logical_or": "Or", "logical_not": "Not", "logical_xor": "Xor"}
REDUCED = {"sum": "ReduceSum", "prod": "ReduceProd", "max": "ReduceMax", "min": "ReduceMin"}


class Numbers:
    """Arithmetic in one dtype, as nodes: what formulas of several operators are written with."""

    def __init__(self, w: Writer, dtype: Any):
        self.w, self.dtype = w, np.dtype(dtype)

    def of(self, x: Any) -> str:
        return self.w.value(x, self.dtype) if not isinstance(x, str) else x

    def __getattr__(self, operator: str) -> Callable[..., str]:
        return lambda *xs: self.w.node(operator, *map(self.of, xs))

    def log1p(self, x: str) -> str:
        """log(1 + x), whose rounding near 0 is made good.   Kahan"""
        u = self.Add(x, 1.0)
        rest = self.Sub(u, 1.0)
        is_zero = self.w.node("Equal", rest, self.of(0.0))
        near = self.Mul(self.Log(u), self.Div(x, self.Where(is_zero, 1.0, rest)))
        is_near = self.w.node("Less", self.Abs(x), self.of(0.5))
        return self.Where(is_zero, x, self.Where(is_near, near, self.Log(u)))

    def expm1(self, x: str) -> str:
        """eˣ - 1 = tanh(x/2) (eˣ + 1)"""
        return self.Mul(self.Tanh(self.Mul(x, 0.5)), self.Add(self.Exp(x), 1.0))

    def where_not(self, condition: str, x: str, y: str) -> str:
        return self.w.node("Where", condition, y, x)


def operands(w: Writer, o: Operation) -> list[str]:
    """The arguments in the dtype of the result."""
    return [w.value(x, o.out.dtype) for x in o.args]


def named(operator: str) -> Callable:
    return lambda w, o: w.node(operator, *operands(w, o))


def compared(operator: str) -> Callable:
    def function(w: Writer, o: Operation) -> str:
        dtype = np.result_type(*(x.dtype if hasattr(x, "dtype") else x for x in o.args))
        dtype = np.dtype(np.int32) if dtype.kind == "b" and operator != "Equal" else dtype
        return w.node(operator, *(w.value(x, dtype) for x in o.args))

    return function


def logical(operator: str) -> Callable:
    return lambda w, o: w.node(operator, *(w.value(x, bool) for x in o.args))


def reduced(operator: str) -> Callable:
    def function(w: Writer, o: Operation) -> str:
        x, axis, keepdims = reduction(o)
        return over(w, operator, w.value(x, o.out.dtype), axis, keepdims)

    return function


def reduction(o: Operation) -> tuple[Any, tuple[int, ...], bool]:
    """The array, the axes, and whether these are kept."""
    rest = dict(zip(("axis", "keepdims"), o.args[1:], strict=False)) | o.options
    axis, ndim = rest.get("axis"), len(shape(o.args[0]))
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return o.args[0], tuple(int(a) % ndim for a in axes), bool(rest.get("keepdims", False))


def over(w: Writer, operator: str, x: str, axes: tuple[int, ...], keepdims: bool) -> str:
    if not axes:
        return w.node("Identity", x)
    return w.node(operator, x, w.ints(axes), keepdims=int(keepdims))


def whether(operator: str) -> Callable:
    """any is the largest of truth values, all the smallest."""

    def function(w: Writer, o: Operation) -> str:
        x, axes, keepdims = reduction(o)
        found = over(w, operator, w.cast(w.value(x, bool), bool, np.int32), axes, keepdims)
        return w.cast(found, np.int32, bool)

    return function


def formula(function: Callable) -> Callable:
    """Of numbers and the arguments' names, in the dtype of the result."""
    return lambda w, o: function(Numbers(w, o.out.dtype), *operands(w, o))


def where(w: Writer, o: Operation) -> str:
    condition, x, y = o.args
    return w.node("Where", w.value(condition, bool), w.value(x, o.out.dtype), w.value(y, o.out.dtype))


def clip(w: Writer, o: Operation) -> str:
    given = dict(zip(("x", "min", "max"), o.args, strict=False)) | o.options
    made = w.value(given["x"], o.out.dtype)
    for operator, name in (("Max", "min"), ("Min", "max")):
        if given.get(name) is not None:
            made = w.node(operator, made, w.value(given[name], o.out.dtype))
    return made


def astype(w: Writer, o: Operation) -> str:
    return w.node("Identity", w.value(o.args[0], o.out.dtype))


def isfinite(w: Writer, o: Operation) -> str:
    (x,) = o.args
    if x.dtype.kind != "f":
        raise NotInOnnx(f"isfinite of {x.dtype}")
    lost = w.node("Or", w.node("IsNaN", w.value(x)), w.node("IsInf", w.value(x)))
    return w.node("Not", lost)


def filled(number: int) -> Callable:
    def function(w: Writer, o: Operation) -> str:
        return w.node("Expand", w.value(number, o.out.dtype), w.sizes(o.out.shape))

    return function


def floor_divide(n: Numbers, x: str, y: str) -> str:
    if n.dtype.kind == "f":
        return n.Floor(n.Div(x, y))
    quotient = n.Div(x, y)
    is_off = n.w.node("And", n.w.node("Not", n.w.node("Equal", n.Mul(quotient, y), x)), _opposite(n, x, y))
    return n.Sub(quotient, n.w.cast(is_off, bool, n.dtype))


def _opposite(n: Numbers, x: str, y: str) -> str:
    """Whether the signs differ."""
    return n.w.node("Xor", n.w.node("Less", x, n.of(0)), n.w.node("Less", y, n.of(0)))


def remainder(n: Numbers, x: str, y: str) -> str:
    if n.dtype.kind == "f":
        return n.Sub(x, n.Mul(n.Floor(n.Div(x, y)), y))
    return n.Mod(x, y)


def arc(n: Numbers, y: str, x: str) -> str:
    """The angle of (x, y)."""
    zero = n.of(0.0)
    is_zero = n.w.node("Equal", x, zero)
    base = n.Atan(n.Div(y, n.Where(is_zero, 1.0, x)))
    turn = n.Where(n.w.node("Less", y, zero), -math.pi, math.pi)
    beside = n.Where(n.w.node("Less", x, zero), n.Add(base, turn), base)
    return n.Where(is_zero, n.Mul(n.Sign(y), math.pi / 2), beside)


def logaddexp(n: Numbers, x: str, y: str, unit: float = 1.0) -> str:
    """max + log(1 + e⁻|x - y|), in powers of e or, with a ``unit`` of log 2, of 2."""
    is_same = n.w.node("Equal", x, y)  # both may be infinite
    d = n.Where(is_same, 0.0, n.Mul(n.Neg(n.Abs(n.Sub(x, y))), unit))
    return n.Add(n.Max(x, y), n.Div(n.log1p(n.Exp(d)), unit))


TABLE: dict[str, Callable] = {
    **{name: named(operator) for name, operator in NAMED.items()},
    **{name: compared(operator) for name, operator in COMPARED.items()},
    **{name: logical(operator) for name, operator in LOGICAL.items()},
    **{name: reduced(operator) for name, operator in REDUCED.items()},
    "any": whether("ReduceMax"),
    "all": whether("ReduceMin"),
    "astype": astype,
    "atan2": formula(arc),
    "check_finite": lambda w, o: w.node("Identity", w.value(o.args[0])),
    "clip": clip,
    "erfc": formula(lambda n, x: n.Sub(1.0, n.Erf(x))),
    "exp2": formula(lambda n, x: n.Exp(n.Mul(x, math.log(2)))),
    "expm1": formula(lambda n, x: n.expm1(x)),
    "floor_divide": formula(floor_divide),
    "hypot": formula(lambda n, x, y: n.Sqrt(n.Add(n.Mul(x, x), n.Mul(y, y)))),
    "isfinite": isfinite,
    "log10": formula(lambda n, x: n.Div(n.Log(x), math.log(10))),
    "log1p": formula(lambda n, x: n.log1p(x)),
    "log2": formula(lambda n, x: n.Div(n.Log(x), math.log(2))),
    "logaddexp": formula(logaddexp),
    "logaddexp2": formula(lambda n, x, y: logaddexp(n, x, y, math.log(2))),
    "not_equal": lambda w, o: w.node("Not", compared("Equal")(w, o)),
    "ones_like": filled(1),
    "remainder": formula(remainder),
    "square": formula(lambda n, x: n.Mul(x, x)),
    "where": where,
    "zeros_like": filled(0),
}
