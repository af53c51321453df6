"""A residual network for small images.   He et al. 2015, section 4.2"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import rules
from handgrad.layers import Affine, BatchNorm, Conv2d, GlobalAvgPool, Layer, Unflatten, initialisers


class Block(Layer):
    """Two convolutions beside the identity, out = relu(x + f(x))."""

    def __init__(self, C: int, M: int, stride: int, **own: Any):
        self.conv1 = Conv2d(C, M, 3, stride, padding=1, bias=None, **own)
        self.norm1 = BatchNorm(M, dtype=own["dtype"])
        self.conv2 = Conv2d(M, M, 3, padding=1, bias=None, **own)
        self.norm2 = BatchNorm(M, dtype=own["dtype"])
        self.stride, self.more = stride, M - C

    def forward(self, x: Any) -> Any:  # (N, C, H, W)
        h = rules.relu(self.norm1(self.conv1(x)))  # (N, M, H / stride, W / stride)
        h = self.norm2(self.conv2(h))  # (N, M, H / stride, W / stride)
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]  # (N, C, H / stride, W / stride)
            x = rules.pad(x, ((0, 0), (0, self.more), (0, 0), (0, 0)))  # (N, M, H / stride, W / stride)
        return rules.relu(x + h)


class ResNet(Layer):
    """6n + 2 layers: a convolution, n blocks each of 16, 32 and 64 channels, the outputs.

    Raises:
        ValueError: ``depth`` is not 8, 14, 20, ...

    Examples:
        >>> net = hg.models.ResNet((3, 8, 8), 10, depth=8, seed=0).evaluate()
        >>> net(np.ones((2, 3, 8, 8), np.float32)).shape
        (2, 10)
    """

    def __init__(self, image: tuple[int, int, int] = (3, 32, 32), outputs: int = 10, depth: int = 8,
                 seed: Any = None, dtype: Any = np.float32):  # fmt: skip
        n, rest = divmod(depth - 2, 6)
        if rest or n < 1:
            raise ValueError(f"a resnet has 6n + 2 layers, 8, 14, 20, ..., not {depth}")
        own = {"seed": np.random.default_rng(seed), "dtype": dtype}
        self.image = Unflatten(*image)
        self.conv = Conv2d(image[0], 16, 3, padding=1, bias=None, **own)
        self.norm = BatchNorm(16, dtype=dtype)
        firsts = [(16, 16, 1), (16, 32, 2), (32, 64, 2)]  # of the three groups
        ways = [way for C, M, stride in firsts for way in [(C, M, stride), *[(M, M, 1)] * (n - 1)]]
        self.blocks = [Block(*way, **own) for way in ways]
        self.mean = GlobalAvgPool()
        self.head = Affine(64, outputs, initialisers.lecun_normal, **own)

    def forward(self, x: Any) -> Any:  # (N, C·H·W)
        x = rules.relu(self.norm(self.conv(self.image(x))))  # (N, 16, H, W)
        for block in self.blocks:
            x = block(x)  # (N, 16, H, W), (N, 32, H / 2, W / 2), (N, 64, H / 4, W / 4)
        return self.head(self.mean(x))  # (N, 64) -> (N, outputs)
