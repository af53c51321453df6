"""Elements picked by place, and others put in their places."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import shape, stripped, xp
from handgrad.rules.indexing import along as places_along
from handgrad.tape.torch_functions.arguments import of_numbers


def numbered(x: Any, first: int = 0) -> Any:
    """The number of each element, in the shape of x."""
    return xp.reshape(xp.arange_like(x, math.prod(shape(x))) + first, shape(x))


def put_in(function: Callable, input: Any, source: Any, *args: Any, **options: Any) -> Any:
    """What ``function(input, source)`` writes over: it is run on numbers, which say what stands where."""
    x, values = stripped(input), stripped(source)
    origin = function(xp.full_like(numbered(x), -1), numbered(values), *args, **options)
    flat = rules.reshape(source, (-1,))
    if not shape(flat)[0]:
        return input
    there = rules.take(flat, xp.clip(origin, 0))
    return rules.where(origin >= 0, there, input)


def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    index = long(index)
    if not shape(input):
        return rules.broadcast_to(input, shape(index))
    if not shape(index):
        return rules.reshape(gather(input, dim, xp.reshape(index, (1,))), ())
    if not math.prod(shape(index)):
        return rules.take(rules.reshape(input, (-1,)), index)
    dim %= len(shape(input))
    whole = tuple(slice(0, n) for n in shape(index))
    part = input[tuple(slice(None) if i == dim else s for i, s in enumerate(whole))]
    return rules.take_along_axis(part, index, axis=dim)


def long(index: Any) -> Any:
    import torch

    return stripped(index).to(torch.int64)


@of_numbers
def index_select(input: Any, dim: int, index: Any) -> Any:
    return rules.take(input, xp.reshape(stripped(index), (-1,)), axis=dim)


def take(input: Any, index: Any) -> Any:
    return rules.take(input, stripped(index) % math.prod(shape(input)))


def take_along_dim(input: Any, indices: Any, dim: Any = None) -> Any:
    import torch

    indices = stripped(indices)
    if dim is None:
        return rules.take(input, xp.reshape(indices, (-1,)))
    dim %= len(shape(input))
    own, other = list(shape(input)), list(shape(indices))
    own[dim] = other[dim] = 1
    whole = list(torch.broadcast_shapes(own, other))
    x = rules.broadcast_to(input, [*whole[:dim], shape(input)[dim], *whole[dim + 1 :]])
    at = xp.broadcast_to(indices, [*whole[:dim], shape(indices)[dim], *whole[dim + 1 :]])
    return rules.take_along_axis(x, at, axis=dim)


def masked_select(input: Any, mask: Any) -> Any:
    import torch

    mask = stripped(mask)
    whole = torch.broadcast_shapes(shape(input), shape(mask))
    return rules.broadcast_to(input, whole)[xp.broadcast_to(mask, whole)]


def _index(given: Any) -> Any:
    """An index, whose parts may be recorded whole numbers, or None for a whole axis."""
    if isinstance(given, (list, tuple)):
        return tuple(map(_index, given)) if isinstance(given, tuple) else list(map(stripped, given))
    return stripped(given)


def getitem(self: Any, index: Any) -> Any:
    return rules.getitem(self, _index(index))


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    index = tuple(slice(None) if i is None else stripped(i) for i in indices)
    where = numbered(stripped(input))[index]
    values = rules.broadcast_to(values, shape(where))
    if accumulate:
        return input + _added(values, where, input)
    return put_in(_put, input, values, where)


def _put(labels: Any, source: Any, places: Any) -> Any:
    return xp.put(labels, places, source)


def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    places = stripped(index) % max(math.prod(shape(input)), 1)
    if accumulate:
        return input + _added(rules.reshape(source, shape(places)), places, input)
    return put_in(_put, input, source, places)


def _added(values: Any, places: Any, like: Any) -> Any:
    """Values added at numbers of elements, in the shape of ``like``."""
    flat = rules.scatter_add(
        rules.reshape(values, (-1,)), (xp.reshape(places, (-1,)),), (math.prod(shape(like)),)
    )
    return rules.reshape(flat, shape(like))


def _spread(index: Any, dim: int, source: Any) -> Any:
    """An index along one axis, for each element of what is put there."""
    ndim = len(shape(source))
    laid = xp.reshape(index, (1,) * dim + (-1,) + (1,) * (ndim - dim - 1))
    return xp.broadcast_to(laid, shape(source))


@of_numbers
def scatter(
    input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: Any = None
) -> Any:
    """What is put where others are put last, is lost."""
    index = stripped(index)
    source = _source(input, index, value if src is None else src)
    if reduce == "add":
        return scatter_add(input, dim, index, source)
    if reduce == "multiply":
        raise TypeError("PyTorch's scatter of a recorded array has no reduce='multiply'")
    return put_in(lambda labels, own: xp.scatter(labels, dim, index, own), input, source)


def _source(input: Any, index: Any, src: Any) -> Any:
    """What is put: of the index's shape."""
    if not hasattr(src, "dtype"):
        one = xp.ones_like(xp.reshape(stripped(input), (-1,))[:1])
        return xp.broadcast_to(one * src, shape(index))
    if len(shape(src)) != len(shape(index)):
        return rules.broadcast_to(src, shape(index))
    return src[tuple(slice(0, n) for n in shape(index))]


@of_numbers
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    index = stripped(index)
    if not math.prod(shape(index)):
        return input
    at = places_along(index, dim % len(shape(input)))
    return input + rules.scatter_add(_source(input, index, src), at, shape(input))


@of_numbers
def scatter_reduce(
    input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
) -> Any:
    """Sums, means and extremes of what falls on an element, whose gradient those share that are equal."""
    index = stripped(index)
    x = stripped(input)
    if not math.prod(shape(index)):
        return input
    source = _source(input, index, src)
    hits = xp.zeros_like(x).scatter_add(dim, index, xp.ones_like(stripped(source)))
    if reduce in ("sum", "mean"):
        own = input if include_self else rules.where(hits > 0, 0.0, input)
        total = scatter_add(own, dim, index, source)
        count = hits + 1 if include_self else xp.clip(hits, 1)
        return total if reduce == "sum" else total / count
    if reduce not in ("amin", "amax"):
        raise TypeError(f"PyTorch's scatter_reduce of a recorded array has no reduce={reduce!r}")
    best = xp.scatter_reduce(x, dim, index, stripped(source), reduce, include_self=include_self)
    counts_self = (x == best) & (include_self | (hits == 0))
    wins = stripped(source) == xp.gather(best, dim, index)
    total = scatter_add(rules.where(counts_self, input, 0.0), dim, index, rules.where(wins, source, 0.0))
    winners = xp.astype(counts_self, x.dtype).scatter_add(dim, index, xp.astype(wins, x.dtype))
    return total / winners


@of_numbers
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    dim %= len(shape(input))
    source = source if alpha == 1 else alpha * source
    return scatter_add(input, dim, _spread(stripped(index), dim, source), source)


@of_numbers
def index_reduce(
    input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True
) -> Any:
    dim %= len(shape(input))
    at = _spread(stripped(index), dim, source)
    return scatter_reduce(input, dim, at, source, reduce, include_self=include_self)


@of_numbers
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    return put_in(lambda labels, own: xp.index_copy(labels, dim, stripped(index), own), input, source)


@of_numbers
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    is_there = xp.index_fill(xp.zeros_like(stripped(input)), dim, stripped(index), 1) > 0
    return rules.where(is_there, _number(value), input)


def _number(value: Any) -> Any:
    return rules.reshape(value, ()) if hasattr(value, "dtype") else value


def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    import torch

    mask = stripped(mask)
    input = rules.broadcast_to(input, torch.broadcast_shapes(shape(input), shape(mask)))
    return put_in(lambda labels, own: xp.masked_scatter(labels, mask, own), input, source)


def _written(name: str) -> Callable:
    """A part of a tensor written over: ``slice_scatter``, ``select_scatter``."""

    def function(input: Any, src: Any, *args: Any, **options: Any) -> Any:
        return put_in(lambda labels, own: getattr(xp, name)(labels, own, *args, **options), input, src)

    return function


TABLE: dict[str, Callable] = {
    "Tensor.__getitem__": getitem,
    "diagonal_scatter": _written("diagonal_scatter"),
    "gather": gather,
    "index_add": index_add,
    "index_copy": index_copy,
    "index_fill": index_fill,
    "index_put": index_put,
    "index_reduce": index_reduce,
    "index_select": index_select,
    "masked_scatter": masked_scatter,
    "masked_select": masked_select,
    "put": put,
    "scatter": scatter,
    "scatter_add": scatter_add,
    "scatter_reduce": scatter_reduce,
    "select_scatter": _written("select_scatter"),
    "slice_scatter": _written("slice_scatter"),
    "take": take,
    "take_along_dim": take_along_dim,
}
