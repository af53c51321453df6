"""Workloads of networks that are no perceptrons: ours, and the same of each peer with our parameters.

Of images PyTorch runs in the better of its two layouts, which a few steps of each tell; JAX has its channels
last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.workload import Data, Workload
from handgrad.layers import Layer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(Workload):
    """A training of a network that is no multi-layer perceptron.

    Args:
        model: makes ours.
        torch_model: makes PyTorch's module, whose parameters stand in the order of ours.
        jax_model: ``(params, moved, x) -> y``, with parameters and running statistics by our names, W of
            convolutions as (*size, C, M); the statistics' new values go to ``moved``.
        flops: multiplications and additions of the forward's products, for one example.
        first: those of the first layer, whose input needs no gradient.
        images: whether layouts of channels matter.
        kind: in words.
    """

    widths: tuple[int, ...] = ()
    model: Callable[[], Layer] = Layer
    torch_model: Callable[[], Any] = Layer
    jax_model: Callable[..., Any] = Layer
    flops: int = 0
    first: int = 0
    images: bool = False
    kind: str = ""

    def net(self) -> Layer:
        return self.model()

    def product_flops(self) -> int:
        return self.batch * (3 * self.flops - self.first)

    def describe(self) -> str:
        optimiser = f"{type(self.optimiser).__name__} {self.optimiser.rate(0):g}"
        return f"{self.kind}, batch {self.batch}, {optimiser}, float32"


def patterns() -> Data:
    """Images (640, 3·32·32) of ten classes, each a pattern of its own under noise."""
    r = np.random.default_rng(0)
    t = np.arange(640) % 10
    shapes = r.standard_normal((10, 3 * 32 * 32))
    x = shapes[t] + 2 * r.standard_normal((640, 3 * 32 * 32))
    return x.astype(np.float32), t


def with_parameters_of(ours: Layer, theirs: Any) -> Any:
    """PyTorch's module with our parameters, in their order; an affine layer's W is turned.

    What it does not train stays as it is.
    """
    import torch

    affine = {id(module.weight) for module in theirs.modules() if isinstance(module, torch.nn.Linear)}
    trained = [p for p in theirs.parameters() if p.requires_grad]
    for p, W in zip(trained, ours.parameters().values(), strict=True):
        W = W.T if id(p) in affine else W
        assert p.shape == W.shape
        p.data = torch.from_numpy(W.copy())
    return theirs


def jax_parameters(ours: Layer) -> dict[str, Any]:
    """Ours by name, convolutions with the channels last."""
    import jax.numpy as jnp

    own = ours.parameters().items()
    return {name: jnp.asarray(np.moveaxis(W, (0, 1), (-1, -2)) if W.ndim == 4 else W) for name, W in own}


# What JAX's networks are made of.


def images(x: Any, C: int, H: int, W: int) -> Any:
    """(N, C·H·W) -> (N, H, W, C)"""
    return x.reshape(-1, C, H, W).transpose(0, 2, 3, 1)


def convolved(x: Any, W: Any, b: Any = 0, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
    import jax

    made = jax.lax.conv_general_dilated(
        x,
        W,
        (stride, stride),
        [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )
    return made + b


def pooled(x: Any) -> Any:
    """The largest of each 2 x 2."""
    import jax

    return jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def normalised(params: dict, moved: dict, name: str, x: Any) -> Any:
    """Batch norm, whose running statistics move."""
    import jax

    mean, var = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    n = x.size // x.shape[-1]
    for key, found in ((f"{name}.running_mean", mean), (f"{name}.running_var", var * (n / (n - 1)))):
        moved[key] = 0.9 * params[key] + 0.1 * jax.lax.stop_gradient(found)
    return (x - mean) * (params[f"{name}.gamma"] * jax.lax.rsqrt(var + 1e-5)) + params[f"{name}.beta"]
