"""Which arrays are images: grey (H, W), or with channels (C, H, W) or (H, W, C). Leans on nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAST = 5  # pixels of a side that make an image
CHANNELS = (1, 3, 4)


def is_image(shape: Sequence[int]) -> bool:
    """Whether an example of this shape can be looked at."""
    return _is_large(shape) if len(shape) == 2 else channels_first(shape) or channels_last(shape)


def channels_first(shape: Sequence[int]) -> bool:
    return len(shape) == 3 and shape[0] in CHANNELS and _is_large(shape[1:])


def channels_last(shape: Sequence[int]) -> bool:
    return len(shape) == 3 and shape[2] in CHANNELS and _is_large(shape[:2])


def _is_large(sides: Sequence[int]) -> bool:
    return min(sides) >= LEAST


def upright(x: np.ndarray) -> np.ndarray:
    """An image with its channels last, and without those that are no colours.   -> (H, W) or (H, W, 3)"""
    if x.ndim == 2:
        return x
    last = np.moveaxis(x, 0, -1) if channels_first(x.shape) else x
    return last[..., 0] if last.shape[-1] == 1 else last[..., :3]
