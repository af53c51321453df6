"""vae: a variational autoencoder of mnist-5k, 784-400-20-400-784.   Kingma & Welling 2014

What is drawn is data, so that all have the same: 20 normal numbers beside the pixels of each image.
"""

import functools
from typing import Any

import numpy as np

from bench.networks import Network
from bench.workload import Data, digits
from handgrad.models import VAE
from handgrad.optim import Adam

D, H, Z = 784, 400, 20


@functools.cache
def data() -> Data:
    """Pixels and noise (N, 804), and the pixels."""
    x, _ = digits()
    noise = np.random.default_rng(0).standard_normal((len(x), Z), np.float32)
    return np.concatenate([x, noise], axis=1), x


class Given(VAE):
    """Takes its noise from behind the pixels."""

    def forward(self, x: Any) -> Any:
        self.given = x[:, D:]
        return super().forward(x[:, :D])

    def noise(self, like: Any) -> Any:
        return self.given


def torch_model() -> Any:
    from torch import nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.statistics = nn.Linear(D, H), nn.Linear(H, 2 * Z)
            self.decoder, self.pixels = nn.Linear(Z, H), nn.Linear(H, D)

        def forward(self, x: Any) -> Any:
            mean, log_variance = self.statistics(self.encoder(x[:, :D]).relu()).chunk(2, dim=1)
            z = mean + (log_variance / 2).exp() * x[:, D:]
            return self.pixels(self.decoder(z).relu()), mean, log_variance

    return Model()


def jax_model(p: dict, moved: dict, x: Any) -> Any:
    import jax
    import jax.numpy as jnp

    def affine(name: str, x: Any) -> Any:
        return x @ p[f"{name}.W"] + p[f"{name}.b"]

    statistics = affine("statistics", jax.nn.relu(affine("encoder", x[:, :D])))
    mean, log_variance = jnp.split(statistics, 2, axis=1)
    z = mean + jnp.exp(log_variance / 2) * x[:, D:]
    return affine("pixels", jax.nn.relu(affine("decoder", z))), mean, log_variance


FIRST = 2 * D * H
WORKLOAD = Network(
    "vae",
    batch=128,
    optimiser=Adam(1e-3),
    data=data,
    model=functools.partial(Given, D, H, Z, seed=0),
    torch_model=torch_model,
    jax_model=jax_model,
    loss="vae_loss",
    first=FIRST,
    flops=FIRST + 2 * (H * 2 * Z + Z * H + H * D),
    kind="784-400-20-400-784, relu, normal noise as data",
)
