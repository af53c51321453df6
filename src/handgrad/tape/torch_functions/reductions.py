"""Sums, means, moments and norms over axes, and what runs along one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import shape, stripped, xp
from handgrad.tape.torch_functions.activations import typed
from handgrad.tape.torch_functions.arguments import along, axes, of_numbers
from handgrad.tape.torch_functions.shaping import diff


def over(rule: Callable) -> Callable:
    @of_numbers
    def function(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        return rule(typed(input, dtype), axis=axes(dim), keepdims=keepdim)

    return function


def _moment(rule: Callable) -> Callable:
    @of_numbers
    def function(
        input: Any, dim: Any = None, unbiased: Any = True, keepdim: bool = False, *, correction: Any = None
    ) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        less = correction if correction is not None else int(unbiased)
        return rule(input, axis=axes(dim), correction=less, keepdims=keepdim)

    return function


def _with_mean(moment: Callable) -> Callable:
    def function(
        input: Any, dim: Any = None, unbiased: Any = True, keepdim: bool = False, *, correction: Any = None
    ) -> tuple:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        middle = TABLE["mean"](input, dim, keepdim)
        return moment(input, dim, unbiased, keepdim, correction=correction), middle

    return function


def _without_nan(reduction: Callable) -> Callable:
    def function(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        x = rules.where(xp.isnan(stripped(input)), 0.0, input)
        return reduction(x, dim, keepdim, dtype=dtype)

    return function


def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    counts = xp.astype(~xp.isnan(stripped(input)), stripped(input).dtype)
    return TABLE["nansum"](input, dim, keepdim, dtype=dtype) / TABLE["sum"](counts, dim, keepdim)


def running(rule: Callable) -> Callable:
    @of_numbers
    def function(input: Any, dim: int, *, dtype: Any = None) -> Any:
        return rule(typed(input, dtype), axis=dim)

    return function


def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    @of_numbers
    def of(input: Any) -> Any:
        return rules.norm(typed(input, dtype), axis=axes(dim), keepdims=keepdim, ord=ord)

    return of(x)


def dist(input: Any, other: Any, p: float = 2) -> Any:
    return rules.norm(rules.reshape(input - other, (-1,)), ord=p)


def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """Parts along an axis, none longer than ``maxnorm``."""
    others = tuple(i for i in range(len(shape(input))) if i != dim % len(shape(input)))
    length = rules.norm(input, axis=others, keepdims=True, ord=p)
    is_long = stripped(length) > maxnorm
    return input * rules.where(is_long, maxnorm / (length + 1e-7), 1.0)


def _trapezoids(y: Any, x: Any, dx: float, dim: int) -> Any:
    left, right = (along(dim, len(shape(y)), part) for part in (slice(None, -1), slice(1, None)))
    step = dx if x is None else diff(x, dim=-1 if len(shape(x)) == 1 else dim)
    if x is not None and len(shape(x)) == 1:
        step = rules.reshape(step, (-1,) + (1,) * (-1 - (dim % len(shape(y)) - len(shape(y)))))
    return step * (y[left] + y[right]) / 2


def trapezoid(y: Any, x: Any = None, *, dx: float = 1.0, dim: int = -1) -> Any:
    return rules.sum(_trapezoids(y, x, dx, dim), axis=dim)


def cumulative_trapezoid(y: Any, x: Any = None, *, dx: float = 1.0, dim: int = -1) -> Any:
    return rules.cumsum(_trapezoids(y, x, dx, dim), axis=dim)


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    length = vector_norm(input, p, dim, keepdim=True)
    return input / clamped_below(length, eps)


def clamped_below(x: Any, least: float) -> Any:
    return rules.where(stripped(x) >= least, x, least)


TABLE: dict[str, Callable] = {
    "amax": over(rules.max),
    "amin": over(rules.min),
    "cumprod": running(rules.cumprod),
    "cumsum": running(rules.cumsum),
    "cumulative_trapezoid": cumulative_trapezoid,
    "dist": dist,
    "linalg.vector_norm": vector_norm,
    "logcumsumexp": running(rules.logcumsumexp),
    "logsumexp": over(rules.logsumexp),
    "mean": over(rules.mean),
    "nanmean": nanmean,
    "nansum": _without_nan(over(rules.sum)),
    "F.normalize": normalize,
    "prod": over(rules.prod),
    "renorm": renorm,
    "std": _moment(rules.std),
    "std_mean": _with_mean(_moment(rules.std)),
    "sum": over(rules.sum),
    "trapezoid": trapezoid,
    "trapz": trapezoid,
    "var": _moment(rules.var),
    "var_mean": _with_mean(_moment(rules.var)),
}
