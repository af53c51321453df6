"""A first look at a part, in a handful of evaluations whatever its size.

Along one random direction of all its inputs together, ⟨g, v⟩ by the backward must be uᵀ(J v) by the values:
by a complex step for the digits, and by a difference, which also sees what complex numbers go past.
"""

from __future__ import annotations

import numpy as np

from handgrad.checking import numerics
from handgrad.checking.clock import Clock
from handgrad.checking.quietly import quiet
from handgrad.checking.subject import BackwardFailed, Subject, Unfit
from handgrad.checking.trial import Trial

STEP = 2.0**-18
FINE, COARSE = 1e-9, 1e-4  # what a complex step and a difference must agree to, relative to the sum's terms
CLEAR = 1e-2  # wrong beyond doubt


def first_look(subject: Subject, seed: int, clock: Clock) -> bool | None:
    """True: right. False: wrong beyond doubt. None: this has to be looked at with more care."""
    try:
        trial = Trial(subject, subject.values, seed, clock)
    except (BackwardFailed, Unfit):
        return None
    moves = directions(trial)
    if not moves or not trial.smooth.all():
        return None
    if any(
        g is not None and g.shape != trial.values[k].shape for raw in trial.raw for k, g in picked(raw, moves)
    ):
        return None
    try:
        with quiet():
            phi = trial.phi(moves)
            fine = numerics.complex_step(phi)
            coarse = (phi(STEP) - phi(-STEP)) / (2 * STEP)
    except Exception:  # whatever a function does that was not written for complex numbers
        return None
    answers = [judged(trial, n, moves, fine, coarse) for n in range(len(trial.douts))]
    if False in answers:
        return False
    return True if all(answers) else None


def directions(trial: Trial) -> dict[int, np.ndarray]:
    """One direction for each checked input."""
    checked = [k for k, is_checked in enumerate(trial.subject.checked) if is_checked]
    return {
        k: numerics.sizes(x) * numerics.signed(trial.rng, x.shape)
        for k in checked
        if (x := trial.values[k]).size
    }


def picked(raw: list, moves: dict[int, np.ndarray]) -> list[tuple[int, np.ndarray | None]]:
    return [(k, raw[k]) for k in moves]


def judged(
    trial: Trial, n: int, moves: dict[int, np.ndarray], fine: np.ndarray, coarse: np.ndarray
) -> bool | None:
    """One dout's answer."""
    with np.errstate(all="ignore"):
        terms = [np.ravel(g * moves[k]) for k, g in picked(trial.raw[n], moves) if g is not None]
        got = sum(float(np.sum(t)) for t in terms)
        scale = np.sqrt(sum(float(np.sum(t**2)) for t in terms)) + float(
            np.linalg.norm(trial.douts[n] * fine)
        )
        by_fine, by_coarse = float(trial.douts[n] @ fine), float(trial.douts[n] @ coarse)
        near = [abs(got - by_fine) <= FINE * scale, abs(got - by_coarse) <= COARSE * scale]
        far = min(abs(got - by_fine), abs(got - by_coarse)) > CLEAR * scale
        if all(near):
            return True
        return False if far and abs(by_fine - by_coarse) <= COARSE * scale else None
