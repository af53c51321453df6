"""Many steps in one call of XLA, on one device, on a mesh of them, or on those of several processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handgrad.train.engines.base import READ_AHEAD, ManySteps, as_like, check_rows, ordered, rates
from handgrad.train.hosts import JaxHosts, lost_hosts
from handgrad.train.kept import as_array
from handgrad.train.placement import Placement
from handgrad.train.progress import Progress
from handgrad.train.step import Step
from handgrad.train.weights import count, rows
from handgrad.tree import leaves, tree_map

FEW, TINY = 1024, 1e-30
LENGTH = 1024  # steps in a call at most: what is told of each has room


class JaxSteps(ManySteps):
    """Steps of a jitted loop, whose state is donated; a ``Progress`` has its arrays as they lie on devices.

    So one that was advanced from is used up. Numbers of 64 bits stay such (``jax.enable_x64``).
    """

    name = "jax"

    def __init__(
        self, train_step: Step, start: Progress, x: Any, t: Any, batch_size: int, placement: Placement
    ):
        super().__init__(train_step, start, x, t)
        self.placement, self.hosts = placement, JaxHosts()
        placement.check_batch(batch_size)
        self.in_memory = self.in_memory and not placement.is_spread
        self.functions: dict[int, Callable] = {}
        self.data: tuple[Any, Any] | None = None  # on the devices, where they fit into memory
        self.wants_to_stop = False  # this process
        self.is_stopping = False  # all, from the next call on
        self.rows_read = 0
        self.failed = -1  # the step that was not finite
        with jax.enable_x64(True):
            self.compiles_metrics = self._metrics_are_traced(min(batch_size, count(self.t)))

    def advance(self, progress: Progress, order: np.ndarray, batch_size: int, steps: int) -> Progress:
        if self.is_stopping:
            raise KeyboardInterrupt
        after = super().advance(progress, order, batch_size, steps)
        stops, self.seconds = self.hosts.most(self.wants_to_stop, self.seconds)
        self.is_stopping = bool(stops)
        return after

    def plain(self, progress: Progress) -> Progress:
        state = tree_map(self.hosts.whole, (progress.params, progress.states, progress.moments))
        return dataclasses.replace(progress, params=state[0], states=state[1], moments=state[2])

    @property
    def most(self) -> int:
        return LENGTH if self.in_memory and self.compiles_metrics else READ_AHEAD

    def _metrics_are_traced(self, size: int) -> bool:
        """Whether JAX can trace the metrics; else the outputs are kept for NumPy.

        Raises:
            TypeError: it cannot trace the rest either.
        """
        p, like = self.start, np.zeros(size, int)
        state, x = (p.params, p.states, p.moments), np.repeat(self.like, size, 0)
        arguments = (state, x, rows(self.t, like), 0.0, 0.0)
        try:
            jax.eval_shape(self.one, *arguments)
            return True
        except (TypeError, AttributeError, jax.errors.JAXTypeError):
            if not self.metrics:
                raise
            self.compiles_metrics = False
            jax.eval_shape(self.one, *arguments)
            return False

    def one(self, state: Any, x: Any, t: Any, lr: Any, number: Any) -> Any:
        """One step: the new state, whether loss and gradients were finite, and what is told of it.

        A step that was not finite leaves the state as it was.
        """
        params, states, moments = state
        loss, y, grads, new_states = self.train_step.gradients(params, states, x, t)
        fine = jnp.isfinite(loss) & jnp.stack([all_finite(dp) for dp in leaves(grads)]).all()

        def update() -> Any:
            new, moved = self.train_step.update(params, self.train_step.clipped(grads), moments, lr, number)
            return new, new_states, moved

        told = [y]
        if self.compiles_metrics:
            told = [jnp.sum(each).astype(float) for each in self.train_step.measured(y, t).values()]
        return (
            jax.lax.cond(fine, update, lambda: state),
            fine,
            [as_array(loss), *(told if self.metrics else [])],
        )

    def function(self, size: int) -> Callable:
        """The loop for mini-batches of that many examples, compiled when it is first called."""
        if size not in self.functions:
            like = (self.start.params, self.start.states, self.start.moments)
            whole = self.placement.whole
            out = (self.placement.of_state(like), whole, whole)
            self.functions[size] = jax.jit(self.loop, donate_argnums=0, out_shardings=out)
        return self.functions[size]

    def loop(self, state: Any, batches: Any, lrs: Any, numbers: Any, count: Any) -> Any:
        """Steps until ``count`` are made or one is not finite: the state, how many, what is told of each."""

        def told_of(i: Any) -> Any:
            return self.one(state, *self.batch(batches, i), lrs[i], numbers[i])[2]

        def goes_on(carry: Any) -> Any:
            _, i, fine, _ = carry
            return fine & (i < count)

        def body(carry: Any) -> Any:
            state, i, _, told = carry
            state, fine, new = self.one(state, *self.batch(batches, i), lrs[i], numbers[i])
            told = [jax.lax.dynamic_update_index_in_dim(a, v, i, 0) for a, v in zip(told, new, strict=True)]
            return state, i + fine, fine, told

        told = [jnp.zeros((self.most, *v.shape), v.dtype) for v in jax.eval_shape(told_of, jnp.int64(0))]
        start = (state, jnp.int64(0), jnp.bool_(True), told)
        state, done, _, told = jax.lax.while_loop(goes_on, body, start)
        return state, done, told

    def batch(self, batches: Any, i: Any) -> tuple[Any, Any]:
        """The mini-batch of step i, divided along ``data``."""
        place = self.placement
        if not self.in_memory:
            return tree_map(
                lambda a: place.along_data(jax.lax.dynamic_index_in_dim(a, i, keepdims=False)), batches
            )
        *data, places = batches
        here = place.along_data(jax.lax.dynamic_index_in_dim(places, i, keepdims=False))
        x, t = tree_map(lambda a: place.along_data(jnp.take(a, here, axis=0)), data)
        return x, t

    def recompile(self) -> None:
        self.functions.clear()

    def run(
        self, progress: Progress, indices: np.ndarray, size: int
    ) -> tuple[int, Progress, IndexError | None]:
        if progress.step == self.failed:
            return 0, progress, None
        with jax.enable_x64(True), lost_hosts():
            state, done, made = self.function(size)(*self.arguments(progress, indices, size))
            made, count = [np.asarray(a) for a in made], int(done)
        like = (self.start.params, self.start.states, self.start.moments)
        if not count:  # the state was handed back as it was: the next call says what failed
            self.failed = progress.step
        totals = self.totals(progress, made, indices[: count * size], size) if count else progress.totals
        return count, progress.stepped(ordered(state, like), count, totals), None

    def arguments(self, progress: Progress, indices: np.ndarray, size: int) -> tuple:
        """What the loop is called with."""
        count = len(indices) // size
        numbers = np.arange(progress.step, progress.step + count)
        state = self.placement.put_state((progress.params, progress.states, progress.moments))
        lrs = padded(rates(self.train_step.optimiser, numbers), self.most)
        counted = padded((numbers + 1).astype(np.float64), self.most)
        batches = self.batches(indices.reshape(count, size))
        return state, batches, lrs, counted, np.int64(count)

    def batches(self, steps: np.ndarray) -> tuple:
        """On the devices: all data, and where in them the examples of each step are; or these examples."""
        if not self.in_memory:
            x = self.placement.rows(self.inputs, steps, self.like, self.most)
            t = tree_map(lambda a: self.placement.rows(lambda here: a[here], steps, a[:1], self.most), self.t)
            return x, t
        if self.data is None:
            self.data = self.placement.put_whole(self.x), tree_map(self.placement.put_whole, self.t)
        return *self.data, padded(steps, self.most)

    def inputs(self, here: np.ndarray) -> np.ndarray:
        """The inputs of rows that are read by this process."""
        self.rows_read += len(here)
        x = self.train_step.cast(self.x[here])
        check_rows(x, len(here))
        return as_like(x, self.like)


def all_finite(x: Any) -> Any:
    """Whether all numbers of an array are finite.

    A product with a column of tiny numbers is finite where they are, and takes a fraction of the time of
    looking at each: no sum of finite numbers that are made so small overflows.
    """
    if x.ndim > 0 and x.size >= FEW:
        x = jnp.tensordot(x, jnp.full(x.shape[-1:], TINY, x.dtype), 1, precision="highest")
    return jnp.all(jnp.isfinite(x))


def padded(x: np.ndarray, length: int) -> np.ndarray:
    """x with rows of zeros behind it."""
    return np.concatenate([x, np.zeros((length - len(x), *x.shape[1:]), x.dtype)]) if len(x) < length else x
