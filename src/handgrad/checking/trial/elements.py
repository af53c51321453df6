"""One input, element by element: its Jacobian, and which elements of its gradient are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from handgrad.checking import numerics
from handgrad.checking.quietly import quiet
from handgrad.checking.trial import rounding
from handgrad.checking.trial.directions import SAFETY, digits_of
from handgrad.checking.trial.results import Columns, InputTrial
from handgrad.checking.work import work_of

if TYPE_CHECKING:
    from handgrad.checking.trial.trial import Trial

LARGEST_JACOBIAN = 4_000_000
MOST_ELEMENTS, FEWEST_ELEMENTS = 3_000, 40
UNSEEN = 1e-24  # of dout: a gradient below it may have been rounded to zero, as the rest of 1 is
WORK = 50_000_000  # for the elements of one input


def chosen(trial: Trial, k: int) -> np.ndarray:
    """The elements of an input to look at: all; of a large one, both ends of each axis, a sample, and
    where directions find it wrong."""
    n, shape = trial.values[k].size, trial.values[k].shape
    v = np.zeros(shape)
    v.flat[0] = 1.0

    def once() -> None:
        trial.along({k: v}, trusted=True)

    with quiet():
        possible = min(WORK // work_of(once, trial.size), trial.clock.times(once))
    most = int(min(MOST_ELEMENTS, max(FEWEST_ELEMENTS, possible)))
    if n <= most:
        return np.arange(n)
    rng = np.random.default_rng([trial.seed, k])
    per_axis = max(int((most // 2) ** (1 / len(shape))), 3)
    grid = [
        np.unique(np.r_[0, 1, size - 1, rng.integers(0, size, max(per_axis - 3, 1))]) % size for size in shape
    ]
    picked = np.ravel_multi_index(np.meshgrid(*grid, indexing="ij"), shape).ravel()
    picked = picked if picked.size <= most else rng.choice(picked, most, replace=False)
    return np.unique(np.concatenate([picked, located(trial, k)]))


def located(trial: Trial, k: int) -> np.ndarray:
    """A few wrong elements of a large input, by halving: on to the half that disagrees more."""
    low, high = 0, trial.values[k].size
    size = trial.sizes[k].ravel()
    gradients = [None if grads[k] is None else np.ravel(grads[k]) for grads in trial.raw]
    while high - low > 16:
        middle = (low + high) // 2
        apart = [_disagreement(trial, k, part, size, gradients) for part in ((low, middle), (middle, high))]
        trial.clock.look(f"looking for the wrong elements of {trial.subject.names[k]}")
        low, high = (low, middle) if apart[0] >= apart[1] else (middle, high)
    return np.arange(low, high)


def _disagreement(trial: Trial, k: int, part: tuple[int, int], size: np.ndarray, gradients: list) -> float:
    """How far backward and values are apart along a direction inside a part, over what may be."""
    v = np.zeros(size.size)
    v[slice(*part)] = (size * numerics.signed(trial.rng, size.shape))[slice(*part)]
    with np.errstate(all="ignore"):
        e = trial.along({k: v.reshape(trial.values[k].shape)}, trusted=True)
        worst = 0.0
        for u, g in zip(trial.douts, gradients, strict=True):
            expected = float(np.sum(np.where(trial.smooth, u * e.value, 0.0)))
            allowed = float(np.sum(np.where(trial.smooth, np.abs(u) * e.error, 0.0))) + 1e-300
            got = 0.0 if g is None else float(np.sum(g * v))
            worst = max(worst, abs(got - expected) / allowed if np.isfinite(got) else np.inf)
    return worst


def columns(trial: Trial, k: int, elements: np.ndarray) -> Columns:
    """Derivatives by these elements of one input."""
    x = trial.values[k]
    size = numerics.sizes(x).ravel()
    n, m = elements.size, trial.f0.size
    keep = n * m <= LARGEST_JACOBIAN
    U = np.stack(trial.douts)
    J = np.zeros((m, n)) if keep else None
    by_dout, error, magnitude = (np.zeros((len(U), n)) for _ in range(3))
    rough = np.zeros(n, bool)
    off = trial.off[k].ravel()
    for column, i in enumerate(elements):
        if off[i]:
            rough[column] = True
            continue
        if column % 16 == 0:
            trial.clock.look(f"{trial.subject.names[k]}: element {column} of {n}")
        v = np.zeros(x.size)
        v[i] = size[i]
        e = trial.along({k: v.reshape(x.shape)}, trusted=not trial.kinked.any())
        with np.errstate(all="ignore"):
            bad = e.rough | ~trial.smooth
            slope = np.where(bad, 0.0, e.value) / size[i]
            uncertain = np.where(bad, 0.0, e.error) / size[i]
        rough[column] = bool((e.rough & trial.smooth).any())
        with np.errstate(all="ignore"):
            found = U @ slope, np.abs(U) @ uncertain, np.abs(U) @ np.abs(slope)
        if not np.isfinite(found).all():
            rough[column] = True
            continue
        by_dout[:, column], error[:, column], magnitude[:, column] = found
        if J is not None:
            J[:, column] = slope
    return Columns(elements, by_dout, error, magnitude, J, rough)


def by_elements(trial: Trial, result: InputTrial) -> None:
    """Which elements are wrong. May find that none is: then the directions saw a kink or rounding."""
    k = result.index
    result.columns = c = columns(trial, k, chosen(trial, k))
    if result.problem == "shape":
        return
    noise = rounding.noise_of_gradient(trial, k)[:, c.elements]
    with np.errstate(all="ignore"):
        got = np.stack(
            [np.zeros(c.elements.size) if g is None else g.ravel()[c.elements] for g in result.got]
        )
        largest = np.max(np.abs(c.by_dout), axis=1, keepdims=True, initial=0.0)
        tolerance = SAFETY * (c.error + noise) + 1e-9 * c.size + 1e-13 * largest
        tolerance += rounding.level_of_rounding(trial, k)[c.elements] + numerics.UNDERFLOW
        apart = np.abs(got - c.by_dout)
        if trial.is_at_kinks:
            c.rough |= ~np.isfinite(got).all(axis=0)  # no choice was made
        doubtful = ~(apart <= tolerance) & ~c.rough
        if doubtful.any() and all(g is not None for g in result.got):
            tolerance += SAFETY * rounding.noise_of_backward(trial, k)[:, c.elements]
            doubtful &= ~(apart <= tolerance)
        wrong = doubtful & ~(apart <= tolerance + rounding.absorbed(trial)) & ~_may_overflow(trial, k, got, c)
        wrong &= ~((got == 0) & (apart < UNSEEN * np.max(np.abs(trial.douts), axis=1, keepdims=True)))
        apart = np.where(c.rough, 0.0, apart)
    result.wrong = wrong.any(axis=0)
    if result.wrong.any():
        return
    if doubtful.any():
        result.problem = "unseen"
        return
    worst = np.max(apart / np.maximum(np.abs(c.by_dout), largest * 1e-3 + 1e-300), initial=0.0)
    result.digits = min(result.digits, digits_of(worst)) if not c.rough.all() else 0.0
    sampled = c.elements.size < result.x.size
    result.problem = "unclear" if sampled or digits_of(worst) < 2 else None


def _may_overflow(trial: Trial, k: int, got: np.ndarray, c: Columns) -> np.ndarray:
    """Elements that cannot be called wrong at such numbers.

    Those too small to be moved by their own size; and, where products of the numbers overflow or are
    rounded to zero, those whose gradient is of quite another size than what is seen.
    """
    x = trial.values[k].ravel()[c.elements]
    due, found = np.abs(c.by_dout), np.abs(got)
    is_far = ~((found > 1e-6 * due) & (found < 1e6 * due)).all(axis=0)
    return (is_far & rounding.is_extreme(trial, also_off=True)) | rounding.is_too_small(x)
