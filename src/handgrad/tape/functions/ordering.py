"""What goes by order: sorting, medians, quantiles, running extremes, what is unique."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped, xp
from handgrad.tape.functions.creation import concatenate, gathered
from handgrad.tape.refusals import unwritten


def sort(
    a: Any,
    axis: Any = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: Any = None,
    descending: bool = False,
) -> Any:
    """Each element with the gradient of the place where it stands after."""
    return rules.sort(gathered(a), axis, descending)


def partition(a: Any, kth: Any, axis: Any = -1) -> Any:
    a = gathered(a)
    if axis is None:
        a, axis = rules.reshape(a, (-1,)), -1
    return rules.take_along_axis(a, xp.argpartition(stripped(a), kth, axis=axis), axis=axis)


def quantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False,
) -> Any:  # fmt: skip
    """Between two neighbours in order, a straight line."""
    unwritten("np.quantile", out)
    return _quantile(gathered(a), q, axis, method, keepdims, without_nan=False)


def nanquantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False,
) -> Any:  # fmt: skip
    unwritten("np.nanquantile", out)
    return _quantile(gathered(a), q, axis, method, keepdims, without_nan=True)


def _quantile(a: Any, q: Any, axis: Any, method: str, keepdims: bool, without_nan: bool) -> Any:
    """Of the numbers in each row, in order, which come first; nan come last."""
    if method != "linear":
        raise TypeError(f"np.quantile of a recorded array has no method={method!r}: linear alone")
    q = np.asarray(stripped(q), float)
    axes = tuple(range(len(shape(a)))) if axis is None else tuple(np.atleast_1d(axis) % len(shape(a)))
    rest = tuple(i for i in range(len(shape(a))) if i not in axes)
    rows = rules.reshape(rules.transpose(a, (*rest, *axes)), (*(shape(a)[i] for i in rest), -1))
    ordered, n = sort(rows), shape(rows)[-1]
    count = np.sum(~np.isnan(stripped(rows)), axis=-1, keepdims=True) if without_nan else n
    place = q.reshape(-1) * (np.maximum(count, 1) - 1)
    place = np.broadcast_to(place, (*shape(rows)[:-1], q.size))
    below = np.minimum(np.floor(place).astype(int), np.maximum(np.asarray(count) - 2, 0))
    above = np.minimum(below + 1, np.maximum(np.asarray(count), 1) - 1)
    lower = rules.take_along_axis(ordered, below, axis=-1)
    made = lower + (rules.take_along_axis(ordered, above, axis=-1) - lower) * (place - below)
    made = _leading(rules.reshape(made, (*shape(rows)[:-1], *q.shape)), q.ndim)
    if keepdims:
        kept = tuple(1 if i in axes else n for i, n in enumerate(shape(a)))
        made = rules.reshape(made, q.shape + kept)
    return made


def _leading(x: Any, count: int) -> Any:
    """The last ``count`` axes first."""
    ndim = len(shape(x))
    return rules.transpose(x, (*range(ndim - count, ndim), *range(ndim - count)))


def percentile(a: Any, q: Any, axis: Any = None, out: Any = None, *args: Any, **options: Any) -> Any:
    return quantile(a, np.asarray(stripped(q)) / 100, axis, out, *args, **options)


def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    return quantile(a, 0.5, axis, out, keepdims=keepdims)


def nanpercentile(a: Any, q: Any, axis: Any = None, out: Any = None, *args: Any, **options: Any) -> Any:
    return nanquantile(a, np.asarray(stripped(q)) / 100, axis, out, *args, **options)


def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    return nanquantile(a, 0.5, axis, out, keepdims=keepdims)


def union1d(ar1: Any, ar2: Any) -> Any:
    return unique(concatenate([ar1, ar2], None))


def trim_zeros(filt: Any, trim: str = "fb") -> Any:
    """A vector without the zeros at its front and back, or one of them."""
    filt = gathered(filt)
    (places,) = np.nonzero(stripped(filt))
    if not len(places):
        return filt[:0]
    first = places[0] if "f" in trim.lower() else 0
    return filt[first : places[-1] + 1 if "b" in trim.lower() else None]


def unique(ar: Any, *flags: Any, **options: Any) -> Any:
    """The first of each in order: what ties with it has no gradient."""
    if options.get("axis") is not None or len(flags) > 3:
        raise TypeError("np.unique of a recorded array has no axis=")
    ar = gathered(ar)
    wanted = dict(zip(("return_index", "return_inverse", "return_counts"), flags, strict=False)) | options
    _, index, *others = xp.unique(stripped(ar), **(wanted | {"return_index": True}))
    found = rules.take(ar, index)
    given = ([index] if wanted.get("return_index") else []) + others
    return (found, *given) if given else found


def running(pick: np.ufunc) -> Callable:
    """``np.maximum.accumulate`` and its like: each element is the one that holds the record."""

    def function(a: Any, axis: int = 0) -> Any:
        a = gathered(a)
        value = np.moveaxis(np.asarray(stripped(a)), axis, 0)
        records = np.concatenate([np.ones_like(value[:1], bool), value[1:] != pick.accumulate(value)[:-1]])
        records &= value == pick.accumulate(value)
        steps = np.arange(len(value)).reshape((-1,) + (1,) * (value.ndim - 1))
        holder = np.maximum.accumulate(np.where(records, steps, 0))
        return rules.take_along_axis(a, np.moveaxis(holder, 0, axis), axis=axis)

    return function


TABLE: dict[Any, Callable] = {
    np.sort: sort,
    np.partition: partition,
    np.quantile: quantile,
    np.percentile: percentile,
    np.median: median,
    np.nanquantile: nanquantile,
    np.nanpercentile: nanpercentile,
    np.nanmedian: nanmedian,
    np.trim_zeros: trim_zeros,
    np.union1d: union1d,
    np.unique: unique,
    np.unique_values: lambda x, /: unique(x),
}
