"""The forward's steps as the chain rule sees them: what flows down to each value, and up from it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from handgrad.checking.following.trace import Recording, Step, Untraceable

LARGEST = 1500  # elements of a value that takes part
MOST_PATHS = 2000  # from an output to what it was made of
Change = dict[tuple[int, int], np.ndarray]  # other Jacobians, by step and input


class Chain:
    """The steps of a forward with what flows into and out of each, for the input that is looked at."""

    def __init__(self, douts: list[np.ndarray], tape: Recording, start: int, ends: list[int]):
        self.tape, self.start, self.ends = tape, start, ends
        self.U = np.stack(douts)
        self.n = tape.values[start].size
        self.reach = {start}  # the values that depend on x
        self.steps: list[Step] = []
        for step in tape.steps:
            if self.reach & set(step.inputs):
                self.reach |= set(step.outputs)
                self.steps.append(step)
        if any(np.size(v) > LARGEST for s in self.steps for v in [*s.values, *s.outs]):
            raise Untraceable("too large")
        self.uses = Counter(slot for step in self.steps for slot in step.inputs)
        self.down = self._downstream()
        self.up = self._upstream()
        if self._leave_out_shifts():
            self.down, self.up = self._downstream(), self._upstream()

    def _leave_out_shifts(self) -> bool:
        """A maximum through which nothing flows in the end only shifts: softmax(x) = softmax(x - max x)."""
        shifts = [s for s in self.steps if s.name in ("max", "amax") and s.outputs[0] in self.up]
        gone = False
        for step in shifts:
            d = self.up[step.outputs[0]]
            whole = max((float(np.max(np.abs(g), initial=0.0)) for g in self.up.values()), default=0.0)
            if np.max(np.abs(d), initial=0.0) <= 1e-9 * whole:
                gone = True
                for i in range(len(step.inputs)):
                    step.without(i)
        return gone

    def _downstream(self) -> dict[int, np.ndarray]:
        """d value / d x for every value that depends on x."""
        return self.from_value(self.start)

    def from_value(self, a: int) -> dict[int, np.ndarray]:
        """d value / d a for every value after it."""
        found = {a: np.eye(self.tape.values[a].size)}
        for step in self.steps:
            if not any(slot in found for slot in step.inputs):
                continue
            total: Any = sum(step.jacobian(i) @ found[s] for i, s in enumerate(step.inputs) if s in found)
            at = 0
            for slot, out in zip(step.outputs, step.outs, strict=True):
                if slot != a:
                    found[slot] = total[at : at + out.size]
                at += out.size
        return found

    def seeds(self, U: np.ndarray) -> dict[int, np.ndarray]:
        """The douts, at the values that are the outputs."""
        found: dict[int, np.ndarray] = {}
        at = 0
        for slot in self.ends:
            size = self.tape.values[slot].size
            found[slot] = found.get(slot, 0) + U[:, at : at + size]
            at += size
        return found

    def _upstream(self, change: Change | None = None, U: np.ndarray | None = None) -> dict[int, np.ndarray]:
        """The gradient at every value, (douts, size), some Jacobians changed."""
        found: dict[int, Any] = self.seeds(self.U if U is None else U)
        change = change or {}
        for number, step in reversed(list(enumerate(self.steps))):
            d = self.at(step, found)
            if d is None:
                continue
            for i, slot in enumerate(step.inputs):
                if slot in self.reach:
                    J = change.get((number, i))
                    found[slot] = found.get(slot, 0) + d @ (step.jacobian(i) if J is None else J)
        return found

    def at(self, step: Step, found: dict[int, Any]) -> np.ndarray | None:
        """The gradient at what a step makes; None where none flows."""
        if not any(slot in found for slot in step.outputs):
            return None
        zeros = [np.zeros((len(self.U), out.size)) for out in step.outs]
        return np.concatenate([found.get(s, z) for s, z in zip(step.outputs, zeros, strict=True)], axis=1)

    def recursed(self) -> np.ndarray | None:
        """The gradient if each use of a value sends on at once all that the value has got so far.

        What is used twice then counts what it got first twice. None where there are too many paths.
        """
        made = {slot: step for step in self.steps for slot in step.outputs}
        found: dict[int, Any] = self.seeds(self.U)
        waiting = [*found]
        for _ in range(MOST_PATHS):
            if not waiting:
                return np.asarray(found.get(self.start, np.zeros((len(self.U), self.n))))
            step = made.get(waiting.pop())
            d = None if step is None else self.at(step, found)
            if step is None or d is None:
                continue
            used = [(i, slot) for i, slot in enumerate(step.inputs) if slot in self.reach]
            for i, slot in used:
                found[slot] = found.get(slot, 0) + d @ step.jacobian(i)
            waiting += [slot for _, slot in reversed(used)]
        return None

    def gradient(self, change: Change, U: np.ndarray | None = None) -> np.ndarray:
        """The gradient by x, some Jacobians changed, for these douts or its own."""
        found = self._upstream(change, U)
        return np.asarray(found.get(self.start, np.zeros((len(self.U), self.n))))
