"""Ordinary differential equations, solved by steps that are recorded as a loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import is_symbolic, shape, stripped, xp
from handgrad.tape.loops import scan
from handgrad.tree import leaves, tree_map

Rows = tuple[tuple[float, ...], ...]

RK4: tuple[Rows, tuple[float, ...]] = (((1 / 2,), (0, 1 / 2), (0, 0, 1)), (1 / 6, 1 / 3, 1 / 3, 1 / 6))
DORMAND_PRINCE: tuple[Rows, tuple[float, ...]] = (
    (
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    ),
    (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
FOURTH_ORDER = (5179 / 57600, 0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)
"""Dormand and Prince's other result, whose difference from theirs is the error of a step."""


def odeint(
    f: Callable,
    y: Any,
    times: Any,
    method: str = "dopri5",
    rtol: float = 1e-6,
    atol: float = 1e-8,
    substeps: int = 1,
    max_steps: int = 10_000,
) -> Any:
    """The solution of dy/dt = f(y, t) at ``times`` (T,), from y at the first of them: (T, ...).

    out = y at each time.   dy, dtimes and the gradients of what f closes over by the vjp of each step

    ``y`` is an array or a nested list, tuple or dict of them. ``method`` "rk4" makes ``substeps`` steps of
    Runge and Kutta's from each time to the next; "dopri5" (Dormand & Prince 1980) makes as many as errors
    below atol + rtol·|y| need, found by values alone and then held. What is differentiated is the numerical
    solution (discrete adjoint), so gradients are those of the numbers that come out, to rounding.

    Raises:
        ValueError: times are not one axis of at least one number, ascending or descending; another method.
        ArithmeticError: more than ``max_steps`` steps, or the solution is not finite.
        TypeError: "dopri5" in a program, whose steps are chosen by values.

    Examples:
        >>> y = hg.odeint(lambda y, t: -y, np.array([1.0]), np.array([0.0, 1.0]))
        >>> print(y[-1].round(4))  # e⁻¹
        [0.3679]
    """
    if len(shape(times)) != 1 or shape(times)[0] < 1:
        raise ValueError(f"times is one axis of one number or more, not of shape {shape(times)}")
    first = tree_map(lambda v: xp.expand_dims(v, axis=0), y)
    if shape(times)[0] == 1:
        return first
    if method == "rk4":
        tableau = RK4
        shares = [np.arange(substeps) / substeps] * (shape(times)[0] - 1)
    elif method == "dopri5":
        tableau = DORMAND_PRINCE
        shares = _chosen(f, y, times, rtol, atol, max_steps)
    else:
        raise ValueError(f"method is 'rk4' or 'dopri5', not {method!r}")
    where = np.repeat(np.arange(len(shares)), [len(s) for s in shares])
    begin = np.concatenate(shares)
    end = np.concatenate([[*s[1:], 1.0] for s in shares])
    starts, widths = xp.take(times, where, axis=0), xp.take(times, where + 1, axis=0)
    widths = widths - starts
    t, h = starts + begin * widths, (end - begin) * widths

    def step(y: Any, at: tuple) -> tuple[Any, Any]:
        t, h = at
        new = stepped(f, y, t, h, tableau)
        return new, new

    _, ys = scan(step, y, (t, h))
    last = np.cumsum([len(s) for s in shares]) - 1
    return tree_map(lambda a, b: xp.concat([a, xp.take(b, last, axis=0)], axis=0), first, ys)


def stepped(f: Callable, y: Any, t: Any, h: Any, tableau: tuple[Rows, tuple[float, ...]]) -> Any:
    """y after a step of an explicit Runge-Kutta method."""
    rows, weights = tableau
    slopes = [f(y, t)]
    for row in rows:
        slopes.append(f(moved(y, h, row, slopes), t + sum(row) * h))
    return moved(y, h, weights, slopes)


def moved(y: Any, h: Any, weights: tuple[float, ...], slopes: list) -> Any:
    """y + h Σ wᵢ·slopeᵢ."""
    used = [(w, slope) for w, slope in zip(weights, slopes, strict=True) if w]
    factors = [w for w, _ in used]

    def one(y: Any, *ks: Any) -> Any:
        return y + h * sum(w * k for w, k in zip(factors, ks, strict=True))

    return tree_map(one, y, *(slope for _, slope in used))


# Choosing steps.


def _chosen(f: Callable, y: Any, times: Any, rtol: float, atol: float, max_steps: int) -> list[np.ndarray]:
    """Where, between each time and the next, steps begin, as shares of the way."""
    if any(map(is_symbolic, map(stripped, [times, *leaves(y)]))):
        raise TypeError(
            "odeint: dopri5 chooses its steps by values, and a program has none: compile with method='rk4'"
        )
    ts = np.asarray(stripped(times), np.float64)
    ahead = np.diff(ts)
    if not (np.all(ahead > 0) or np.all(ahead < 0)):
        raise ValueError("times ascend or descend, each another than the one before")
    sign = math.copysign(1.0, ahead[0])

    def slope(y: Any, t: float) -> Any:
        return tree_map(stripped, f(y, t))

    y = tree_map(stripped, y)
    h = _first_step(slope, y, ts[0], sign, rtol, atol)
    made, found = 0, []
    for start, width in zip(ts[:-1], np.abs(ahead), strict=True):
        shares, done = [], 0.0
        while done < width:
            made += 1
            if made > max_steps:
                raise ArithmeticError(
                    f"odeint: {max_steps} steps came to t = {start + sign * done:.6g}, of {ts[0]:.6g} .. "
                    f"{ts[-1]:.6g}: the equation may be stiff; larger rtol and atol, or max_steps, may help"
                )
            size = min(h, width - done)
            size = width - done if width - done - size < 1e-9 * width else size
            new, error = _tried(slope, y, start + sign * done, sign * size, rtol, atol)
            if error <= 1:
                shares.append(done / width)
                y, done = new, width if size == width - done else done + size
            if not math.isfinite(error) and size < 1e-14 * max(abs(start), width):
                raise ArithmeticError(f"odeint: the solution is not finite at t = {start + sign * done:.6g}")
            factor = 0.2 if not math.isfinite(error) else 0.9 * max(error, 1e-10) ** -0.2
            grown = size * min(10.0, max(0.2, factor))
            h = max(h, grown) if error <= 1 and size < h else grown  # one that was cut says little
        found.append(np.array(shares))
    return found


def _tried(slope: Callable, y: Any, t: float, h: float, rtol: float, atol: float) -> tuple[Any, float]:
    """A step, and its error in units of what is allowed."""
    rows, weights = DORMAND_PRINCE
    with np.errstate(all="ignore"):
        slopes = [slope(y, t)]
        for row in (*rows, weights):
            at = moved(y, h, row, slopes)
            slopes.append(slope(at, t + sum(row) * h))
        other = moved(y, h, FOURTH_ORDER, slopes)
        return at, _size(y, at, tree_map(lambda a, b: a - b, at, other), rtol, atol)


def _size(y: Any, new: Any, difference: Any, rtol: float, atol: float) -> float:
    """The root of the mean square of a difference, in units of what is allowed."""
    total, count = 0.0, 0
    for a, b, d in zip(leaves(y), leaves(new), leaves(difference), strict=True):
        scale = atol + rtol * np.maximum(np.abs(np.asarray(a)), np.abs(np.asarray(b)))
        total, count = total + float(np.sum((np.asarray(d) / scale) ** 2)), count + np.size(d)
    return math.sqrt(total / max(count, 1))


def _first_step(slope: Callable, y: Any, t: float, sign: float, rtol: float, atol: float) -> float:
    """Hairer, Nørsett & Wanner 1993, II.4."""
    k = slope(y, t)
    size, steep = _size(y, y, y, rtol, atol), _size(y, y, k, rtol, atol)
    h = 1e-6 if min(size, steep) < 1e-5 else 0.01 * size / steep
    ahead = slope(tree_map(lambda y, k: y + sign * h * k, y, k), t + sign * h)
    bend = _size(y, y, tree_map(lambda a, b: a - b, ahead, k), rtol, atol) / h
    most = max(steep, bend)
    return min(100 * h, max(1e-6, 1e-3 * h) if most <= 1e-15 else (0.01 / most) ** 0.2)
