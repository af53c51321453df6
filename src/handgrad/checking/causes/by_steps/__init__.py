"""What if the chain rule had been gone wrong at one of the forward's steps, or at several?

The steps give the Jacobian as a product. So it can be said of each mistake, in one step or in all of a kind,
what the gradient would be if it had been made: and one of these is what was returned, or it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handgrad.checking.causes.by_steps.epsilons import left_out, moved
from handgrad.checking.causes.by_steps.error import Error, Predicted
from handgrad.checking.causes.by_steps.last_use import last_use
from handgrad.checking.causes.by_steps.one_step import one_step
from handgrad.checking.causes.by_steps.recursion import recursion
from handgrad.checking.causes.by_steps.several import alike, composites
from handgrad.checking.causes.by_steps.through_time import through_time
from handgrad.checking.causes.evidence import Evidence
from handgrad.checking.findings import Cause

# One after the other, until one explains the error. What of each: its first, or all of those that do.
SEARCHES: tuple[Callable[[Error], Iterator[Predicted]], ...] = (
    left_out,
    recursion,
    through_time,
    last_use,
    one_step,
    composites,
    alike,
    moved,
)
FEW = 12  # choices, with which it is taken at once


def by_steps(e: Evidence) -> Iterator[Cause]:
    """The causes that the first search finds that finds any."""
    error = Error(e, e.chain) if e.chain is not None else None
    if error is None or not error.is_seen:
        return
    for search in SEARCHES:
        found = False
        for h in search(error):
            if error.is_of(h):
                found = True
                yield e.cause(h.kind, h.sentence, choices=h.choices)
                if h.choices <= FEW or search is not one_step:
                    return
        if found:
            return


__all__ = ["SEARCHES", "by_steps"]
