"""depthwise: as in MobileNet, each convolution one by channel and one by pixel.   Howard et al. 2017"""

from typing import Any

import numpy as np

from bench.networks import Network, convolved, images, normalised, patterns
from handgrad.layers import (
    Affine,
    BatchNorm,
    Conv2d,
    GlobalAvgPool,
    ReLU,
    Sequential,
    Unflatten,
    initialisers,
)
from handgrad.optim import Momentum

BLOCKS = [(32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2)]


def model() -> Sequential:
    seed = np.random.default_rng(0)

    def conv(C: int, M: int, size: int, **options: Any) -> list:
        return [Conv2d(C, M, size, bias=None, seed=seed, **options), BatchNorm(M), ReLU()]

    layers = [Unflatten(3, 32, 32), *conv(3, 32, 3, padding=1)]
    for C, M, stride in BLOCKS:
        layers += [*conv(C, C, 3, stride=stride, padding=1, groups=C), *conv(C, M, 1)]
    return Sequential(*layers, GlobalAvgPool(), Affine(256, 10, initialisers.lecun_normal, seed=seed))


def torch_model() -> Any:
    from torch import nn

    def conv(C: int, M: int, size: int, **options: Any) -> list:
        return [nn.Conv2d(C, M, size, bias=False, **options), nn.BatchNorm2d(M), nn.ReLU()]

    layers = [nn.Unflatten(1, (3, 32, 32)), *conv(3, 32, 3, padding=1)]
    for C, M, stride in BLOCKS:
        layers += [*conv(C, C, 3, stride=stride, padding=1, groups=C), *conv(C, M, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


def jax_model(p: dict, moved: dict, x: Any) -> Any:
    import jax

    def conv(x: Any, i: int, **options: Any) -> Any:
        return jax.nn.relu(normalised(p, moved, str(i + 1), convolved(x, p[f"{i}.W"], **options)))

    x = conv(images(x, 3, 32, 32), 1, padding=1)  # (N, 32, 32, 32)
    for k, (C, _, stride) in enumerate(BLOCKS):
        x = conv(x, 4 + 6 * k, stride=stride, padding=1, groups=C)
        x = conv(x, 7 + 6 * k)
    last = 4 + 6 * len(BLOCKS) + 1
    return x.mean(axis=(1, 2)) @ p[f"{last}.W"] + p[f"{last}.b"]


def flops() -> int:
    total, side = 0, 32
    for C, M, stride in BLOCKS:
        side //= stride
        total += 2 * side * side * (9 * C + C * M)
    return total


FIRST = 2 * 32 * 32 * 32 * 27
WORKLOAD = Network(
    "depthwise",
    batch=64,
    optimiser=Momentum(0.01),
    data=patterns,
    model=model,
    torch_model=torch_model,
    jax_model=jax_model,
    first=FIRST,
    images=True,
    flops=FIRST + flops() + 2 * 256 * 10,
    kind="depthwise and pointwise convolutions on 32 x 32 x 3, batch norm",
)
