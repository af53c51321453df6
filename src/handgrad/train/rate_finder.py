"""Which learning rate? Steps at rates that rise from very small to too large, and the loss at each."""

from __future__ import annotations

import copy
import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.data import permutation
from handgrad.optim.checks import checked_count, checked_number
from handgrad.optim.combined import Around
from handgrad.train.arguments import examples
from handgrad.train.changes import cannot_change
from handgrad.train.diagnosis import NonFiniteError
from handgrad.train.engines import steps_for
from handgrad.train.history import Drawing
from handgrad.train.kept import beginning, own
from handgrad.train.progress import Progress

if TYPE_CHECKING:
    from handgrad.train.trainer import Trainer

FORGETS = 0.9  # of the running mean of the losses, at each step
BLOWN_UP = 4.0  # times the least loss: where the search ends


@dataclasses.dataclass(frozen=True)
class Rates:
    """Learning rates (S,), the loss of each step (S,), and their running mean, smoothed."""

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray

    @property
    def suggestion(self) -> float:
        """A tenth of the rate at which the smoothed loss is least: still falling, and safely stable."""
        return float(self.rates[int(np.argmin(self.smoothed))]) / 10

    def plot(self, title: str = "", path: str | Path | None = None) -> Drawing:
        """The losses over the rates; written to ``path``, if given."""
        from handgrad.view import rates

        drawn = Drawing(rates(self.rates, self.losses, self.smoothed, self.suggestion, title))
        if path is not None:
            drawn.save(path)
        return drawn


def find_rate(
    trainer: Trainer,
    x: Any,
    t: Any,
    batch_size: int = 100,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
) -> Rates:
    """Try ``steps`` rates from ``low`` to ``high``, each a constant times the one before, a step each.

    The network and the trainer stay as they are. Steps are made by the engine that the trainer asks for, or
    compiled where so many are worth it. It ends where the loss is not finite, or many times the least.
    Smith 2017

    Raises:
        TypeError, ValueError: an argument cannot be; or the loss is not finite at the lowest rate.

    Examples:
        >>> from handgrad.layers import mlp
        >>> x = np.random.default_rng(0).standard_normal((60, 4))
        >>> trainer = hg.Trainer(mlp([4, 8, 2], seed=0), hg.softmax_cross_entropy, hg.optim.SGD())
        >>> found = hg.train.find_rate(trainer, x, (x[:, 0] > 0).astype(int), batch_size=20)
        >>> 1e-3 < found.suggestion < 1.0
        True
    """
    x, t = examples(x, t)
    checked_count("steps", steps, least=2)
    checked_count("batch_size", batch_size)
    checked_number("low", low, above=0)
    if not low < high < math.inf:
        raise ValueError(f"high is a rate above low, {low}, not {high}")
    tried = np.geomspace(low, high, steps)
    trial = copy.copy(trainer)
    trial.optimiser, trial.metrics = AtRates(trainer.optimiser, tried), {}
    progress, losses = Progress(*beginning(trainer.net, trial.optimiser)), []
    placement = trainer.placement() if trainer.engine == "jax" else None
    engine = steps_for(
        trial, progress, x, t, batch_size, trainer.engine, steps, placement, cannot_change(trial, x)
    )
    orders = [permutation(len(t), trainer.seed, epoch) for epoch in range(passes(len(t), batch_size, steps))]
    for here in np.concatenate(orders)[: steps * batch_size].reshape(steps, batch_size):
        try:  # an epoch of one step, whose total is its loss
            progress = engine.advance(dataclasses.replace(progress, batch=0, totals={}), here, batch_size, 1)
        except NonFiniteError:
            break
        loss = progress.totals["loss"] / batch_size
        losses.append(loss)
        if loss > BLOWN_UP * min(losses):
            break
    if not losses:
        raise ValueError(f"the loss is not finite at a rate of {low}: look at the data and the network first")
    found = np.array(losses)
    return Rates(tried[: len(found)], found, smooth(found))


class AtRates(Around):
    """An optimiser at other learning rates, one a step."""

    def __init__(self, base: Any, rates: np.ndarray):
        super().__init__(base)
        self.rates = rates

    def rate(self, step: int) -> float:
        return float(self.rates[step])

    def of(self, name: str) -> Any:
        return own(self.base, name)


def passes(n: int, batch_size: int, steps: int) -> int:
    return -(-steps * batch_size // n)


def smooth(losses: np.ndarray) -> np.ndarray:
    """The running mean, corrected for its start at zero."""
    mean, out = 0.0, np.empty(len(losses))
    for i, loss in enumerate(losses):
        mean = FORGETS * mean + (1 - FORGETS) * loss
        out[i] = mean / (1 - FORGETS ** (i + 1))
    return out
