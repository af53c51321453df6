"""How long ``import handgrad`` takes over ``import numpy``, and from process start to a first step."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.tables import table, time_of
from bench.workload import named

OURS = """
import numpy as np, handgrad as hg
from handgrad.layers import mlp
from handgrad.optim import SGD
from handgrad.train import Trainer
t = Trainer(mlp([784, 50, 10], seed=0), hg.softmax_cross_entropy, SGD(0.1), engine="{engine}")
t.fit(np.ones((100, 784), np.float32), np.zeros(100, int), epochs=1, batch_size=100)
"""
TORCH = """
import torch
net = torch.nn.Sequential(torch.nn.Linear(784, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10))
o = torch.optim.SGD(net.parameters(), lr=0.1)
def loss(x, t):
    return torch.nn.functional.cross_entropy(net(x), t)
{compiled}
loss(torch.ones(100, 784), torch.zeros(100, dtype=torch.long)).backward()
o.step()
"""
JAX = """
import jax, jax.numpy as jnp, numpy as np
def loss(p, x, t):
    y = jax.nn.log_softmax(jnp.maximum(x @ p[0] + p[1], 0) @ p[2] + p[3])
    return -jnp.mean(jnp.take_along_axis(y, t[:, None], axis=1))
def step(p, x, t):
    return [a - 0.1 * b for a, b in zip(p, jax.grad(loss)(p, x, t))]
p = [np.ones((784, 50), np.float32), np.zeros(50, np.float32),
     np.ones((50, 10), np.float32), np.zeros(10, np.float32)]
jax.block_until_ready(jax.jit(step)(p, np.ones((100, 784), np.float32), np.zeros(100, np.int32)))
"""
NETWORKS = ("lenet", "lstm-char", "gpt-nano")
NETWORK = """
import dataclasses, numpy as np
from bench.workload import named
given = np.load("{file}")
workload = dataclasses.replace(named("{name}"), data=lambda: (given["x"], given["t"]), rows=None)
{steps}(1)
"""
NETWORK_STEPS = {
    "handgrad": "from bench.contestants import ours as make; make(workload, '{engine}')",
    "PyTorch, eager": "from bench.torch_peers import eager_in as make; make(workload)",
    "JAX, jit": "from bench.jax_peers import jit as make; make(workload)",
}
JAX_CACHE = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


CACHES = {
    "handgrad": "HANDGRAD_CACHE",
    "PyTorch, torch.compile": "TORCHINDUCTOR_CACHE_DIR",
    "JAX, jit": "JAX_COMPILATION_CACHE_DIR",
}


def perceptron(engine: str) -> dict[str, str]:
    """What is started for a step of mlp-course."""
    return {
        "handgrad": OURS.format(engine=engine),
        "PyTorch, eager": TORCH.format(compiled=""),
        "PyTorch, torch.compile": TORCH.format(compiled="loss = torch.compile(loss)"),
        "JAX, jit": JAX,
    }


def network(name: str, engine: str, folder: str) -> dict[str, str]:
    """What is started for a step of a workload, whose mini-batch is put into a file."""
    workload = named(name)
    x, t = workload.examples()
    file = Path(folder, f"{name}.npz")
    np.savez(file, x=x[: workload.batch], t=t[: workload.batch])
    return {
        peer: NETWORK.format(file=file.as_posix(), name=name, steps=steps.format(engine=engine))
        for peer, steps in NETWORK_STEPS.items()
    }


def seconds(source: str, environment: dict[str, str] | None = None) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", source],
        check=True,
        capture_output=True,
        env={**os.environ, **(environment or {})},
    )
    return time.perf_counter() - began


def once(source: str, cache: str | None) -> dict[str, float]:
    """Seconds with an empty cache and with the one that this leaves; of one without a cache, seconds."""
    if cache is None:
        return {"": seconds(source)}
    with tempfile.TemporaryDirectory() as folder:
        environment = {cache: folder, **JAX_CACHE}
        return {", empty cache": seconds(source, environment), ", warm cache": seconds(source, environment)}


def first_step(starts: dict[str, str], engine: str, rounds: int) -> dict[str, float]:
    """Median seconds from process start to the end of a process that makes one step."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, source in starts.items():
            cache = None if (name, engine) == ("handgrad", "numpy") else CACHES.get(name)
            for suffix, found in once(source, cache).items():
                times.setdefault(name + suffix, []).append(found)
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


def report(engine: str, rounds: int = 5) -> Iterator[str]:
    yield "\n## From process start to a first step of mlp-course\n"
    yield from compared(first_step(perceptron(engine), engine, rounds))
    yield f"\n`import handgrad` takes {import_over_numpy():.0f} ms over `import numpy`."
    with tempfile.TemporaryDirectory() as folder:
        for name in NETWORKS:
            yield f"\n## From process start to a first step of {name}\n"
            yield "Peers are given our parameters, so every process imports handgrad.\n"
            yield from compared(first_step(network(name, engine, folder), engine, rounds=3))


def compared(times: dict[str, float]) -> Iterator[str]:
    ours = next(iter(times.values()))
    yield from table(
        ("", "time", "ratio"), ((name, time_of(s), f"{s / ours:.2f}") for name, s in times.items())
    )
