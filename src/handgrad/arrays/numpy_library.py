"""NumPy, with what it lacks."""

from __future__ import annotations

import contextlib
import itertools
import math
from typing import Any

import numpy as np

from handgrad.arrays import linear_algebra
from handgrad.arrays.contraction import are_distinct, by_product, in_pairs, spelled
from handgrad.arrays.convolution import convolution, convolution_dW, convolution_dx
from handgrad.arrays.dispatch import NUMPY
from handgrad.arrays.lacking import erf, erfc, getitem, stop_gradient
from handgrad.arrays.loops import scan
from handgrad.arrays.questions import shape
from handgrad.arrays.windowing import of_windows, windowing


def scatter_add(dout: Any, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    out = np.zeros(shape, np.result_type(dout))
    parts = index if isinstance(index, tuple) else (index,)
    if all(type(part) in (int, slice, type(None), type(...)) for part in parts):
        out[index] = dout  # a basic index meets every place at most once
    else:
        np.add.at(out, index, dout)
    return out


def random_uniform(x: Any, key: Any) -> np.ndarray:
    bits = np.random.Philox(key=int(key[0]) << 32 | int(key[1]))
    return np.random.Generator(bits).random(shape(x), dtype=np.float32)


def fold_in(key: Any, n: int) -> np.ndarray:
    return np.random.SeedSequence([int(key[0]), int(key[1]), n]).generate_state(2)


def power(x: Any, y: Any) -> Any:
    """xʸ as ``x ** y`` has it, whose dtype, ends and last bits are others than ``np.power``'s where y is one
    number; of two numbers of Python's that has no finite one, NumPy's.
    """
    if isinstance(x, np.ndarray | np.generic):
        return x**y
    if isinstance(x, float) and type(y) in (float, int):
        with contextlib.suppress(ValueError, OverflowError):
            return math.pow(x, y)
    return np.power(x, y)


ROWS = 256  # that are added one after the other


def sum_in_blocks(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    """``np.sum``, which adds row after row where it sums over rows: here by blocks, so that long sums keep
    their digits. (Along a row, and of everything, NumPy does so itself.)
    """
    long = None if options else long_axis(x, axis)
    if long is not None:
        count = x.shape[long] // ROWS
        first, rest = np.split(x, [count * ROWS], axis=long)
        blocks = first.reshape(*x.shape[:long], count, ROWS, *x.shape[long + 1 :])
        sums = [blocks.sum(axis=long + 1), rest.sum(axis=long, keepdims=True)]
        return sum_in_blocks(np.concatenate(sums, axis=long), axis=axis, keepdims=keepdims)
    return np.sum(x, axis=axis, keepdims=keepdims, **options)


def long_axis(x: Any, axis: Any) -> int | None:
    """The longest axis of a sum over many rows; None of any other sum."""
    if axis is None or not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        return None
    axes = axis if isinstance(axis, tuple) else (axis,)
    if not all(-x.ndim <= a < x.ndim for a in axes) or len({a % x.ndim for a in axes}) < len(axes):
        return None  # an error, which NumPy words
    rows = [a % x.ndim for a in axes if a % x.ndim < x.ndim - 1]
    many = math.prod(x.shape[a] for a in rows) > ROWS and x.size > 0
    return max(rows, key=lambda a: x.shape[a]) if many else None


def einsum(subscripts: str, *arrays: Any) -> Any:
    """``np.einsum``, in products of matrices, which a BLAS makes."""
    inputs, _ = spelled(subscripts, [shape(x) for x in arrays])
    return (
        in_pairs(subscripts, list(arrays), by_product)
        if are_distinct(inputs)
        else np.einsum(subscripts, *arrays)
    )


def windows(x: Any, size: Any, stride: Any = 1, dilation: Any = 1, axes: Any = None) -> np.ndarray:
    """A view: windows are strides."""
    x = np.asarray(x)
    found = windowing(x.shape, size, stride, dilation, axes)
    own = list(x.strides)
    for a, s in zip(found.axes, found.stride, strict=True):
        own[a] *= s
    inside = [x.strides[a] * d for a, d in zip(found.axes, found.dilation, strict=True)]
    return np.lib.stride_tricks.as_strided(x, found.result, (*own, *inside), writeable=False)


def unwindows(
    x: Any, shape: tuple[int, ...], stride: Any = 1, dilation: Any = 1, axes: Any = None
) -> np.ndarray:
    found = of_windows(x, shape, stride, dilation, axes)
    out = np.zeros(found.shape, x.dtype)
    for j, index in found.places():
        out[index] += x[(..., *j)]
    return out


def sum_of_windows(w: Any, n: int) -> Any:
    """Place by place: a sum over many short axes is slow."""
    total = w[(..., *(0,) * n)].copy()
    for j in itertools.islice(np.ndindex(w.shape[-n:]), 1, None):
        total += w[(..., *j)]
    return total


def max_of_windows(w: Any, n: int) -> tuple[Any, Any]:
    """Place by place, as ``sum_of_windows``."""
    peak = w[(..., *(0,) * n)].copy()
    place = np.zeros_like(peak)
    for k, j in enumerate(np.ndindex(w.shape[-n:])):
        here = w[(..., *j)]
        is_larger = (here > peak) | ((here != here) & (peak == peak))
        np.copyto(peak, here, where=is_larger)
        np.copyto(place, k, where=is_larger)
    return peak, place


vars(NUMPY).update(
    **linear_algebra.OF_NUMPY,
    scan=scan,
    einsum=einsum,
    windows=windows,
    unwindows=unwindows,
    sum_of_windows=sum_of_windows,
    max_of_windows=max_of_windows,
    convolution=convolution,
    convolution_dx=convolution_dx,
    convolution_dW=convolution_dW,
    power=power,
    pow=power,
    sum=sum_in_blocks,
    check_finite=stop_gradient,
    astype=lambda x, dtype: np.asarray(x).astype(dtype),
    scatter_add=scatter_add,
    getitem=getitem,
    erf=erf,
    erfc=erfc,
    random_uniform=random_uniform,
    fold_in=fold_in,
    arange_like=lambda x, n: np.arange(n),
    stop_gradient=stop_gradient,
)
