"""One object at two places of a network: does what it keeps for one backward survive the other's forward?"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from handgrad.checking.equality import same
from handgrad.checking.findings import Cause, Explains
from handgrad.checking.kinds import Kind
from handgrad.checking.network.part import Part
from handgrad.checking.quietly import quiet
from handgrad.checking.report import WRONG, Report
from handgrad.checking.subject import copied, parted

NEAR = 1e-9


def reports(parts: list[Part]) -> list[Report]:
    """One report for each object that is right at each of its places, but not at two of them."""
    by_object: dict[Any, list[Part]] = {}
    for part in parts:
        if part.thing is not None and not part.inside:
            by_object.setdefault(part.thing, []).append(part)
    found = []
    for places in by_object.values():
        causes = (between(first, second) for first, second in pairwise(places))
        cause = next((cause for cause in causes if cause is not None), None)
        if cause is not None:
            found.append(Report(places[0].name, WRONG, causes=[cause]))
    return found


def between(first: Part, second: Part) -> Cause | None:
    """Two forwards of the object, then the two backwards, last first, against each alone."""
    both = first.subject.reused
    if both is None:
        return None
    try:
        with quiet():
            due, due_later = alone(first), alone(second)
            shared = both()
            outs, back = shared.pair(copied(first.subject.values))
            later, back_later = shared.pair(copied(second.subject.values))
            got_later = np_copies(back_later(douts(later)))
            got = np_copies(back(douts(outs)))
    except Exception as error:
        return Cause(
            Kind.STALE_CACHE, f"it is used at two places, and fails there: {error}", None, Explains.SOME
        )
    where = f"it is used at two places ({first.name}; {second.name}), and its"
    names, own = first.subject.names, first.subject.parameters
    for k, g in enumerate(got):
        fits = same(g, due[k], NEAR) or (k in own and same(g, added(due[k], due_later[k]), NEAR))
        if not fits or not same(got_later[k], due_later[k], NEAR):
            said = "second forward overwrites what the first saved for the backward: the gradient of"
            return Cause(
                Kind.STALE_CACHE,
                f"{where} {said} {names[k]} is that of other inputs",
                names[k],
                Explains.SOME,
            )
    for k in sorted(own):
        if not same(got[k], added(due[k], due_later[k]), NEAR):
            said = f"backward assigns the gradient of {names[k]}, where those of both places add up"
            return Cause(Kind.ASSIGNED, f"{where} {said}", names[k], Explains.SOME)
    return None


def added(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a + b


def alone(part: Part) -> list[Any]:
    outs, back = part.subject.pair(copied(part.subject.values))
    return np_copies(back(douts(outs)))


def douts(outs: list[Any]) -> list[Any]:
    rng = np.random.default_rng(3)
    size = sum(np.size(out) for out in outs if np.asarray(out).dtype.kind == "f")
    return parted(rng.standard_normal(size), outs)


def np_copies(grads: list[Any]) -> list[Any]:
    return [None if g is None else np.array(g) for g in grads]
