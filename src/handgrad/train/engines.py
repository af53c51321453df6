"""Who makes the steps of a training: NumPy one at a time, or native code many in one call.

An engine goes from one ``Progress`` to a later one: ``advance(progress, order, batch_size, steps)`` makes at least
one step and at most the ``steps`` that are left of the epoch, whose examples are in the order ``order``.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.arrays import xp
from handgrad.engine import Code, NotCompiled, side_by_side
from handgrad.program import trace, watch
from handgrad.train.progress import Progress
from handgrad.tree import leaves, unflatten

if TYPE_CHECKING:
    from handgrad.train.trainer import Trainer

TURN = 0.1  # seconds after which Python gets control


def picked(order: np.ndarray, batch: int, batch_size: int, steps: int) -> np.ndarray:
    """The examples of a mini-batch; the last has all that are left."""
    first = batch * batch_size
    return order[first : first + batch_size if batch < steps - 1 else None]


class NumpySteps:
    """One step at a time, rule by rule."""

    def __init__(self, trainer: Trainer, x: Any, t: Any):
        self.trainer, self.x, self.t = trainer, x, t

    def advance(self, progress: Progress, order: np.ndarray, batch_size: int, steps: int) -> Progress:
        here = picked(order, progress.batch, batch_size, steps)
        return self.trainer.step(progress, self.trainer.cast(self.x[here]), self.trainer.cast(self.t[here]))[0]


class NativeSteps:
    """Many steps in one call, in memory of its own; each ``Progress`` that it gives is a copy.

    Raises:
        NotCompiled: the network, the loss or the optimiser has an operation without native code.
    """

    def __init__(self, trainer: Trainer, x: Any, t: Any):
        self.trainer = trainer
        self.x = np.ascontiguousarray(trainer.cast(x))
        self.t = np.ascontiguousarray(trainer.cast(t))
        self.codes: dict[int, Code] = {}
        self.latest: Progress | None = None
        self.seconds = 0.0  # of one step, as last measured

    def advance(self, progress: Progress, order: np.ndarray, batch_size: int, steps: int) -> Progress:
        here = picked(order, progress.batch, batch_size, steps)
        count = 1
        if len(here) == batch_size and self.seconds:
            whole = len(order) // batch_size if len(order) % batch_size != 1 or batch_size == 1 else steps - 1
            count = max(1, min(int(TURN / self.seconds), whole - progress.batch))
        began = time.perf_counter()
        indices = order[progress.batch * batch_size :][: max(count * batch_size, len(here))]
        done, after = self.run(progress, indices, len(here), count)
        self.seconds = (time.perf_counter() - began) / count
        if done < count:
            if done:
                _, after = self.run(progress, indices[: done * batch_size], len(here), done)
                self.trainer.progress = after
            bad = picked(order, progress.batch + done, batch_size, steps)
            what = "loss or a gradient"
            raise self.trainer.not_finite(after, self.x[bad], self.t[bad], what)
        return after

    def run(self, progress: Progress, indices: np.ndarray, size: int, count: int) -> tuple[int, Progress]:
        """``count`` steps of ``size`` examples: how many went well, and the progress after them."""
        code = self.code(size)
        if self.latest is not progress:
            self.load(progress)
        steps = np.arange(progress.step, progress.step + count)
        lrs = np.array([self.trainer.optimiser.rate(int(step)) for step in steps], np.float64)
        numbers = (steps + 1).astype(np.float64)
        losses = np.zeros((count, *self.loss.shape), self.loss.dtype)
        figures = np.zeros((len(self.metrics), count), np.float64)
        indices = np.ascontiguousarray(indices, np.int64)
        moving = [(indices, 8 * size), (lrs, 8), (numbers, 8)]
        given = [(a, 0) for a in (*self.state, self.x, self.t)] + moving
        given += [(a, 0) for a in code.constants]
        given += [(a, 0) for a in self.state] + [(losses, losses.itemsize)] + [(row, 8) for row in figures]
        done = code.run([a.ctypes.data for a, _ in given], [stride for _, stride in given], count)
        self.latest = None
        totals = dict(progress.totals)
        for i in range(done):
            sums = {"examples": size, "loss": float(losses[i]) * size}
            sums |= {name: float(row[i]) for name, row in zip(self.metrics, figures, strict=True)}
            totals = {name: totals.get(name, 0.0) + value for name, value in sums.items()}
        if done < count:
            return done, progress
        params, states, moments = unflatten(self.structure, [a.copy() for a in self.state])
        after = dataclasses.replace(
            progress,
            params=params,
            states=states,
            moments=moments,
            step=progress.step + count,
            batch=progress.batch + count,
            totals=totals,
        )
        self.latest = after
        return done, after

    def load(self, progress: Progress) -> None:
        """Take over where a training stands."""
        for mine, theirs in zip(
            self.state, leaves((progress.params, progress.states, progress.moments)), strict=True
        ):
            mine[...] = theirs

    def code(self, size: int) -> Code:
        """The step for mini-batches of that many examples."""
        if size not in self.codes:
            progress = self.trainer.progress
            self.structure = (progress.params, progress.states, progress.moments)
            if not self.codes:
                self.state = side_by_side(leaves(self.structure))
            program = self.program(size)
            over = {i: i for i in range(len(self.state))}
            self.codes[size] = Code(program, over)
        return self.codes[size]

    def program(self, size: int) -> Any:
        trainer = self.trainer
        self.metrics = list(trainer.metrics or {})

        def step(structure: Any, x: Any, t: Any, index: Any, lr: Any, number: Any) -> Any:
            params, states, moments = structure
            progress = dataclasses.replace(trainer.progress, params=params, states=states, moments=moments)
            x, t = xp.take(x, index, axis=0), xp.take(t, index, axis=0)
            loss, y, grads, states = trainer.gradients(progress, x, t)
            grads = trainer.clipped({name: watch(dp) for name, dp in grads.items()})
            moved = {
                name: trainer.optimiser.update(p, grads[name], moments[name], lr, number)
                for name, p in params.items()
            }
            figures = [xp.sum(metric(y, t)) for metric in (trainer.metrics or {}).values()]
            return (
                {name: p for name, (p, _) in moved.items()},
                states,
                {name: m for name, (_, m) in moved.items()},
                watch(loss),
                *(xp.astype(figure, np.float64) for figure in figures),
            )

        index = np.zeros(size, np.int64)
        program = trace(step, self.structure, self.x, self.t, index, np.float64(0), np.float64(0))
        self.loss = program.outputs[3]
        return program


__all__ = ["Arrays", "NativeSteps", "NumpySteps", "Symbol", "tree_map", "value_and_grad"]


def steps_for(trainer: Trainer, x: Any, t: Any) -> NumpySteps | NativeSteps:
    """The engine that the trainer asks for."""
    if trainer.engine == "numpy":
        return NumpySteps(trainer, x, t)
    return NativeSteps(trainer, x, t)
