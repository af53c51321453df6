"""Numbers as pictures that an HTML document holds, reduced where they are large."""

from __future__ import annotations

import numpy as np

from handgrad.view.summary import LEVELS, reduced
from handgrad.view.thumbnails import DIVERGING, GREY, address, coloured_png, png

SIDE = 64  # pixels of a picture; a larger one is reduced


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
