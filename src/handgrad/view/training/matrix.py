"""The confusion matrix: what was taken for what, with recall at the right and precision below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.view.layout.words import BOLD
from handgrad.view.svg import (
    MARGIN,
    Markup,
    clean,
    document,
    element,
    heading,
    line,
    number,
    text,
    told_apart,
    tooltip,
    words_width,
)

NAMES = 150  # the most room that names of classes get, beside the rows and above the columns
LANE = 58  # recall at the right, precision below
LEGIBLE = 11  # pixels that a line of text needs
READABLE = 7  # no number is smaller than this
QUIET = 10  # zeros are written only in numbers at least so large
PALEST, DEEP = 0.1, 0.705  # the shade of the smallest share; from where on numbers are written the other way


def confusion(counts: Any, classes: Sequence[Any], title: str) -> str:
    """How often each class (row) was taken for each (column).   counts (C, C) -> a standalone SVG document

    Cells are shaded by their share of the row, so that each row tells what became of one class, however
    rare. Numbers are left out where cells are too small for them; each cell tells its own when pointed at.

    Raises:
        ValueError: counts are not (C, C) with one class name for each.

    Examples:
        >>> hg.view.confusion(np.array([[9, 1], [2, 8]]), ["cat", "dog"], "pets")[:4]
        '<svg'
    """
    counts, names = np.asarray(counts), [clean(name) for name in classes]
    if counts.shape != (len(names), len(names)) or not names:
        raise ValueError(f"counts {counts.shape} for {len(names)} classes; confusion needs counts (C, C)")
    plan = Plan(counts, names)
    total, right = int(counts.sum()), int(np.trace(counts))
    accuracy = f"accuracy {100 * right / total:.2f} %" if total else "nothing predicted"
    notes = f"{accuracy} · {right:,} of {total:,} right"
    drawn = [
        heading(title, plan.width),
        text(MARGIN, 62, notes, size=13, class_="muted"),
        *_names(plan, names),
        *_cells(plan, counts, names),
        *_recall(plan, counts, names),
        *_precision(plan, counts, names),
        *_legend(plan),
    ]
    return document(
        plan.width, plan.height, title, f"Confusion matrix of {len(names)} classes: {notes}", *drawn
    )


class Plan:
    """Where everything goes: the grid from ``left, top``, with square cells of ``cell`` pixels."""

    def __init__(self, counts: np.ndarray, names: list[str]) -> None:
        self.classes = len(names)
        self.cell = min(84.0, max(7.0, 540 / self.classes))
        widest = max(words_width(name, self.name_size) for name in names)
        self.room = min(NAMES, widest) + 10
        self.level = widest + 8 <= self.cell  # names of columns lie level where they fit
        self.left = max(MARGIN + 20 + self.room, MARGIN + 4 + words_width("precision %", 11))
        self.top = 106 + (18 if self.level else self.room)
        self.right = self.left + self.cell * self.classes
        self.bottom = self.top + self.cell * self.classes
        self.width = max(self.right + LANE + MARGIN, 480)
        self.precision_level = self.cell >= words_width("100.0", self.name_size) + 4
        self.height = self.bottom + (26 if self.precision_level else LANE) + 56
        longest = BOLD * words_width(f"{int(counts.max()):,}", 1)
        self.number_size = min(14.0, 0.4 * self.cell, (self.cell - 3) / longest)

    @property
    def name_size(self) -> float:
        return min(12.0, max(9.0, 0.8 * self.cell))

    @property
    def named(self) -> range:
        """Classes whose names are written: all, or every so many where they would overlap."""
        return range(0, self.classes, int(np.ceil(LEGIBLE / self.cell)))

    def x(self, column: float) -> float:
        return self.left + column * self.cell

    def y(self, row: float) -> float:
        return self.top + row * self.cell


def _turned(x: float, y: float) -> str:
    return f"rotate(-90 {number(x)} {number(y)})"


def _names(plan: Plan, names: list[str]) -> list[Markup]:
    """Names of the rows and columns, and of the axes."""
    size, middle = plan.name_size, plan.classes / 2
    x, y = plan.left - plan.room - 8, plan.y(middle)
    drawn = [
        text(plan.x(middle), 92, "predicted", class_="muted", text_anchor="middle"),
        text(x, y, "true", class_="muted", text_anchor="middle", transform=_turned(x, y)),
    ]
    for i, short in zip(
        plan.named, told_apart([names[i] for i in plan.named], plan.room - 10, size), strict=True
    ):
        tip = tooltip(short, names[i])
        centre, down = plan.x(i + 0.5), plan.y(i + 0.5) + 0.35 * size
        drawn.append(text(plan.left - 8, down, short, *tip, size=size, text_anchor="end"))
        if plan.level:
            drawn.append(text(centre, plan.top - 8, short, *tip, size=size, text_anchor="middle"))
        else:
            x, y = centre + 0.35 * size, plan.top - 8
            drawn.append(text(x, y, short, *tip, size=size, transform=_turned(x, y)))
    return drawn


def _cells(plan: Plan, counts: np.ndarray, names: list[str]) -> list[Markup]:
    """A square for each count that is not zero; the diagonal is outlined."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    gap = 1.0 if plan.cell >= 12 else 0.5
    drawn = _lattice(plan)
    for i, j in np.argwhere((counts != 0) | (plan.number_size >= QUIET)):
        count, share = int(counts[i, j]), float(shares[i, j])
        shade = PALEST + (1 - PALEST) * share
        if count:
            told = f"true {names[i]}, predicted {names[j]}: {count:,} ({100 * share:.1f} % of the row)"
            drawn.append(
                element(
                    "rect",
                    element("title", told),
                    x=plan.x(j) + gap / 2,
                    y=plan.y(i) + gap / 2,
                    width=plan.cell - gap,
                    height=plan.cell - gap,
                    class_="shade",
                    fill_opacity=shade,
                )
            )
        if plan.number_size >= READABLE:
            look = ("on-deep" if shade > DEEP else "on-pale") if count else "faint"
            drawn.append(_number(plan, i, j, f"{count:,}", look, bold=i == j and count > 0))
    return drawn + [_outlined(plan, i) for i in range(plan.classes)]


def _number(plan: Plan, row: float, column: float, words: str, look: str, bold: bool) -> Markup:
    return text(
        plan.x(column + 0.5),
        plan.y(row + 0.5) + 0.36 * plan.number_size,
        words,
        size=plan.number_size,
        class_=look,
        text_anchor="middle",
        font_weight=700 if bold else None,
        pointer_events="none",  # so that the cell below tells its tooltip
    )


def _lattice(plan: Plan) -> list[Markup]:
    down = [line(plan.x(i), plan.top, plan.x(i), plan.bottom, class_="grid") for i in range(plan.classes + 1)]
    return down + [
        line(plan.left, plan.y(i), plan.right, plan.y(i), class_="grid") for i in range(plan.classes + 1)
    ]


def _outlined(plan: Plan, i: int) -> Markup:
    return element(
        "rect",
        x=plan.x(i),
        y=plan.y(i),
        width=plan.cell,
        height=plan.cell,
        fill="none",
        class_="outline",
        stroke_width=1.5 if plan.cell >= 24 else 0.75,
        pointer_events="none",
    )


# Shares at the edges.


def _percents(counts: np.ndarray, axis: int) -> list[tuple[float, str]]:
    """The diagonal's share of each row (axis 1) or column (axis 0), as number and in words."""
    sums, right = counts.sum(axis=axis), np.diagonal(counts)
    return [
        (100 * r / s, f"{100 * r / s:.1f}") if s else (0.0, "–") for r, s in zip(right, sums, strict=True)
    ]


def _recall(plan: Plan, counts: np.ndarray, names: list[str]) -> list[Markup]:
    x, size = plan.right + 12, plan.name_size
    drawn = [text(x, plan.top - 8, "recall %", size=11, class_="muted")]
    for i, (share, words) in enumerate(_percents(counts, axis=1)):
        if plan.cell >= LEGIBLE:
            drawn.append(text(x, plan.y(i + 0.5) + 0.35 * size, words, size=size))
        else:
            bar = (x, plan.y(i) + 1, 0.4 * share, plan.cell - 2)
            drawn.append(_bar(*bar, f"recall of {names[i]}: {words} %"))
    return drawn


def _precision(plan: Plan, counts: np.ndarray, names: list[str]) -> list[Markup]:
    y, size = plan.bottom + 17, plan.name_size
    drawn = [text(plan.left - 8, y, "precision %", size=11, class_="muted", text_anchor="end")]
    for j, (share, words) in enumerate(_percents(counts, axis=0)):
        centre = plan.x(j + 0.5)
        if plan.precision_level:
            drawn.append(text(centre, y, words, size=size, text_anchor="middle"))
        elif plan.cell >= LEGIBLE:
            x, end = centre + 0.35 * size, plan.bottom + 8
            drawn.append(text(x, end, words, size=size, text_anchor="end", transform=_turned(x, end)))
        else:
            bar = (plan.x(j) + 1, plan.bottom + 8, plan.cell - 2, 0.4 * share)
            drawn.append(_bar(*bar, f"precision of {names[j]}: {words} %"))
    return drawn


def _bar(x: float, y: float, width: float, height: float, told: str) -> Markup:
    return element("rect", element("title", told), x=x, y=y, width=width, height=height, class_="training")


def _legend(plan: Plan) -> list[Markup]:
    """What the shades mean."""
    x, y = plan.left, plan.height - 30
    drawn = [
        text(x, y + 10, "share of the row", size=11, class_="muted"),
        text(x + 116, y + 10, "0", size=11, class_="muted"),
    ]
    for i, share in enumerate((0, 0.25, 0.5, 0.75, 1)):
        shade = PALEST + (1 - PALEST) * share
        drawn.append(
            element("rect", x=x + 128 + 22 * i, y=y, width=22, height=12, class_="shade", fill_opacity=shade)
        )
    return [*drawn, text(x + 244, y + 10, "100 %", size=11, class_="muted")]
