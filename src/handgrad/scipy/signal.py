"""``scipy.signal``: convolve by rules, in any number of axes; all else is SciPy's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import scipy.signal as own

from handgrad import rules
from handgrad.arrays import shape, xp
from handgrad.tape.functions.creation import gathered

Axes = tuple[Sequence[int], Sequence[int]]


def convolve(
    in1: Any,
    in2: Any,
    mode: str = "full",
    method: str = "auto",
    *,
    axes: Axes | None = None,
    dot_axes: Axes = ((), ()),
) -> Any:
    """out at n = Σ in1 at n - k · in2 at k, over all axes.   ``method`` is taken, and makes no difference.

    ``mode`` is "full", "same" as in1, or "valid", where one array lies within the other. As in HIPS autograd,
    ``axes`` may name pairs of axes to convolve, and ``dot_axes`` others to sum over together; the result has
    the other axes of in1, then those of in2, then the convolved ones.

    Raises:
        ValueError: another mode, arrays with other numbers of axes, or neither lies within the other.
    """
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"convolve: mode is 'full', 'same' or 'valid', not {mode!r}")
    x, y = gathered(in1), gathered(in2)
    if axes is None:
        if len(shape(x)) != len(shape(y)):
            raise ValueError(f"convolve: in1 {shape(x)} and in2 {shape(y)} have other numbers of axes")
        axes = (range(len(shape(x))), range(len(shape(y))))
    x, others_of_x = _arranged(x, axes[0], dot_axes[0])
    y, others_of_y = _arranged(y, axes[1], dot_axes[1])
    out = _convolved(x, y, mode)
    return rules.reshape(out, (*others_of_x, *others_of_y, *shape(out)[2:]))


def _arranged(x: Any, convolved: Sequence[int], summed: Sequence[int]) -> tuple[Any, tuple[int, ...]]:
    """x (N, C, ...) with the convolved axes last, C all that are summed over, and what N was."""
    others = [i for i in range(len(shape(x))) if i not in (*convolved, *summed)]
    sizes, channels, last = (tuple(shape(x)[i] for i in found) for found in (others, summed, convolved))
    x = rules.transpose(x, (*others, *summed, *convolved))
    return rules.reshape(x, (math.prod(sizes), math.prod(channels), *last)), sizes


def _convolved(x: Any, y: Any, mode: str) -> Any:
    """x (N, C, ...), y (M, C, ...) -> (N, M, ...)"""
    at = tuple(range(2, len(shape(x))))
    sizes = list(zip(shape(x)[2:], shape(y)[2:], strict=True))
    if mode == "valid" and any(n < k for n, k in sizes):
        if any(n > k for n, k in sizes):
            raise ValueError(f"convolve: of {shape(x)[2:]} and {shape(y)[2:]} neither lies within the other")
        return rules.transpose(_convolved(y, x, mode), (1, 0, *at))
    later = {"full": lambda k: k - 1, "same": lambda k: (k - 1) // 2, "valid": lambda k: 0}[mode]
    before = {"full": lambda k: k - 1, "same": lambda k: k // 2, "valid": lambda k: 0}[mode]
    x = rules.pad(x, [(0, 0), (0, 0), *((before(k), later(k)) for _, k in sizes)])
    places, inside = ("".join(chr(ord(first) + i) for i in range(len(at))) for first in "aA")
    windows = rules.windows(x, shape(y)[2:], axes=at) if at else x
    flipped = rules.flip(y, axis=at) if at else y
    return xp.einsum(f"yz{places}{inside},xz{inside}->yx{places}", windows, flipped)


def __getattr__(name: str) -> Any:
    return getattr(own, name)
