"""Gradients of another shape than their input's, and what would have made them right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.arrays import sum_to
from handgrad.checking.causes.evidence import Evidence, subsets
from handgrad.checking.findings import Cause, Explains
from handgrad.checking.kinds import Kind
from handgrad.rules.rule import is_repeated


def wrong_shape(e: Evidence) -> Iterator[Cause]:
    got, wanted = e.got[0], e.shape
    came = f"{e.d} has shape {got.shape}, but {e.name} has {wanted}"
    is_reshaped = e.is_whole and got.size == e.x.size and e.near(got.reshape(wanted), e.expected[0])
    if is_reshaped and got.ndim != len(wanted):
        yield e.cause(Kind.SHAPE, f"{came}: the numbers are right; reshape it to {wanted}", Explains.LAW)
    elif got.shape != wanted and is_repeated(wanted, got.shape) and got.size > e.x.size:
        yield _not_summed(e, came)
    elif not e.is_whole:
        yield e.cause(Kind.SHAPE, came, Explains.NOTHING)
    else:
        yield from _other_axes(e, came)
        if got.shape[::-1] == wanted and got.ndim == 2 and e.near(got.T, e.expected[0]):
            yield e.cause(Kind.TRANSPOSED, f"{came}: it is the transpose of what is due", Explains.LAW)
        elif is_reshaped:
            yield e.cause(Kind.SHAPE, f"{came}: the numbers are right; reshape it to {wanted}", Explains.LAW)
        elif is_repeated(got.shape, wanted) or got.size < e.x.size:
            yield from _too_small(e, came)
        yield e.cause(Kind.SHAPE, came, Explains.NOTHING)


def _not_summed(e: Evidence, came: str) -> Cause:
    """What was broadcast has to be summed over the axes along which it was repeated."""
    got, wanted = e.got[0], e.shape
    lead = got.ndim - len(wanted)
    axes = [i for i, n in enumerate(got.shape) if i < lead or wanted[i - lead] != n]
    along = f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"
    if e.is_whole and not e.near(sum_to(got, wanted), e.expected[0]):
        return e.cause(Kind.BROADCAST, f"{came}: what was broadcast is not summed over {along}")
    why = f"{e.name} was broadcast, and its gradient is not summed over {along}; summed, it is right"
    return e.cause(Kind.BROADCAST, f"{came}: {why}", Explains.LAW)


def _other_axes(e: Evidence, came: str) -> Iterator[Cause]:
    """Right when it is summed over more axes, wherever they are."""
    got, due = e.got[0], e.expected[0]
    for axes in subsets(range(got.ndim)):
        summed = got.sum(axes)
        if summed.shape == due.shape and e.near(summed, due):
            over = ", ".join(map(str, axes))
            yield e.cause(Kind.BROADCAST, f"{came}: it has still to be summed over axis {over}", Explains.LAW)
            return


def _too_small(e: Evidence, came: str) -> Iterator[Cause]:
    got, due = e.got[0], e.expected[0]
    kind = Kind.SHAPE if e.trial.f0.size < e.x.size else Kind.BROADCAST
    for axis in range(due.ndim):
        for f, said in ((np.sum, "summed"), (np.mean, "averaged")):
            reduced = f(due, axis=axis)
            if reduced.size == got.size and e.near(got.reshape(reduced.shape), reduced):
                yield e.cause(kind, f"{came}: it is also {said} over axis {axis} of {e.name}", Explains.LAW)
                return
    yield e.cause(kind, f"{came}: it is summed over too many axes, or a slice is taken", Explains.NOTHING)
