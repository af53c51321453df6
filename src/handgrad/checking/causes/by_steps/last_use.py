"""One layer, or one function, that is used more than once with one cache: it holds what the last use saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress

from handgrad.checking.causes.by_steps.error import Error, Predicted
from handgrad.checking.following.chain import Change
from handgrad.checking.kinds import Kind
from handgrad.checking.quietly import quiet


def last_use(error: Error) -> Iterator[Predicted]:
    """Each use's backward on the values of the last one."""
    places: dict[tuple, list[int]] = defaultdict(list)
    for number, step in enumerate(error.chain.steps):
        if len(step.site) > 1:  # called by what is used more than once
            places[step.site[0], step.name, len(step.inputs)].append(number)
    change: Change = {}
    for *before, last in places.values():
        for number in before:
            change |= _with_values(error, number, last)
    if change:
        said = "answers each use of a layer by what its last use saw: is one cache written over?"
        yield error.by(Kind.STALE_CACHE, f"{error.e.d} {said}", 2, change)


def _with_values(error: Error, number: int, last: int) -> Change:
    """A step's Jacobians with the values of another."""
    step, values = error.chain.steps[number], error.chain.steps[last].values
    found: Change = {}
    if [v.shape for v in step.values] == [v.shape for v in values]:
        for i, slot in enumerate(step.inputs):
            if slot in error.chain.reach:
                with suppress(Exception), quiet():  # whatever a step raises that is given another array
                    found[number, i] = step.jacobian_at(i, values)
    return found
