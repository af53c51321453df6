"""Lines over the epochs of a training: their strokes, dots, ticks, and labels that keep apart."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.view.svg import Markup, Scale, element, number
from handgrad.view.training.axes import LARGEST

FEW, MANY = 40, 200  # epochs: up to which each has its dot, and from which on lines are thin


@dataclasses.dataclass(frozen=True)
class Series:
    """One line: y (N,) over x (N,), nan where there is a gap. Its name is its class in the style sheet."""

    name: str
    x: np.ndarray
    y: np.ndarray

    @property
    def known(self) -> np.ndarray:
        return np.flatnonzero(np.isfinite(self.y))


def finite(value: Any) -> float:
    """A number that an axis can hold, or nan."""
    found = float(value) if isinstance(value, numbers.Real) else math.nan
    return found if abs(found) < LARGEST else math.nan


def count(epoch: float) -> str:
    return f"{epoch:,.0f}"


def epoch_ticks(x: Scale, epochs: np.ndarray) -> list[tuple[float, str]]:
    """Whole epochs only, and the first one if there is room for it."""
    first, last = float(epochs.min()), float(epochs.max())
    values = [value for value, _ in x.ticks(6) if value == round(value) and first <= value <= last]
    if not values or x(values[0]) - x(first) > 24:
        values = [first, *values]
    return [(value, count(value)) for value in values]


def strokes(s: Series, x: Scale, y: Scale) -> list[Markup]:
    """The lines. Validation is dashed, to be told apart without colour too."""
    drawn, runs, many = [], _runs(s), len(s.x) > MANY
    dashed = s.name == "validation" and not many and len(runs) == 1  # noise eats dashes; gaps look like them
    for run in runs:
        if len(run) > 1:
            kept = run[_outline(np.floor(x(s.x[run])), s.y[run])]
            pairs = zip(x(s.x[kept]), y(s.y[kept]), strict=True)
            drawn.append("M" + "L".join(f"{number(px)},{number(py)}" for px, py in pairs))
    path = element(
        "path",
        d="".join(drawn),
        class_=f"{s.name}-line",
        fill="none",
        stroke_width=1.25 if many else 2,
        stroke_opacity=0.85 if many else None,
        stroke_dasharray="7 3.5" if dashed else None,
        stroke_linejoin="round",
    )
    return [path] if drawn else []


def dots(s: Series, x: Scale, y: Scale) -> list[Markup]:
    """The last value, those between two gaps, and all of them where they are few."""
    alone = [int(run[0]) for run in _runs(s) if len(run) == 1]
    shown = sorted({*alone, int(s.known[-1]), *(map(int, s.known) if len(s.x) <= FEW else ())})
    return [element("circle", cx=x(s.x[i]), cy=y(s.y[i]), r=2.5, class_=s.name) for i in shown]


def _runs(s: Series) -> list[np.ndarray]:
    """Indices of each unbroken run of values."""
    return np.split(s.known, np.flatnonzero(np.diff(s.known) > 1) + 1)


def _outline(columns: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points are seen: the first, last, lowest and highest of each column of pixels."""
    by_height = np.lexsort((y, columns))
    edges = np.flatnonzero(np.diff(columns)) + 1
    firsts, lasts = np.append(0, edges), np.append(edges, len(y)) - 1
    return np.unique(np.concatenate([firsts, lasts, by_height[firsts], by_height[lasts]]))


# Labels.


def apart(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Heights of labels, moved as little as keeps them ``gap`` apart and between ``low`` and ``high``."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    room = high - gap * (len(order) - 1)
    wanted = _rising([heights[i] - gap * place for place, i in enumerate(order)])
    moved = [0.0] * len(order)
    for place, i in enumerate(order):
        moved[i] = min(max(wanted[place], low), room) + gap * place
    return moved


def _rising(values: Sequence[float]) -> list[float]:
    """The nearest values that do not fall: those that would are replaced by their mean."""
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([value])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return [float(np.mean(block)) for block in blocks for _ in block]
