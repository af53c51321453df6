"""Which known mistake gives the numbers that were returned?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handgrad.checking.causes import (
    factors,
    forward,
    groups,
    narrow,
    places,
    repair,
    results,
    shapes,
    stale,
    terms,
    upstream,
)
from handgrad.checking.causes.by_steps import by_steps
from handgrad.checking.causes.evidence import Evidence, gradient_name
from handgrad.checking.findings import Cause, Explains
from handgrad.checking.quietly import quiet
from handgrad.checking.trial import InputTrial, Trial

GUESSES: tuple[Callable[[Evidence], Iterator[Cause]], ...] = (
    results.not_finite,
    results.missing,
    upstream.not_linear,
    results.other_input,
    forward.another_input,
    terms.wrong_array,
    results.rearranged,
    results.jacobian,
    upstream.other_dout,
    terms.normalisation,
    results.one_of_several,
    factors.constant_factor,
    results.averaged,
    groups.groups,
    places.places,
    terms.other_sum,
    narrow.narrow,
    stale.stale,
    repair.saved,
    by_steps,
)


def causes_of(trial: Trial, result: InputTrial) -> list[Cause]:
    """What may be wrong with one input's gradient, the best explanation first."""
    if result.columns is None:
        return []
    evidence = Evidence(trial, result)
    if not evidence.got:
        return []  # every output is at a kink
    with quiet():
        if not evidence.has_shape:
            return sorted(shapes.wrong_shape(evidence), key=lambda cause: cause.rank)
        found = [cause for guess in GUESSES for cause in guess(evidence)]
        if not any(cause.explains < Explains.NUMBERS for cause in found):
            found += repair.repaired(evidence)
    return sorted(found, key=lambda cause: cause.rank)


def causes_of_two(trial: Trial, result: InputTrial) -> list[Cause]:
    """Two mistakes at once in a gradient that no single one explains."""
    evidence = Evidence(trial, result)
    with quiet():
        return list(repair.repaired_twice(evidence)) if evidence.got and evidence.has_shape else []


__all__ = ["Evidence", "causes_of", "causes_of_two", "gradient_name"]
