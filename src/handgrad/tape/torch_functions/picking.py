"""What picks, orders or runs along an axis: its indices are PyTorch's, of the values."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import shape, stripped, xp
from handgrad.tape.functions.shaping import moveaxis
from handgrad.tape.torch_functions.arguments import along, of_numbers

Extreme = namedtuple("Extreme", "values indices")


def picked(input: Any, indices: Any, dim: int, keepdim: bool = False) -> Extreme:
    """The elements at indices that kept their axis, or that are many."""
    values = rules.take_along_axis(input, indices, axis=dim)
    if keepdim:
        return Extreme(values, indices)
    return Extreme(rules.squeeze(values, axis=dim), xp.squeeze(indices, axis=dim))


def shared(input: Any, value: Any) -> Any:
    """The value, whose gradient all elements share that are equal to it."""
    x = stripped(input)
    is_it = (x == value) | (xp.isnan(x) & xp.isnan(value))
    return rules.sum(rules.where(is_it, input, 0.0)) / xp.sum(xp.astype(is_it, x.dtype))


def extreme(rule: Callable, elementwise: Callable, pick: str) -> Callable:
    """``max(x)`` is a number, ``max(x, y)`` elementwise, ``max(x, dim)`` values with their indices."""

    def function(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
        dim = other if dim is None else dim
        if dim is None:
            return rule(input)
        return elementwise(input, dim) if hasattr(dim, "dtype") else along_axis(input, dim, keepdim)

    @of_numbers
    def along_axis(input: Any, dim: int, keepdim: bool) -> Extreme:
        indices = getattr(xp, pick)(stripped(input), axis=dim, keepdims=True)
        return picked(input, indices, dim, keepdim)

    return function


def middle(name: str) -> Callable:
    """Of an even number of elements the lower, as PyTorch has it."""

    def function(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return (
            shared(input, getattr(xp, name)(stripped(input)))
            if dim is None
            else chosen(name)(input, dim, keepdim)
        )

    return function


def chosen(name: str, *more: Any) -> Callable:
    @of_numbers
    def function(input: Any, dim: int = -1, keepdim: bool = False) -> Extreme:
        found = getattr(xp, name)(stripped(input), *more, dim=dim, keepdim=True)
        return picked(input, found.indices, dim, keepdim)

    return function


def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Extreme:
    return chosen("kthvalue", k)(input, dim, keepdim)


def running(name: str) -> Callable:
    @of_numbers
    def function(input: Any, dim: int) -> Extreme:
        return picked(input, getattr(xp, name)(stripped(input), dim=dim).indices, dim, keepdim=True)

    return function


@of_numbers
def sort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Extreme:
    indices = xp.argsort(stripped(input), axis=dim, descending=descending)
    return picked(input, indices, dim, keepdim=True)


@of_numbers
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Extreme:
    values, indices = sort(input, dim, largest)
    first = along(dim, len(shape(input)), slice(None, k))
    return Extreme(values[first], indices[first])


def quantile(
    input: Any, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    return _quantile(input, q, dim, keepdim, interpolation, ignores_nan=False)


def nanquantile(
    input: Any, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    return _quantile(input, q, dim, keepdim, interpolation, ignores_nan=True)


PLACES: dict[str, Callable] = {
    "linear": lambda rank, value: (xp.floor(value), rank - xp.floor(value)),
    "lower": lambda rank, value: (xp.floor(value), 0.0),
    "higher": lambda rank, value: (xp.ceil(value), 0.0),
    "nearest": lambda rank, value: (xp.round(value), 0.0),
    "midpoint": lambda rank, value: (xp.floor(value), 0.5 * (xp.ceil(value) - xp.floor(value))),
}
"""Where a rank falls between two elements: the lower one, and how far from it."""


def _quantile(input: Any, q: Any, dim: Any, keepdim: bool, interpolation: str, ignores_nan: bool) -> Any:
    """Elements in order (..., n) at ranks (..., Q)."""
    ndim = len(shape(input))
    rows = rules.reshape(input, (-1,)) if dim is None else moveaxis(_with_axis(input), dim, -1)
    ordered, _ = sort(rows)
    missing = xp.isnan(stripped(rows))
    n = shape(rows)[-1]
    counted = xp.sum(xp.astype(~missing, stripped(rows).dtype), axis=-1, keepdims=True)
    last = xp.clip(counted - 1, 0) if ignores_nan else xp.full_like(counted, float(n - 1))
    qs = rules.reshape(q, (-1,)) if hasattr(q, "dtype") else xp.full_like(counted, q)
    rank = qs * last
    if not ignores_nan:
        rank = rules.where(xp.any(missing, axis=-1, keepdims=True), float(n - 1), rank)
    below, share = PLACES[interpolation](rank, stripped(rank))
    places = xp.astype(below, xp.argsort(missing).dtype)
    low = rules.take_along_axis(ordered, places, axis=-1)
    high = rules.take_along_axis(ordered, xp.clip(places + 1, 0, n - 1), axis=-1)
    out = moveaxis(low + share * (high - low), -1, 0)
    kept = (1,) * ndim if dim is None else _kept(shape(input), dim) if ndim else ()
    size = kept if keepdim else shape(out)[1:] if ndim else ()
    many = hasattr(q, "dtype") and shape(q) != ()
    return rules.reshape(out, (shape(out)[0], *size) if many else size)


def _with_axis(input: Any) -> Any:
    return input if shape(input) else rules.reshape(input, (1,))


def _kept(sizes: tuple, dim: int) -> tuple:
    return tuple(1 if i == dim % len(sizes) else n for i, n in enumerate(sizes))


def aminmax(input: Any, *, dim: Any = None, keepdim: bool = False) -> tuple:
    whole = of_numbers(
        lambda input: tuple(r(input, axis=dim, keepdims=keepdim) for r in (rules.min, rules.max))
    )
    return Ends(*whole(input))


Ends = namedtuple("Ends", "min max")

TABLE: dict[str, Callable] = {
    "aminmax": aminmax,
    "cummax": running("cummax"),
    "cummin": running("cummin"),
    "kthvalue": kthvalue,
    "max": extreme(rules.max, rules.maximum, "argmax"),
    "median": middle("median"),
    "min": extreme(rules.min, rules.minimum, "argmin"),
    "mode": chosen("mode"),
    "msort": lambda input: sort(input, 0).values,
    "nanmedian": middle("nanmedian"),
    "nanquantile": nanquantile,
    "quantile": quantile,
    "sort": sort,
    "topk": topk,
}
