"""Gradient norms over the epochs: a line for each layer, and in words which of them vanish or explode."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handgrad.view.layout.words import BOLD
from handgrad.view.svg import (
    MARGIN,
    Markup,
    Scale,
    document,
    element,
    figure,
    shortened,
    text,
    words_width,
)
from handgrad.view.thumbnails import Colour, between
from handgrad.view.training.axes import Box, baseline, grid_rows
from handgrad.view.training.lines import Series, apart, count, dots, epoch_ticks, finite, strokes

VANISHING, OFTEN = 1e-3, 0.1  # of the largest layer's norm, in that share of the epochs
EXPLODING = 100.0
WIDTH, PLOT = 960, 300
NAMES = 220  # the most room that a layer's name gets
ROW = 17  # pixels from label to label
FIRST, LAST = ((15, 118, 110), (94, 234, 212)), ((124, 58, 237), (196, 181, 253))  # on light, on dark


@dataclasses.dataclass(frozen=True)
class Layer:
    """The norm of a layer's gradient, all its parameters together, at each epoch."""

    name: str
    epochs: np.ndarray
    norms: np.ndarray


def parameter_norms(records: Sequence[Mapping[str, Any]], prefix: str) -> dict[str, np.ndarray]:
    """The norm of each parameter's gradient at each epoch: inf if not finite, nan if it was not recorded.

    Args:
        records: one an epoch, as in ``metrics.jsonl``, where what is not finite is null.
        prefix: of the norms' keys, before the names of the parameters.
    """
    keys = dict.fromkeys(key for record in records for key in record if key.startswith(prefix))
    return {
        key.removeprefix(prefix): np.array([_recorded(record, key) for record in records]) for key in keys
    }


def _recorded(record: Mapping[str, Any], key: str) -> float:
    if key not in record:
        return np.nan
    return np.inf if record[key] is None or not np.isfinite(record[key]) else record[key]


def layer_norms(
    records: Sequence[Mapping[str, Any]], parameters: Mapping[str, np.ndarray], names: Mapping[str, str]
) -> list[Layer]:
    """The layers that have parameters, in their order; ``names`` says what each path is."""
    epochs = np.array([finite(record.get("epoch", i + 1)) for i, record in enumerate(records)])
    squares: dict[str, np.ndarray] = {}
    for parameter, norms in parameters.items():
        path = parameter.rpartition(".")[0]
        squares[path] = squares.get(path, 0.0) + np.square(norms)
    return [
        Layer(f"{path} {names.get(path, '')}".strip() or "network", epochs, np.sqrt(total))
        for path, total in squares.items()
    ]


# In words.


def findings(layers: Sequence[Layer]) -> list[str]:
    """Which layers' gradients vanish or explode, a sentence each."""
    largest = np.max([layer.norms for layer in layers], axis=0)
    return [said for layer in layers if (said := _finding(layer, largest))] or [_calm(layers)]


def _finding(layer: Layer, largest: np.ndarray) -> str:
    if np.isinf(layer.norms).any():
        first = layer.epochs[np.isinf(layer.norms).argmax()]
        return f"{layer.name} explodes: its gradient is not finite at epoch {count(first)}."
    if not np.nansum(layer.norms):
        return f"{layer.name} gets no gradient: it is 0 at every epoch."
    known = np.isfinite(largest)
    norms, largest, epochs = layer.norms[known], largest[known], layer.epochs[known]
    if norms.max(initial=0.0) > EXPLODING:
        peak = f"{figure(norms.max())} at epoch {count(epochs[norms.argmax()])}"
        return f"{layer.name} explodes: the norm of its gradient reaches {peak}."
    shares = np.divide(norms, largest, out=np.ones_like(norms), where=largest > 0)
    low = int(np.sum(shares < VANISHING))
    if low > OFTEN * len(shares):
        least = f"down to {figure(float(shares.min()))} of the largest layer's"
        when = f"in {low:,} of {len(shares):,} epochs"
        return f"{layer.name} vanishes {when}: the norm of its gradient goes {least}."
    return ""


def _calm(layers: Sequence[Layer]) -> str:
    ends = np.array([layer.norms[-1] for layer in layers])
    if len(layers) == 1:
        return f"The gradient neither vanishes nor explodes; its norm ends at {figure(ends[0])}."
    spread = f"{figure(ends.max() / ends.min())} times the smallest's" if ends.min() > 0 else ""
    told = f"; in the end the largest layer's norm is {figure(ends.max())}, {spread}" if spread else ""
    return f"No layer's gradient vanishes or explodes{told}."


# The chart.


def norm_chart(layers: Sequence[Layer], title: str) -> str:
    """A line for each layer on a log scale, from the first layer's colour to the last one's.

    Returns:
        A standalone SVG document. What is zero or not finite is a gap.
    """
    lines = [_line(layer, i, len(layers)) for i, layer in enumerate(layers)]
    drawn = [(layer, line) for layer, line in zip(layers, lines, strict=True) if line.known.size]
    height = max(PLOT, ROW * len(drawn)) + 110
    parts = _panel(drawn, height) if drawn else [text(MARGIN, 70, "nothing to draw", class_="muted")]
    sheet = element("style", Markup(_sheet(len(layers))))
    scale = element("tspan", "log scale", class_="muted", font_size=13, font_weight=400, dx=10)
    head = text(MARGIN, 38, title, scale, size=18, font_weight=600)
    return document(WIDTH, height, title, " ".join(findings(layers)), sheet, head, *parts)


def _line(layer: Layer, place: int, layers: int) -> Series:
    y = np.array([finite(float(norm)) for norm in layer.norms])
    return Series(f"depth-{place}-{layers}", layer.epochs, np.where(y > 0, y, np.nan))


def _panel(drawn: list[tuple[Layer, Series]], height: float) -> list[Markup]:
    names = [shortened(layer.name, NAMES, 12) for layer, _ in drawn]
    values = [figure(line.y[line.known[-1]]) for _, line in drawn]
    widest = max(words_width(name, 12) for name in names)
    room = 14 + widest + 12 + BOLD * max(words_width(value, 12) for value in values)
    box = Box(MARGIN, 64, WIDTH - MARGIN - room, height - 56)
    x, y, parts = _axes(box, [line for _, line in drawn])
    for _, line in drawn:
        parts += strokes(line, x, y)
    for _, line in drawn:
        parts += dots(line, x, y)
    ends = [float(y(line.y[line.known[-1]])) for _, line in drawn]
    places = apart(ends, ROW, box.top + 4, box.bottom)
    right: dict[str, Any] = {"font_weight": 600, "text_anchor": "end"}
    for (_, line), name, value, place in zip(drawn, names, values, places, strict=True):
        parts.append(text(x.end + 14, place + 4, name, class_=line.name))
        parts.append(text(WIDTH - MARGIN, place + 4, value, class_=line.name, **right))
    return parts


def _axes(box: Box, lines: list[Series]) -> tuple[Scale, Scale, list[Markup]]:
    values = np.concatenate([line.y[line.known] for line in lines])
    epochs = np.concatenate([line.x[line.known] for line in lines])
    y = Scale(*_rounded(float(values.min()), float(values.max())), box.bottom, box.top, log=True)
    ticks = y.ticks(5)
    left = box.left + 10 + max(words_width(label, 11) for _, label in ticks)
    first, last = float(epochs.min()), float(epochs.max())
    ends = (first, last) if first < last else (first - 1, last + 1)
    x = Scale(*ends, left + 8, box.right)
    parts = grid_rows(y, ticks, left, x.end)
    return x, y, parts + baseline(x, epoch_ticks(x, epochs), left, y.start, "epoch")


def _rounded(low: float, high: float) -> tuple[float, float]:
    """The 1, 2 or 5 times a power of ten below and above, so that the axis has labels at both ends."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    steps = [m * 10.0**k for k in powers for m in (1, 2, 5)]
    return max(step for step in steps if step < low), min(step for step in steps if step > high)


def _sheet(layers: int) -> str:
    """The colours of the lines, on light and on dark."""

    def rules(which: int) -> str:
        written = []
        for i in range(layers):
            colour = _spelled(between(FIRST[which], LAST[which], i / max(layers - 1, 1)))
            name = f".handgrad .depth-{i}-{layers}"
            written.append(f"{name}{{fill:{colour}}}{name}-line{{stroke:{colour}}}")
        return "".join(written)

    return f"{rules(0)}@media (prefers-color-scheme:dark){{{rules(1)}}}"


def _spelled(colour: Colour) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)
