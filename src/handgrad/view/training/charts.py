"""Charts with axes: the curves of a training, and predictions against what they should have been."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from handgrad.view.svg import (
    MARGIN,
    Markup,
    Scale,
    document,
    element,
    figure,
    heading,
    line,
    number,
    text,
    words_width,
)
from handgrad.view.training.axes import LARGEST, Box, baseline, grid_rows, padded
from handgrad.view.training.lines import Series, apart, count, dots, epoch_ticks, finite, strokes

WIDTH, HEIGHT = 960, 400
LABELS = 104  # the room at the right end of the lines, for "validation" and its value
DRAWN = 2000  # points of a scatter; more would be ink and megabytes, not knowledge
LOG_DECADES = 1.5  # a loss that falls further is a flat line on a linear axis


@dataclasses.dataclass(frozen=True)
class Quantity:
    """What one panel shows: a key of the records, and how to write its values."""

    key: str
    heading: str
    say: Callable[[float], str]
    best: Callable[[np.ndarray], Any]
    factor: float = 1.0
    ceiling: float = math.inf


def percent(value: float) -> str:
    return f"{value:.2f} %" if abs(value) < 1000 else f"{figure(value)} %"


LOSS = Quantity("loss", "Loss", figure, np.argmin)
ACCURACY = Quantity("accuracy", "Accuracy (%)", percent, np.argmax, factor=100.0, ceiling=100.0)
SOURCES = {"training": "", "validation": "validation_"}


# Curves.


def curves(metrics: Sequence[Mapping[str, Any]], title: str) -> str:
    """Loss, and accuracy where there is one, over the epochs, in training and in validation.

    Args:
        metrics: one record an epoch, as in ``metrics.jsonl``. What is missing or not finite is a gap.
        title: what was trained.

    Returns:
        A standalone SVG document. The best validation value is ringed.

    Examples:
        >>> hg.view.curves([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}], "a network")[:4]
        '<svg'
    """
    shown = [LOSS]  # for regression alone, and full width
    if any(prefix + ACCURACY.key in record for record in metrics for prefix in SOURCES.values()):
        shown.append(ACCURACY)
    width = (WIDTH - 2 * MARGIN - 32 * (len(shown) - 1)) / len(shown)
    drawn, told = [], []
    for i, quantity in enumerate(shown):
        left = MARGIN + i * (width + 32)
        series = [_series(metrics, name, prefix, quantity) for name, prefix in SOURCES.items()]
        series = [s for s in series if s.known.size]
        drawn += _panel(Box(left, 64, left + width, HEIGHT - 12), quantity, series)
        told += _told(quantity, series)
    return document(WIDTH, HEIGHT, title, "; ".join(told) or "Nothing to draw", heading(title, WIDTH), *drawn)


def _series(metrics: Sequence[Mapping[str, Any]], name: str, prefix: str, quantity: Quantity) -> Series:
    x = [finite(record.get("epoch", i + 1)) for i, record in enumerate(metrics)]
    y = [finite(record.get(prefix + quantity.key)) * quantity.factor for record in metrics]
    return Series(name, np.asarray(x, float), np.where(np.isfinite(x), y, np.nan))


def _best(quantity: Quantity, series: list[Series]) -> tuple[float, float] | None:
    """Where validation was best, as (epoch, value)."""
    for s in series:
        if s.name == "validation":
            i = s.known[quantity.best(s.y[s.known])]
            return float(s.x[i]), float(s.y[i])
    return None


def _told(quantity: Quantity, series: list[Series]) -> list[str]:
    """The panel in words."""
    told = []
    for s in series:
        end = s.known[-1]
        told.append(f"{s.name} {quantity.key} {quantity.say(s.y[end])} at epoch {count(s.x[end])}")
    if best := _best(quantity, series):
        told.append(f"best validation {quantity.key} {quantity.say(best[1])} at epoch {count(best[0])}")
    return told


def _panel(outer: Box, quantity: Quantity, series: list[Series]) -> list[Markup]:
    """Heading, axes, lines, and a label at the end of each."""
    log = quantity is LOSS and _wants_log(series)
    words = [quantity.heading] + [element("tspan", "log scale", class_="muted", font_weight=400, dx=8)] * log
    drawn = [text(outer.left, outer.top + 8, *words, size=13, font_weight=600)]
    if not series:
        return [*drawn, text(outer.left, outer.top + 30, "nothing finite to draw", class_="muted")]
    x, y, axes = _axes(outer, quantity, series, log)
    drawn += axes
    for s in series:
        drawn += strokes(s, x, y)
    if best := _best(quantity, series):
        note = f"best validation {quantity.say(best[1])}, epoch {count(best[0])}"
        drawn += _ring(outer.left + 6, outer.top + 26) + _ring(x(best[0]), y(best[1]))
        drawn.append(text(outer.left + 18, outer.top + 30, note, class_="muted"))
    for s in series:  # after the ring, whose halo would hide them
        drawn += dots(s, x, y)
    return drawn + _ends(quantity, series, x, y)


def _ends(quantity: Quantity, series: list[Series], x: Scale, y: Scale) -> list[Markup]:
    """Name and last value of each line, beside its end."""
    ends = [s.known[-1] for s in series]
    early = [end < len(s.x) - 1 for s, end in zip(series, ends, strict=True)]
    heights = [float(y(s.y[end])) for s, end in zip(series, ends, strict=True)]
    heights = apart(heights, 48 if any(early) else 34, y.end, y.start - (24 if any(early) else 10))
    drawn = []
    for s, end, stopped, height in zip(series, ends, early, heights, strict=True):
        left = x.end + 14
        drawn.append(text(left, height - 3, s.name, class_=s.name))
        drawn.append(text(left, height + 12, quantity.say(s.y[end]), class_=s.name, font_weight=600))
        if stopped:
            drawn.append(text(left, height + 26, f"epoch {count(s.x[end])}", size=11, class_="muted"))
    return drawn


def _wants_log(series: list[Series]) -> bool:
    values = np.concatenate([s.y[s.known] for s in series]) if series else np.zeros(1)
    return bool(values.min() > 1 / LARGEST and math.log10(values.max() / values.min()) > LOG_DECADES)


def _axes(
    outer: Box, quantity: Quantity, series: list[Series], log: bool
) -> tuple[Scale, Scale, list[Markup]]:
    """Scales of a panel, and its grid with labels."""
    values = np.concatenate([s.y[s.known] for s in series])
    epochs = np.concatenate([s.x[s.known] for s in series])
    low, high = padded(values, log)
    if values.min() >= 0:
        low = max(low, 0.0)
    high = min(high, quantity.ceiling) if values.max() <= quantity.ceiling else high
    y = Scale(low, high, outer.bottom - 44, outer.top + 48, log)
    ticks = y.ticks(5)
    inner = outer.left + 10 + max(words_width(label, 11) for _, label in ticks)
    first, last = float(epochs.min()), float(epochs.max())
    if first == last:
        first, last = first - 1, last + 1
    x = Scale(first, last, inner + 8, outer.right - LABELS)
    drawn = grid_rows(y, ticks, inner, x.end)
    drawn += baseline(x, epoch_ticks(x, epochs), inner, y.start, "epoch")
    return x, y, drawn


def _ring(x: float, y: float) -> list[Markup]:
    """A ring that can be seen on any line: on a wider one of the ground's colour."""
    looks = (("halo", 3.5), ("validation-line", 1.75))
    return [element("circle", cx=x, cy=y, r=5.5, fill="none", class_=c, stroke_width=w) for c, w in looks]


# Scatter.


def scatter(predicted: Any, actual: Any, title: str) -> str:
    """Predictions against what they should have been, with R² and RMSE.   (N,) or (N, K), both alike

    At most 2,000 points are drawn, always the same ones; R² and RMSE are of all of them. Pairs that are
    not finite are left out of everything, and counted in the picture.

    Raises:
        ValueError: the two have different shapes.

    Examples:
        >>> hg.view.scatter(np.array([1.0, 2.0]), np.array([1.1, 1.9]), "prices")[:4]
        '<svg'
    """
    p, t = (np.asarray(array, float) for array in (predicted, actual))
    p, t = (array.reshape(len(array), math.prod(array.shape[1:])) for array in (p, t))
    if p.shape != t.shape:
        raise ValueError(f"predicted {p.shape} and actual {t.shape}; scatter needs equal shapes")
    whole = (np.abs(p) < LARGEST) & (np.abs(t) < LARGEST)
    rows = whole.all(axis=1)
    notes = _fit(p[rows], t[rows])
    if lost := int(np.sum(~whole)):
        notes.append(f"{lost:,} not finite, left out")
    x, y = t[whole], p[whole]
    if len(x) > DRAWN:
        notes.append(f"{DRAWN:,} of {len(x):,} points drawn")
        some = np.sort(np.random.default_rng(0).permutation(len(x))[:DRAWN])
        x, y = x[some], y[some]
    size = 560
    said = text(MARGIN, 62, " · ".join(notes), size=13, class_="muted")
    cloud = _cloud(Box(MARGIN, 88, size - MARGIN, size + 48), x, y) if len(x) else []
    told = f"Predicted against true: {', '.join(notes)}"
    return document(size, size + 60, title, told, heading(title, size), said, *cloud)


def _fit(p: np.ndarray, t: np.ndarray) -> list[str]:
    """R² and RMSE in words.   p, t (N, K); R² has the mean of each column as its yardstick"""
    if not p.size:
        return ["nothing finite to draw"]
    squares, spread = float(np.sum((p - t) ** 2)), float(np.sum((t - t.mean(axis=0)) ** 2))
    r2 = figure(1 - squares / spread) if spread else "undefined"
    return [f"R² {r2}", f"RMSE {figure((squares / p.size) ** 0.5)}"]


def _cloud(outer: Box, x: np.ndarray, y: np.ndarray) -> list[Markup]:
    """Points on two equal axes, and the diagonal on which they should lie."""
    low, high = padded(np.concatenate([x, y]), log=False)
    ticks = Scale(low, high, 0, 1).ticks(5)
    widest = max(words_width(label, 11) for _, label in ticks)
    left = outer.left + 28 + widest
    side = min(outer.right - left - max(widest / 2 - MARGIN, 0), outer.bottom - 44 - outer.top)
    vertical = Scale(low, high, outer.top + side, outer.top)
    across = Scale(low, high, left, left + side)
    drawn = grid_rows(vertical, ticks, left, across.end)
    drawn += baseline(across, ticks, left, vertical.start, "true")
    drawn += [line(across(v), vertical.start, across(v), vertical.end, class_="grid") for v, _ in ticks]
    middle = (vertical.start + vertical.end) / 2
    turned = f"rotate(-90 {number(outer.left + 8)} {number(middle)})"
    drawn.append(
        text(outer.left + 8, middle, "predicted", class_="muted", text_anchor="middle", transform=turned)
    )
    drawn.append(
        line(across(low), vertical(low), across(high), vertical(high), class_="axis", stroke_width=1.5)
    )
    size, opacity = (3.5, 0.75) if len(x) <= 200 else (2.5, 0.45)
    return drawn + [
        element("circle", cx=px, cy=py, r=size, class_="training", fill_opacity=opacity)
        for px, py in zip(across(x), vertical(y), strict=True)
    ]
