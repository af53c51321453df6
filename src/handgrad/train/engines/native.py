"""Many steps in one call of native code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.arrays import shape, xp
from handgrad.program import Program, check_finite, repeated, stable_trace
from handgrad.train.engines.base import READ_AHEAD, ManySteps, as_like, check_rows, ordered, rates
from handgrad.train.engines.copies import Copies
from handgrad.train.kept import as_array
from handgrad.train.progress import Progress
from handgrad.train.step import Step
from handgrad.train.weights import rows
from handgrad.tree import leaves, tree_map, unflatten

if TYPE_CHECKING:
    from handgrad.engine import Code


class NativeSteps(ManySteps):
    """Many steps in one call, in memory of its own; each ``Progress`` that it gives is a copy."""

    name = "native"

    def __init__(
        self, train_step: Step, start: Progress, x: Any, t: Any, batch_size: int, timed: bool = False
    ):
        from handgrad.engine import side_by_side
        from handgrad.engine.runtime.memory import addresses

        super().__init__(train_step, start, x, t)
        self.timed = timed  # whether its code counts cycles
        self.structure = (start.params, start.states, start.moments)
        self.transposed = (
            transposed_parameters(train_step, start, batch_size) if self.in_memory else frozenset()
        )
        self.state = side_by_side(leaves(self.between(self.structure)))
        self.places = addresses(self.state)
        # By batch size: steps that were traced, until they are compiled; and their code.
        self.programs: dict[int, Program] = {}
        self.codes: dict[int, Code] = {}
        self.told: dict[int, list[np.ndarray]] = {}  # by batch size: what steps give beside their state
        self.latest: Progress | None = None
        self.copies = Copies()

    def run(
        self, progress: Progress, indices: np.ndarray, size: int
    ) -> tuple[int, Progress, IndexError | None]:
        from handgrad.engine import OutOfRange
        from handgrad.engine.runtime.memory import addresses

        count = len(indices) // size
        if count > self.most:
            raise ValueError(f"{count} steps in a call, which makes {self.most} at most")
        code = self.code(size)
        if not self.holds(progress):
            self.load(progress)
        self.latest = None
        numbers = np.arange(progress.step, progress.step + count)
        lrs = rates(self.train_step.optimiser, numbers)
        x, t, places = self.examples(indices)
        made = self.told[size]
        asked, done = np.array(count, np.int64), np.zeros((), np.int64)
        given = [x, *leaves(t), places, lrs, (numbers + 1).astype(np.float64), asked]
        before = [*self.places, *addresses(given), *code.held]
        error = None
        try:
            code.run([*before, *self.places, *addresses([done, *made])])
        except OutOfRange as found:
            error = found
        if not done:
            return 0, progress, error
        if done < count:  # a step that failed has written over the state
            return self.run(progress, indices[: int(done) * size], size)
        as_the_network_has_them = self.between(unflatten(self.structure, self.state))
        held = unflatten(self.structure, self.copies.of(leaves(as_the_network_has_them)))
        self.latest = progress.stepped(held, count, self.totals(progress, made, indices, size))
        return count, self.latest, None

    def examples(self, indices: np.ndarray) -> tuple[Any, Any, np.ndarray]:
        """Inputs, targets, and where in them the examples are."""
        if self.in_memory:
            return self.x, self.t, np.ascontiguousarray(indices, np.int64)
        x = self.train_step.cast(self.x[indices])
        check_rows(x, len(indices))
        t = tree_map(np.ascontiguousarray, rows(self.t, indices))
        return as_like(x, self.like), t, np.arange(len(indices))

    def holds(self, progress: Progress) -> bool:
        """Whether these are the arrays that the last steps left."""
        last = self.latest
        return last is not None and (
            (last.params is progress.params)
            and (last.states is progress.states)
            and (last.moments is progress.moments)
        )

    def load(self, progress: Progress) -> None:
        """Take over where a training stands."""
        given = (progress.params, progress.states, progress.moments)
        theirs = leaves(self.between(ordered(given, self.structure)))
        for mine, new in zip(self.state, theirs, strict=True):
            if (shape(new), new.dtype) != (mine.shape, mine.dtype):
                raise ValueError(
                    f"an array of shape {shape(new)}, {new.dtype}, where one of shape "
                    f"{mine.shape}, {mine.dtype}, is trained"
                )
            mine[...] = new

    def between(self, structure: tuple) -> tuple:
        """Parameters and moments between how the network has them and how they lie in the engine's memory."""
        if not self.transposed:
            return structure
        params, states, moments = structure
        moved = {
            name: {key: m.T if name in self.transposed else m for key, m in each.items()}
            for name, each in moments.items()
        }
        return {name: p.T if name in self.transposed else p for name, p in params.items()}, states, moved

    # The code.

    def code(self, size: int) -> Code:
        """The step for mini-batches of that many examples."""
        from handgrad.engine import Code

        if size not in self.codes:
            program = self.program(size)
            del self.programs[size]
            outputs = leaves(program.outputs)
            for mine, new in zip(self.state, outputs, strict=False):  # which is written over it
                assert (mine.shape, mine.dtype) == (shape(new), new.dtype), (mine.shape, mine.dtype, new)
            told = outputs[len(self.state) :]
            self.told[size] = [np.zeros((self.most, *shape(out)), out.dtype) for out in told]
            donated = {i: i for i in range(len(self.state))}
            steps = repeated(program, len(self.state), moving=3, length=self.most)
            self.codes[size] = Code(steps, donated, timed=self.timed)
        return self.codes[size]

    def recompile(self) -> None:
        """Make the code anew, when it is next wanted: the network or the loss computes something else now."""
        self.programs.clear()
        self.codes.clear()
        self.told.clear()

    def program(self, size: int) -> Program:
        """The step, traced; metrics that cannot be are left to NumPy, for which the outputs are kept.

        Raises:
            TypeError, AttributeError: the network, the loss or the optimiser cannot be traced.
        """
        if size not in self.programs:
            try:
                self.programs[size] = self.traced(size)
            except (TypeError, AttributeError):
                if not self.metrics or not self.compiles_metrics:
                    raise
                self.compiles_metrics = False
                self.programs[size] = self.traced(size)
        return self.programs[size]

    def traced(self, size: int) -> Program:
        if self.in_memory:
            x, t = self.x, self.t
        else:
            n = size * READ_AHEAD
            x = np.broadcast_to(self.like, (n, *self.like.shape[1:]))
            t = tree_map(lambda a: np.broadcast_to(a[:1], (n, *a.shape[1:])), self.t)
        index = np.zeros(size, np.int64)
        return stable_trace(self.step(), self.between(self.structure), x, t, index, 0.0, 0.0)

    def step(self) -> Callable:
        """The whole step as a function of arrays: gather, forward, backward, update, and what is told of
        it.
        """
        train_step = self.train_step

        def step(structure: Any, x: Any, t: Any, index: Any, lr: Any, number: Any) -> Any:
            params, states, moments = structure
            natural, *_ = self.between(structure)
            x, t = (tree_map(lambda a: xp.take(a, index, axis=0), part) for part in (x, t))
            loss, y, grads, new_states = train_step.gradients(natural, states, x, t)
            grads, *_ = self.between((grads, {}, {}))
            grads = train_step.clipped({name: check_finite(dp) for name, dp in grads.items()})
            params, moments = train_step.update(params, grads, moments, lr, number)
            new = (params, new_states, moments)
            told = [y]
            if self.compiles_metrics:
                told = [xp.astype(xp.sum(each), np.float64) for each in train_step.measured(y, t).values()]
            return ordered(new, structure), check_finite(as_array(loss)), told if self.metrics else []

        return step


def transposed_parameters(train_step: Step, start: Progress, batch_size: int) -> frozenset[str]:
    """Matrices (D, M) that are better kept as (M, D): where D fills vectors, and M would leave many lanes
    empty.

    Where the optimiser treats each element alike.
    """
    from handgrad.engine import is_better_transposed
    from handgrad.engine.targets.here import this_computer

    if not treats_elements_alike(train_step.optimiser):
        return frozenset()
    params = start.params.items()
    here = this_computer()
    return frozenset(name for name, p in params if is_better_transposed(p.shape, p.dtype, batch_size, here))


def treats_elements_alike(optimiser: Any) -> bool:
    """Whether it is one of handgrad's, and around no other's, of which it is known."""
    is_ours, base = type(optimiser).__module__.startswith("handgrad."), getattr(optimiser, "base", None)
    return is_ours and optimiser.is_elementwise and (base is None or treats_elements_alike(base))
