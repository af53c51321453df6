"""Which known mistake gives the numbers that were returned?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from handgrad.checking.causes import (
    factors,
    groups,
    narrow,
    places,
    repair,
    results,
    shapes,
    simulate,
    terms,
    upstream,
)
from handgrad.checking.causes.evidence import Evidence, gradient_name
from handgrad.checking.findings import Cause
from handgrad.checking.quietly import quiet
from handgrad.checking.trial import InputTrial, Trial

GUESSES: tuple[Callable[[Evidence], Iterator[Cause]], ...] = (
    results.not_finite,
    results.missing,
    upstream.not_linear,
    results.other_input,
    terms.wrong_array,
    results.rearranged,
    results.jacobian,
    terms.skip_path,
    upstream.other_dout,
    terms.normalisation,
    results.one_of_several,
    factors.constant_factor,
    results.averaged,
    groups.groups,
    places.places,
    terms.product_terms,
    terms.sum_term,
    terms.other_sum,
    terms.scores,
    narrow.narrow,
    repair.saved,
    simulate.simulated,
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
        if min((cause.rank for cause in found), default=9) > 1.9:
            found += repair.repaired(evidence)
    return sorted(found, key=lambda cause: cause.rank)


__all__ = ["Evidence", "causes_of", "gradient_name"]
