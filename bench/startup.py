"""How long ``import handgrad`` takes over ``import numpy``, and from process start to a first step."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

STEP = {
    "handgrad": """
import numpy as np, handgrad as hg
from handgrad.layers import mlp
from handgrad.optim import SGD
from handgrad.train import Trainer
t = Trainer(mlp([784, 50, 10], seed=0), hg.softmax_cross_entropy, SGD(0.1))
t.step(t.progress, np.ones((100, 784), np.float32), np.zeros(100, int))
""",
    "PyTorch": """
import torch
net = torch.nn.Sequential(torch.nn.Linear(784, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10))
o = torch.optim.SGD(net.parameters(), lr=0.1)
torch.nn.functional.cross_entropy(net(torch.ones(100, 784)), torch.zeros(100, dtype=torch.long)).backward()
o.step()
""",
    "JAX": """
import jax, jax.numpy as jnp
def loss(p, x, t):
    y = jax.nn.log_softmax(jnp.maximum(x @ p[0] + p[1], 0) @ p[2] + p[3])
    return -jnp.mean(jnp.take_along_axis(y, t[:, None], axis=1))
p = [jnp.ones((784, 50)), jnp.zeros(50), jnp.ones((50, 10)), jnp.zeros(10)]
g = jax.jit(jax.grad(loss))(p, jnp.ones((100, 784)), jnp.zeros(100, int))
[a - 0.1 * b for a, b in zip(p, g)][0].block_until_ready()
""",
}


def seconds(source: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", source], check=True, capture_output=True)
    return time.perf_counter() - began


def first_step(rounds: int = 5) -> dict[str, float]:
    """Median seconds from process start to the end of a first mlp-course step."""
    times: dict[str, list[float]] = {name: [] for name in STEP}
    for _ in range(rounds):
        for name, source in STEP.items():
            times[name].append(seconds(source))
    return {name: statistics.median(found) for name, found in times.items()}


def import_over_numpy(rounds: int = 15) -> float:
    """Median milliseconds of ``import handgrad`` less those of ``import numpy`` within it."""
    over = []
    for _ in range(rounds):
        ran = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", "import handgrad"],
            check=True,
            capture_output=True,
            text=True,
        )
        total = {line.split("|")[2].strip(): int(line.split("|")[1]) for line in ran.stderr.splitlines()[1:]}
        over.append((total["handgrad"] - total["numpy"]) / 1000)
    return statistics.median(over)
