"""What is measured: a network, its loss, its optimiser and its data, the same for every contestant."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import itertools
from collections.abc import Callable

import numpy as np

import handgrad
from handgrad import models
from handgrad.data import load, permutation
from handgrad.layers import Sequential, mlp
from handgrad.optim import Optimiser

NAMES = (
    *("mlp-tiny", "mlp-course", "mlp-wide", "mlp-norm", "tabular"),
    *("lenet", "resnet8", "depthwise", "lstm-char", "gpt-nano", "gpt-micro", "vae"),
)
Data = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Workload:
    """One training, described.

    Args:
        data: gives x (N, D) float32 and t, class indices (N,) or targets (N, M) float32; of text, symbols
            (N, T) and what comes after each.
        loss: ``softmax_cross_entropy``, ``mean_squared_error`` or ``vae_loss``.
        optimiser: handgrad's; the peers read their settings from it.
        rows: how many examples to use, at most. What does not fill a mini-batch is left out, so that
            every step is of one shape.
    """

    name: str
    widths: tuple[int, ...]
    batch: int
    optimiser: Optimiser
    data: Callable[[], Data]
    activation: str = "relu"
    batch_norm: bool = False
    dropout: float = 0.0
    loss: str = "softmax_cross_entropy"
    rows: int | None = None

    def examples(self) -> Data:
        x, t = self.data()
        if self.rows:  # of all classes: they may lie in order
            chosen = permutation(len(x), 0, 0)[: self.rows]
            x, t = x[chosen], t[chosen]
        rows = len(x) // self.batch * self.batch
        return np.ascontiguousarray(x[:rows]), np.ascontiguousarray(t[:rows])

    def net(self) -> Sequential:
        return mlp(list(self.widths), self.activation, self.batch_norm, self.dropout, seed=0)

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Copies of the (W, b) of each affine layer, as handgrad begins."""
        params = self.net().parameters()
        places = [name.removesuffix(".W") for name in params if name.endswith(".W")]
        return [(params[f"{i}.W"].copy(), params[f"{i}.b"].copy()) for i in places]

    def criterion(self) -> Callable:
        return getattr(models if self.loss == "vae_loss" else handgrad, self.loss)

    def epoch_steps(self) -> int:
        return len(self.examples()[0]) // self.batch

    @property
    def unit(self) -> int:
        """Steps that are timed together at least: an epoch, of which scikit-learn makes no part; of networks
        that take long, and that it does not have, few.
        """
        return self.epoch_steps() if self.widths else 2

    def product_flops(self) -> int:
        """Of the matrix products of a step: forward, by the weights, and by all inputs but the data."""
        products = [2 * self.batch * D * M for D, M in itertools.pairwise(self.widths)]
        return 3 * sum(products) - products[0]

    def describe(self) -> str:
        parts = ["-".join(map(str, self.widths)), self.activation]
        parts += ["batch norm"] * self.batch_norm + [f"dropout {self.dropout}"] * bool(self.dropout)
        kind = type(self.optimiser).__name__
        return ", ".join([*parts, f"batch {self.batch}", f"{kind} {self.optimiser.lr:g}", "float32"])


class Order:
    """The rows of each mini-batch, endless: the trainer's own order, epoch by epoch."""

    def __init__(self, workload: Workload):
        self.n, self.batch = len(workload.examples()[0]), workload.batch
        self.epoch, self.left = 0, np.empty((0, self.batch), np.int64)

    def take(self, steps: int) -> np.ndarray:
        """The next mini-batches, (steps, batch)."""
        taken, missing = [self.left[:steps]], steps - len(self.left)
        self.left = self.left[steps:]
        while missing > 0:
            drawn = permutation(self.n, 0, self.epoch).reshape(-1, self.batch)
            self.epoch += 1
            taken.append(drawn[:missing])
            self.left = drawn[missing:]
            missing -= len(drawn)
        return np.concatenate(taken)


@functools.cache
def digits() -> Data:
    """mnist-5k: x (5000, 784) in [0, 1] and the class of each."""
    data = load("mnist-5k")
    return np.asarray(data.x, np.float32).reshape(len(data), -1) / np.float32(255), data.t


def named(name: str) -> Workload:
    """The workload of that name, from the file of that name."""
    if name not in NAMES:
        raise ValueError(f"no workload {name!r}: there are {', '.join(NAMES)}")
    return importlib.import_module(f"bench.{name.replace('-', '_')}").WORKLOAD
