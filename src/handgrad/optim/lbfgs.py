"""L-BFGS: a whole function minimised, by gradients of which the last few give the curvature."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.optim.checks import checked_count, checked_number
from handgrad.tree import leaves, unflatten

SLOPE, CURVATURE = 1e-4, 0.9  # Wolfe's conditions, as Nocedal and Wright take them
TRIES = 25  # of a line search

Point = tuple[float, np.ndarray]  # a value and the gradient


@dataclasses.dataclass(frozen=True)
class Minimum:
    """Where ``lbfgs`` came to, and how.

    Examples:
        >>> found = hg.optim.lbfgs(hg.value_and_grad(lambda x: hg.sum((x - 3.0) ** 2)), np.zeros(2))
        >>> print(found.x.round(6), round(float(found.value), 6), found.has_converged)
        [3. 3.] 0.0 True
    """

    x: Any
    value: float
    gradient_norm: float  # of the largest element
    steps: int
    evaluations: int
    has_converged: bool  # whether the gradient is as small as was asked for


def lbfgs(
    f: Callable[[Any], tuple[Any, Any]], x: Any, steps: int = 100, history: int = 10, tolerance: float = 1e-6
) -> Minimum:
    """Minimise a function of arrays.   Liu & Nocedal 1989; Nocedal & Wright 2006, algorithms 7.4 and 7.5

    Args:
        f: gives value and gradients, as ``handgrad.value_and_grad`` does; the same each time it is called.
        x: where to begin, an array, or lists, tuples and dicts of them.
        steps: how many are made at most.
        history: how many steps the curvature is made of.
        tolerance: no element of the gradient is larger at the end.

    Each step is H dp, with H from the last changes of x and dp, and its length by a line search until the
    value has fallen enough and the slope is flat enough (Wolfe 1969). Sums are made in float64.

    Raises:
        ValueError: the value or a gradient is not finite where it begins.

    Examples:
        >>> f = hg.value_and_grad(lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2)
        >>> print(hg.optim.lbfgs(f, np.zeros(2)).x.round(3))  # the end of Rosenbrock's valley
        [1. 1.]
    """
    checked_count("lbfgs: steps", steps, least=0)
    checked_count("lbfgs: history", history)
    checked_number("lbfgs: tolerance", tolerance)
    counted = Counted(f, x)
    here = flat(x)
    value, slope = counted(here)
    if not (math.isfinite(value) and np.isfinite(slope).all()):
        raise ValueError(f"lbfgs begins where the value is {value}, or its gradient is not finite")
    changes: list[tuple[np.ndarray, np.ndarray]] = []
    made = 0
    while made < steps and largest(slope) > tolerance:
        direction = -curved(slope, changes)
        if not slope @ direction < 0:  # rounding has the upper hand: begin again
            direction, changes = -slope, []
        first = 1.0 if changes else min(1.0, 1 / float(np.abs(slope).sum()))
        found = line_search(counted, here, direction, (value, slope), first)
        if found is None:
            break
        rate, value, new = found
        step, change = rate * direction, new - slope
        if step @ change > 1e-10 * float(change @ change):
            changes = [*changes[-history + 1 :], (step, change)] if history > 1 else [(step, change)]
        here, slope, made = here + step, new, made + 1
    return Minimum(
        counted.shaped(here), value, largest(slope), made, counted.count, bool(largest(slope) <= tolerance)
    )


class Counted:
    """f of one vector, and how often it was asked."""

    def __init__(self, f: Callable[[Any], tuple[Any, Any]], x: Any):
        self.f, self.like, self.count = f, x, 0

    def __call__(self, x: np.ndarray) -> Point:
        self.count += 1
        value, grads = self.f(self.shaped(x))
        return float(value), flat(grads)

    def shaped(self, x: np.ndarray) -> Any:
        parts, start = [], 0
        for like in map(np.asarray, leaves(self.like)):
            dtype = like.dtype if like.dtype.kind == "f" else np.dtype(float)
            parts.append(x[start : start + like.size].reshape(like.shape).astype(dtype))
            start += like.size
        return unflatten(self.like, parts)


def flat(x: Any) -> np.ndarray:
    return np.concatenate([np.asarray(part, np.float64).ravel() for part in leaves(x)] or [np.zeros(0)])


def largest(slope: np.ndarray) -> float:
    return float(np.max(np.abs(slope), initial=0.0))


def curved(slope: np.ndarray, changes: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """H dp, by two loops over the last changes."""
    q, shares = slope.copy(), []
    for step, change in reversed(changes):
        share = (step @ q) / (step @ change)
        q -= share * change
        shares.append(share)
    if changes:
        step, change = changes[-1]
        q *= (step @ change) / (change @ change)
    for (step, change), share in zip(changes, reversed(shares), strict=True):
        q += (share - (change @ q) / (step @ change)) * step
    return q


def line_search(
    f: Callable[[np.ndarray], Point], x: np.ndarray, direction: np.ndarray, start: Point, first: float
) -> tuple[float, float, np.ndarray] | None:
    """A rate that satisfies Wolfe's strong conditions, with value and gradient there; None where rounding
    leaves none.
    """
    value, slope = start
    steep = float(slope @ direction)

    def at(rate: float) -> tuple[float, float, np.ndarray]:
        found, new = f(x + rate * direction)
        return (found, float(new @ direction), new) if math.isfinite(found) else (math.inf, math.nan, new)

    def is_enough(rate: float, found: float) -> bool:
        return found <= value + SLOPE * rate * steep

    low = (0.0, value, steep)
    rate = first
    best: tuple[float, float, np.ndarray] | None = None
    high: float | None = None
    for _ in range(TRIES):
        found, along, new = at(rate)
        if is_enough(rate, found) and (best is None or found < best[1]):
            best = (rate, found, new)
        if not is_enough(rate, found) or found >= low[1]:
            high = rate
        elif abs(along) <= CURVATURE * abs(steep):
            return rate, found, new
        else:
            if along * (1 if high is None else high - low[0]) >= 0:
                high = low[0]
            low = (rate, found, along)
        rate = 2 * rate if high is None else between(low, high, found if high == rate else None)
    return best


def between(low: tuple[float, float, float], high: float, value: float | None) -> float:
    """Where a parabola through value and slope at ``low`` and the value at ``high`` is least, or halfway."""
    start, at_start, slope = low
    width = high - start
    if value is not None and math.isfinite(value):
        bend = value - at_start - slope * width
        least = start - slope * width * width / (2 * bend) if bend > 0 else math.nan
        inside = sorted((start + 0.1 * width, start + 0.9 * width))
        if inside[0] <= least <= inside[1]:
            return least
    return start + width / 2
