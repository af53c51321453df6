"""Elements picked by place, and others put in their places."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape


def gather(x: Any, indices: Any, *, axis: int = 0) -> Any:
    if x.dtype.kind not in "fiub":
        return np.take(x, indices, axis=axis)
    return rules.take(x, indices % max(shape(x)[axis], 1), axis=axis)


def gather_elements(x: Any, indices: Any, *, axis: int = 0) -> Any:
    indices = indices % shape(x)[axis]
    own = tuple(
        slice(None) if i == axis % len(shape(x)) else slice(0, n) for i, n in enumerate(shape(indices))
    )
    return rules.take_along_axis(x[own], indices, axis=axis)


def gather_nd(x: Any, indices: Any, *, batch_dims: int = 0) -> Any:
    lead = shape(indices)[:-1]
    batch = tuple(np.indices(lead)[:batch_dims])
    return x[(*batch, *np.moveaxis(indices, -1, 0))]


def written(x: Any, places: tuple, updates: Any, reduction: str) -> Any:
    """x with updates at places: put there, or added, multiplied, the larger or the smaller."""
    if reduction == "none":
        origin = np.full(shape(x), -1)
        origin[places] = np.arange(math.prod(shape(updates))).reshape(shape(updates))
        there = rules.take(rules.reshape(updates, (-1,)), np.maximum(origin, 0))
        return rules.where(origin >= 0, there, x)
    if reduction == "add":
        return x + rules.scatter_add(updates, places, shape(x))
    out = x.copy()
    {"mul": np.multiply, "max": np.maximum, "min": np.minimum}[reduction].at(out, places, updates)
    return out


def scatter_elements(x: Any, indices: Any, updates: Any, *, axis: int = 0, reduction: str = "none") -> Any:
    places = list(np.indices(shape(indices)))
    places[axis % len(shape(x))] = indices % shape(x)[axis]
    return written(x, tuple(places), updates, reduction)


def scatter_nd(x: Any, indices: Any, updates: Any, *, reduction: str = "none") -> Any:
    return written(x, tuple(np.moveaxis(indices, -1, 0)), updates, reduction)


def tensor_scatter(cache: Any, update: Any, at: Any = None, *, axis: int = -2, mode: str = "linear") -> Any:
    axis %= len(shape(cache))
    places = np.indices(shape(update))
    start = np.zeros(shape(cache)[0], np.int64) if at is None else at
    there = places[axis] + start.reshape((-1,) + (1,) * (len(shape(cache)) - 1))
    places[axis] = there % shape(cache)[axis] if mode == "circular" else there
    return written(cache, tuple(places), update, "none")


def one_hot(indices: Any, depth: Any, values: Any, *, axis: int = -1) -> Any:
    depth = int(np.asarray(depth).reshape(-1)[0])
    axis = axis if axis >= 0 else axis + len(shape(indices)) + 1
    is_it = np.expand_dims(indices % depth, axis) == np.arange(depth).reshape(
        (-1,) + (1,) * (len(shape(indices)) - axis)
    )
    inside = np.expand_dims((indices >= -depth) & (indices < depth), axis)
    return np.where(is_it & inside, values[1], values[0]).astype(values.dtype)


def compress(x: Any, condition: Any, *, axis: Any = None) -> Any:
    flat = rules.reshape(x, (-1,)) if axis is None else x
    return rules.take(flat, np.flatnonzero(condition), axis=axis or 0)


def col2im(
    x: Any, image: Any, block: Any, *, dilations: Any = None, pads: Any = None, strides: Any = None
) -> Any:
    """Blocks added up where they were taken from."""
    sizes, blocks = ([int(n) for n in given] for given in (image, block))
    n = len(sizes)
    dilation, stride = (tuple(given or [1] * n) for given in (dilations, strides))
    pads = pads or [0] * (2 * n)
    wide = [m + pads[i] + pads[n + i] for i, m in enumerate(sizes)]
    counts = [
        (w - d * (k - 1) - 1) // s + 1 for w, d, k, s in zip(wide, dilation, blocks, stride, strict=True)
    ]
    N, CK = shape(x)[:2]
    C = CK // math.prod(blocks)
    parts = rules.reshape(x, (N, C, *blocks, *counts))
    order = (0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n))
    axes = tuple(range(2, 2 + n))
    added = rules.unwindows(rules.transpose(parts, axes=order), (N, C, *wide), stride, dilation, axes)
    return added[(..., *(slice(pads[i], pads[i] + m) for i, m in enumerate(sizes)))]


def max_unpool(
    x: Any, indices: Any, to: Any = None, *, kernel_shape: Any, pads: Any = None, strides: Any = None
) -> Any:
    """Each number where the largest was; ``to`` is a larger image around it."""
    n = len(kernel_shape)
    strides, pads = strides or [1] * n, pads or [0] * (2 * n)
    own = [
        (m - 1) * s - pads[i] - pads[n + i] + k
        for i, (m, s, k) in enumerate(zip(shape(x)[2:], strides, kernel_shape, strict=True))
    ]
    whole = (*shape(x)[:2], *own)
    flat = rules.scatter_add(rules.reshape(x, (-1,)), (indices.reshape(-1),), (math.prod(whole),))
    out = rules.reshape(flat, whole)
    if to is None:
        return out
    return rules.pad(out, tuple((0, int(m) - k) for m, k in zip(to, whole, strict=True)))


TABLE: dict[str, Callable] = {
    "ArrayFeatureExtractor": lambda x, at: x[..., at.reshape(-1)],
    "Col2Im": col2im,
    "Compress": compress,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "MaxUnpool": max_unpool,
    "NonZero": lambda x: np.array(np.nonzero(x), np.int64).reshape(max(np.ndim(x), 1), -1),
    "OneHot": one_hot,
    "Scatter": scatter_elements,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "TensorScatter": tensor_scatter,
}
