"""784-50-10, Adam 1e-3, batch 100, 20 epochs, 4,000 of mnist-5k to train and 1,000 held out, seeds 0 to 4."""

from __future__ import annotations

import dataclasses

import numpy as np

from handgrad import softmax_cross_entropy
from handgrad.data import load, permutation
from handgrad.layers import mlp
from handgrad.optim import Adam
from handgrad.train import Trainer
from handgrad.train.engines import steps_for

EPOCHS, BATCH, SEEDS = 20, 100, range(5)


def split(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    train, test = load("mnist-5k").split(test=1000, seed=seed)
    x, x_test = (np.asarray(part.x, np.float32).reshape(len(part), -1) / 255 for part in (train, test))
    return x, train.t, x_test, test.t


def trainer_for(seed: int, engine: str) -> Trainer:
    net = mlp([784, 50, 10], seed=seed)
    return Trainer(net, softmax_cross_entropy, Adam(1e-3), seed=seed, engine=engine)


def ours(seed: int, engine: str) -> float:
    x, t, x_test, t_test = split(seed)
    trainer = trainer_for(seed, engine)
    trainer.fit(x, t, EPOCHS, BATCH)
    return trainer.evaluate(x_test, t_test)["accuracy"]


def losses(seed: int, engine: str, steps: int) -> np.ndarray:
    """The loss of each of the first steps."""
    x, t, *_ = split(seed)
    trainer = trainer_for(seed, engine)
    made = steps_for(trainer, trainer.progress, x, t, BATCH)
    order = np.concatenate([permutation(len(x), seed, epoch) for epoch in range(-(-steps * BATCH // len(x)))])
    totals = [0.0]
    for _ in range(steps):
        step = trainer.progress.step
        begun = dataclasses.replace(trainer.progress, batch=step)
        trainer.progress = made.advance(begun, order[: (step + 1) * BATCH], BATCH, step + 1)
        totals.append(trainer.progress.totals["loss"])
    return np.diff(totals) / BATCH


def apart(steps: int = 50) -> float:
    """The largest relative difference of the two engines' losses over the first steps, of all seeds."""
    return max(
        float(np.max(np.abs(losses(seed, "native", steps) / losses(seed, "numpy", steps) - 1)))
        for seed in SEEDS
    )


def theirs(seed: int, same_weights: bool) -> float:
    """PyTorch, from its own initial weights or from handgrad's."""
    import torch

    torch.manual_seed(seed)
    x, t, x_test, t_test = (torch.from_numpy(np.asarray(a)) for a in split(seed))
    net = torch.nn.Sequential(torch.nn.Linear(784, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10))
    if same_weights:
        for p, value in zip(
            net.parameters(), mlp([784, 50, 10], seed=seed).parameters().values(), strict=True
        ):
            p.data = torch.from_numpy(value.T.copy())
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(EPOCHS):
        order = torch.from_numpy(permutation(len(x), seed, epoch))
        for picked in order.split(BATCH):
            loss = torch.nn.functional.cross_entropy(net(x[picked]), t[picked])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return float((net(x_test).argmax(dim=1) == t_test).float().mean())


def compare() -> dict[str, list[float]]:
    """The accuracy of each contestant for each seed."""
    return {
        "handgrad, native": [ours(seed, "native") for seed in SEEDS],
        "handgrad, NumPy": [ours(seed, "numpy") for seed in SEEDS],
        "PyTorch, the same initial weights": [theirs(seed, same_weights=True) for seed in SEEDS],
        "PyTorch, its own initial weights": [theirs(seed, same_weights=False) for seed in SEEDS],
    }
