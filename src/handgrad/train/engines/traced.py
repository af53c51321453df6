"""One step at a time by NumPy, in a straight line of its calls."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.program import trace
from handgrad.program.source import numpy_source
from handgrad.train.diagnosis import is_finite
from handgrad.train.engines.base import picked
from handgrad.train.engines.by_numpy import NumpySteps
from handgrad.train.progress import Progress
from handgrad.train.weights import rows

FEW = 10  # steps with as many examples, before which a trace takes longer than it saves


class TracedSteps(NumpySteps):
    """The steps of ``NumpySteps``, to the same bits, without what rules do between NumPy's calls: a step is
    traced and written as a function of NumPy. What fails there is done rule by rule, which says why.
    """

    def __init__(self, train_step: Any, x: Any, t: Any):
        super().__init__(train_step, x, t)
        self.met: collections.Counter[int] = collections.Counter()
        self.functions: dict[int, Callable | None] = {}  # by batch size; None where there can be none

    def advance(self, progress: Progress, order: np.ndarray, batch_size: int, steps: int) -> Progress:
        here = picked(order, progress.batch, batch_size, steps)
        step = self.train_step
        x, t = step.cast(self.x[here]), step.cast(rows(self.t, here))
        function = self.function(progress, x, t, len(here))
        if function is None:
            return step.step(progress, x, t)[0]
        state = (progress.params, progress.states, progress.moments)
        lr = float(step.optimiser.rate(progress.step))
        with np.errstate(all="ignore"):
            state, loss, y, grads = function(*state, x, t, lr, progress.step + 1)
        if not is_finite(loss) or not all(map(is_finite, grads.values())):
            raise step.not_finite(progress, x, t)
        return step.after(progress, state, loss, y, t)

    def function(self, progress: Progress, x: Any, t: Any, size: int) -> Callable | None:
        """(params, states, moments, x, t, lr, number) -> (params, states, moments), loss, y, grads"""
        self.met[size] += 1
        if self.met[size] == FEW:
            self.functions[size] = self.written(progress, x, t)
        return self.functions.get(size)

    def written(self, progress: Progress, x: Any, t: Any) -> Callable | None:
        step = self.train_step

        def whole(params: Any, states: Any, moments: Any, x: Any, t: Any, lr: Any, number: Any) -> Any:
            loss, y, grads, states = step.gradients(params, states, x, t)
            params, moments = step.update(params, step.clipped(grads), moments, lr, number)
            return (params, states, moments), loss, y, grads

        program = trace(whole, progress.params, progress.states, progress.moments, x, t, 0.0, 0.0)
        try:
            text, constants = numpy_source({"step": (program, NAMES)}, "A step of a training.")
        except TypeError:  # SciPy's functions, of which there is no source
            return None
        space: dict[str, Any] = {}
        exec(compile(text, "step.py", "exec"), space)
        space.setdefault("constants", {}).update(constants)
        return space["step"]


NAMES = ["params", "states", "moments", "x", "t", "lr", "number"]
