"""Windows that slide over an array, as axes of their own; and what overlaps added up again."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays.dispatch import xp
from handgrad.arrays.questions import cast, shape as shape_of

Shape = tuple[int, ...]


class Windowing(NamedTuple):
    """Windows over some axes of an array: element j of window i lies at i·stride + j·dilation."""

    shape: Shape  # of the array
    axes: Shape
    size: Shape
    stride: Shape
    dilation: Shape

    @property
    def counts(self) -> Shape:
        """How many windows there are along each of the axes."""
        spans = [d * (k - 1) + 1 for k, d in zip(self.size, self.dilation, strict=True)]
        return tuple(
            (self.shape[a] - span) // s + 1 for a, span, s in zip(self.axes, spans, self.stride, strict=True)
        )

    @property
    def result(self) -> Shape:
        """The array's shape with windows counted along the axes, and the windows' own axes last."""
        counts = dict(zip(self.axes, self.counts, strict=True))
        return (*(counts.get(a, n) for a, n in enumerate(self.shape)), *self.size)

    def places(self) -> Iterator[tuple[Shape, tuple[slice, ...]]]:
        """Each place j in the window, and where in the array the windows have it."""
        for j in itertools.product(*map(range, self.size)):
            index = [slice(None)] * len(self.shape)
            for a, place, count, s, d in zip(
                self.axes, j, self.counts, self.stride, self.dilation, strict=True
            ):
                index[a] = slice(place * d, place * d + (count - 1) * s + 1, s)
            yield j, tuple(index)


def windowing(shape: Shape, size: Any, stride: Any = 1, dilation: Any = 1, axes: Any = None) -> Windowing:
    """The arguments of ``windows``, one number for each axis.

    Raises:
        ValueError: they do not fit together, or a window does not fit into its axis.
    """
    several = [v for v in (axes, size, stride, dilation) if not hasattr(v, "__index__") and v is not None]
    count = len(several[0]) if several else 1
    full = [(int(v),) * count if hasattr(v, "__index__") else tuple(v) for v in (size, stride, dilation)]
    own = tuple(range(-count, 0)) if axes is None else (axes,) if hasattr(axes, "__index__") else tuple(axes)
    if any(len(v) != count for v in (*full, own)) or count > len(shape):
        raise ValueError(
            f"windows of size {size}, stride {stride}, dilation {dilation} over axes {axes} "
            f"do not fit an array of shape {shape}: one number for each axis, or one for all"
        )
    found = Windowing(tuple(shape), tuple(int(a) % len(shape) for a in own), *full)
    if min((1, *found.size, *found.stride, *found.dilation)) < 1:
        raise ValueError(f"sizes, strides and dilations are 1 or more, not {size}, {stride}, {dilation}")
    if min((1, *found.counts)) < 1:
        raise ValueError(f"a window of {size}, dilated by {dilation}, does not fit an array of shape {shape}")
    return found


def of_windows(x: Any, shape: Shape, stride: Any = 1, dilation: Any = 1, axes: Any = None) -> Windowing:
    """The windowing of an array of that shape, of which x is the windows.

    Raises:
        ValueError: x is not.
    """
    own = shape_of(x)
    found = windowing(shape, own[len(shape) :], stride, dilation, axes)
    if found.result != own:
        raise ValueError(f"windows of an array of shape {tuple(shape)} have shape {found.result}, not {own}")
    return found


def windows(x: Any, size: Any, stride: Any = 1, dilation: Any = 1, axes: Any = None) -> Any:
    """Taken along each axis, place by place: for libraries that have no strides."""
    found = windowing(shape_of(x), size, stride, dilation, axes)
    for a, count, k, s, d in zip(found.axes, found.counts, *found[2:], strict=True):
        places = np.arange(count)[:, None] * s + np.arange(k) * d
        x = xp.take(x, places.reshape(-1), axis=a)
        x = xp.reshape(x, (*shape_of(x)[:a], count, k, *shape_of(x)[a + 1 :]))
        rest = [i for i in range(len(shape_of(x))) if i != a + 1]
        x = xp.permute_dims(x, (*rest, a + 1))
    return x


def unwindows(x: Any, shape: Shape, stride: Any = 1, dilation: Any = 1, axes: Any = None) -> Any:
    """Each place of the windows added where it was, one place after the other."""
    found = of_windows(x, shape, stride, dilation, axes)
    total: Any = None
    for j, index in found.places():
        part = xp.scatter_add(x[(..., *j)], index, found.shape)
        total = part if total is None else total + part
    return total


def pad(x: Any, width: Any) -> Any:
    """x with zeros around it: ``width`` as in ``numpy.pad``."""
    pairs = np.broadcast_to(np.asarray(width), (len(shape_of(x)), 2)).tolist()
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(shape_of(x), pairs, strict=True))
    target = tuple(n + sum(pair) for n, pair in zip(shape_of(x), pairs, strict=True))
    return xp.scatter_add(x, inner, target)


def sum_of_windows(windows: Any, n: int) -> Any:
    """The sum over the last n axes, which are those of windows."""
    return xp.sum(windows, axis=tuple(range(-n, 0)))


def max_of_windows(windows: Any, n: int) -> tuple[Any, Any]:
    """The largest of each window, over the last n axes, and at which place in the window it is the first.

    A nan is the largest. Places are counted along the last axis first, in the windows' dtype.
    """
    size, axes = shape_of(windows)[-n:], tuple(range(-n, 0))
    last = math.prod(size)
    order = cast(xp.reshape(xp.arange_like(windows, last), size), like=windows)
    peak = xp.max(windows, axis=axes, keepdims=True)
    is_largest = (windows == peak) | (windows != windows)
    place = xp.min(xp.where(is_largest, order, xp.zeros_like(order) + last), axis=axes)
    return xp.reshape(peak, shape_of(place)), place
