"""Reductions, running sums, products of matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, size
from handgrad.onnx.operators.elementwise import typed
from handgrad.tape.functions.products import einsum as numpys_einsum


def over(reduce: Callable) -> Callable:
    """Axes are an input or, before, an attribute; without any it is all, or none if that is asked for."""

    def function(
        data: Any, given: Any = None, *, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Any:
        found = axes if given is None else given.tolist()
        if not found and noop_with_empty_axes:
            return reduce(data, (), True) if reduce is not _same else data
        axis = tuple(found) if found else None
        return typed(reduce(data, axis, bool(keepdims)), data.dtype)

    return function


def _same(x: Any, axis: Any, keepdims: bool) -> Any:
    return x


def total(x: Any, axis: Any, keepdims: bool) -> Any:
    return rules.sum(x, axis=axis, keepdims=keepdims)


def extreme(rule: Callable, of_none: float) -> Callable:
    """Of no elements the end of the numbers."""

    def function(x: Any, axis: Any, keepdims: bool) -> Any:
        if x.dtype == bool:
            return (np.any if of_none < 0 else np.all)(x, axis=axis, keepdims=keepdims)
        if size(x):
            return rule(x, axis=axis, keepdims=keepdims)
        lowest = (
            of_none if x.dtype.kind == "f" else getattr(np.iinfo(x.dtype), "min" if of_none < 0 else "max")
        )
        return np.full_like(np.sum(x, axis=axis, keepdims=keepdims), lowest, dtype=x.dtype)

    return function


def log_sum_exp(x: Any, axis: Any, keepdims: bool) -> Any:
    if not size(x):
        return np.log(np.sum(x, axis=axis, keepdims=keepdims))
    return rules.logsumexp(x, axis=axis, keepdims=keepdims)


def norm(order: int) -> Callable:
    def function(x: Any, axis: Any, keepdims: bool) -> Any:
        x = x if x.dtype.kind == "f" else typed(x, np.float64)
        return rules.norm(x, axis=axis, keepdims=keepdims, ord=order)

    return function


def pick(function: Callable) -> Callable:
    def found(x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
        if select_last_index:
            at = x.shape[axis] - 1 - function(np.flip(x, axis), axis=axis)
        else:
            at = function(x, axis=axis)
        return np.expand_dims(at, axis).astype(np.int64) if keepdims else np.asarray(at, np.int64)

    return found


def running(rule: Callable, start: float) -> Callable:
    def function(x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Any:
        axis = int(axis)
        x = rules.flip(x, axis=axis) if reverse else x
        out = rule(x, axis=axis)
        if exclusive:
            whole = (slice(None),) * (axis % len(shape(x)))
            first = np.full_like(x[(*whole, slice(0, 1))], start)
            out = rules.concatenate([first, out[(*whole, slice(0, -1))]], axis=axis)
        return typed(rules.flip(out, axis=axis) if reverse else out, x.dtype)

    return function


def top_k(
    x: Any, count: Any = None, /, *, axis: int = -1, largest: int = 1, sorted: int = 1, k: int = 1
) -> tuple:
    k = k if count is None else count
    order = np.argsort(-x if largest and x.dtype.kind in "fi" else x, axis=axis, kind="stable")
    if largest and x.dtype.kind == "u":
        order = np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
        order = x.shape[axis] - 1 - order
    first = np.take(order, np.arange(int(np.asarray(k).reshape(()))), axis=axis)
    return rules.take_along_axis(x, first, axis=axis), first.astype(np.int64)


def lp_normalization(x: Any, *, axis: int = -1, p: int = 2) -> Any:
    length = rules.norm(x, axis=axis, keepdims=True, ord=p)
    return rules.where(length == 0, 0.0, x / rules.where(length == 0, 1.0, length)).astype(x.dtype)


def mean_variance(x: Any, *, axes: Any = (0, 2, 3)) -> Any:
    axes = tuple(axes)
    centred = x - rules.mean(x, axis=axes, keepdims=True)
    return typed(centred / (rules.std(x, axis=axes, keepdims=True) + 1e-9), x.dtype)


def gemm(
    A: Any,
    B: Any,
    C: Any = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    broadcast: int = 1,
) -> Any:
    A, B = (rules.transpose(x) if turned else x for x, turned in ((A, transA), (B, transB)))
    out = rules.matmul(A, B) * alpha
    return typed(out if C is None else out + C * beta, A.dtype)


def einsum(*xs: Any, equation: str) -> Any:
    return numpys_einsum(equation.replace(" ", ""), *xs)


def unique(x: Any, *, axis: Any = None, sorted: int = 1) -> tuple:
    values, first, inverse, counts = np.unique(x, True, True, True, axis=axis)
    inverse = inverse.reshape(-1)
    if not sorted:
        order = np.argsort(first)
        rank = np.argsort(order)
        values, first, counts = np.take(values, order, axis=axis or 0), first[order], counts[order]
        inverse = rank[inverse]
    return values, *(part.astype(np.int64) for part in (first, inverse, counts))


TABLE: dict[str, Callable] = {
    "ArgMax": pick(np.argmax),
    "ArgMin": pick(np.argmin),
    "CumProd": running(rules.cumprod, 1),
    "CumSum": running(rules.cumsum, 0),
    "Det": lambda x: rules.det(x),
    "Einsum": einsum,
    "Gemm": gemm,
    "LpNormalization": lp_normalization,
    "MatMul": lambda x, y: typed(rules.matmul(x, y), x.dtype),
    "MeanVarianceNormalization": mean_variance,
    "ReduceL1": over(lambda x, axis, keepdims: rules.sum(rules.abs(x), axis=axis, keepdims=keepdims)),
    "ReduceL2": over(norm(2)),
    "ReduceLogSum": over(lambda x, axis, keepdims: rules.log(rules.sum(x, axis=axis, keepdims=keepdims))),
    "ReduceLogSumExp": over(log_sum_exp),
    "ReduceMax": over(extreme(rules.max, -np.inf)),
    "ReduceMean": over(lambda x, axis, keepdims: rules.mean(x, axis=axis, keepdims=keepdims)),
    "ReduceMin": over(extreme(rules.min, np.inf)),
    "ReduceProd": over(lambda x, axis, keepdims: rules.prod(x, axis=axis, keepdims=keepdims)),
    "ReduceSum": over(total),
    "ReduceSumSquare": over(lambda x, axis, keepdims: rules.sum(x * x, axis=axis, keepdims=keepdims)),
    "TopK": top_k,
    "Unique": unique,
}
