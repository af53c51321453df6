"""When a fit has gone on long enough."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass
class Watch:
    """A callback: ends a training when a loss has not fallen by ``tol`` for more than ``most`` epochs.

    With ``keeps_best`` it keeps the parameters and states of the least loss.
    """

    key: str
    tol: float
    most: int
    keeps_best: bool = False
    least: float = np.inf
    since: int = 0
    ended: bool = False
    best: tuple[dict, dict] | None = None

    def __call__(self, trainer: Any, record: dict[str, Any]) -> bool:
        loss = record[self.key]
        self.since = self.since + 1 if loss > self.least - self.tol else 0
        if loss < self.least:
            self.least = loss
            if self.keeps_best:
                net = trainer.current()
                self.best = net.parameters(), net.states()
        self.ended = self.since > self.most
        return self.ended
