"""resnet8: eight layers with batch norms and shortcuts, on 32 x 32 x 3.   He et al. 2015"""

from typing import Any

from bench.networks import Network, convolved, images, normalised, patterns
from handgrad.models import ResNet
from handgrad.optim import Momentum

BLOCKS = [(16, 16, 1), (16, 32, 2), (32, 64, 2)]


def torch_model() -> Any:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, C: int, M: int, stride: int):
            super().__init__()
            self.conv1, self.norm1 = nn.Conv2d(C, M, 3, stride, 1, bias=False), nn.BatchNorm2d(M)
            self.conv2, self.norm2 = nn.Conv2d(M, M, 3, 1, 1, bias=False), nn.BatchNorm2d(M)
            self.stride, self.more = stride, M - C

        def forward(self, x: Any) -> Any:
            h = torch.relu(self.norm1(self.conv1(x)))
            h = self.norm2(self.conv2(h))
            if self.stride > 1:
                x = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.more))
            return torch.relu(x + h)

    return nn.Sequential(
        nn.Unflatten(1, (3, 32, 32)),
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        *(Block(*block) for block in BLOCKS),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def jax_model(p: dict, moved: dict, x: Any) -> Any:
    import jax
    import jax.numpy as jnp

    x = convolved(images(x, 3, 32, 32), p["conv.W"], padding=1)  # (N, 32, 32, 16)
    x = jax.nn.relu(normalised(p, moved, "norm", x))
    for i, (C, M, stride) in enumerate(BLOCKS):
        name = f"blocks.{i}"
        h = convolved(x, p[f"{name}.conv1.W"], stride=stride, padding=1)
        h = jax.nn.relu(normalised(p, moved, f"{name}.norm1", h))
        h = normalised(p, moved, f"{name}.norm2", convolved(h, p[f"{name}.conv2.W"], padding=1))
        if stride > 1:
            x = jnp.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (0, M - C)))
        x = jax.nn.relu(x + h)  # (N, 32, 32, 16), (N, 16, 16, 32), (N, 8, 8, 64)
    return x.mean(axis=(1, 2)) @ p["head.W"] + p["head.b"]


FIRST = 2 * 32 * 32 * 16 * 27
REST = 2 * 9 * (2 * 1024 * 16 * 16 + 256 * (16 * 32 + 32 * 32) + 64 * (32 * 64 + 64 * 64))
WORKLOAD = Network(
    "resnet8",
    batch=64,
    optimiser=Momentum(0.01),
    data=patterns,
    model=lambda: ResNet((3, 32, 32), 10, depth=8, seed=0),
    torch_model=torch_model,
    jax_model=jax_model,
    first=FIRST,
    images=True,
    flops=FIRST + REST + 2 * 64 * 10,
    kind="ResNet-8 on 32 x 32 x 3, batch norm",
)
