"""What changes no value, bit for bit: nan, infinities, subnormals and the sign of zero included.

So ``x + 0.0`` and ``x * 0`` stay: the first makes -0.0 to 0.0, the second keeps nan and signs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import shape, size
from handgrad.program.draft import Draft, rewrite
from handgrad.program.keys import is_same
from handgrad.program.program import Operation, Program
from handgrad.program.symbol import Symbol
from handgrad.program.views import axis_order, in_place_of


def algebra(program: Program) -> Program:
    """Operations that do nothing, or that a simpler one does to the last bit."""
    return rewrite(program, _simpler)


def _simpler(draft: Draft, operation: Operation) -> Any:
    rule = RULES.get(operation.name)
    return None if rule is None else rule(draft, operation.out, *operation.args, **operation.options)


def _add(draft: Draft, out: Symbol, x: Any, y: Any) -> Any:
    """x + -0.0 = x, and for integers x + 0 = x;  -x + y = y - x"""
    for a, b in ((x, y), (y, x)):
        zero = draft.uniform(b)
        if zero == 0 and (out.dtype.kind in "iu" or is_negative_zero(zero)):
            return in_place_of(draft, a, out)
    for a, b in ((x, y), (y, x)):
        positive = draft.argument(a, "negative")
        if positive is not None:
            return draft.instead(out, "subtract", b, positive)
    return None


def _subtract(draft: Draft, out: Symbol, x: Any, y: Any) -> Any:
    """x - 0 = x;  x - -y = x + y"""
    zero = draft.uniform(y)
    if zero == 0 and not is_negative_zero(zero):
        return in_place_of(draft, x, out)
    positive = draft.argument(y, "negative")
    return None if positive is None else draft.instead(out, "add", x, positive)


def _multiply(draft: Draft, out: Symbol, x: Any, y: Any) -> Any:
    """x·1 = x"""
    for a, b in ((x, y), (y, x)):
        if draft.uniform(b) == 1:
            return in_place_of(draft, a, out)
    return None


def _divide(draft: Draft, out: Symbol, x: Any, y: Any) -> Any:
    """x / 1 = x;  x / 2ᵏ = x·2⁻ᵏ"""
    divisor = draft.uniform(y)
    if divisor == 1:
        return in_place_of(draft, x, out)
    dtype = y.dtype if is_floating(y) else out.dtype
    if divisor is None or not (has_exact_inverse(divisor, dtype) and has_exact_inverse(divisor, out.dtype)):
        return None
    inverse = np.asarray(1 / divisor, dtype) if is_floating(y) else 1 / divisor
    return draft.instead(out, "multiply", x, inverse)


def _power(draft: Draft, out: Symbol, x: Any, y: Any) -> Any:
    """x¹ = x;  x² = x·x, as NumPy computes it if the exponent is one number"""
    exponent = draft.uniform(y)
    if exponent == 1:
        return in_place_of(draft, x, out)
    is_number = not isinstance(y, Symbol) and not shape(y)
    if exponent == 2 and is_number and (out.dtype.kind in "iu" or out.dtype in (np.float32, np.float64)):
        return draft.instead(out, "multiply", x, x)
    return None


def _negative(draft: Draft, out: Symbol, x: Any) -> Any:
    """- -x = x"""
    positive = draft.argument(x, "negative")
    return None if positive is None else in_place_of(draft, positive, out)


def _abs(draft: Draft, out: Symbol, x: Any) -> Any:
    """|-x| = |x|;  ||x|| = |x|"""
    if draft.maker(x, "abs") is not None:
        return x
    positive = draft.argument(x, "negative")
    return None if positive is None else draft.instead(out, "abs", positive)


def _where(draft: Draft, out: Symbol, condition: Any, x: Any, y: Any) -> Any:
    """Both the same, a condition that is known, or one that has been asked before."""
    known = draft.uniform(condition)
    if is_same(x, y) or known is not None:
        return in_place_of(draft, y if known is not None and not known else x, out)
    inner = draft.maker(x, "where")
    if inner is not None and is_same(inner.args[0], condition):
        return draft.instead(out, "where", condition, inner.args[1], y)
    inner = draft.maker(y, "where")
    if inner is not None and is_same(inner.args[0], condition):
        return draft.instead(out, "where", condition, x, inner.args[2])
    return None


def _extreme(draft: Draft, out: Symbol, x: Any, y: Any) -> Any:
    """max(x, x) = x"""
    return in_place_of(draft, x, out) if is_same(x, y) else None


def _logical_not(draft: Draft, out: Symbol, x: Any) -> Any:
    before = draft.argument(x, "logical_not")
    return None if before is None else in_place_of(draft, before, out)


def _astype(draft: Draft, out: Symbol, x: Any, dtype: Any) -> Any:
    return x if getattr(x, "dtype", None) == out.dtype else None


def _reshape(draft: Draft, out: Symbol, x: Any, *target: Any, **options: Any) -> Any:
    return x if shape(x) == out.shape else None


def _permute_dims(draft: Draft, out: Symbol, x: Any, axes: Any) -> Any:
    order = axis_order(Operation(out, "permute_dims", (x, axes), {}))
    return x if order == tuple(range(len(order))) else None


def _as_reshape(draft: Draft, out: Symbol, x: Any, *args: Any, **options: Any) -> Any:
    return draft.emit("reshape", x, out.shape)


def _moveaxis(draft: Draft, out: Symbol, x: Any, source: Any, destination: Any) -> Any:
    numbered = np.empty(tuple(range(len(shape(x)))))  # axis i has size i
    return draft.emit("permute_dims", x, np.moveaxis(numbered, source, destination).shape)


def _matrix_transpose(draft: Draft, out: Symbol, x: Any) -> Any:
    return _moveaxis(draft, out, x, -1, -2)


def _getitem(draft: Draft, out: Symbol, x: Any, index: Any) -> Any:
    return x if shape(x) == out.shape and takes_all_in_order(x, index, out) else None


def _flip(draft: Draft, out: Symbol, x: Any, axis: Any = None) -> Any:
    axes = range(len(out.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return x if all(out.shape[a] <= 1 for a in axes) else None


def _concat(draft: Draft, out: Symbol, arrays: Any, axis: int = 0) -> Any:
    """What is empty adds nothing, unless to the dtype."""
    filled = [x for x in arrays if shape(x)[axis]]
    if len(filled) == 1:
        return in_place_of(draft, filled[0], out)
    if not filled or len(filled) == len(arrays) or np.result_type(*(x.dtype for x in filled)) != out.dtype:
        return None
    return draft.emit("concat", filled, axis=axis)


RULES: dict[str, Callable[..., Any]] = {
    "abs": _abs,
    "add": _add,
    "astype": _astype,
    "broadcast_to": _reshape,
    "concat": _concat,
    "divide": _divide,
    "expand_dims": _as_reshape,
    "flip": _flip,
    "getitem": _getitem,
    "logical_not": _logical_not,
    "matrix_transpose": _matrix_transpose,
    "maximum": _extreme,
    "minimum": _extreme,
    "moveaxis": _moveaxis,
    "multiply": _multiply,
    "negative": _negative,
    "permute_dims": _permute_dims,
    "pow": _power,
    "power": _power,
    "reshape": _reshape,
    "squeeze": _as_reshape,
    "subtract": _subtract,
    "where": _where,
}


def is_negative_zero(x: Any) -> bool:
    return isinstance(x, float) and x == 0 and math.copysign(1, x) < 0


def is_floating(x: Any) -> bool:
    return hasattr(x, "dtype") and x.dtype.kind == "f"


def has_exact_inverse(x: float, dtype: np.dtype) -> bool:
    """Whether x is a power of two, and it and its inverse are normal numbers of the dtype."""
    if dtype.kind != "f" or not math.isfinite(x) or x == 0 or abs(math.frexp(x)[0]) != 0.5:
        return False
    limits = np.finfo(dtype)
    return all(float(limits.tiny) <= abs(n) <= float(limits.max) for n in (x, 1 / x))


def takes_all_in_order(x: Any, index: Any, out: Any) -> bool:
    """Whether ``x[index]`` has all elements of x in their order: by slices that leave nothing out."""
    parts = index if isinstance(index, tuple) else (index,)
    return size(x) == size(out) and all(
        part is None
        or part is ...
        or type(part) is int
        or (isinstance(part, slice) and (part.step is None or part.step > 0))
        for part in parts
    )
