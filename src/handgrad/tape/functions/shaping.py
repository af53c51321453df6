"""Shapes changed, elements moved, picked and left out: no number is computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import Recorded, shape, stripped
from handgrad.tape.functions.creation import concatenate, gathered
from handgrad.tape.refusals import unwritten


def reshape(a: Any, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    a = gathered(a)
    if order in ("C", "A", "K"):
        return rules.reshape(a, shape)
    if order != "F":
        raise ValueError(f"order is C, F or A, not {order!r}")
    target = np.empty(a.shape).reshape(shape).shape
    return rules.transpose(rules.reshape(rules.transpose(a), target[::-1]))


def ravel(a: Any, order: str = "C") -> Any:
    return reshape(a, (-1,), order)


def transpose(a: Any, axes: Any = None) -> Any:
    return rules.transpose(gathered(a), axes=axes)


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    order = np.moveaxis(np.empty(tuple(range(len(shape(a))))), source, destination).shape
    return rules.transpose(a, order)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    order = list(range(len(shape(a))))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return rules.transpose(a, tuple(order))


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    return rules.transpose(a, np.rollaxis(np.empty(tuple(range(len(shape(a))))), axis, start).shape)


def moved(numpy_function: Callable) -> Callable:
    """A NumPy function that only moves elements, by moving their places."""

    def function(x: Any, *args: Any, **options: Any) -> Any:
        x = gathered(x)
        places = np.arange(math.prod(shape(x))).reshape(shape(x))
        return rules.take(x, np.array(numpy_function(places, *args, **options)))

    return function


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return rules.diagonal(gathered(a), offset, axis1, axis2)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    unwritten("np.trace", out)
    a = gathered(a)
    return rules.trace(a if dtype is None else a.astype(dtype), offset, axis1, axis2)


def diag(v: Any, k: int = 0) -> Any:
    return rules.diag(gathered(v), k)


def _triangle(rule: Callable) -> Callable:
    """Of a vector NumPy takes the triangle of the matrix that has it in each row."""

    def function(m: Any, k: int = 0) -> Any:
        m = gathered(m)
        return rule(rules.broadcast_to(m, shape(m) * 2) if len(shape(m)) == 1 else m, k)

    return function


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    return rules.roll(gathered(a), shift, axis)


def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    return rules.repeat(gathered(a), stripped(repeats), axis)


def tile(A: Any, reps: Any) -> Any:
    return rules.tile(gathered(A), reps if np.ndim(reps) == 0 else tuple(reps))


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    a = gathered(a)
    edge = tuple(1 if i == axis % len(shape(a)) else m for i, m in enumerate(shape(a)))
    ends = [x if x is None or np.ndim(stripped(x)) else np.full(edge, x) for x in (prepend, append)]
    parts = [x for x in (ends[0], a, ends[1]) if x is not None]
    a = concatenate(parts, axis) if len(parts) > 1 else a
    return rules.diff(a, n, axis)


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    parts = [to_begin, diff(ravel(ary)), to_end]
    return concatenate([ravel(x) for x in parts if x is not None])


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences inside, one-sided at the ends, for even spacing."""
    f = gathered(f)
    axes = range(len(shape(f))) if axis is None else np.atleast_1d(axis) % len(shape(f))
    if edge_order != 1 or any(np.ndim(stripped(h)) for h in varargs):
        raise TypeError("np.gradient of a recorded array takes one spacing for each axis and edge_order=1")
    spacings = list(varargs) if len(varargs) > 1 else list(varargs or [1.0]) * len(axes)
    slopes = [_slope(f, h, int(i)) for h, i in zip(spacings, axes, strict=True)]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slope(f: Any, h: Any, axis: int) -> Any:
    def part(start: int | None, stop: int | None) -> Any:
        return f[(*(slice(None),) * axis, slice(start, stop))]

    inside = (part(2, None) - part(None, -2)) / (2.0 * h)
    first, last = (part(1, 2) - part(0, 1)) / h, (part(-1, None) - part(-2, -1)) / h
    return rules.concatenate([first, inside, last], axis=axis)


def pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    if np.size(stripped(constant_values)) != 1:
        raise TypeError("np.pad of a recorded array takes one constant value; pad axis by axis for more")
    if isinstance(constant_values, Recorded):
        inside = rules.pad(np.ones(shape(array), bool), pad_width)
        return rules.where(inside, rules.pad(array, pad_width), constant_values)
    return rules.pad(gathered(array), pad_width, mode=mode, value=constant_values)


def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    unwritten("np.take", out)
    a, places = gathered(a), stripped(gathered(indices))
    n = math.prod(shape(a)) if axis is None else shape(a)[axis]
    if mode == "wrap":
        places = places % n
    elif mode == "clip":
        places = np.clip(places, 0, n - 1)
    return rules.take(a, places, axis=axis)


def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    (places,) = np.nonzero(stripped(condition))
    return take(a, places, axis, out)


def extract(condition: Any, arr: Any) -> Any:
    return take(ravel(arr), np.nonzero(np.ravel(stripped(condition)))[0])


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list:
    return list(rules.split(gathered(ary), indices_or_sections, axis=axis))


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list:
    ary = gathered(ary)
    if np.ndim(indices_or_sections) == 0:
        n, k = shape(ary)[axis], int(indices_or_sections)
        sizes = [n // k + (i < n % k) for i in range(k)]
        indices_or_sections = np.cumsum(sizes[:-1]).tolist()
    return split(ary, indices_or_sections, axis)


def _split_along(axis: int) -> Callable:
    def function(ary: Any, indices_or_sections: Any) -> list:
        return split(ary, indices_or_sections, 0 if axis == 1 and len(shape(ary)) == 1 else axis)

    return function


def unstack(x: Any, /, *, axis: int = 0) -> tuple:
    x = moveaxis(gathered(x), axis, 0)
    return tuple(x[i] for i in range(len(x)))


def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    arr, values = gathered(arr), gathered(values)
    if axis is None:
        arr, axis = ravel(arr), 0
    if np.ndim(stripped(obj)) or not isinstance(obj, (int, np.integer)):
        raise TypeError("np.insert into a recorded array takes one place, an integer")
    axis %= len(shape(arr))
    along = (slice(None),) * axis
    rest = shape(arr)[:axis] + shape(arr)[axis + 1 :]
    if shape(values) == ():
        middle = rules.broadcast_to(values, (*rest[:axis], 1, *rest[axis:]))
    elif len(shape(values)) == len(shape(arr)):
        middle = values
    else:
        middle = rules.expand_dims(values, axis=axis)
    return concatenate([arr[(*along, slice(None, obj))], middle, arr[(*along, slice(obj, None))]], axis)


def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    arr = gathered(arr)
    if axis is None:
        arr, axis = ravel(arr), 0
    return rules.take(arr, np.delete(np.arange(shape(arr)[axis]), obj), axis=axis)


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple:
    xs = [ravel(x) for x in xi]
    whole = tuple(len(x) for x in xs)
    grids = []
    for i, x in enumerate(xs):
        column = rules.reshape(x, tuple(len(x) if i == j else 1 for j in range(len(xs))))
        grid = column if sparse else rules.broadcast_to(column, whole)
        grids.append(swapaxes(grid, 0, 1) if indexing == "xy" and len(xs) > 1 else grid)
    return tuple(grids)


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple:
    arrays = [gathered(x) for x in args]
    whole = np.broadcast_shapes(*map(shape, arrays))
    return tuple(rules.broadcast_to(x, whole) for x in arrays)


def apply_along_axis(func1d: Callable, axis: int, arr: Any, *args: Any, **options: Any) -> Any:
    rows = moveaxis(gathered(arr), axis, -1)
    lead = shape(rows)[:-1]
    made = [gathered(func1d(rows[i], *args, **options)) for i in np.ndindex(lead)]
    out = rules.stack(made)
    out = rules.reshape(out, lead + shape(made[0]))
    found = range(len(lead), len(lead) + len(shape(made[0])))
    return moveaxis(out, list(found), [axis % len(shape(arr)) + k for k in range(len(found))])


def apply_over_axes(func: Callable, a: Any, axes: Any) -> Any:
    a = gathered(a)
    for axis in np.atleast_1d(axes):
        axis = int(axis) % len(shape(a))
        made = func(a, axis)
        a = made if len(shape(made)) == len(shape(a)) else rules.expand_dims(made, axis=axis)
    return a


def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    unwritten("np.choose", out)
    whole, *parts = broadcast_arrays(stripped(gathered(a)), *choices)
    return rules.take_along_axis(rules.stack(parts), np.asarray(whole)[None], axis=0)[0]


TABLE: dict[Any, Callable] = {
    np.reshape: reshape,
    np.ravel: ravel,
    np.transpose: transpose,
    np.moveaxis: moveaxis,
    np.swapaxes: swapaxes,
    np.rollaxis: rollaxis,
    np.matrix_transpose: lambda x, /: swapaxes(x, -1, -2),
    np.expand_dims: lambda a, axis: rules.expand_dims(a, tuple(axis) if isinstance(axis, list) else axis),
    np.squeeze: lambda a, axis=None: rules.squeeze(a, axis=axis),
    np.broadcast_to: lambda array, shape, subok=False: rules.broadcast_to(
        array, (shape,) if np.ndim(shape) == 0 else shape
    ),
    np.broadcast_arrays: broadcast_arrays,
    np.flip: lambda m, axis=None: rules.flip(m, axis=axis),
    np.flipud: lambda m: rules.flip(m, axis=0),
    np.fliplr: lambda m: rules.flip(m, axis=1),
    np.diag: diag,
    np.diagflat: lambda v, k=0: diag(ravel(v), k),
    np.diagonal: diagonal,
    np.trace: trace,
    np.tril: _triangle(rules.tril),
    np.triu: _triangle(rules.triu),
    np.diff: diff,
    np.ediff1d: ediff1d,
    np.gradient: gradient,
    np.pad: pad,
    np.take: take,
    np.take_along_axis: lambda arr, indices, axis=-1: _take_along(arr, indices, axis),
    np.compress: compress,
    np.extract: extract,
    np.choose: choose,
    np.repeat: repeat,
    np.resize: moved(np.resize),
    np.roll: roll,
    np.rot90: moved(np.rot90),
    np.tile: tile,
    np.split: split,
    np.array_split: array_split,
    np.hsplit: _split_along(1),
    np.vsplit: _split_along(0),
    np.dsplit: _split_along(2),
    np.unstack: unstack,
    np.insert: insert,
    np.delete: delete,
    np.meshgrid: meshgrid,
    np.apply_along_axis: apply_along_axis,
    np.apply_over_axes: apply_over_axes,
    np.astype: lambda x, dtype, /, *, copy=True: x.astype(dtype),
}


def _take_along(arr: Any, indices: Any, axis: Any) -> Any:
    flat = axis is None
    return rules.take_along_axis(
        ravel(arr) if flat else gathered(arr), stripped(gathered(indices)), axis=0 if flat else axis
    )
