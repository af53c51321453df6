"""mlp-course: 784-50-10 with ReLU, batch 100, SGD, float32, on mnist-5k: the same arithmetic for all.

Each contestant is a function that makes one step on the next mini-batch and returns the loss. Before
anything is timed, their losses over twenty steps are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import softmax_cross_entropy
from handgrad.data import load, permutation
from handgrad.layers import mlp
from handgrad.optim import SGD
from handgrad.train import Trainer

LR, BATCH = 0.1, 100
WIDTHS = [784, 50, 10]


def mini_batches() -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """An endless stream of mini-batches, the same for everyone who asks for one."""
    data = load("mnist-5k")
    x = np.asarray(data.x, np.float32).reshape(len(data), -1) / np.float32(255)
    state = {"epoch": 0, "at": 0, "order": permutation(len(x), 0, 0)}

    def draw() -> tuple[np.ndarray, np.ndarray]:
        if state["at"] + BATCH > len(x):
            state.update(epoch=state["epoch"] + 1, at=0)
            state["order"] = permutation(len(x), 0, state["epoch"])
        picked = state["order"][state["at"] : state["at"] + BATCH]
        state["at"] += BATCH
        return x[picked], data.t[picked]

    return draw


def weights() -> list[np.ndarray]:
    params = mlp(WIDTHS, seed=0).parameters()
    return [params[name].copy() for name in ("1.W", "1.b", "3.W", "3.b")]


def handgrad_eager() -> Callable[[], float]:
    trainer = Trainer(mlp(WIDTHS, seed=0), softmax_cross_entropy, SGD(LR), metrics={})
    draw = mini_batches()

    def step() -> float:
        trainer.progress, loss, _ = trainer.step(trainer.progress, *draw())
        return loss

    return step


def numpy_by_hand() -> Callable[[], float]:
    W1, b1, W2, b2 = weights()
    draw = mini_batches()

    def step() -> float:
        x, t = draw()
        rows = np.arange(BATCH)
        z = x @ W1 + b1
        h = np.maximum(z, 0)
        a = h @ W2 + b2
        a -= a.max(axis=1, keepdims=True)
        e = np.exp(a)
        total = e.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(total[:, 0]) - a[rows, t]))
        da = e / total
        da[rows, t] -= 1
        da /= BATCH
        dz = (da @ W2.T) * (z > 0)
        for p, dp in ((W2, h.T @ da), (b2, da.sum(axis=0)), (W1, x.T @ dz), (b1, dz.sum(axis=0))):
            p -= np.float32(LR) * dp
        return loss

    return step


def pytorch() -> Callable[[], float]:
    import torch

    W1, b1, W2, b2 = weights()
    net = torch.nn.Sequential(torch.nn.Linear(784, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10))
    for p, value in zip(net.parameters(), (W1.T, b1, W2.T, b2), strict=True):
        p.data = torch.tensor(value)
    optimiser = torch.optim.SGD(net.parameters(), lr=LR)
    draw = mini_batches()

    def step() -> float:
        x, t = draw()
        loss = torch.nn.functional.cross_entropy(net(torch.from_numpy(x)), torch.from_numpy(t))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def jax_jit() -> Callable[[], float]:
    import jax
    import jax.numpy as jnp

    def loss_of(params: Any, x: Any, t: Any) -> Any:
        W1, b1, W2, b2 = params
        log_y = jax.nn.log_softmax(jnp.maximum(x @ W1 + b1, 0) @ W2 + b2)
        return -jnp.mean(jnp.take_along_axis(log_y, t[:, None], axis=1))

    @jax.jit
    def update(params: Any, x: Any, t: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(params, x, t)
        return loss, [p - LR * dp for p, dp in zip(params, grads, strict=True)]

    held = {"params": [jnp.asarray(p) for p in weights()]}
    draw = mini_batches()

    def step() -> float:
        x, t = draw()
        loss, held["params"] = update(held["params"], x, t)
        return float(loss)

    return step


CONTESTANTS = {
    "handgrad, eager": handgrad_eager,
    "NumPy by hand": numpy_by_hand,
    "PyTorch, eager": pytorch,
    "JAX, jit": jax_jit,
}


def agree(steps: int = 20) -> float:
    """The largest relative difference of any contestant's loss from handgrad's, over the first steps."""
    losses = {}
    for name, make in CONTESTANTS.items():
        step = make()
        losses[name] = np.array([step() for _ in range(steps)])
    ours = losses["handgrad, eager"]
    return max(float(np.max(np.abs(theirs / ours - 1))) for theirs in losses.values())
