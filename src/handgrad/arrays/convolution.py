"""Convolutions over any number of axes, and their two gradients, as contractions of windows.

x is (N, C, *spatial), W (O, C / groups, *size) and out (N, O, *places). Each of the three is linear in both
of its arrays, and the other two are its gradients:

    out = convolution(x, W, how)         out[n, o, i] = Σ x[n, c, i·stride + j·dilation]·W[o, c, j]
    dx = convolution_dx(dout, W, ...)    what each window gave, added up where it lay
    dW = convolution_dW(dout, x, ...)    dW[o, c, j] = Σ dout[n, o, i]·x[n, c, i·stride + j·dilation]

``convolution`` takes a bias too, which PyTorch's adds while it sums.
Where programs are compiled nothing is unrolled; NumPy has one product of matrices, whose columns are windows.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from handgrad.arrays.dispatch import xp
from handgrad.arrays.questions import shape as shape_of

Shape = tuple[int, ...]
SPATIAL, INSIDE = "xyzuv", "ijkrs"  # letters of places, and of places in a window


class Convolution(NamedTuple):
    """How W slides over x: a number for each spatial axis, of padding (before, after)."""

    stride: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    groups: int

    @property
    def ndim(self) -> int:
        return len(self.stride)

    def padded(self, spatial: Shape) -> Shape:
        return tuple(n + before + after for n, (before, after) in zip(spatial, self.padding, strict=True))

    def counts(self, spatial: Shape, size: Shape) -> Shape:
        """How many places W has along each axis; less than one where it does not fit."""
        return tuple(
            (n - d * (k - 1) - 1) // s + 1
            for n, k, s, d in zip(self.padded(spatial), size, self.stride, self.dilation, strict=True)
        )

    def letters(self) -> tuple[str, str]:
        return SPATIAL[: self.ndim], INSIDE[: self.ndim]


def with_bias(out: Any, b: Any) -> Any:
    """A number added to all places of each filter."""
    return out if b is None else out + xp.reshape(b, (-1,) + (1,) * (len(shape_of(out)) - 2))


def convolution(x: Any, W: Any, how: Convolution, b: Any = None) -> Any:
    at, inside = how.letters()
    size, counts = shape_of(W)[2:], how.counts(shape_of(x)[2:], shape_of(W)[2:])
    out = xp.einsum(f"goc{inside},ngc{at}{inside}->ngo{at}", in_groups(W, how), windows_of(x, size, how))
    return with_bias(xp.reshape(out, (shape_of(x)[0], shape_of(W)[0], *counts)), b)


def convolution_dx(dout: Any, W: Any, shape: Shape, how: Convolution) -> Any:
    """The gradient by x, of that shape."""
    at, inside = how.letters()
    N, spatial, n = shape[0], shape[2:], how.ndim
    W, dout = in_groups(W, how), channels_in_groups(dout, how)
    dwindows = xp.einsum(f"goc{inside},ngo{at}->ngc{at}{inside}", W, dout)
    whole = (N, how.groups, shape[1] // how.groups, *how.padded(spatial))
    dx = xp.unwindows(dwindows, whole, how.stride, how.dilation, tuple(range(3, 3 + n)))
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(spatial, how.padding, strict=True))
    return xp.reshape(dx[(slice(None), slice(None), slice(None), *inner)], shape)


def convolution_dW(dout: Any, x: Any, shape: Shape, how: Convolution) -> Any:
    """The gradient by W, of that shape."""
    at, inside = how.letters()
    windows, dout = windows_of(x, shape[2:], how), channels_in_groups(dout, how)
    return xp.reshape(xp.einsum(f"ngc{at}{inside},ngo{at}->goc{inside}", windows, dout), shape)


def windows_of(x: Any, size: Shape, how: Convolution) -> Any:
    """(N, groups, C / groups, *places, *size)"""
    if any(map(any, how.padding)):
        x = xp.pad(x, ((0, 0), (0, 0), *how.padding))
    axes = tuple(range(3, 3 + how.ndim))
    return xp.windows(channels_in_groups(x, how), size, how.stride, how.dilation, axes)


def in_groups(W: Any, how: Convolution) -> Any:
    """(groups, O / groups, C / groups, *size)"""
    filters, *rest = shape_of(W)
    return xp.reshape(W, (how.groups, filters // how.groups, *rest))


def channels_in_groups(x: Any, how: Convolution) -> Any:
    """(N, groups, C / groups, ...)"""
    N, C, *rest = shape_of(x)
    return xp.reshape(x, (N, how.groups, C // how.groups, *rest))


def describe(how: Convolution, size: Shape, spatial: Shape) -> str:
    """What slides over what, for errors."""
    span = tuple(d * (k - 1) + 1 for k, d in zip(size, how.dilation, strict=True))
    dilated = f", dilated to {span}" if math.prod(how.dilation) > 1 else ""
    return f"a kernel of {size}{dilated}, does not fit into {spatial}, padded to {how.padded(spatial)}"
