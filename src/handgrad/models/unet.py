"""A small U-Net: down, and up again beside what was on the way.   Ronneberger et al. 2015"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import rules
from handgrad.layers import Conv2d, ConvTranspose2d, GroupNorm, Layer, MaxPool2d


class Twice(Layer):
    """Two convolutions of 3 x 3, each normalised and rectified."""

    def __init__(self, C: int, M: int, **own: Any):
        self.convs = [Conv2d(C, M, 3, padding=1, **own), Conv2d(M, M, 3, padding=1, **own)]
        self.norms = [GroupNorm(8, M, dtype=own["dtype"]) for _ in self.convs]

    def forward(self, x: Any) -> Any:  # (N, C, H, W)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = rules.relu(norm(conv(x)))  # (N, M, H, W)
        return x


class UNet(Layer):
    """x (N, C, H, W) -> (N, M, H, W): for each pixel, M numbers.

    ``width`` channels at first, twice as many at each of ``levels`` below, where H and W are halved.

    Examples:
        >>> net = hg.models.UNet(1, 2, width=8, levels=1, seed=0)
        >>> net(np.ones((2, 1, 8, 8), np.float32)).shape
        (2, 2, 8, 8)
    """

    def __init__(self, C: int = 1, M: int = 2, width: int = 16, levels: int = 2, seed: Any = None,
                 dtype: Any = np.float32):  # fmt: skip
        own = {"seed": np.random.default_rng(seed), "dtype": dtype}
        widths = [width * 2**k for k in range(levels + 1)]
        self.down = [Twice(a, b, **own) for a, b in zip([C, *widths], widths, strict=False)]
        self.pool = MaxPool2d(2)
        self.grow = [ConvTranspose2d(2 * a, a, 2, stride=2, **own) for a in widths[:-1]]
        self.up = [Twice(2 * a, a, **own) for a in widths[:-1]]
        self.head = Conv2d(width, M, 1, **own)

    def forward(self, x: Any) -> Any:  # (N, C, H, W)
        seen = []
        for down in self.down[:-1]:
            x = down(x)  # (N, width·2ᵏ, H / 2ᵏ, W / 2ᵏ)
            seen.append(x)
            x = self.pool(x)  # (N, width·2ᵏ, H / 2ᵏ⁺¹, W / 2ᵏ⁺¹)
        x = self.down[-1](x)  # (N, width·2ᴸ, H / 2ᴸ, W / 2ᴸ)
        for beside, grow, up in zip(seen[::-1], self.grow[::-1], self.up[::-1], strict=True):
            x = rules.concatenate([grow(x), beside], axis=1)  # (N, 2·width·2ᵏ, H / 2ᵏ, W / 2ᵏ)
            x = up(x)  # (N, width·2ᵏ, H / 2ᵏ, W / 2ᵏ)
        return self.head(x)  # (N, M, H, W)
