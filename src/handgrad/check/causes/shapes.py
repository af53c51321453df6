"""Gradients of another shape than their input's, and what would have made them right."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from handgrad.arrays import sum_to
from handgrad.check.causes.evidence import Evidence
from handgrad.check.findings import Cause
from handgrad.rules.rule import is_repeated


def wrong_shape(e: Evidence) -> Iterator[Cause]:
    got, wanted = e.got[0], e.shape
    came = f"{e.d} has shape {got.shape}, but {e.name} has {wanted}"
    if (
        got.size == e.x.size
        and got.ndim != len(wanted)
        and e.is_whole
        and e.near(got.reshape(wanted), e.expected[0])
    ):
        yield e.cause("shape", f"{came}: the numbers are right; reshape it to {wanted}", 0.9)
        return
    if got.shape != wanted and is_repeated(wanted, got.shape) and got.size > e.x.size:
        lead = len(got.shape) - len(wanted)
        axes = [i for i, n in enumerate(got.shape) if i < lead or wanted[i - lead] != n]
        along = f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"
        if not e.is_whole or e.near(sum_to(got, wanted), e.expected[0]):
            yield e.cause(
                "broadcast",
                f"{came}: {e.name} was broadcast, and its gradient is not summed over {along}; summed, it is right",
                1,
            )
        else:
            yield e.cause("broadcast", f"{came}: what was broadcast is not summed over {along}", 2)
        return
    if not e.is_whole:
        yield e.cause("shape", came, 40)
        return
    yield from _other_axes(e, came)
    due = e.expected[0]
    if got.ndim == 2 and got.shape[::-1] == wanted and e.near(got.T, due):
        yield e.cause("transposed", f"{came}: it is the transpose of what is due", 1)
    elif got.size == e.x.size and e.near(got.reshape(wanted), due):
        yield e.cause("shape", f"{came}: the numbers are right; reshape it to {wanted}", 1)
    elif is_repeated(got.shape, wanted) or got.size < e.x.size:
        yield from _too_small(e, came)
    for j in e.others:
        other = e.trial.raw[0][j]
        if other is not None and e.trial.values[j].shape == got.shape and np.shape(other) == wanted:
            yield e.cause(
                "swapped",
                f"{came}, and {e.trial.subject.names[j]}'s the other way round: the two gradients are swapped", 1.5
            )  # fmt: skip
    yield e.cause("shape", came, 45)


def _other_axes(e: Evidence, came: str) -> Iterator[Cause]:
    """Right when it is summed over more axes, wherever they are."""
    got, due = e.got[0], e.expected[0]
    for count in range(1, got.ndim + 1):
        for axes in itertools.combinations(range(got.ndim), count):
            summed = got.sum(axes)
            if summed.shape == due.shape and e.near(summed, due):
                yield e.cause(
                    "broadcast", f"{came}: it has still to be summed over axis {', '.join(map(str, axes))}", 1
                )
                return


def _too_small(e: Evidence, came: str) -> Iterator[Cause]:
    got, due = e.got[0], e.expected[0]
    kind = "shape" if e.trial.f0.size < e.x.size else "broadcast"
    for axis in range(due.ndim):
        for f, said in ((np.sum, "summed"), (np.mean, "averaged")):
            reduced = f(due, axis=axis)
            if reduced.size == got.size and e.near(got.reshape(reduced.shape), reduced):
                yield e.cause(kind, f"{came}: it is also {said} over axis {axis} of {e.name}", 1)
                return
    if got.size == 1 and e.near(got.reshape(()), np.sum(due)):
        yield e.cause(kind, f"{came}: it is summed over all of {e.name}", 1)
    else:
        yield e.cause(kind, f"{came}: it is summed over too many axes, or a slice is taken", 35)
