"""A compiled step looked at again: a number that the network or the loss reads may have changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.optim import Optimiser
from handgrad.program import Program, trace
from handgrad.program.tracing import difference
from handgrad.train.metrics import per_example
from handgrad.train.training import fingerprint
from handgrad.train.weights import without_weights
from handgrad.tree import leaves

if TYPE_CHECKING:
    from handgrad.train.trainer import Trainer


def cannot_change(trainer: Trainer, x: Any) -> bool:
    """Whether all that a step is made of is handgrad's own, which reads nothing but its arguments, and nobody
    else is called between steps, who could set an attribute: no schedule, no object that x is read from.
    """
    parts = [trainer, trainer.loss, trainer.penalty, trainer.observe, *trainer.callbacks]
    parts += [layer for _, layer in trainer.net.walk()]
    parts += (trainer.metrics or {}).values()
    parts += [*within(trainer.optimiser), None if isinstance(x, np.ndarray) else x]
    return all(part is None or module_of(part).startswith("handgrad.") for part in parts)


def within(optimiser: Optimiser) -> Iterator[Any]:
    """An optimiser, those that it is made of, and the functions that it calls."""
    yield optimiser
    for part in leaves(vars(optimiser)):
        if isinstance(part, Optimiser):
            yield from within(part)
        elif callable(part):
            yield part


def module_of(x: Any) -> str:
    """Where a function, or the class of an object, is written."""
    return str(getattr(x, "__module__", "") or "")


class Changes:
    """Tells whether a step still computes what it did: the forward, the loss, the metrics, and all settings.

    ``x`` and ``t`` are some mini-batch. The trace is of the forward alone: it costs a step by NumPy.
    """

    def __init__(self, trainer: Trainer, x: Any, t: Any, with_metrics: bool):
        self.trainer, self.x, self.t = trainer, x, t
        self.metrics = (trainer.metrics or {}) if with_metrics else {}
        self.program, self.settings = self._traced(), self._settings()
        self.printed = fingerprint(self.program)

    def _traced(self) -> Program:
        def forward(params: Any, states: Any, x: Any, t: Any) -> Any:
            loss, (y, new_states) = self.trainer.objective(params, states, x, t)
            t = without_weights(t)
            return loss, new_states, [per_example(name, m, y, t) for name, m in self.metrics.items()]

        progress = self.trainer.progress
        return trace(forward, progress.params, progress.states, self.x, self.t)

    def _settings(self) -> dict[str, Any]:
        trainer = self.trainer
        held = getattr(trainer.optimiser, "__dict__", {})
        numbers = {name: value for name, value in held.items() if isinstance(value, (bool, int, float, str))}
        return {**numbers, "clip_norm": trainer.clip_norm, "clip_value": trainer.clip_value}

    def since_last(self) -> str:
        """What is another than at the last call, in words; "" where nothing is."""
        program, settings = self._traced(), self._settings()
        printed, found = fingerprint(program), ""
        if printed != self.printed:  # an array that was written into is the same in both programs
            found = difference(self.program, program) or "an array that it reads has other numbers"
        for name, value in settings.items():
            if not found and self.settings.get(name) != value:
                found = f"{name} was {self.settings.get(name)} and is {value}"
        self.program, self.settings, self.printed = program, settings, printed
        return found
