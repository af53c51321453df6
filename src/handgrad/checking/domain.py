"""Which elements of an input an output depends on, where the output itself may not be finite.

Seen from values alone: a group of elements is given other values, and the outputs are the same or not; on
to the halves of a group that changes them. At the point itself an infinite or undefined output may hide
what it depends on, so ordinary points are looked at as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from handgrad.checking.quietly import quiet
from handgrad.checking.subject import Values, copied

if TYPE_CHECKING:
    from handgrad.checking.trial import Trial

# Where inverse sines have values, where rectifiers have another slope, and inverse hyperbolic cosines. To
# stand at; and to take an element from, so that each can become the least, or the largest.
RANGES = (
    ((0.4, 0.6), (0.1, 0.3), (0.7, 0.9)),
    ((-0.6, -0.4), (-0.9, -0.7), (-0.3, -0.1)),
    ((2.0, 3.0), (1.1, 1.9), (3.1, 4.0)),
)
MOST_LOOKS = 400


def reaching(trial: Trial, k: int, outputs: np.ndarray) -> np.ndarray:
    """The elements of input k on which some of these outputs depend."""
    shape = trial.values[k].shape
    if outputs.all() or not outputs.any():
        return np.full(shape, bool(outputs.any()))
    pairs = [pair for pair in _pairs(trial) if pair.is_taken(trial, outputs)]
    if len(pairs) < 2:
        return np.ones(shape, bool)  # taken nowhere else: it may depend on anything
    found = np.zeros(trial.values[k].size, bool)
    groups, looks = [np.arange(found.size)], 0
    while groups:
        group = groups.pop()
        looks += 1
        if looks <= MOST_LOOKS and not any(pair.differs(trial, k, group, outputs) for pair in pairs):
            continue
        if group.size <= 1 or looks > MOST_LOOKS:
            found[group] = True
        else:
            groups += np.array_split(group, 2)
    return found.reshape(shape)


def with_infinite_inputs(trial: Trial) -> np.ndarray:
    """Outputs that depend on elements of the inputs which are not finite themselves."""
    found = np.zeros(trial.f0.shape, bool)
    places = {k: ~np.isfinite(trial.values[k]) for k in trial.checked}
    if not any(mask.any() for mask in places.values()):
        return found
    for pair in _pairs(trial):
        values, here = copied(pair.here), copied(pair.here)
        for k, mask in places.items():
            values[k] = np.where(mask, pair.there[k], values[k])
        with quiet():
            moved, at = _outputs(trial, values), _outputs(trial, here)
        if moved is not None and at is not None:
            found |= ~((moved == at) | (np.isnan(moved) & np.isnan(at)))
    return found


def never_finite(trial: Trial) -> np.ndarray:
    """Outputs that are finite at no point that is looked at, so that what they depend on is not seen."""
    found = ~np.isfinite(trial.f0)
    for pair in _pairs(trial) if found.any() else ():
        values = _outputs(trial, pair.here)
        if values is not None:
            found &= ~np.isfinite(values)
    return found


def without_slope(trial: Trial, steep: np.ndarray) -> dict[int, np.ndarray]:
    """The elements by which these outputs have no finite slope; if none is to blame, all they depend on."""
    found = {k: np.zeros(trial.values[k].shape, bool) for k in trial.checked}
    blamed = np.zeros_like(steep)
    for k in trial.checked if steep.any() else ():
        depends = reaching(trial, k, steep) & ~trial.off[k]
        if depends.sum() > MOST_LOOKS:
            found[k], blamed = depends, steep
            continue
        for place in np.argwhere(depends):
            estimate = trial.along(trial.move(k, tuple(place)))
            bad = estimate.rough & estimate.steep & steep
            found[k][tuple(place)], blamed = bad.any(), blamed | bad
    rest = steep & ~blamed
    return {k: mask | reaching(trial, k, rest) for k, mask in found.items()}


class Pair:
    """Two sets of values for the checked inputs: one to stand at, one to take elements from."""

    def __init__(self, here: Values, there: Values):
        self.here, self.there = here, there
        self.f0 = np.zeros(0)

    def is_taken(self, trial: Trial, outputs: np.ndarray) -> bool:
        found = _outputs(trial, self.here)
        if found is None:
            return False
        self.f0 = found[outputs]
        return True

    def differs(self, trial: Trial, k: int, group: np.ndarray, outputs: np.ndarray) -> bool:
        """Whether other values for a group of elements change the outputs."""
        values = copied(self.here)
        values[k] = values[k].copy()
        values[k].flat[group] = self.there[k].flat[group]
        found = _outputs(trial, values)
        return found is not None and not np.array_equal(found[outputs], self.f0, equal_nan=True)


def _pairs(trial: Trial) -> list[Pair]:
    """The point itself and beside it, and points where most functions have values."""
    rng = np.random.default_rng([trial.seed, 31])

    def each(f: Callable) -> Values:
        return [f(x) if c else x for x, c in zip(trial.values, trial.subject.checked, strict=True)]

    def ordinary(x: np.ndarray, within: tuple[float, float] = RANGES[0][0]) -> np.ndarray:
        return np.asarray(rng.uniform(*within, x.shape))

    def beside(x: np.ndarray) -> np.ndarray:
        near = x * rng.uniform(0.4, 0.8, x.shape)
        return np.where(np.isfinite(x) & (x != 0), near, ordinary(x))

    with quiet():
        pairs = [Pair(trial.values, each(beside))]
        for here, *others in RANGES:
            for there in others:
                pairs.append(Pair(*(each(partial(ordinary, within=within)) for within in (here, there))))
    return pairs


def _outputs(trial: Trial, values: Values) -> np.ndarray | None:
    with quiet():
        try:
            found = trial.subject.outputs(copied(values))
        except Exception:  # refused: these values are outside the domain
            return None
    return found if found.shape == trial.f0.shape else None
