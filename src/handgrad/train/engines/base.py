"""What engines of many steps in a call share: how many, of which examples, what comes of one that fails."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from handgrad.arrays import shape
from handgrad.optim import Optimiser
from handgrad.train.metrics import per_example
from handgrad.train.progress import Progress
from handgrad.train.step import Step
from handgrad.train.weights import count, rows, weighted_loss, without_weights
from handgrad.tree import tree_map

TURN = 0.1  # seconds after which Python gets control
AT_ONCE = 4096  # targets that are looked at at once
MOST = 1 << 16  # steps in a call
READ_AHEAD = 16  # steps whose examples are read at once, where the data is not in memory


def picked(order: np.ndarray, batch: int, batch_size: int, steps: int) -> np.ndarray:
    """The examples of a mini-batch; the last has all that are left."""
    first = batch * batch_size
    return order[first : first + batch_size if batch < steps - 1 else None]


def check_rows(x: np.ndarray, count: int) -> None:
    """What a data object gave for that many places."""
    if len(shape(x)) == 0 or len(x) != count:
        raise ValueError(f"the inputs gave an array of shape {shape(x)} for {count} places: one row for each")


def as_like(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Rows that were read, in one piece and in the dtype of the first.

    Raises:
        ValueError: rows of another shape, or a dtype that does not go into that.
    """
    if shape(x)[1:] != shape(like)[1:] or not np.can_cast(x.dtype, like.dtype, "safe"):
        raise ValueError(
            f"the inputs gave rows of shape {shape(x)[1:]}, {x.dtype}, where the first had shape "
            f"{shape(like)[1:]}, {like.dtype}: all must be alike"
        )
    return np.ascontiguousarray(x, like.dtype)


class ManySteps:
    """Many steps in one call; each ``Progress`` that it gives is its caller's."""

    name: str

    def __init__(self, train_step: Step, start: Progress, x: Any, t: Any):
        self.train_step, self.start = train_step, start
        self.in_memory = isinstance(x, np.ndarray)
        self.x = np.ascontiguousarray(train_step.cast(x)) if self.in_memory else x
        self.like = self.one_input()
        self.t = tree_map(np.ascontiguousarray, train_step.cast(t))
        self.metrics = dict(train_step.metrics or {})
        self.compiles_metrics = True
        self.seconds = 0.0  # of one step, as last measured

    def run(
        self, progress: Progress, indices: np.ndarray, size: int
    ) -> tuple[int, Progress, IndexError | None]:
        """Steps of ``size`` examples each: how many went well, the progress after these, and where an index
        was out of range, the error. A step that fails for another reason was not finite.
        """
        raise NotImplementedError

    def advance(self, progress: Progress, order: np.ndarray, batch_size: int, steps: int) -> Progress:
        here = picked(order, progress.batch, batch_size, steps)
        first = progress.batch * batch_size
        alike = steps - progress.batch - (len(order) != steps * batch_size)  # the last may have another size
        count = self.affordable(alike)
        indices = order[first : first + count * len(here)]
        began = time.perf_counter()
        done, after, error = self.run(progress, indices, len(here))
        self.seconds = (time.perf_counter() - began) / count
        if done or after is not progress:  # a step that fails is the first one of the next call
            return after
        x, t, progress = self.train_step.cast(self.x[here]), rows(self.t, here), self.plain(progress)
        if error is None:
            raise self.train_step.not_finite(progress, x, t)
        self.train_step.step(progress, x, t)  # rule by rule, it says which index of which rule it is
        raise error

    def plain(self, progress: Progress) -> Progress:
        """The progress, its arrays NumPy's."""
        return progress

    def affordable(self, left: int) -> int:
        """How many steps of ``left`` that are alike fit into a turn."""
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
            for start in range(0, count(self.t), AT_ONCE):
                t = rows(self.t, slice(start, start + AT_ONCE))
                n = count(t)
                y = tree_map(lambda y, n=n: np.zeros((n, *shape(y)[1:]), y.dtype), outputs)
                weighted_loss(self.train_step.loss, y, t)

    def one_input(self) -> np.ndarray:
        """A mini-batch of one example."""
        x = self.train_step.cast(self.x[np.zeros(1, int)])
        check_rows(x, 1)
        return x

    def totals(self, progress: Progress, made: list, indices: np.ndarray, size: int) -> dict[str, float]:
        """The sums of the epoch with these steps in them, added one after the other."""
        steps = len(indices) // size
        losses, *figures = (out[:steps] for out in made)
        terms: dict[str, Any] = {"examples": np.full(steps, size), "loss": losses.astype(np.float64) * size}
        if self.compiles_metrics:
            terms |= zip(self.metrics, figures, strict=True)
        else:
            t = without_weights(self.t)
            targets = [t[here] for here in indices.reshape(steps, size)]
            for name, m in self.metrics.items():
                found = (per_example(name, m, y, t) for y, t in zip(figures[0], targets, strict=True))
                terms[name] = [float(np.sum(each)) for each in found]
        before = progress.totals
        return before | {name: added(before.get(name, 0.0), each) for name, each in terms.items()}


def rates(optimiser: Any, steps: np.ndarray) -> np.ndarray:
    """The learning rates of these steps."""
    if type(optimiser).rate is Optimiser.rate and not callable(optimiser.lr):
        return np.full(len(steps), float(optimiser.lr))
    return np.array([float(optimiser.rate(n)) for n in steps.tolist()], np.float64)


def added(start: float, terms: Any) -> float:
    """A sum that is the same whether it is made at once or in parts: one term after the other."""
    return float(np.cumsum([start, *terms])[-1])


def ordered(tree: Any, like: Any) -> Any:
    """A tree whose dicts have the order of those in ``like``."""
    if isinstance(like, dict):
        return {key: ordered(tree[key], branch) for key, branch in like.items()}
    if isinstance(like, tuple):
        return tuple(ordered(a, b) for a, b in zip(tree, like, strict=True))
    return tree
