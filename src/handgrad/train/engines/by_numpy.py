"""One step at a time, rule by rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.train.engines.base import check_rows, picked
from handgrad.train.progress import Progress
from handgrad.train.step import Step
from handgrad.train.weights import rows


class NumpySteps:
    """One step at a time, rule by rule."""

    name = "numpy"

    def __init__(self, train_step: Step, x: Any, t: Any):
        self.train_step, self.x, self.t = train_step, x, t

    def advance(self, progress: Progress, order: np.ndarray, batch_size: int, steps: int) -> Progress:
        here = picked(order, progress.batch, batch_size, steps)
        x, t = self.train_step.cast(self.x[here]), self.train_step.cast(rows(self.t, here))
        check_rows(x, len(here))
        return self.train_step.step(progress, x, t)[0]
