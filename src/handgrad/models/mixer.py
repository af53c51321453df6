"""MLP-Mixer: patches of an image, mixed along places and along channels by turns.   Tolstikhin et al. 2021"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import rules
from handgrad.layers import GELU, Affine, Conv2d, Layer, LayerNorm, Sequential, Unflatten, initialisers


def perceptron(D: int, M: int, **own: Any) -> Sequential:
    return Sequential(Affine(D, M, **own), GELU(), Affine(M, D, initialisers.lecun_normal, **own))


class Block(Layer):
    """A perceptron over the P places of each channel, then one over the D channels of each place."""

    def __init__(self, P: int, D: int, **own: Any):
        self.norm1, self.norm2 = LayerNorm(D, dtype=own["dtype"]), LayerNorm(D, dtype=own["dtype"])
        self.places = perceptron(P, 2 * P, **own)
        self.channels = perceptron(D, 2 * D, **own)

    def forward(self, x: Any) -> Any:  # (N, P, D)
        h = rules.transpose(self.norm1(x), (0, 2, 1))  # (N, D, P)
        x = x + rules.transpose(self.places(h), (0, 2, 1))  # (N, P, D)
        return x + self.channels(self.norm2(x))  # (N, P, D)


class Mixer(Layer):
    """Patches of 4 x 4 as D channels, some blocks, the mean over places, and the outputs.

    x (N, C, H, W) or (N, C·H·W) -> (N, outputs)

    Raises:
        ValueError: the image does not divide into patches.

    Examples:
        >>> net = hg.models.Mixer((1, 8, 8), 10, D=16, patch=4, blocks=1, seed=0)
        >>> net(np.ones((2, 1, 8, 8), np.float32)).shape
        (2, 10)
    """

    def __init__(self, image: tuple[int, int, int] = (1, 28, 28), outputs: int = 10, D: int = 64,
                 patch: int = 4, blocks: int = 4, seed: Any = None, dtype: Any = np.float32):  # fmt: skip
        C, H, W = image
        if H % patch or W % patch:
            raise ValueError(f"images of {H} x {W} do not divide into patches of {patch} x {patch}")
        own = {"seed": np.random.default_rng(seed), "dtype": dtype}
        P = (H // patch) * (W // patch)
        self.image = Unflatten(C, H, W)
        self.patches = Conv2d(C, D, patch, stride=patch, **own)
        self.blocks = [Block(P, D, **own) for _ in range(blocks)]
        self.norm = LayerNorm(D, dtype=dtype)
        self.head = Affine(D, outputs, initialisers.lecun_normal, **own)
        self.shape = (D, P)

    def forward(self, x: Any) -> Any:  # (N, C·H·W)
        x = self.patches(self.image(x))  # (N, D, H / patch, W / patch)
        x = rules.transpose(rules.reshape(x, (x.shape[0], *self.shape)), (0, 2, 1))  # (N, P, D)
        for block in self.blocks:
            x = block(x)  # (N, P, D)
        return self.head(rules.mean(self.norm(x), axis=1))  # (N, outputs)
