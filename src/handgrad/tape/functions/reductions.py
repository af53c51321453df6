"""Sums, means, extremes, moments and running sums, with NumPy's keywords."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import is_integer, shape, stripped, xp
from handgrad.tape.functions.creation import gathered
from handgrad.tape.refusals import unwritten

NONE: Any = np._NoValue


def _reduced(rule: Callable, combine: Callable, neutral: float | None) -> Callable:
    """With NumPy's keywords: what ``where`` leaves out counts as the neutral number, or ``initial``."""

    def function(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = NONE,
        where: Any = True,
    ) -> Any:
        unwritten(f"np.{rule.__name__}", out)
        a = typed(a, dtype)
        blank = neutral if neutral is not None or initial is NONE else initial
        if where is not True:
            if blank is None:
                raise ValueError(f"np.{rule.__name__} with where= needs initial=, for where nothing is left")
            a = rules.where(stripped(where), a, blank)
        made = rule(a, axis=_axes(axis), keepdims=_flag(keepdims))
        return made if initial is NONE or initial is None else combine(made, initial)

    return function


def _extreme(rule: Callable, combine: Callable) -> Callable:
    """NumPy's order of arguments has no dtype here."""
    reduced = _reduced(rule, combine, None)

    def function(
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = NONE,
        where: Any = True,
    ) -> Any:
        return reduced(a, axis, None, out, keepdims, initial, where)

    return function


def typed(a: Any, dtype: Any) -> Any:
    a = gathered(a)
    return a if dtype is None else a.astype(dtype)


def _axes(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def _flag(keepdims: Any) -> bool:
    return keepdims is not NONE and bool(keepdims)


sum = _reduced(rules.sum, rules.add, 0)
prod = _reduced(rules.prod, rules.multiply, 1)
max = _extreme(rules.max, rules.maximum)
min = _extreme(rules.min, rules.minimum)


def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    unwritten("np.mean", out)
    a = typed(a, dtype)
    if where is True:
        return rules.mean(a, axis=_axes(axis), keepdims=_flag(keepdims))
    counted = np.broadcast_to(stripped(where), shape(a))
    count = np.sum(counted, axis=_axes(axis), keepdims=_flag(keepdims))
    return sum(a, axis, keepdims=keepdims, where=counted) / np.maximum(count, 1) + np.where(
        count, 0.0, np.nan
    )


def _moment(rule: Callable, finish: Callable) -> Callable:
    def function(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: Any = False,
        *,
        where: Any = True,
        mean: Any = NONE,
        correction: Any = NONE,
    ) -> Any:
        name = f"np.{rule.__name__}"
        unwritten(name, out)
        if mean is not NONE:
            raise TypeError(f"{name} of a recorded array has no mean=: write it as a mean of squares")
        a, less = typed(a, dtype), ddof if correction is NONE else correction
        if where is True:
            return rule(a, axis=_axes(axis), correction=less, keepdims=_flag(keepdims))
        counted = np.broadcast_to(stripped(where), shape(a))
        deviation = rules.where(counted, a - _mean(a, axis, keepdims=True, where=counted), 0.0)
        count = np.sum(counted, axis=_axes(axis), keepdims=_flag(keepdims))
        return finish(
            rules.sum(deviation * deviation, axis=_axes(axis), keepdims=_flag(keepdims)) / (count - less)
        )

    return function


_mean = mean
var = _moment(rules.var, lambda x: x)
std = _moment(rules.std, rules.sqrt)


def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return max(a, axis, out, keepdims) - min(a, axis, out, keepdims)


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    a = gathered(a)
    w = np.ones(shape(a)) if weights is None else gathered(weights)
    if shape(w) != shape(a):
        w = rules.reshape(w, tuple(n if i == axis % len(shape(a)) else 1 for i, n in enumerate(shape(a))))
        w = rules.broadcast_to(w, shape(a))
    total = sum(w, axis, keepdims=keepdims)
    made = sum(a * w, axis, keepdims=keepdims) / total
    return (made, total) if returned else made


def _without_nan(function: Callable, blank: float) -> Callable:
    def nan_function(a: Any, axis: Any = None, **options: Any) -> Any:
        a = gathered(a)
        return function(rules.where(xp.isnan(stripped(a)), blank, a), axis, **options)

    return nan_function


def _where_not_nan(function: Callable) -> Callable:
    def nan_function(a: Any, axis: Any = None, **options: Any) -> Any:
        a = gathered(a)
        return function(a, axis, where=~xp.isnan(stripped(a)), **options)

    return nan_function


def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    unwritten("np.cumsum", out)
    return rules.cumsum(typed(a, dtype), axis=axis)


def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    unwritten("np.cumprod", out)
    return rules.cumprod(typed(a, dtype), axis=axis)


def _with_initial(cumulative: Callable, start: float) -> Callable:
    def function(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Any:
        made = cumulative(x, axis, dtype, out)
        if not include_initial:
            return made
        where = 0 if axis is None else axis
        first = tuple(1 if i == where % len(shape(made)) else n for i, n in enumerate(shape(made)))
        return rules.concatenate([np.full(first, start, made.dtype), made], axis=where)

    return function


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = gathered(y)
    before, after = _neighbours(y, axis)
    if x is not None:
        x = gathered(x)
        low, high = _neighbours(x, axis if len(shape(x)) > 1 else 0)
        dx = high - low
        if len(shape(x)) == 1:
            dx = rules.reshape(dx, (-1,) + (1,) * (len(shape(y)) - 1 - axis % len(shape(y))))
    return rules.sum(dx * (before + after) / 2.0, axis=axis)


def _neighbours(x: Any, axis: int) -> tuple[Any, Any]:
    along = (slice(None),) * (axis % len(shape(x)))
    return x[(*along, slice(None, -1))], x[(*along, slice(1, None))]


def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, **weights: Any
) -> Any:
    if any(w is not None for w in weights.values()):
        raise TypeError("np.cov of recorded arrays takes no weights")
    x = _rows(m, rowvar)
    x = x if y is None else rules.concatenate([x, _rows(y, rowvar)], axis=0)
    deviation = x - rules.mean(x, axis=1, keepdims=True)
    less = ddof if ddof is not None else 0 if bias else 1
    made = deviation @ rules.transpose(deviation) / (shape(x)[1] - less)
    return rules.squeeze(made)


def _rows(m: Any, rowvar: bool) -> Any:
    m = gathered(m)
    if len(shape(m)) < 2:
        return rules.reshape(m, (1, -1))
    return m if rowvar or shape(m)[0] == 1 else rules.transpose(m)


def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    c = cov(x, y, rowvar)
    if len(shape(c)) == 0:
        return c / c
    scale = rules.sqrt(rules.take(rules.reshape(c, (-1,)), np.arange(len(c)) * (len(c) + 1)))
    return c / rules.reshape(scale, (-1, 1)) / scale


def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    x = stripped(gathered(x))
    if not is_integer(x):
        raise TypeError("np.bincount counts integers")
    if weights is None:
        return xp.bincount(x, minlength=minlength)
    length = int(np.max(np.concatenate([np.asarray(x) + 1, [minlength]])))
    return rules.scatter_add(gathered(weights), x, (length,))


TABLE: dict[Any, Callable] = {
    np.sum: sum,
    np.prod: prod,
    np.max: max,
    np.amax: max,
    np.min: min,
    np.amin: min,
    np.mean: mean,
    np.var: var,
    np.std: std,
    np.ptp: ptp,
    np.average: average,
    np.nansum: _without_nan(sum, 0),
    np.nanprod: _without_nan(prod, 1),
    np.nanmax: _without_nan(max, -np.inf),
    np.nanmin: _without_nan(min, np.inf),
    np.nanmean: _where_not_nan(mean),
    np.nanvar: _where_not_nan(var),
    np.nanstd: _where_not_nan(std),
    np.cumsum: cumsum,
    np.cumprod: cumprod,
    np.nancumsum: _without_nan(cumsum, 0),
    np.nancumprod: _without_nan(cumprod, 1),
    np.cumulative_sum: _with_initial(cumsum, 0),
    np.cumulative_prod: _with_initial(cumprod, 1),
    np.trapezoid: trapezoid,
    np.cov: cov,
    np.corrcoef: corrcoef,
    np.bincount: bincount,
}
