"""Who makes the steps of a training: NumPy one at a time, or native code many in one call.

An engine goes from one ``Progress`` to a later one: ``advance(progress, order, batch_size, steps)`` makes at
least one step and at most the ``steps`` that are left of the epoch, whose examples are in the order
``order``.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.arrays import shape, xp
from handgrad.optim import Optimiser
from handgrad.program import Program, check_finite, repeated, stable_trace
from handgrad.rules.rule import told
from handgrad.train.choosing import pays_off
from handgrad.train.kept import as_array
from handgrad.train.metrics import per_example
from handgrad.train.progress import Progress
from handgrad.train.step import Step
from handgrad.tree import leaves, tree_map, unflatten

if TYPE_CHECKING:
    from handgrad.engine import Code

TURN = 0.1  # seconds after which Python gets control
AT_ONCE = 4096  # targets that are looked at at once
MOST = 1 << 16  # steps in a call
READ_AHEAD = 16  # steps whose examples are read at once, where the data is not in memory


def picked(order: np.ndarray, batch: int, batch_size: int, steps: int) -> np.ndarray:
    """The examples of a mini-batch; the last has all that are left."""
    first = batch * batch_size
    return order[first : first + batch_size if batch < steps - 1 else None]


def steps_for(
    train_step: Step,
    start: Progress,
    x: Any,
    t: Any,
    batch_size: int,
    engine: str | None = None,
    ahead: int | None = None,
) -> NumpySteps | NativeSteps:
    """The engine that was asked for; NumPy, with a warning, where there is no native code.

    Args:
        start: where the training stands; its arrays keep their shapes.
        engine: "native" or "numpy"; if not said, native where that is possible, and worth it.
        ahead: how many steps are left. Where no engine was asked for, they are made by NumPy if they take
            less time than compiling; any number, if not said, is worth it.
    """
    if engine not in (None, "native", "numpy"):
        raise ValueError(f"engine is 'native' or 'numpy', not {engine!r}")
    has_llvm = importlib.util.find_spec("llvmlite") is not None
    if engine == "native" and not has_llvm:
        raise ImportError("engine='native' needs llvmlite: pip install llvmlite")
    if engine == "numpy" or not has_llvm:
        return NumpySteps(train_step, x, t)
    from handgrad.engine import NotCompiledWarning

    native = NativeSteps(train_step, start, x, t, batch_size)
    try:
        odd = [p.dtype for p in start.params.values() if p.dtype not in (np.float32, np.float64)]
        if odd:
            raise TypeError(f"there is no native code for parameters of {odd[0]}")
        program = native.program(min(batch_size, len(t)))
    except (TypeError, AttributeError) as error:
        message = f"this training runs on NumPy, uncompiled: {told(error)}"
        warnings.warn(message, NotCompiledWarning, stacklevel=3)
        return NumpySteps(train_step, x, t)
    programs = 1 + (len(t) % batch_size > 0 and len(t) > batch_size)
    if engine is None and ahead is not None and not pays_off(program, ahead, programs):
        return NumpySteps(train_step, x, t)
    native.check_targets()
    return native


def check_rows(x: np.ndarray, count: int) -> None:
    """What a data object gave for that many places."""
    if len(shape(x)) == 0 or len(x) != count:
        raise ValueError(f"the inputs gave an array of shape {shape(x)} for {count} places: one row for each")


class NumpySteps:
    """One step at a time, rule by rule."""

    name = "numpy"

    def __init__(self, train_step: Step, x: Any, t: Any):
        self.train_step, self.x, self.t = train_step, x, t

    def advance(self, progress: Progress, order: np.ndarray, batch_size: int, steps: int) -> Progress:
        here = picked(order, progress.batch, batch_size, steps)
        x, t = self.train_step.cast(self.x[here]), self.train_step.cast(self.t[here])
        check_rows(x, len(here))
        return self.train_step.step(progress, x, t)[0]


class NativeSteps:
    """Many steps in one call, in memory of its own; each ``Progress`` that it gives is a copy."""

    name = "native"

    def __init__(
        self, train_step: Step, start: Progress, x: Any, t: Any, batch_size: int, timed: bool = False
    ):
        from handgrad.engine import side_by_side
        from handgrad.engine.runtime.memory import addresses

        self.train_step, self.start = train_step, start
        self.timed = timed  # whether its code counts cycles
        self.in_memory = isinstance(x, np.ndarray)
        self.x = np.ascontiguousarray(train_step.cast(x)) if self.in_memory else x
        self.like = self.one_input()
        self.t = np.ascontiguousarray(train_step.cast(t))
        self.structure = (start.params, start.states, start.moments)
        self.transposed = (
            transposed_parameters(train_step, start, batch_size) if self.in_memory else frozenset()
        )
        self.state = side_by_side(leaves(self.between(self.structure)))
        self.places = addresses(self.state)
        self.codes: dict[int, Code] = {}
        self.told: dict[int, list[np.ndarray]] = {}  # by batch size: what steps give beside their state
        self.metrics = dict(train_step.metrics or {})
        self.compiles_metrics = True
        self.latest: Progress | None = None
        self.seconds = 0.0  # of one step, as last measured
        self.done = 0  # steps that went well in the last call

    def advance(self, progress: Progress, order: np.ndarray, batch_size: int, steps: int) -> Progress:
        from handgrad.engine import OutOfRange

        here = picked(order, progress.batch, batch_size, steps)
        count = self.affordable(steps - progress.batch - 1) if len(here) == batch_size else 1
        first = progress.batch * batch_size
        indices = order[first : first + count * len(here)]
        began = time.perf_counter()
        error = None
        try:
            done, after = self.run(progress, indices, len(here))
        except OutOfRange as found:
            done, after, error = self.done, progress, found
        self.seconds = (time.perf_counter() - began) / count
        if done == count:
            return after
        if done:  # the next call begins with the step that fails
            return self.run(progress, indices[: done * len(here)], len(here))[1]
        x, t = self.train_step.cast(self.x[here]), self.t[here]
        if error is None:
            raise self.train_step.not_finite(progress, x, t)
        self.train_step.step(
            progress, x, t
        )  # the same step, rule by rule, says which index of which rule it is
        raise error

    def affordable(self, left: int) -> int:
        """How many steps of the ``left`` whole ones fit into a turn."""
        affordable = int(TURN / self.seconds) if self.seconds else 1
        return max(1, min(affordable, left, self.most))

    @property
    def most(self) -> int:
        """How many steps are made in a call at most."""
        return MOST if self.in_memory and self.compiles_metrics else READ_AHEAD

    def check_targets(self) -> None:
        """Let the loss look at all targets once: native code looks at none of its values.

        Raises:
            ValueError: a label is out of range, or whatever else the loss objects to.
        """
        p = self.start
        with np.errstate(all="ignore"):
            outputs = self.train_step.net.bind(p.params, p.states).evaluate()(self.like)
            for start in range(0, len(self.t), AT_ONCE):
                t = self.t[start : start + AT_ONCE]
                n = len(t)
                y = tree_map(lambda y, n=n: np.zeros((n, *shape(y)[1:]), y.dtype), outputs)
                self.train_step.loss(y, t)

    def one_input(self) -> np.ndarray:
        """A mini-batch of one example."""
        x = self.train_step.cast(self.x[np.zeros(1, int)])
        check_rows(x, 1)
        return x

    def run(self, progress: Progress, indices: np.ndarray, size: int) -> tuple[int, Progress]:
        """Steps of ``size`` examples each: how many went well, and the progress after all of them.

        Raises:
            ValueError: they are more than ``most``.
            OutOfRange: in the step after ``done``.
        """
        from handgrad.engine.runtime.memory import addresses

        count = len(indices) // size
        if count > self.most:
            raise ValueError(f"{count} steps in a call, which makes {self.most} at most")
        code = self.code(size)
        if self.latest is not progress:
            self.load(progress)
        self.latest = None
        numbers = np.arange(progress.step, progress.step + count)
        lrs = rates(self.train_step.optimiser, numbers)
        x, t, places = self.examples(indices)
        made = self.told[size]
        asked, done = np.array(count, np.int64), np.zeros((), np.int64)
        given = [x, t, places, lrs, (numbers + 1).astype(np.float64), asked]
        before = [*self.places, *addresses(given), *code.held]
        try:
            code.run([*before, *self.places, *addresses([done, *made])])
        finally:
            self.done = int(done)
        if self.done < count:
            return self.done, progress
        held = self.between(unflatten(self.structure, [a.copy() for a in self.state]))
        if self.transposed:
            held = tree_map(lambda a: np.array(a, order="C"), held)
        params, states, moments = held
        self.latest = dataclasses.replace(
            progress,
            params=params,
            states=states,
            moments=moments,
            step=progress.step + count,
            batch=progress.batch + count,
            totals=self.totals(progress, made, indices, size),
        )
        return count, self.latest

    def examples(self, indices: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
        """Inputs, targets, and where in them the examples are."""
        if self.in_memory:
            return self.x, self.t, np.ascontiguousarray(indices, np.int64)
        x, like = self.train_step.cast(self.x[indices]), self.like
        check_rows(x, len(indices))
        if shape(x)[1:] != shape(like)[1:] or not np.can_cast(x.dtype, like.dtype, "safe"):
            raise ValueError(
                f"the inputs gave rows of shape {shape(x)[1:]}, {x.dtype}, where the first had shape "
                f"{shape(like)[1:]}, {like.dtype}: all must be alike"
            )
        x = np.ascontiguousarray(x, like.dtype)
        return x, np.ascontiguousarray(self.t[indices]), np.arange(len(indices))

    def totals(self, progress: Progress, made: list, indices: np.ndarray, size: int) -> dict[str, float]:
        """The sums of the epoch with these steps in them, added one after the other."""
        count = len(indices) // size
        losses, *figures = (out[:count] for out in made)
        terms: dict[str, Any] = {"examples": np.full(count, size), "loss": losses.astype(np.float64) * size}
        if self.compiles_metrics:
            terms |= zip(self.metrics, figures, strict=True)
        else:
            targets = [self.t[here] for here in indices.reshape(count, size)]
            for name, m in self.metrics.items():
                found = (per_example(name, m, y, t) for y, t in zip(figures[0], targets, strict=True))
                terms[name] = [float(np.sum(each)) for each in found]
        before = progress.totals
        return before | {name: added(before.get(name, 0.0), each) for name, each in terms.items()}

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
        self.codes.clear()
        self.told.clear()

    def program(self, size: int) -> Program:
        """The step, traced; metrics that cannot be are left to NumPy, for which the outputs are kept.

        Raises:
            TypeError, AttributeError: the network, the loss or the optimiser cannot be traced.
        """
        try:
            return self.traced(size)
        except (TypeError, AttributeError):
            if not self.metrics or not self.compiles_metrics:
                raise
            self.compiles_metrics = False
            return self.traced(size)

    def traced(self, size: int) -> Program:
        if self.in_memory:
            x, t = self.x, self.t
        else:
            n = size * READ_AHEAD
            x = np.broadcast_to(self.like, (n, *self.like.shape[1:]))
            t = np.broadcast_to(self.t[:1], (n, *self.t.shape[1:]))
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
            x, t = xp.take(x, index, axis=0), xp.take(t, index, axis=0)
            loss, y, grads, new_states = train_step.gradients(natural, states, x, t)
            grads, *_ = self.between((grads, {}, {}))
            grads = train_step.clipped({name: check_finite(dp) for name, dp in grads.items()})
            params, moments = train_step.update(params, grads, moments, lr, number)
            new = (params, new_states, moments)
            told = [y]
            if self.compiles_metrics:
                told = [
                    xp.astype(xp.sum(per_example(name, metric, y, t)), np.float64)
                    for name, metric in self.metrics.items()
                ]
            return ordered(new, structure), check_finite(as_array(loss)), told if self.metrics else []

        return step


def rates(optimiser: Any, steps: np.ndarray) -> np.ndarray:
    """The learning rates of these steps."""
    if type(optimiser).rate is Optimiser.rate and not callable(optimiser.lr):
        return np.full(len(steps), float(optimiser.lr))
    return np.array([float(optimiser.rate(n)) for n in steps.tolist()], np.float64)


def added(start: float, terms: Any) -> float:
    """A sum that is the same whether it is made at once or in parts: one term after the other."""
    return float(np.cumsum([start, *terms])[-1])


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


def ordered(tree: Any, like: Any) -> Any:
    """A tree whose dicts have the order of those in ``like``."""
    if isinstance(like, dict):
        return {key: ordered(tree[key], branch) for key, branch in like.items()}
    if isinstance(like, tuple):
        return tuple(ordered(a, b) for a, b in zip(tree, like, strict=True))
    return tree
