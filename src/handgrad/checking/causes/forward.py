"""A slip in the forward: the backward is right for another one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.checking.causes.evidence import CLOSE, Evidence, gradient_name, subsets
from handgrad.checking.findings import Cause, Explains
from handgrad.checking.kinds import Kind
from handgrad.checking.trial import InputTrial

MOST = 4  # inputs that are not used


def another_input(e: Evidence) -> Iterator[Cause]:
    """An input that the output does not depend on has a gradient: that which another one lacks.

    So it is where the forward takes one input in the place of another, and the backward does not.
    """
    wrong = {r.index: r for r in e.trial.results if _is_known(r) and r.x.shape == e.shape}
    unused = [k for k, r in wrong.items() if not np.any(_due(r))][:MOST]
    names = e.trial.subject.names
    for j, taken in wrong.items():
        if j in unused:
            continue
        lacking = _due(taken) - _got(taken)
        for chosen in subsets(unused):
            spare = np.sum([_got(wrong[k]) for k in chosen], axis=0)
            if e.index in (j, *chosen) and _is_near(spare, lacking):
                meant = " and ".join(names[k] for k in chosen)
                spared = " + ".join(gradient_name(names[k]) for k in chosen)
                said = (
                    f"the output does not depend on {meant}, and {spared} is what {gradient_name(names[j])} "
                    f"lacks: the forward takes {names[j]} in place of {meant}"
                )
                yield e.cause(Kind.WRONG_ARRAY, said, Explains.LAW, len(wrong))
                return


def _is_near(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.max(np.abs(a - b)) <= CLOSE * np.max(np.abs(b)))


def _is_known(result: InputTrial) -> bool:
    c = result.columns
    return result.problem == "mismatch" and c is not None and c.elements.size == result.x.size


def _due(result: InputTrial) -> np.ndarray:
    assert result.columns is not None
    return result.columns.by_dout


def _got(result: InputTrial) -> np.ndarray:
    return np.stack([np.zeros(result.x.size) if g is None else g.ravel() for g in result.got])
