"""Operations that move elements, and products, as nodes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper

from handgrad.arrays import contraction, shape
from handgrad.onnx.writing.sizes import Size
from handgrad.onnx.writing.writer import HIGHEST, NotInOnnx, Writer, described, kind_of
from handgrad.program.program import Operation
from handgrad.tree import leaves


def axis_of(o: Operation, usual: Any = None, place: int = 1) -> Any:
    return o.args[place] if len(o.args) > place else o.options.get("axis", usual)


def reshape(w: Writer, o: Operation) -> str:
    return w.reshape(w.value(o.args[0]), o.out.shape)


def transpose(w: Writer, o: Operation) -> str:
    axes = o.args[1] if len(o.args) > 1 else o.options["axes"]
    if not axes:
        return w.value(o.args[0])
    return w.node("Transpose", w.value(o.args[0]), perm=[int(a) % len(axes) for a in axes])


def broadcast(w: Writer, o: Operation) -> str:
    return w.node("Expand", w.value(o.args[0]), w.sizes(o.out.shape))


def concat(w: Writer, o: Operation) -> str:
    axis = int(axis_of(o, 0))
    return w.node("Concat", *(w.value(x, o.out.dtype) for x in o.args[0]), axis=axis)


def stack(w: Writer, o: Operation) -> str:
    axis = int(axis_of(o, 0)) % len(o.out.shape)
    parts = [w.node("Unsqueeze", w.value(x, o.out.dtype), w.ints([axis])) for x in o.args[0]]
    return w.node("Concat", *parts, axis=axis)


def flip(w: Writer, o: Operation) -> str:
    axis, ndim = axis_of(o), len(o.out.shape)
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return w.slice(w.value(o.args[0]), {int(a) % ndim: (-1, -HIGHEST, -1) for a in axes})


def squeeze(w: Writer, o: Operation) -> str:
    return w.reshape(w.value(o.args[0]), o.out.shape)


def matmul(w: Writer, o: Operation) -> str:
    return w.node("MatMul", *(w.value(x, o.out.dtype) for x in o.args))


def einsum(w: Writer, o: Operation) -> str:
    said, *arrays = o.args
    inputs, target = contraction.spelled(said, [shape(x) for x in arrays])
    letters: dict[Any, str] = {}
    for letter in (i for part in (*inputs, target) for i in part):
        letters.setdefault(letter, chr(ord("a") + len(letters)))
    left = ",".join("".join(letters[i] for i in part) for part in inputs)
    equation = f"{left}->{''.join(letters[i] for i in target)}"
    return w.node("Einsum", *(w.value(x, o.out.dtype) for x in arrays), equation=equation)


def take(w: Writer, o: Operation) -> str:
    x, indices = o.args[:2]
    axis = int(axis_of(o, 0, 2))
    return w.node("Gather", w.value(x), w.value(indices, np.int64), axis=axis)


def take_along_axis(w: Writer, o: Operation) -> str:
    x, indices = o.args[:2]
    axis = int(axis_of(o, -1, 2)) % len(shape(x))
    own = tuple(n if i != axis else shape(x)[axis] for i, n in enumerate(o.out.shape))
    data = w.value(x) if own == tuple(shape(x)) else w.node("Expand", w.value(x), w.sizes(own))
    places = w.value(indices, np.int64)
    if tuple(shape(indices)) != tuple(o.out.shape):
        places = w.node("Expand", places, w.sizes(o.out.shape))
    return w.node("GatherElements", data, places, axis=axis)


# Picked by an index.


def spelled_index(index: Any, ndim: int) -> list[Any]:
    """One part for each axis, and None for each that is new."""
    parts = list(index) if isinstance(index, tuple) else [index]
    own = sum(1 for p in parts if p is not None and p is not Ellipsis)
    if Ellipsis not in [p for p in parts if p is None or p is Ellipsis]:
        parts.append(Ellipsis)
    at = next(i for i, p in enumerate(parts) if p is Ellipsis)
    return parts[:at] + [slice(None)] * (ndim - own) + parts[at + 1 :]


def cut(part: slice, n: int) -> tuple[int, int, int] | None:
    """Where a slice of an axis of n begins and ends, and its step; None where it is all of it."""
    step = 1 if part.step is None else int(part.step)
    is_free = any(isinstance(v, Size) for v in (part.start, part.stop, n))
    if not is_free:
        start, stop, step = part.indices(n)
        if (start, stop, step) == (0, n, 1):
            return None
        return start, (-HIGHEST if stop < 0 else stop), step
    if step < 0:
        raise NotInOnnx("a slice backwards along the batch")
    start = 0 if part.start is None else part.start
    stop = HIGHEST if part.stop is None or part.stop is n or _same(part.stop, n) else part.stop
    return None if (start, step) == (0, 1) and stop == HIGHEST else (start, stop, step)


def _same(a: Any, b: Any) -> bool:
    """Whether two sizes are the same for each number of examples."""
    slopes = [(v.slope, v.offset) if isinstance(v, Size) else (0, int(v)) for v in (a, b)]
    return slopes[0] == slopes[1]


def is_array(part: Any) -> bool:
    return hasattr(part, "dtype") and bool(shape(part))


def is_apart(index: Any) -> bool:
    """Whether an index is of constant arrays, and of more than one of integers."""
    parts = leaves(index)
    arrays = [p for p in parts if is_array(p)]
    if not arrays or any(hasattr(p, "program") for p in parts):
        return False
    return len(arrays) > 1 or arrays[0].dtype == bool or None in [p for p in parts if p is None]


def number(part: Any) -> Any:
    return part if not hasattr(part, "dtype") or hasattr(part, "program") else int(part)


def getitem(w: Writer, o: Operation) -> str:
    x, index = o.args
    if is_apart(index) and not any(isinstance(n, Size) for n in shape(x)):
        flat = np.arange(math.prod(shape(x))).reshape(shape(x))[index]
        places = w.constant(flat.reshape(-1).astype(np.int64))
        return w.reshape(
            w.node("Gather", w.reshape(w.value(x), [math.prod(shape(x))]), places, axis=0), o.out.shape
        )
    parts = spelled_index(index, len(shape(x)))
    made, axis = w.value(x), 0
    cuts: dict[int, Any] = {}
    gone, new, arrays = list[int](), list[int](), list[Any]()
    for part in parts:
        if part is None:
            new.append(axis + len(new))
            continue
        if isinstance(part, slice):
            found = cut(part, shape(x)[axis])
            if found is not None:
                cuts[axis] = found
        elif isinstance(part, list) or is_array(part) or hasattr(part, "program"):
            arrays.append((axis, part))
        else:
            i = number(part)
            cuts[axis] = (i, HIGHEST if i == -1 else i + 1, 1)
            gone.append(axis)
        axis += 1
    made = w.slice(made, cuts)
    if arrays:
        apart = sorted([*gone, *(a for a, _ in arrays)])
        if new or (gone and apart != list(range(apart[0], apart[0] + len(apart)))):
            raise NotInOnnx("an index of arrays apart from its numbers, or with new axes")
        made = w.node("Squeeze", made, w.ints(gone)) if gone else made
        left = [(a - sum(b < a for b in gone), p) for a, p in arrays]
        return picked(w, made, left, len(shape(x)) - len(gone))
    return w.reshape(made, o.out.shape) if gone or new else made


def picked(w: Writer, x: str, arrays: list[tuple[int, Any]], ndim: int) -> str:
    """At places by arrays for some axes, which stand side by side."""
    axes = [axis for axis, _ in arrays]
    arrays = [(axis, np.asarray(p) if isinstance(p, list) else p) for axis, p in arrays]
    if len(arrays) == 1:
        return w.node("Gather", x, w.value(arrays[0][1], np.int64), axis=axes[0])
    if axes != list(range(axes[0], axes[0] + len(axes))):
        raise NotInOnnx("an index of arrays that do not stand side by side")
    own = np.broadcast_shapes(*(shape(p) for _, p in arrays))
    columns = []
    for _, part in arrays:
        one = w.node("Expand", w.value(part, np.int64), w.sizes(own))
        columns.append(w.node("Unsqueeze", one, w.ints([len(own)])))
    places = w.node("Concat", *columns, axis=-1)
    lead, count = axes[0], len(axes)
    rest = [a for a in range(ndim) if a not in axes]
    front = w.node("Transpose", x, perm=[*axes, *rest]) if lead else x
    found = w.node("GatherND", front, places)
    if not lead:
        return found
    spread = len(own)
    back = [*range(spread, spread + lead), *range(spread), *range(spread + lead, spread + ndim - count)]
    return w.node("Transpose", found, perm=back)


# Added at an index.


def scatter_add(w: Writer, o: Operation) -> str:
    x, index, target = o.args
    parts = spelled_index(index, len(target))
    if all(isinstance(p, slice) and (p.step is None or p.step == 1) for p in parts):
        found = padding(parts, target, shape(x))
        if found is not None:
            return padded(w, w.value(x), found)
    if any(hasattr(p, "program") for p in leaves(index)):
        return added_at(w, o, parts)
    if any(isinstance(n, Size) for n in target):
        raise NotInOnnx("numbers added at places along the batch")
    flat = np.arange(math.prod(target)).reshape(target)[index].reshape(-1)
    zeros = w.constant(np.zeros(math.prod(target), o.out.dtype))
    places, updates = w.constant(flat.astype(np.int64)), w.reshape(w.value(x), [flat.size])
    made = w.node("ScatterElements", zeros, places, updates, axis=0, reduction="add")
    return w.reshape(made, target)


def padding(parts: list[slice], target: Any, own: Any) -> list[tuple[int, int]] | None:
    """Zeros before and after each axis; None where an axis does not end where it should."""
    pairs = []
    for part, n, m in zip(parts, target, own, strict=True):
        found = cut(part, n)
        if found is None:
            pairs.append((0, 0))
            continue
        start, stop, _ = found
        if any(isinstance(v, Size) for v in (start, stop, n, m)):
            return None
        pairs.append((start, n - start - m))
    return pairs


def padded(w: Writer, x: str, pairs: list[tuple[int, int]]) -> str:
    if not any(map(any, pairs)):
        return x
    return w.node("Pad", x, w.ints([a for a, _ in pairs] + [b for _, b in pairs]))


def added_at(w: Writer, o: Operation, parts: list[Any]) -> str:
    """At places that are values: rows of the first axis, or elements by an index for each axis."""
    x, _, target = o.args
    whole = all(
        isinstance(p, slice) and cut(p, n) is None for p, n in zip(parts[1:], target[1:], strict=True)
    )
    is_rows = not isinstance(parts[0], slice) and whole
    zeros = w.node("Expand", w.value(0, o.out.dtype), w.sizes(target))
    places = rows_at(w, parts[0]) if is_rows else elements_at(w, parts, target, shape(x))
    return w.node("ScatterND", zeros, places, w.value(x), reduction="add")


def rows_at(w: Writer, places: Any) -> str:
    return w.node("Unsqueeze", w.value(places, np.int64), w.ints([len(shape(places))]))


def elements_at(w: Writer, parts: list[Any], target: Any, own: Any) -> str:
    """(*own, axes): where each element of an array of shape ``own`` lies that is added at an index."""
    if any(isinstance(n, Size) for n in (*target, *own)) or None in [p for p in parts if p is None]:
        raise NotInOnnx("numbers added at places that are values, along the batch")
    arrays = [i for i, p in enumerate(parts) if not isinstance(p, slice)]
    spread = np.broadcast_shapes(*(shape(parts[i]) for i in arrays))
    is_beside = arrays == list(range(arrays[0], arrays[0] + len(arrays)))
    first = sum(isinstance(p, slice) for p in parts[: arrays[0]]) if is_beside else 0
    axis = 0 if first else len(spread)
    columns = []
    for part, n in zip(parts, target, strict=True):
        if isinstance(part, slice):
            axis += len(spread) if axis == first and first else 0
            line = np.arange(n)[part].reshape((-1,) + (1,) * (len(own) - axis - 1))
            columns.append(w.constant(line.astype(np.int64)))
            axis += 1
        else:
            beyond = len(own) - first - len(spread)
            at = w.value(part, np.int64)
            columns.append(w.reshape(at, (*shape(part), *(1,) * beyond)))
    wide = [w.node("Unsqueeze", w.node("Expand", c, w.sizes(own)), w.ints([len(own)])) for c in columns]
    return w.node("Concat", *wide, axis=-1)


# What NumPy names otherwise.


def cumulative(w: Writer, o: Operation) -> str:
    axis = axis_of(o)
    if axis is None:
        raise NotInOnnx("a running sum of all elements")
    return w.node("CumSum", w.value(o.args[0], o.out.dtype), w.constant(np.array(int(axis), np.int64)))


def arg(operator: str) -> Callable:
    def function(w: Writer, o: Operation) -> str:
        axis = axis_of(o)
        x = w.value(o.args[0])
        x = w.reshape(x, [math.prod(shape(o.args[0]))]) if axis is None else x
        return w.node(
            operator, x, axis=0 if axis is None else int(axis), keepdims=int(o.options.get("keepdims", 0))
        )

    return function


def sorted_by(place: int) -> Callable:
    """The elements in order (0), or where they were (1)."""

    def function(w: Writer, o: Operation) -> str:
        axis = int(axis_of(o, -1)) % len(o.out.shape)
        count = w.sizes([o.out.shape[axis]])
        return w.several("TopK", 2, w.value(o.args[0]), count, axis=axis, largest=0, sorted=1)[place]

    return function


def running_product(w: Writer, o: Operation) -> str:
    """Multiplied step by step along the axis."""
    axis, dtype, own = axis_of(o), o.out.dtype, o.out.shape
    if axis is None:
        raise NotInOnnx("a running product of all elements")
    axis = int(axis) % len(own)
    row = tuple(n for i, n in enumerate(own) if i != axis)
    names = [w.fresh(f"step_{name}") for name in ("product", "x", "next", "out")]
    nodes = [
        helper.make_node("Mul", names[:2], [names[2]]),
        helper.make_node("Identity", [names[2]], [names[3]]),
    ]
    kinds = [described(name, dtype, row) for name in names]
    body = helper.make_graph(nodes, w.fresh("body"), kinds[:2], kinds[2:])
    start = w.node("Expand", w.value(1, dtype), w.sizes(row))
    return w.several("Scan", 2, start, w.value(o.args[0], dtype), body=body, num_scan_inputs=1,
                     scan_input_axes=[axis], scan_output_axes=[axis])[1]  # fmt: skip


def searched(w: Writer, o: Operation) -> str:
    """How many of the sorted come before, or where ``side`` is right, before or at."""
    xs, x = o.args[:2]
    side = o.args[2] if len(o.args) > 2 else o.options.get("side", "left")
    dtype = np.result_type(xs.dtype, x.dtype)
    column = w.node("Unsqueeze", w.value(x, dtype), w.ints([len(shape(x))]))
    is_before = w.node("LessOrEqual" if side == "right" else "Less", w.value(xs, dtype), column)
    count = w.node("ReduceSum", w.node("Cast", is_before, to=kind_of(np.int64)), w.ints([-1]), keepdims=0)
    return w.cast(count, np.int64, o.out.dtype)


def triangle(upper: int) -> Callable:
    def function(w: Writer, o: Operation) -> str:
        k = o.args[1] if len(o.args) > 1 else o.options.get("k", 0)
        return w.node("Trilu", w.value(o.args[0]), w.constant(np.array(int(k), np.int64)), upper=upper)

    return function


TABLE: dict[str, Callable] = {
    "argmax": arg("ArgMax"),
    "argmin": arg("ArgMin"),
    "argsort": sorted_by(1),
    "broadcast_to": broadcast,
    "concat": concat,
    "cumprod": running_product,
    "cumsum": cumulative,
    "cumulative_prod": running_product,
    "cumulative_sum": cumulative,
    "det": lambda w, o: w.node("Det", w.value(o.args[0], o.out.dtype)),
    "einsum": einsum,
    "expand_dims": squeeze,
    "flip": flip,
    "getitem": getitem,
    "matmul": matmul,
    "permute_dims": transpose,
    "reshape": reshape,
    "scatter_add": scatter_add,
    "searchsorted": searched,
    "sort": sorted_by(0),
    "squeeze": squeeze,
    "stack": stack,
    "take": take,
    "take_along_axis": take_along_axis,
    "tril": triangle(0),
    "triu": triangle(1),
}
