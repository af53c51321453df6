"""What a step of training computes: one thing, which each engine runs in its own way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import xp
from handgrad.layers import Layer
from handgrad.optim import Optimiser, clip_by_norm, clip_by_value
from handgrad.rules.rule import at_work
from handgrad.tape import value_and_grad
from handgrad.train.diagnosis import NonFiniteError, first_not_finite, is_finite
from handgrad.train.kept import states_kept, updated
from handgrad.train.measuring import cast_to
from handgrad.train.metrics import Metric, measured
from handgrad.train.penalties import Penalty
from handgrad.train.progress import Arrays, Progress, State
from handgrad.train.weights import Weighted, count, rows, weighted_loss, without_weights
from handgrad.tree import tree_map

Moments = dict[str, Arrays]


class Step:
    """A network, its loss and penalty, the bounds on its gradient, its optimiser, and what is measured.

    Its functions are pure, of NumPy's arrays, symbols and JAX's tracers. Targets t may be ``Weighted``.
    """

    net: Layer
    loss: Callable
    optimiser: Optimiser
    clip_norm: float | None
    clip_value: float | None
    penalty: Penalty | None
    metrics: dict[str, Metric] | None
    accumulate: int  # parts of a mini-batch that go through the network one after the other
    dtype: np.dtype | None  # of the parameters

    def objective(self, params: Arrays, states: Arrays, x: Any, t: Any) -> tuple[Any, tuple[Any, Arrays]]:
        """The loss of a mini-batch with its penalty, and beside it outputs and new states."""
        net = self.net.bind(params, states).train()
        y = net(x)
        loss = weighted_loss(self.loss, y, t)
        if self.penalty is not None:
            loss = loss + self.penalty(params)
        return loss, (y, net.states())

    def gradients(self, params: Arrays, states: Arrays, x: Any, t: Any) -> tuple[Any, Any, Arrays, Arrays]:
        """(loss, outputs, gradients, new states) of one mini-batch, whole or part by part.

        The loss and the gradients of parts of n_i of N examples are added, each times n_i / N.
        """
        if self.accumulate == 1:
            return self.gradients_of_part(params, states, x, t)
        N, outputs, losses, gradients = count(t), [], [], []
        for part in parts_of(N, self.accumulate):
            loss, y, grads, states = self.gradients_of_part(params, states, x[part], rows(t, part))
            share = (part.stop - part.start) / N
            outputs.append(y)
            losses.append(loss * share)
            gradients.append({name: dp * share for name, dp in grads.items()})
        y = tree_map(lambda *pieces: xp.concat(pieces, axis=0), *outputs)
        return sum(losses), y, tree_map(lambda *dps: sum(dps[1:], dps[0]), *gradients), states

    def gradients_of_part(
        self, params: Arrays, states: Arrays, x: Any, t: Any
    ) -> tuple[Any, Any, Arrays, Arrays]:
        def loss_of(params: Arrays) -> tuple[Any, tuple]:
            return self.objective(params, states, x, t)

        (loss, (y, new_states)), grads = value_and_grad(loss_of, has_aux=True)(params)
        return loss, y, grads, states_kept(new_states, states)

    def clipped(self, grads: Arrays) -> Arrays:
        if self.clip_value is not None:
            grads = clip_by_value(grads, self.clip_value)
        return clip_by_norm(grads, self.clip_norm) if self.clip_norm is not None else grads

    def update(
        self, params: Arrays, grads: Arrays, moments: Moments, lr: Any, number: Any
    ) -> tuple[Arrays, Moments]:
        """The parameters and moments after a step at the learning rate ``lr``, the first of ``number`` 1."""
        moved = {
            name: self._moved(name, p, grads[name], moments[name], lr, number) for name, p in params.items()
        }
        return {name: p for name, (p, _) in moved.items()}, {name: m for name, (_, m) in moved.items()}

    def _moved(self, name: str, p: Any, dp: Any, moments: Arrays, lr: Any, number: Any) -> tuple[Any, Arrays]:
        before = at_work.set(f"update of {name}")
        try:
            return updated(self.optimiser, name, p, dp, moments, lr, number)
        finally:
            at_work.reset(before)

    def step(self, progress: Progress, x: Any, t: Any) -> tuple[Progress, float, Any]:
        """One mini-batch, rule by rule: the new progress, the loss before the update, and the outputs.

        Raises:
            NonFiniteError: the loss or a gradient is not finite; the progress is as it was.
        """
        with np.errstate(all="ignore"):  # what overflows is found, and named, below
            loss, y, grads, states = self.gradients(progress.params, progress.states, x, t)
            if not is_finite(loss) or not all(is_finite(dp) for dp in grads.values()):
                raise self.not_finite(progress, x, t)
            lr = float(self.optimiser.rate(progress.step))
            params, moments = self.update(
                progress.params, self.clipped(grads), progress.moments, lr, progress.step + 1
            )
        return self.after(progress, (params, states, moments), loss, y, t), float(loss), y

    def after(self, progress: Progress, state: State, loss: Any, y: Any, t: Any) -> Progress:
        """The progress one mini-batch later."""
        totals = with_batch(progress.totals, loss, self.measured(y, t), count(t))
        return progress.stepped(state, 1, totals)

    def not_finite(self, progress: Progress, x: Any, t: Any) -> NonFiniteError:
        """The error for a mini-batch whose loss or gradient is not finite."""
        with np.errstate(all="ignore"):
            loss, *_ = self.gradients(progress.params, progress.states, x, t)
            where = first_not_finite(
                lambda params: self.objective(params, progress.states, x, t)[0], progress.params, x
            )
        return NonFiniteError(
            f"step {progress.step + 1}: the {'gradient' if is_finite(loss) else 'loss'} is not finite. "
            f"First, {where}. A smaller learning rate, or clipping the gradient, may help{self.more}"
        )

    @property
    def more(self) -> str:
        """Where an error leads that says that something is not finite."""
        out = getattr(self, "out", None)
        return f"; handgrad explain-nan {out} says more" if out is not None else ""

    def measured(self, y: Any, t: Any) -> dict[str, Any]:
        """Of each metric one number for each example."""
        return measured(self.metrics, y, without_weights(t))

    def cast(self, x: Any) -> Any:
        """Data in the dtype of the parameters."""
        if isinstance(x, Weighted):
            return Weighted(*(cast_to(self.dtype, part) for part in x))
        return cast_to(self.dtype, x)


def parts_of(N: int, most: int) -> list[slice]:
    """N places in at most so many parts, of sizes that differ by 1 at most.

    >>> parts_of(5, 2)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    k = min(most, N)
    ends = np.cumsum([N // k + (i < N % k) for i in range(k)]).tolist()
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def with_batch(totals: dict[str, float], loss: Any, figures: dict[str, Any], n: int) -> dict[str, float]:
    """Sums over examples, with one more mini-batch in them."""
    sums = {"examples": n, "loss": float(loss) * n}
    sums |= {name: float(np.sum(each)) for name, each in figures.items()}
    return {name: totals.get(name, 0.0) + value for name, value in sums.items()}
