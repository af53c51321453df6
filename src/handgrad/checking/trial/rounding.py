"""What cannot be seen of a derivative: what rounding moves, and numbers too far apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.checking import numerics
from handgrad.checking.clock import OutOfTime
from handgrad.checking.subject import Unfit

if TYPE_CHECKING:
    from handgrad.checking.trial.trial import Trial

EXTREME = 1e-100
HUGE = 1e8  # from which on what it absorbs is looked at


def noise_of_gradient(trial: Trial, k: int) -> np.ndarray:
    """How far rounding of the inputs moves the gradient: what it may be off without being wrong.

    Without bound where it leads out of the domain, as from a matrix that is hardly positive definite.
    """
    base, size = trial.raw, trial.values[k].size
    moved = []
    for _ in range(2):
        values = [
            x * (1 + 4 * numerics.EPS * trial.rng.choice([-1.0, 1.0], x.shape)) if c else x
            for x, c in zip(trial.values, trial.subject.checked, strict=True)
        ]
        try:
            moved.append([trial.gradients(u, values) for u in trial.douts])
        except (Unfit, OutOfTime):
            raise
        except Exception:
            return np.full((len(trial.douts), size), np.inf)

    def flat(g: Any) -> np.ndarray:
        return np.zeros(size) if g is None or np.size(g) != size else np.ravel(g).astype(np.float64)

    with np.errstate(all="ignore"):
        apart = [
            np.stack([np.abs(flat(a[k]) - flat(b[k])) for a, b in zip(base, other, strict=True)])
            for other in moved
        ]
        noise = np.maximum(*apart)
        return np.where(np.isfinite(noise), noise, 0.0)


def noise_of_backward(trial: Trial, k: int) -> np.ndarray:
    """How far rounding inside the backward moves the gradient, as in p - 1 where p is all but 1: by its third
    and fourth differences along a line, as of the outputs. No more than float64 can lose between numbers of
    the inputs' size: what is coarser is the backward's own.
    """
    moves = {i: trial.sizes[i] * numerics.signed(trial.rng, trial.sizes[i].shape) for i in trial.checked}
    largest = max(float(np.max(_magnitudes(trial), initial=0.0)), 1.0)

    def noise(u: np.ndarray) -> np.ndarray:
        def gradient(t: complex) -> np.ndarray:
            values = [x + t * moves[i] if i in moves else x for i, x in enumerate(trial.values)]
            return np.ravel(trial.gradients(u, values)[k]).astype(np.float64)

        found = np.maximum(numerics.noise_of(gradient)[0], numerics.height_of_stairs(gradient))
        return np.minimum(found, 64 * numerics.EPS * largest * float(np.max(np.abs(u), initial=0.0)))

    try:
        with np.errstate(all="ignore"):
            return np.stack([noise(u) for u in trial.douts])
    except (Unfit, OutOfTime):
        raise
    except Exception:  # beyond the domain, or of another shape there
        return np.zeros((len(trial.douts), trial.values[k].size))


def level_of_rounding(trial: Trial, k: int) -> np.ndarray:
    """The rounding of the outputs, over the size of each element: no derivative below it can be seen."""
    f0 = np.abs(trial.f0[trial.smooth])
    level = (
        4 * numerics.EPS * float(np.max(f0, initial=0.0)) * float(np.max(np.abs(trial.douts), initial=0.0))
    )
    with np.errstate(all="ignore"):
        return level / trial.sizes[k].ravel()


def _magnitudes(trial: Trial, also_off: bool = False) -> np.ndarray:
    """Of the numbers in the inputs that are neither zero nor infinite, and have a derivative."""
    flat = np.concatenate([np.abs(trial.values[k][also_off | ~trial.off[k]]) for k in trial.checked])
    return flat[np.isfinite(flat) & (flat > 0)]


def is_extreme(trial: Trial, also_off: bool = False) -> bool:
    """Whether numbers so far apart meet that products overflow in one order, and not in another."""
    moves = [trial.sizes[k][also_off | ~trial.off[k]] for k in trial.checked]
    found = np.concatenate([_magnitudes(trial, also_off), *moves])
    found = found[found > 0]
    return bool(found.size) and bool(np.max(found) * EXTREME > np.min(found))


def absorbed(trial: Trial) -> float:
    """What is lost of a gradient where much larger numbers are added and taken away again."""
    found = _magnitudes(trial)
    largest = float(np.max(found, initial=0.0))
    steps = 8 * numerics.EPS * float(np.max(np.abs(trial.douts), initial=0.0))
    return steps * largest if found.size and largest > HUGE * max(float(np.min(found)), 1.0) else 0.0


def is_too_small(x: np.ndarray) -> np.ndarray:
    """Where elements cannot be moved by their own size."""
    return (x != 0) & (np.abs(x) < numerics.SMALLEST)
