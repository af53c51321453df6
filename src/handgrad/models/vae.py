"""A variational autoencoder, 784-400-20-400-784.   Kingma & Welling 2014"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, xp
from handgrad.layers import Affine, Layer


class VAE(Layer):
    """x (N, D) in [0, 1] -> logits of x (N, D), mean and log-variance of z (N, Z)

    While training z is drawn, mean + σ·ε with ε normal; in evaluation it is the mean. ``decode`` makes an x
    of any z. The draws are a function of ``seed`` and of how many went before, as ``Dropout``'s are.

    Examples:
        >>> net = hg.models.VAE(D=64, hidden=32, Z=4, seed=0).evaluate()
        >>> [out.shape for out in net(np.ones((2, 64), np.float32))]
        [(2, 64), (2, 4), (2, 4)]
    """

    def __init__(
        self, D: int = 784, hidden: int = 400, Z: int = 20, seed: Any = None, dtype: Any = np.float32
    ):
        rng = np.random.default_rng(seed)
        own = {"seed": rng, "dtype": dtype}
        self.encoder, self.statistics = Affine(D, hidden, **own), Affine(hidden, 2 * Z, **own)
        self.decoder, self.pixels = Affine(Z, hidden, **own), Affine(hidden, D, **own)
        self.state = {"key": rng.integers(2**32, size=2, dtype=np.uint32)}

    def forward(self, x: Any) -> Any:  # (N, D)
        h = rules.relu(self.encoder(x))  # (N, hidden)
        mean, log_variance = rules.split(self.statistics(h), 2, axis=1)  # (N, Z), (N, Z)
        z = mean + rules.exp(log_variance / 2) * self.noise(mean) if self.is_training() else mean  # (N, Z)
        return self.decode(z), mean, log_variance

    def decode(self, z: Any) -> Any:  # (N, Z)
        return self.pixels(rules.relu(self.decoder(z)))  # (N, D)

    def noise(self, like: Any) -> Any:
        """Normal numbers, of two uniform ones each.   Box & Muller 1958"""
        key = self.state["key"]
        self.state["key"] = xp.fold_in(key, 2)
        u, v = xp.random_uniform(like, key), xp.random_uniform(like, xp.fold_in(key, 1))
        return rules.sqrt(-2 * rules.log1p(-u)) * rules.cos(2 * math.pi * v)


def vae_loss(outputs: Any, x: Any) -> Any:
    """-log p(x | z) + KL(z ‖ normal), summed over pixels and latents, the mean over examples.

    Examples:
        >>> net = hg.models.VAE(D=4, hidden=8, Z=2, seed=0).train()
        >>> x = np.full((3, 4), 0.5, np.float32)
        >>> np.shape(hg.models.vae_loss(net(x), x))
        ()
    """
    logits, mean, log_variance = outputs
    likelihood = rules.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    divergence = rules.sum(rules.exp(log_variance) + mean * mean - 1 - log_variance) / 2
    return (likelihood + divergence) / shape(x)[0]
