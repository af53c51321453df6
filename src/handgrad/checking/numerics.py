"""Derivatives of values, with an estimate of their own error.

A function is seen along a line: ``phi(t)`` is the vector of all outputs at x + t·v. Its derivative
at t = 0 is J v. Two ways to have it:

- the complex step, Im φ(ih) / h with h far below rounding, where the function takes complex numbers:
  no difference, so no cancellation (Squire & Trapp 1998);
- central differences over steps of many sizes, extrapolated to step 0 (Richardson 1911), of which
  each output takes the step that promises the least error: what extrapolation still changes, plus
  the noise of the values over the step. The noise is measured, not assumed (Moré & Wild 2011).

At a kink the two one-sided slopes stay apart however small the step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Phi = Callable[[complex], np.ndarray]

EPS = float(np.finfo(np.float64).eps)
UNDERFLOW = 1e-307  # what is smaller has lost digits
FIRST_STEP = 2.0**-8
MORE_STEPS = tuple(2.0**-k for k in (12, 4, 16, 20, 24))
FINE_STEPS = (2.0**-19, 2.0**-23)
COMPLEX_STEP = 2.0**-100


@dataclass
class Estimate:
    """J v for each output, how far it may be off, and where there is no derivative."""

    value: np.ndarray
    error: np.ndarray
    kink: np.ndarray  # True where left and right slopes disagree, or there is no finite slope
    left: np.ndarray
    right: np.ndarray
    steep: np.ndarray  # of the rough: there is no finite slope to one side at least

    @property
    def rough(self) -> np.ndarray:
        """Outputs whose derivative along the line is not known: a kink, or not finite."""
        return self.kink | ~np.isfinite(self.value) | ~np.isfinite(self.error)

    def plus(self, other: Estimate) -> Estimate:
        """Along the sum of two directions."""
        return Estimate(
            self.value + other.value,
            self.error + other.error,
            self.kink | other.kink,
            self.left + other.left,
            self.right + other.right,
            self.steep | other.steep,
        )


NOISE_STEPS = (2.0**-45, 2.0**-22)
HIDING, FURTHER = 1e-3, range(6, 14)  # values so small may hide noise, which is looked for that far
RATIOS = (0.71, 1.37)  # and by other steps, as one may lie on stairs by chance
COARSE_STEP = 2.0**-14  # for values that are flat even at the second
WIDEST_STEP = max(MORE_STEPS)
STAIRS = (2.0**-17, 2.0**-14, 2.0**-11, 2.0**-8, 2.0**-5, 2.0**-2)  # steps at which a stair may show
MOSTLY = 1e-3  # of the values: noise that leaves nothing else to see at a small step


def noise_of(phi: Phi, smooth: Any = True, least: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """How far each value is off by rounding, from its third and fourth differences; and which are all noise.

    Of a smooth function the fourth differences are far below the third; of noise they are of one size,
    so the lesser of the two is noise. Several steps, since rounding may come in stairs that a small
    step stays on; the lesser of both sides, since a jump or a kink at 0 is no noise. What half of the
    smooth outputs have, relative to their size, each has at least; and ``least``, if it does not move.
    Of remainders by 1e-20 and sines of 1e20 the noise is as large as the values, and may grow with the step.
    A small value may have been the difference of larger numbers, as log(1 + 1e-8) or p - 1 where p is near 1:
    it comes in stairs, of which a few differences may see none, so more are taken.
    """
    tables = np.stack([_both_sides(phi, step) for step in NOISE_STEPS])
    spreads, last = _spread(tables), tables[-1, 1, 0]
    level = spreads.max(axis=0)
    hides = (np.abs(last) < HIDING) & (level < EPS)
    if hides.any():
        more = np.concatenate([_both_sides(phi, ratio * NOISE_STEPS[-1], FURTHER) for ratio in RATIOS])
        level = np.where(hides, np.maximum(level, _spread(more[:, None]).max(axis=0)), level)
    is_noise = np.any(spreads > MOSTLY * _largest(tables, (1, 2)), axis=0)
    if is_noise.any():
        widest = _spread(_both_sides(phi, WIDEST_STEP)[None])[0]
        level = np.where(is_noise, np.maximum(level, widest), level)
    flat = (np.ptp(tables[-1], axis=1) == 0).all(axis=0)
    if flat.any():
        coarse = np.stack([phi(k * COARSE_STEP) for k in range(1, 6)])
        stairs = flat & np.isfinite(coarse).all(axis=0)
        hidden = np.maximum(np.max(np.abs(np.diff(coarse, axis=0)), axis=0) / 2, least)
        level = np.maximum(level, np.where(stairs, hidden, 0.0))
    size = np.where(np.isfinite(last), np.abs(last), 0.0)
    with np.errstate(all="ignore"):
        shares = np.sort((level / size)[(size > 0) & smooth])
    common = float(shares[(shares.size - 1) // 2]) if shares.size else 0.0
    return np.maximum(level, max(EPS, common) * size), is_noise  # an output may sit on a stair by chance


def height_of_stairs(phi: Phi) -> np.ndarray:
    """By how much values change at least where they stay the same over small steps: 1e-16 of 1 - tanh(x)² at
    x = 18. Of those that never change, 0.
    """
    height = np.zeros_like(phi(0.0))
    flat = (np.ptp(_both_sides(phi, NOISE_STEPS[-1]), axis=1) == 0).all(axis=0)
    for step in STAIRS if flat.any() else ():
        changes = np.abs(np.diff(_both_sides(phi, step), axis=1))
        least = np.min(np.where(changes > 0, changes, np.inf), axis=(0, 1))
        height = np.where(flat & (height == 0) & np.isfinite(least), least, height)
    return height


def _both_sides(phi: Phi, step: float, turns: range = range(1, 6)) -> np.ndarray:
    """Values beyond 0 and before it: (2, turns, ...)."""
    return np.stack([[phi(sign * k * step) for k in turns] for sign in (1, -1)])


def _spread(tables: np.ndarray) -> np.ndarray:
    """The noise in tables of values, (n, sides, turns, ...) -> (n, ...), by the quieter side; 0 where none is
    finite.
    """
    third = np.diff(tables, 3, axis=2)
    fourth = np.diff(third, axis=2)
    spread = np.minimum(_root_mean_square(third) / 20**0.5, _root_mean_square(fourth) / 70**0.5)
    lesser = np.min(np.where(np.isfinite(spread), spread, np.inf), axis=1)
    return np.where(np.isfinite(lesser), lesser, 0.0)


def _largest(tables: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    return np.asarray(np.max(np.abs(np.where(np.isfinite(tables), tables, 0.0)), axis=axis))


def _root_mean_square(tables: np.ndarray) -> np.ndarray:
    """Over the turns, without squares that overflow or are rounded to zero."""
    unit = _largest(tables, 2)
    unit = np.where(unit > 0, unit, 1.0)
    return np.asarray(unit * np.sqrt(np.mean((tables / unit[:, :, None]) ** 2, axis=2)))


def derivative(phi: Phi, f0: np.ndarray, noise: np.ndarray) -> Estimate:
    """φ'(0) by differences."""
    phi = functools.cache(phi)
    with np.errstate(all="ignore"):
        value, error, suspicious = _extrapolated(phi, f0, noise, FIRST_STEP)
        tried = [(FIRST_STEP, value, error)]
        error = _doubted(phi, value, error, noise)
        kink, left, right = np.zeros(value.shape, bool), value, value
        steep, looked = kink, False
        for step in MORE_STEPS:
            if suspicious.any() and not looked:
                kink, steep, left, right = _one_sided(phi, f0, noise)
                kink, looked = kink & suspicious, True
            if (_is_good(value, error, f0) | kink).all():
                break
            value, error, suspicious = _extrapolated(phi, f0, noise, step, suspicious)
            tried.append((step, value, error))
            value, error = _best(tried)
            error = _doubted(phi, value, error, noise)
        poor = ~_is_good(value, error, f0) & ~kink
        if poor.any():
            broken, steep, left, right = _one_sided(phi, f0, noise)
            kink |= broken & poor
        left, right = np.where(kink, left, value), np.where(kink, right, value)
        steep = np.where(kink, steep, ~(np.isfinite(value) & np.isfinite(error)))
        return Estimate(value, error, kink, left, right, steep)


def _best(tried: list[tuple[float, np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """For each output the step that promises least; a coarse one only if no finer one contradicts it."""
    _, value, error = tried[0]
    chosen = np.full(value.shape, tried[0][0])
    for step, other, its_error in tried[1:]:
        better = its_error < error
        value, error = np.where(better, other, value), np.where(better, its_error, error)
        chosen = np.where(better, step, chosen)
    for step, other, its_error in tried:
        apart = np.abs(other - value)
        contradicted = (step < chosen) & (apart > 10 * (error + its_error)) & np.isfinite(its_error)
        error = np.where(contradicted, np.maximum(error, apart), error)
    return value, error


def _doubted(phi: Phi, value: np.ndarray, error: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The error, with what a difference at a step far finer adds to it.

    Steps too coarse for an oscillation may agree and all be wrong.
    """
    h = FINE_STEPS[0]
    fine = (phi(h) - phi(-h)) / (2 * h)
    apart = np.abs(fine - value)
    allowed = 8 * noise / h + 1e-5 * (np.abs(value) + np.abs(fine)) + 10 * error
    return np.where((apart > allowed) & np.isfinite(apart), np.maximum(error, apart), error)


def _is_good(value: np.ndarray, error: np.ndarray, f0: np.ndarray) -> np.ndarray:
    largest = np.max(np.abs(value[np.isfinite(value)]), initial=0.0)
    return error <= 1e-10 * (np.abs(value) + 1e-2 * largest) + 1e-12 * np.abs(f0)


def _extrapolated(
    phi: Phi, f0: np.ndarray, noise: np.ndarray, h: float, suspicious: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, error, and where the slopes to both sides do not come together as the step shrinks."""
    steps = (h, h / 2, h / 4)
    ups, downs = [phi(s) for s in steps], [phi(-s) for s in steps]
    d1, d2, d3 = ((up - down) / (2 * s) for up, down, s in zip(ups, downs, steps, strict=True))
    r1, r2 = (4 * d2 - d1) / 3, (4 * d3 - d2) / 3
    value = (16 * r2 - r1) / 15
    error = np.abs(value - r2) + 8 * noise / h
    slow = np.abs(d2 - d3) > 0.3 * np.abs(d1 - d2)  # a smooth function comes four times nearer each time
    error = np.where(slow, np.maximum(error, np.abs(d2 - d3)), error)
    error = np.where(_parts(d1, d2, d3, noise / h), np.abs(d1) + np.abs(d2) + np.abs(d3), error)
    error = np.where(np.isfinite(value) & np.isfinite(error), error, np.inf)
    gap_wide, gap_near = (abs(ups[i] + downs[i] - 2 * f0) / steps[i] for i in (0, 2))
    apart = ~(gap_near < 0.5 * gap_wide) & ~(gap_near < 64 * noise / h)
    error = np.where(apart & np.isfinite(gap_near), np.maximum(error, gap_near / 2), error)
    return value, error, apart if suspicious is None else apart & suspicious


def _parts(d1: np.ndarray, d2: np.ndarray, d3: np.ndarray, rounding: np.ndarray) -> np.ndarray:
    """Where differences move apart as the step shrinks: what happens at 0 is smaller than the step."""
    apart, nearer = np.abs(d1 - d2), np.abs(d2 - d3)
    return (nearer > 1.5 * apart) & (nearer > 8 * rounding) & (nearer > 1e-3 * np.abs(d2))


def _one_sided(
    phi: Phi, f0: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Whether there is a kink, at steps that only it survives; whether a slope is infinite; both slopes."""
    rights, lefts = [], []
    for h in FINE_STEPS:
        rights.append((phi(h) - f0) / h)
        lefts.append((f0 - phi(-h)) / h)
    size = np.maximum(np.abs(rights[1]), np.abs(lefts[1]))
    gap, gap_wider = rights[1] - lefts[1], rights[0] - lefts[0]
    rounding = 64 * noise / FINE_STEPS[1]
    stays = (np.abs(gap) > rounding + 1e-4 * size) & (np.abs(gap) > 0.6 * np.abs(gap_wider))
    steepens = size > 2.5 * np.maximum(np.abs(rights[0]), np.abs(lefts[0])) + rounding
    steep = steepens | ~np.isfinite(gap)
    return stays | steep, steep, lefts[1], rights[1]


def complex_step(phi: Phi) -> np.ndarray:
    """φ'(0) as Im φ(ih) / h.

    Raises:
        TypeError: the values are not complex, so the function does not carry complex numbers through.
    """
    value = phi(1j * COMPLEX_STEP)
    if not np.iscomplexobj(value):
        raise TypeError("the outputs are not complex")
    return value.imag / COMPLEX_STEP


def exact(value: np.ndarray, f0: np.ndarray, smooth: Any = True) -> Estimate:
    """An estimate from a complex step: as good as the rounding of the arithmetic in it."""
    broken = ~np.isfinite(value)
    largest = np.max(np.abs(value[~broken & smooth]), initial=0.0)
    with np.errstate(all="ignore"):
        error = 16 * EPS * (np.abs(value) + 1e-2 * largest) + 2 * EPS * np.abs(f0) + 16 * COMPLEX_STEP**2
    return Estimate(value, error, broken, value, value, broken)


SMALLEST = 1e-300  # of which most steps are normal numbers still
LEAST_COMPLEX = 1e-270  # of which the complex step is
FAR = 1e3


def sizes(x: np.ndarray) -> np.ndarray:
    """By how much each element of x may be said to vary: its own size, or nearer to that of its neighbours.

    What is not finite cannot be moved, and has size 0.
    """
    finite = np.isfinite(x)
    magnitude = np.where(finite, np.abs(x), 0.0)
    others = magnitude[magnitude > 0]
    middle = others.size // 2
    near = 0.1 * float(np.partition(others, middle)[middle]) if others.size else 1.0
    least = np.where(magnitude > 0, FAR * np.minimum(magnitude, near / FAR), near)
    return np.where(finite, np.maximum(np.maximum(magnitude, least), SMALLEST), 0.0)


def lengths(rows: np.ndarray) -> np.ndarray:
    """√Σx² of each row, without overflow."""
    largest = np.abs(rows).max(axis=1, initial=0.0)
    unit = np.where((largest > 0) & (largest < np.inf), largest, 1.0)
    whole = largest * np.sqrt(((rows / unit[:, None]) ** 2).sum(axis=1))
    return np.where(unit == largest, whole, largest)


def signed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers away from zero: ±[0.5, 1.5)."""
    drawn = rng.uniform(-1.0, 1.0, shape)
    return np.asarray(drawn + np.copysign(0.5, drawn))
