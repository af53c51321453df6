"""Axes: the range that they show, their grid, and their labels."""

from __future__ import annotations

import dataclasses

import numpy as np

from handgrad.view.svg import Markup, Scale, line, text

LARGEST = 1e150  # beyond it squares overflow; no axis is the better for such a number


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle of the picture, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


def padded(values: np.ndarray, log: bool) -> tuple[float, float]:
    """The range of an axis: that of the values and a little more, and never of no size."""
    low, high = float(values.min()), float(values.max())
    if log:
        low, high = np.log10(low), np.log10(high)
        air = 0.04 * (high - low)
        return float(10 ** (low - air)), float(10 ** (high + air))
    largest = max(abs(low), abs(high))
    if largest < 1 / LARGEST:
        return -1.0, 1.0
    if high - low <= 1e-4 * largest:  # constant, as far as labels can tell
        return low - 0.05 * largest, high + 0.05 * largest
    air = 0.05 * (high - low)
    return low - air, high + air


def grid_rows(y: Scale, ticks: list[tuple[float, str]], left: float, right: float) -> list[Markup]:
    drawn = []
    for value, label in ticks:
        drawn.append(line(left, y(value), right, y(value), class_="grid"))
        drawn.append(text(left - 8, y(value) + 4, label, size=11, class_="muted", text_anchor="end"))
    return drawn


def baseline(x: Scale, ticks: list[tuple[float, str]], left: float, height: float, name: str) -> list[Markup]:
    drawn = [line(left, height, x.end, height, class_="axis")]
    for value, label in ticks:
        drawn.append(line(x(value), height, x(value), height + 4, class_="axis"))
        drawn.append(text(x(value), height + 17, label, size=11, class_="muted", text_anchor="middle"))
    middle = (left + x.end) / 2
    return [*drawn, text(middle, height + 36, name, class_="muted", text_anchor="middle")]
