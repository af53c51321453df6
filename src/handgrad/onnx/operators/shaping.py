"""The same elements in another shape or order, and what is made of sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped


def numbers_of(x: Any) -> list[int]:
    return [int(i) for i in np.asarray(stripped(x)).reshape(-1)]


def is_numeric(x: Any) -> bool:
    return np.dtype(x.dtype).kind in "fiub"


def either(rule: Callable, plain: Callable) -> Callable:
    """The rule of numbers; of text and the like NumPy's."""
    return lambda x, *args: rule(x, *args) if is_numeric(x) else plain(x, *args)


reshaped = either(rules.reshape, np.reshape)
transposed = either(lambda x, axes: rules.transpose(x, axes=axes), np.transpose)
broadcast = either(rules.broadcast_to, np.broadcast_to)


def own_size(x: Any, axis: int) -> int:
    return shape(x)[axis]


def reshape(x: Any, to: Any = None, /, *, allowzero: int = 0, shape: Any = None) -> Any:
    """0 keeps a size, unless ``allowzero``."""
    wanted = numbers_of(shape if to is None else to)
    sizes = [own_size(x, i) if n == 0 and not allowzero else n for i, n in enumerate(wanted)]
    return reshaped(x, tuple(sizes))


def flatten(x: Any, *, axis: int = 1) -> Any:
    axis = axis + len(shape(x)) if axis < 0 else axis
    return reshaped(x, (math.prod(shape(x)[:axis]), math.prod(shape(x)[axis:])))


def squeeze(x: Any, given: Any = None, *, axes: Any = None) -> Any:
    found = axes if given is None else numbers_of(given)
    drop = {a % len(shape(x)) for a in found} if found else {i for i, n in enumerate(shape(x)) if n == 1}
    return reshaped(x, tuple(n for i, n in enumerate(shape(x)) if i not in drop))


def unsqueeze(x: Any, given: Any = None, *, axes: Any = None) -> Any:
    found = axes if given is None else numbers_of(given)
    own = iter(shape(x))
    new = {a % (len(shape(x)) + len(found)) for a in found}
    return reshaped(x, tuple(1 if i in new else next(own) for i in range(len(shape(x)) + len(found))))


def transpose(x: Any, *, perm: Any = None) -> Any:
    return transposed(x, tuple(perm) if perm else tuple(range(len(shape(x))))[::-1])


def concat(*xs: Any, axis: int = 1) -> Any:
    return rules.concatenate(list(xs), axis=axis) if is_numeric(xs[0]) else np.concatenate(xs, axis=axis)


def split(
    x: Any, sizes: Any = None, *, axis: int = 0, split: Any = None, outputs: int = 1, num_outputs: Any = None
) -> Any:
    """Into parts of these sizes, or as many, of which the last may be less."""
    n = shape(x)[axis]
    found = split if sizes is None else numbers_of(sizes)
    count = num_outputs or outputs
    each = -(-n // count)
    places = np.cumsum(found)[:-1] if found else [min(each * i, n) for i in range(1, count)]
    return tuple(rules.split(x, [int(i) for i in places], axis=axis))


def sliced(
    x: Any, begin: Any = None, end: Any = None, over: Any = None, step: Any = None, /, *,
    starts: Any = None, ends: Any = None, axes: Any = None,
) -> Any:  # fmt: skip
    starts, ends = numbers_of(starts if begin is None else begin), numbers_of(ends if end is None else end)
    given = axes if over is None else over
    axes = range(len(starts)) if given is None else numbers_of(given)
    steps = [1] * len(starts) if step is None else numbers_of(step)
    index = [slice(None)] * len(shape(x))
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        last = None if step < 0 and end < -shape(x)[axis] else end
        index[axis] = slice(start, last, step)
    return x[tuple(index)]


def expand(x: Any, to: Any) -> Any:
    return broadcast(x, np.broadcast_shapes(shape(x), tuple(numbers_of(to))))


def tile(x: Any, repeats: Any) -> Any:
    return rules.tile(x, tuple(numbers_of(repeats)))


def depth_to_space(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    N, C, H, W = shape(x)
    b = blocksize
    if mode == "DCR":
        parts = rules.transpose(rules.reshape(x, (N, b, b, C // (b * b), H, W)), axes=(0, 3, 4, 1, 5, 2))
    else:
        parts = rules.transpose(rules.reshape(x, (N, C // (b * b), b, b, H, W)), axes=(0, 1, 4, 2, 5, 3))
    return rules.reshape(parts, (N, C // (b * b), H * b, W * b))


def space_to_depth(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    N, C, H, W = shape(x)
    b = blocksize
    parts = rules.reshape(x, (N, C, H // b, b, W // b, b))
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return rules.reshape(rules.transpose(parts, axes=order), (N, C * b * b, H // b, W // b))


MODES = {"reflect": "reflect", "edge": "edge", "wrap": "wrap", "constant": "constant"}


def pad(
    x: Any,
    widths: Any = None,
    constant_value: Any = None,
    axes: Any = None,
    /,
    *,
    mode: str = "constant",
    pads: Any = None,
    value: float = 0.0,
) -> Any:
    """Sizes before all axes, then sizes after; those below 0 cut."""
    sizes = numbers_of(pads if widths is None else widths)
    found = range(len(shape(x))) if axes is None else numbers_of(axes)
    pairs = [(0, 0)] * len(shape(x))
    for i, axis in enumerate(found):
        pairs[axis] = sizes[i], sizes[i + len(sizes) // 2]
    cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, shape(x), strict=True))
    value = value if constant_value is None else constant_value
    grown = tuple((max(a, 0), max(b, 0)) for a, b in pairs)
    options = {"value": np.asarray(stripped(value)).reshape(()).item()} if mode == "constant" else {}
    return rules.pad(x[cut], grown, mode=MODES[mode], **options).astype(x.dtype)


def center_crop_pad(x: Any, to: Any, *, axes: Any = None) -> Any:
    index, pairs = [slice(None)] * len(shape(x)), [(0, 0)] * len(shape(x))
    for axis, n in zip(range(len(shape(x))) if axes is None else axes, numbers_of(to), strict=True):
        have = shape(x)[axis]
        if n <= have:
            start = (have - n) // 2
            index[axis] = slice(start, start + n)
        else:
            before = (n - have) // 2
            pairs[axis] = before, n - have - before
    return rules.pad(x[tuple(index)], tuple(pairs)).astype(x.dtype)


def trilu(x: Any, k: Any = None, *, upper: int = 1) -> Any:
    k = 0 if k is None else int(np.asarray(k).reshape(()))
    if x.dtype.kind == "f":
        return (rules.triu if upper else rules.tril)(x, k)
    return (np.triu if upper else np.tril)(x, k)


def shape_of(x: Any, *, start: int = 0, end: Any = None) -> Any:
    return np.array(shape(x)[start:end], np.int64)


def reverse_sequence(x: Any, lengths: Any, *, batch_axis: int = 1, time_axis: int = 0) -> Any:
    T = shape(x)[time_axis]
    at = np.arange(T)[:, None]
    places = np.where(at < lengths, lengths - 1 - at, at)
    places = places if batch_axis == 1 else places.T
    places = places.reshape(places.shape + (1,) * (len(shape(x)) - 2))
    return rules.take_along_axis(x, np.broadcast_to(places, shape(x)), axis=time_axis)


def eye_like(x: Any, *, dtype: Any = None, k: int = 0) -> Any:
    import onnx

    made = x.dtype if dtype is None else onnx.helper.tensor_dtype_to_np_dtype(dtype)
    rows, columns = shape(x)
    return np.eye(rows, columns, k=k, dtype=made)


def constant(**given: Any) -> Any:
    ((name, value),) = given.items()
    dtype = {
        "value_float": np.float32,
        "value_floats": np.float32,
        "value_int": np.int64,
        "value_ints": np.int64,
    }
    return np.asarray(value, dtype[name]) if name in dtype else np.asarray(value)


def constant_of_shape(sizes: Any, *, value: Any = None) -> Any:
    value = np.zeros(1, np.float32) if value is None else value
    return np.full(tuple(numbers_of(sizes)), value.reshape(())[()], dtype=value.dtype)


def counted(start: Any, limit: Any, delta: Any) -> Any:
    first, last, step = (np.asarray(v).item() for v in (start, limit, delta))
    return np.arange(first, last, step, dtype=start.dtype)


TABLE: dict[str, Callable] = {
    "CenterCropPad": center_crop_pad,
    "Concat": concat,
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "DepthToSpace": depth_to_space,
    "Expand": expand,
    "EyeLike": eye_like,
    "Flatten": flatten,
    "Pad": pad,
    "Range": counted,
    "Reshape": reshape,
    "ReverseSequence": reverse_sequence,
    "Shape": shape_of,
    "Size": lambda x: np.array(math.prod(shape(x)), np.int64),
    "Slice": sliced,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": squeeze,
    "Tile": tile,
    "Transpose": transpose,
    "Trilu": trilu,
    "Unsqueeze": unsqueeze,
}
