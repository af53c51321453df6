"""lenet: 16c5-p2-32c5-p2-128-10 on all of mnist-5k."""

from typing import Any

from bench.networks import Network, convolved, images, pooled
from bench.workload import digits
from handgrad.models import lenet
from handgrad.optim import Adam


def torch_model() -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1568, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def jax_model(p: dict, moved: dict, x: Any) -> Any:
    import jax

    x = images(x, 1, 28, 28)  # (N, 28, 28, 1)
    x = pooled(jax.nn.relu(convolved(x, p["1.W"], p["1.b"], padding=2)))  # (N, 14, 14, 16)
    x = pooled(jax.nn.relu(convolved(x, p["4.W"], p["4.b"], padding=2)))  # (N, 7, 7, 32)
    x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)  # (N, 1568)
    return jax.nn.relu(x @ p["8.W"] + p["8.b"]) @ p["10.W"] + p["10.b"]


FIRST = 2 * 28 * 28 * 16 * 25
WORKLOAD = Network(
    "lenet",
    batch=100,
    optimiser=Adam(1e-3),
    data=digits,
    model=lambda: lenet(seed=0),
    torch_model=torch_model,
    jax_model=jax_model,
    first=FIRST,
    images=True,
    flops=FIRST + 2 * (14 * 14 * 32 * 16 * 25 + 1568 * 128 + 128 * 10),
    kind="16c5-p2-32c5-p2-128-10 on 28 x 28",
)
