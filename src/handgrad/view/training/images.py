"""Arrays in the shape of images: grey (H, W), or in colour (3, H, W) or (H, W, 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handgrad.view.summary import LEVELS, reduced
from handgrad.view.thumbnails import DIVERGING, GREY, address, coloured_png, png

SIDE = 64  # pixels of a picture; a larger one is reduced
LEAST = 4  # pixels of a side that make an image
CHANNELS = (1, 3, 4)


def is_image(shape: Sequence[int]) -> bool:
    """Whether an example of this shape can be looked at."""
    if len(shape) == 3:
        return (shape[0] in CHANNELS and min(shape[1:]) >= LEAST) or (
            shape[2] in CHANNELS and min(shape[:2]) >= LEAST
        )
    return len(shape) == 2 and min(shape) >= LEAST


def upright(x: np.ndarray) -> np.ndarray:
    """An image with its channels last, and without those that are no colours.   -> (H, W) or (H, W, 3)"""
    if x.ndim == 2:
        return x
    last = np.moveaxis(x, 0, -1) if x.shape[0] in CHANNELS and min(x.shape[1:]) >= LEAST else x
    return last[..., 0] if last.shape[-1] == 1 else last[..., :3]


def photograph(x: np.ndarray) -> str:
    """The address of a picture of numbers from 0, black, to 1, white.   (H, W) or (H, W, 3)"""
    x = np.clip(_small(x), 0, 1)
    if x.ndim == 3:
        return address(coloured_png(np.rint(255 * x).astype(np.uint8)))
    return address(png(np.rint(LEVELS * x).astype(np.int8), GREY))


def diverging(x: np.ndarray, limit: float) -> str:
    """The address of a picture of numbers from -limit, blue, over 0, white, to limit, orange.   (H, W)"""
    levels = np.clip(np.rint(_small(x) * (LEVELS / limit if limit else 0.0)), -LEVELS, LEVELS)
    return address(png(np.where(np.isfinite(levels), levels, -LEVELS - 1).astype(np.int8), DIVERGING))


def _small(x: np.ndarray) -> np.ndarray:
    return _lower(_lower(np.asarray(x, float)).swapaxes(0, 1)).swapaxes(0, 1)


def _lower(x: np.ndarray) -> np.ndarray:
    rows = reduced(x.reshape(len(x), -1), SIDE)
    return rows.reshape(len(rows), *x.shape[1:])
