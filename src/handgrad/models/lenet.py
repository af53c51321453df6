"""LeNet: two convolutions with pooling, two affine layers.   LeCun et al. 1998, with rectifiers"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.layers import Affine, Conv2d, Flatten, MaxPool2d, ReLU, Sequential, Unflatten, initialisers


def lenet(
    image: tuple[int, int, int] = (1, 28, 28), outputs: int = 10, seed: Any = None, dtype: Any = np.float32
) -> Sequential:
    """16 filters of 5 x 5, 32 of 5 x 5, 128 units.   x (N, C, H, W) or (N, C·H·W) -> (N, outputs)

    Raises:
        ValueError: images of less than 4 x 4.

    Examples:
        >>> net = hg.models.lenet((1, 28, 28), 10, seed=0)
        >>> net(np.ones((2, 1, 28, 28), np.float32)).shape
        (2, 10)
    """
    C, H, W = image
    if min(H, W) < 4:
        raise ValueError(f"lenet halves images twice: they are at least 4 x 4, not {H} x {W}")
    own = {"seed": np.random.default_rng(seed), "dtype": dtype}
    D = 32 * (H // 4) * (W // 4)
    return Sequential(
        Unflatten(C, H, W),  # (N, C, H, W)
        Conv2d(C, 16, 5, padding=2, **own),  # (N, 16, H, W)
        ReLU(),
        MaxPool2d(2),  # (N, 16, H / 2, W / 2)
        Conv2d(16, 32, 5, padding=2, **own),  # (N, 32, H / 2, W / 2)
        ReLU(),
        MaxPool2d(2),  # (N, 32, H / 4, W / 4)
        Flatten(),  # (N, D)
        Affine(D, 128, **own),  # (N, 128)
        ReLU(),
        Affine(128, outputs, initialisers.lecun_normal, **own),  # (N, outputs)
    )
