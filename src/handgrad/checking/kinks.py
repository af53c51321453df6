"""Points where there is no derivative: which elements are there, and whether the backward's choice is one.

At a kink of a convex function every subgradient g is right, and they are those with
f'(x; v) >= ⟨g, v⟩ for all directions v (Rockafellar 1970); of a concave one, with <=. So a single
output is looked at from several directions: if its one-sided slopes are those of a convex (or
concave) function, the gradient has to lie between them; else nothing is said.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from handgrad.checking import domain, numerics
from handgrad.checking.numerics import Estimate
from handgrad.checking.quietly import quiet
from handgrad.checking.subject import at_place
from handgrad.checking.trial import InputTrial, Trial
from handgrad.checking.trial.elements import by_elements

LOOKS = 6
PAIRS = tuple(itertools.combinations(range(LOOKS), 2))
MOST_OUTPUTS = 12
MOST_ELEMENTS = 400


@dataclass
class Kink:
    """An element of an input at which an output has two slopes, or none."""

    name: str
    place: tuple[int, ...]
    value: float
    left: float
    right: float

    def __str__(self) -> str:
        at = at_place(self.name, self.place)
        if (
            not (np.isfinite(self.left) and np.isfinite(self.right))
            or max(abs(self.left), abs(self.right)) > 1e4
        ):
            return f"{at} = {self.value:.6g}: no finite slope there"
        return f"{at} = {self.value:.6g}: slope {self.left:.4g} to the left, {self.right:.4g} to the right"


def kinks_of(trial: Trial) -> list[Kink]:
    """The elements at which the kinked outputs have no derivative."""
    found = []
    with quiet():
        for k, x in enumerate(trial.values):
            if not trial.subject.checked[k] or x.size > MOST_ELEMENTS:
                continue
            for place, size, e in _by_elements(trial, k):
                rough = e.rough & trial.kinked
                if rough.any():
                    j = int(np.argmax(rough))
                    slopes = e.left[j] / size, e.right[j] / size
                    found.append(Kink(trial.subject.names[k], place, float(x[place]), *map(float, slopes)))
    return found


def _by_elements(trial: Trial, k: int) -> Iterator[tuple[tuple[int, ...], float, Estimate]]:
    """Each place in an input, the size of its element, and J v for the element of that size alone."""
    size = trial.sizes[k]
    for place in np.ndindex(size.shape):
        v = np.zeros(size.shape)
        v[place] = size[place]
        yield place, float(size[place]), trial.along({k: v})


def outside(trial: Trial) -> tuple[str, str] | None:
    """An input and a sentence, where an output's gradient is no subgradient; None if all may pass."""
    checked = [k for k, c in enumerate(trial.subject.checked) if c and trial.values[k].size]
    moves = [_move(trial, checked, i) for i in range(LOOKS)]
    moves += [{k: moves[a][k] + moves[b][k] for k in checked} for a, b in PAIRS]
    with quiet():
        seen = [_slopes(trial, v) for v in moves]
        for j in np.flatnonzero(trial.kinked)[:MOST_OUTPUTS]:
            u = np.zeros_like(trial.f0)
            u[j] = 1.0
            grads = trial.gradients(u)
            if any(grads[k] is not None and grads[k].shape != trial.values[k].shape for k in checked):
                return None
            along = [
                float(sum(np.sum(grads[k] * v[k]) for k in checked if grads[k] is not None)) for v in moves
            ]
            if _judge([s[0][j] for s in seen], [s[1][j] for s in seen], along) and _adds_up(
                trial, int(j), checked
            ):
                told = _said(trial, int(j), grads)
                if told is not None:
                    return told
    return None


def _said(trial: Trial, j: int, grads: list) -> tuple[str, str] | None:
    """The elements at the kink of one output, their slopes, and what the backward gives them."""
    found = []
    for k, x in enumerate(trial.values):
        if not trial.subject.checked[k] or grads[k] is None:
            continue
        for place, size, e in _by_elements(trial, k):
            if e.rough[j]:
                slopes = f"{e.left[j] / size:.4g} to the left and {e.right[j] / size:.4g} to the right"
                at, got = at_place(trial.subject.names[k], place), float(grads[k][place])
                found.append(f"{at} = {x[place]:.4g} has slope {slopes}, and gets {got:.4g}")
    if not found:
        return None
    name = next((trial.subject.names[k] for k, c in enumerate(trial.subject.checked) if c), "x")
    several = "; equal elements share one gradient" if len(found) > 1 else ""
    listed = "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
    return name, f"at a kink of output {j} the gradient is not between the slopes: {listed}{several}"


def _move(trial: Trial, checked: list[int], i: int) -> dict[int, np.ndarray]:
    """Random directions; the first two move everything up or down together, by different amounts."""
    rng = np.random.default_rng([trial.seed, 23, i])
    moves = {}
    for k in checked:
        x = trial.values[k]
        size = float(np.max(numerics.sizes(x)))
        r = rng.uniform(0.5, 1.5, x.shape) if i < 2 else numerics.signed(rng, x.shape)
        moves[k] = size * (r if i != 1 else -r)
    return moves


def _slopes(trial: Trial, v: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """One-sided slopes of every output along v: to the left, to the right."""
    phi = trial.phi(v)
    slopes = []
    for h in numerics.FINE_STEPS:
        slopes.append(((trial.f0 - phi(-h)) / h, (phi(h) - trial.f0) / h))
    (l1, r1), (l2, r2) = slopes
    steady = (np.abs(l1 - l2) <= 1e-4 * (np.abs(l1) + np.abs(r1))) & (
        np.abs(r1 - r2) <= 1e-4 * (np.abs(l1) + np.abs(r1))
    )
    return np.where(steady, l2, np.nan), np.where(steady, r2, np.nan)


def _adds_up(trial: Trial, j: int, checked: list[int]) -> bool:
    """Whether output j is convex or concave by its elements too: f'(Σe) <= Σf'(e), or >= for all signs.

    A middle one of several equal elements is neither, though few directions show it.
    """
    if sum(trial.values[k].size for k in checked) > MOST_ELEMENTS:
        return False
    sums = np.zeros((2, 2))  # sign of the direction; by elements, all at once
    whole = {k: trial.sizes[k] for k in checked}
    left, right = _slopes(trial, whole)
    sums[:, 1] = right[j], -left[j]
    for k in checked:
        for place in np.ndindex(trial.values[k].shape):
            v = np.zeros(trial.values[k].shape)
            v[place] = whole[k][place]
            left, right = _slopes(trial, {k: v})
            sums[:, 0] += right[j], -left[j]
    if not np.isfinite(sums).all():
        return False
    slack = 1e-3 * np.max(np.abs(sums))
    apart = sums[:, 1] - sums[:, 0]
    return bool(np.all(apart <= slack) or np.all(apart >= -slack))


def _judge(left: list[float], right: list[float], along: list[float]) -> bool:
    """Whether ⟨g, v⟩ lies beyond the slopes, where these are those of a convex or a concave function."""
    lo, r, g = np.array(left), np.array(right), np.array(along)
    if not np.isfinite(lo).all() or not np.isfinite(r).all() or not np.isfinite(g).all():
        return False
    size = np.maximum(np.abs(lo), np.abs(r)).max()
    slack = 1e-4 * size
    is_convex = bool(np.all(r - lo >= -slack)) and _adds(r, 1, slack) and _adds(-lo, 1, slack)
    is_concave = bool(np.all(r - lo <= slack)) and _adds(r, -1, slack) and _adds(-lo, -1, slack)
    if not (is_convex or is_concave):
        return False
    low, high = np.minimum(lo, r) - 10 * slack, np.maximum(lo, r) + 10 * slack
    beyond = (g < low) | (g > high)
    return bool(beyond.any())


def _adds(slope: np.ndarray, sign: int, slack: float) -> bool:
    """f'(v + w) <= f'(v) + f'(w), for the pairs whose sum was looked at."""
    sums = enumerate(PAIRS, start=LOOKS)
    return all(sign * (slope[a] + slope[b] - slope[c]) >= -slack for c, (a, b) in sums)


def at_kinks(trial: Trial) -> Trial:
    """The kinked outputs, on the elements at which they have a derivative after all."""
    there = trial.at_kinks()
    for k in there.checked:
        x, got = trial.values[k], [grads[k] for grads in there.raw]
        if x.size == 0 or x.size > 4 * MOST_ELEMENTS:
            continue
        if any(g is not None and g.shape != x.shape for g in got):
            continue
        result = InputTrial(k, trial.subject.names[k], x, got, "mismatch", 15.0)
        by_elements(there, result)
        there.results.append(result)
    if not any(r.columns is not None and r.columns.rough.any() for r in there.results):
        there.results = []  # smooth by every element, and not in other directions: no slope at all
    return there


def leaning_on(trial: Trial, outputs: np.ndarray) -> list[str]:
    """The inputs with elements that have a derivative, and on which none but these outputs depend."""
    found = []
    for k in trial.checked if outputs.any() else ():
        alone = domain.reaching(trial, k, outputs) & ~domain.reaching(trial, k, ~outputs)
        if (alone & ~trial.off[k]).any():
            found.append(trial.subject.names[k])
    return found
