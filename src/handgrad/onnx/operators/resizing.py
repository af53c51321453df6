"""Images in other sizes: along each axis a product with a matrix; and looked up between pixels."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped


def origin(kind: str, n: int, m: int, scale: float, roi: Any) -> np.ndarray:
    """Where each of m places lies among n."""
    y, width = np.arange(m, dtype=np.float64), scale * n
    if kind == "align_corners":
        return np.zeros(m) if width == 1 else y * (n - 1) / (width - 1)
    if kind == "asymmetric":
        return y / scale
    if kind == "tf_crop_and_resize":
        first, last = roi
        inner = (
            np.full(m, (last - first) * (n - 1) / 2)
            if width == 1
            else y * (last - first) * (n - 1) / (width - 1)
        )
        return inner + first * (n - 1)
    if kind == "pytorch_half_pixel" and width == 1:
        return np.full(m, -0.5)
    shift = n / 2 * (1 - m / width) if kind == "half_pixel_symmetric" else 0.0
    return shift + (y + 0.5) / scale - 0.5


NEAREST: dict[str, Callable] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def triangle(x: np.ndarray, a: float) -> np.ndarray:
    return np.clip(1 - np.abs(x), 0, None)


def cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys 1981."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def weights(x: np.ndarray, n: int, mode: str, a: float, shrink: float, exclude_outside: int) -> np.ndarray:
    """(m, n): how much of each of n pixels a place is made of; what lies outside is the border's."""
    kernel, reach = (triangle, 1) if mode == "linear" else (cubic, 2)
    width = int(np.ceil(reach / shrink))
    taps = np.floor(x)[:, None] + np.arange(-width, width + 1)
    w = kernel((taps - x[:, None]) * shrink, a)
    if exclude_outside:
        w = np.where((taps >= 0) & (taps < n), w, 0.0)
    w = w / np.sum(w, axis=1, keepdims=True)
    out = np.zeros((len(x), n))
    np.add.at(out, (np.arange(len(x))[:, None], np.clip(taps, 0, n - 1).astype(int)), w)
    return out


def sizes_and_scales(x: Any, axes: list, scales: Any, sizes: Any, policy: str) -> tuple[list, list]:
    own = [shape(x)[a] for a in axes]
    if sizes is None or not len(sizes):
        return [int(np.floor(n * s)) for n, s in zip(own, scales, strict=True)], [float(s) for s in scales]
    wanted = [int(n) for n in sizes]
    if policy != "stretch":
        pick = min if policy == "not_larger" else max
        scale = pick(m / n for m, n in zip(wanted, own, strict=True))
        return [int(np.floor(scale * n + 0.5)) for n in own], [scale] * len(own)
    return wanted, [m / n for m, n in zip(wanted, own, strict=True)]


def resize(
    x: Any,
    roi: Any = None,
    scales: Any = None,
    sizes: Any = None,
    *,
    antialias: int = 0,
    axes: Any = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
    opset: int = 11,
) -> Any:
    if opset < 11:  # (x, scales) alone
        return upsample(x, roi, mode=mode)
    roi, scales, sizes = (None if v is None else stripped(v) for v in (roi, scales, sizes))
    axes = list(range(len(shape(x)))) if axes is None else list(axes)
    made, factors = sizes_and_scales(x, axes, scales, sizes, keep_aspect_ratio_policy)
    out, outside = x, np.zeros((1,) * len(shape(x)), bool)
    for i, (axis, m, scale) in enumerate(zip(axes, made, factors, strict=True)):
        n = shape(x)[axis]
        kind = coordinate_transformation_mode
        at = origin(kind, n, m, scale, (roi[i], roi[i + len(axes)]) if kind == "tf_crop_and_resize" else None)
        if kind == "tf_crop_and_resize":
            there = (at < 0) | (at > n - 1)
            outside = outside | there.reshape((-1,) + (1,) * (len(shape(x)) - axis % len(shape(x)) - 1))
        out = along(out, axis, at, n, m, scale, mode, nearest_mode, cubic_coeff_a, antialias, exclude_outside)
    return (rules.where(outside, extrapolation_value, out) if outside.any() else out).astype(x.dtype)


def along(
    x: Any,
    axis: int,
    at: Any,
    n: int,
    m: int,
    scale: float,
    mode: str,
    nearest: str,
    a: float,
    soft: int,
    strict: int,
) -> Any:
    if m == n and np.array_equal(at, np.arange(n)):
        return x
    if mode == "nearest":
        return rules.take(x, np.clip(NEAREST[nearest](at), 0, n - 1).astype(int), axis=axis)
    A = weights(at, n, mode, a, min(scale, 1.0) if soft else 1.0, strict)
    moved = np.moveaxis(x, axis, -1) @ A.T
    return np.moveaxis(moved, -1, axis)


def upsample(x: Any, factors: Any = None, /, *, mode: str = "nearest", scales: Any = None) -> Any:
    return resize(
        x,
        None,
        scales if factors is None else factors,
        mode=mode,
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def reflected(p: np.ndarray, low: float, high: float) -> np.ndarray:
    span = high - low
    if span == 0:
        return np.zeros_like(p) + low
    turned = np.abs((p - low) % (2 * span))
    return np.where(turned > span, 2 * span - turned, turned) + low


def grid_sample(
    x: Any, grid: Any, *, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros"
) -> Any:
    """Of any number of axes: taps along each, of which products are taken."""
    n = len(shape(x)) - 2
    axes = [
        axis_taps(grid[..., n - 1 - i], shape(x)[2 + i], align_corners, mode, padding_mode) for i in range(n)
    ]
    batch = np.arange(shape(x)[0]).reshape((-1,) + (1,) * n)
    channels_last = np.moveaxis(x, 1, -1)
    out: Any = 0.0
    for taps in itertools.product(*axes):
        weight = functools.reduce(np.multiply, (w for w, _ in taps))
        out = out + channels_last[(batch, *(place for _, place in taps))] * weight[..., None]
    return np.moveaxis(out, -1, 1).astype(x.dtype)


def axis_taps(u: Any, n: int, align_corners: int, mode: str, padding: str) -> list[tuple[Any, Any]]:
    p = (
        (u.astype(np.float64) + 1) / 2 * (n - 1)
        if align_corners
        else ((u.astype(np.float64) + 1) * n - 1) / 2
    )
    low, high = (0.0, n - 1.0) if align_corners else (-0.5, n - 0.5)
    if padding == "border" and mode != "cubic":
        p = np.clip(p, 0, n - 1)
    if padding == "reflection" and mode != "cubic":
        p = np.clip(reflected(p, low, high), 0, n - 1)
    below = np.floor(stripped(p))
    if mode == "nearest":
        found = [(np.ones_like(below), np.rint(stripped(p)))]
    elif mode == "cubic":
        found = [(cubic(below + k - p, -0.75), below + k) for k in range(-1, 3)]
    else:
        found = [(1 - (p - below), below), (p - below, below + 1)]
    return [tap(w, place, n, low, high, padding) for w, place in found]


def tap(w: Any, place: Any, n: int, low: float, high: float, padding: str) -> tuple[Any, Any]:
    if padding == "zeros":
        w = np.where((place >= 0) & (place < n), w, 0.0)
    if padding == "reflection":
        place = np.rint(reflected(place, low, high))
    return w, np.clip(place, 0, n - 1).astype(int)


def affine_grid(theta: Any, size: Any, *, align_corners: int = 0) -> Any:
    sizes = [int(n) for n in np.reshape(size, -1)][2:]
    lines = [np.linspace(-1, 1, n) if align_corners else (2 * np.arange(n) + 1) / n - 1 for n in sizes]
    grids = np.meshgrid(*lines, indexing="ij")[::-1]
    ones = np.stack([*grids, np.ones(sizes)], axis=-1).astype(theta.dtype)
    flat = ones.reshape(-1, len(sizes) + 1)
    made = rules.matmul(flat, rules.transpose(theta, axes=(0, 2, 1)))
    return rules.reshape(made, (shape(theta)[0], *sizes, len(sizes))).astype(theta.dtype)


TABLE: dict[str, Callable] = {
    "AffineGrid": affine_grid,
    "GridSample": grid_sample,
    "Resize": resize,
    "Upsample": upsample,
}
