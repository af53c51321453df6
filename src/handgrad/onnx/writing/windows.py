"""Windows, as nodes: convolutions and pooling where they are that, and otherwise elements that are gathered.

A program has a convolution as a contraction of windows with W, and pooling as a reduction of windows. What
uses an array of windows so is written as Conv, MaxPool or AveragePool, and the windows are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import contraction, shape, windowing
from handgrad.onnx.writing.elementwise import reduction
from handgrad.onnx.writing.shaping import padded
from handgrad.onnx.writing.sizes import Size
from handgrad.onnx.writing.writer import NotInOnnx, Writer
from handgrad.program.program import Operation

MOST = 3  # spatial axes of a convolution


def windows(w: Writer, o: Operation) -> str:
    """Gathered along each axis: (count, size) in the place of the axis, then the sizes last."""
    found = windowing.windowing(shape(o.args[0]), *o.args[1:])
    made, ndim = w.value(o.args[0]), len(shape(o.args[0]))
    for a, count, k, s, d in zip(found.axes, found.counts, *found[2:], strict=True):
        if isinstance(count, Size):
            raise NotInOnnx("windows along the batch")
        places = np.arange(count)[:, None] * s + np.arange(k) * d
        made = w.node("Gather", made, w.constant(places), axis=a)
        ndim += 1
        made = w.node("Transpose", made, perm=[*(i for i in range(ndim) if i != a + 1), a + 1])
    return made


def unwindows(w: Writer, o: Operation) -> str:
    """What is at each place of the windows, added where it was, for all that is before the axes at once."""
    x, own, *how = o.args
    found = windowing.of_windows(x, own, *how)
    n, ndim = len(found.axes), len(found.shape)
    order = [*(a for a in range(ndim) if a not in found.axes), *found.axes]
    inner = tuple(found.shape[a] for a in found.axes)
    if any(isinstance(m, Size) for m in inner):
        raise NotInOnnx("windows along the batch")
    grid = np.arange(math.prod(inner)).reshape(inner)
    last = windowing.windowing(inner, found.size, found.stride, found.dilation, tuple(range(n)))
    flat = np.zeros(last.result, np.int64)
    for j, index in last.places():
        where: Any = (..., *j)
        flat[where] = grid[index]
    last_axes = w.node("Transpose", w.value(x), perm=[*order, *range(ndim, ndim + n)])
    rows = w.reshape(last_axes, [flattened([found.shape[a] for a in order[:-n]]), flat.size])
    count = w.node("Slice", w.node("Shape", rows), w.ints([0]), w.ints([1]))
    as_many = w.node("Concat", count, w.ints([1]), axis=0)
    zeros = w.node("Expand", w.value(np.zeros((1, grid.size), o.out.dtype)), as_many)
    places = w.node("Expand", w.constant(flat.reshape(1, -1)), as_many)
    made = w.node("ScatterElements", zeros, places, rows, axis=1, reduction="add")
    made = w.reshape(made, [found.shape[a] for a in order])
    return w.node("Transpose", made, perm=[order.index(a) for a in range(ndim)])


def flattened(sizes: Any) -> int:
    """Their product, or -1, what is left, where one follows the batch."""
    return -1 if any(isinstance(n, Size) for n in sizes) else math.prod(sizes)


# Convolutions.


def convolution(w: Writer, o: Operation, windows: Operation | None) -> str | None:
    """A contraction of windows of x (N, groups, C, ...) with W (groups, O, C, ...), as Conv; or None."""
    if windows is None or o.name != "einsum":
        return None
    x, (size, stride, dilation, axes) = windows.args[0], windows.args[1:]
    n, said = len(size), o.args[0]
    of_windows: Any
    of_W: Any
    at = [i for i in (1, 2) if o.args[i] is windows.out]
    if len(at) != 1 or n > MOST or len(shape(x)) != n + 3 or tuple(axes) != tuple(range(3, n + 3)):
        return None
    W = o.args[3 - at[0]]
    inputs, target = contraction.spelled(said, [shape(y) for y in o.args[1:]])
    of_windows, of_W = inputs[at[0] - 1], inputs[2 - at[0]]
    N, g, c, *rest = of_windows
    places, inside = rest[:n], rest[n:]
    if len(of_W) != n + 3 or of_W[0] != g or list(of_W[2:]) != [c, *inside]:
        return None
    if list(target) != [N, g, of_W[1], *places]:
        return None
    groups, filters, channels = shape(W)[:3]
    X = w.reshape(w.value(x, o.out.dtype), (shape(x)[0], groups * channels, *shape(x)[3:]))
    kernel = w.reshape(w.value(W, o.out.dtype), (groups * filters, channels, *size))
    made = w.node("Conv", X, kernel, group=groups, kernel_shape=list(size), strides=list(stride),
                  dilations=list(dilation), pads=[0] * (2 * n))  # fmt: skip
    return w.reshape(made, o.out.shape)


def transposed(w: Writer, o: Operation, product: Operation | None) -> str | None:
    """Windows that a contraction with W made, added up, as ConvTranspose; or None."""
    if product is None or product.name != "einsum":
        return None
    _, own, stride, dilation, axes = o.args
    n = len(axes)
    if n > MOST or tuple(axes) != tuple(range(3, n + 3)) or len(own) != n + 3:
        return None
    said, W, dout = product.args
    spelled: Any = contraction.spelled(said, [shape(W), shape(dout)])
    (of_W, of_dout), target = spelled
    if len(of_W) != n + 3 or len(of_dout) != n + 3:
        return None
    g, filters, c, *inside = of_W
    N, *_ = of_dout
    places = list(of_dout[3:])
    if list(of_dout[:3]) != [N, g, filters] or list(target) != [N, g, c, *places, *inside]:
        return None
    groups, made_of, channels, *size = shape(W)
    spatial = shape(dout)[3:]
    reach = [
        (m - 1) * s + (k - 1) * d + 1 for m, s, k, d in zip(spatial, stride, size, dilation, strict=True)
    ]
    if any(isinstance(m, Size) for m in (*own[1:], *spatial)):
        return None
    X = w.reshape(w.value(dout, o.out.dtype), (shape(dout)[0], groups * made_of, *spatial))
    kernel = w.reshape(w.value(W, o.out.dtype), (groups * made_of, channels, *size))
    made = w.node("ConvTranspose", X, kernel, group=groups, kernel_shape=list(size), strides=list(stride),
                  dilations=list(dilation), pads=[0] * (2 * n))  # fmt: skip
    rest = [(0, m - r) for m, r in zip(own[3:], reach, strict=True)]
    return w.reshape(padded(w, made, [(0, 0), (0, 0), *rest]), own)


# Pooling.


def pooling(w: Writer, o: Operation, windows: Operation | None) -> str | None:
    """The largest, or the sum, of each window of x (..., *spatial), as pooling; or None."""
    if windows is None or o.name not in ("max", "sum"):
        return None
    x, (size, stride, dilation, axes) = windows.args[0], windows.args[1:]
    n, ndim = len(size), len(shape(x))
    _, reduced, _ = reduction(o)
    spatial = tuple(range(ndim - n, ndim))
    if n > MOST or tuple(axes) != spatial or tuple(sorted(reduced)) != tuple(range(ndim, ndim + n)):
        return None
    if any(isinstance(m, Size) for m in shape(x)[ndim - n :]) or o.out.dtype.kind != "f":
        return None
    how = {"kernel_shape": list(size), "strides": list(stride)}
    if o.name == "max":
        how["dilations"] = list(dilation)
    elif set(dilation) != {1}:
        return None
    X = w.reshape(w.value(x), (flattened(shape(x)[: ndim - n]), 1, *shape(x)[ndim - n :]))
    made = w.node("MaxPool" if o.name == "max" else "AveragePool", X, **how)
    if o.name == "sum":
        made = w.node("Mul", made, w.value(math.prod(size), o.out.dtype))
    return w.reshape(made, o.out.shape)


WAYS: dict[str, Callable[..., str | None]] = {
    "einsum": convolution,
    "max": pooling,
    "sum": pooling,
    "unwindows": transposed,
}
"""What may be written with what made its argument, in the place of both."""

TABLE: dict[str, Callable[..., Any]] = {"unwindows": unwindows, "windows": windows}
