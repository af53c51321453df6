"""The nodes of a picture: rules, leaves, ends and closed boxes, each with its words and its outline."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from handgrad.view.graph import CONSTANT, INPUT, PARAMETER, SYMBOLS, Box, Op
from handgrad.view.still.scene import Port, Thing
from handgrad.view.svg import BOLD, Markup, element, shortened, text, tooltip, words_width

NAME, SYMBOL, SMALL = 13.0, 19.0, 10.0  # sizes of letters
LONGEST = 180.0  # pixels that a name may take
HEIGHT, TALL = 34.0, 42.0  # of nodes with one line and with two
LEADING = 14.0
LEAVES = {INPUT: "input", PARAMETER: "parameter", CONSTANT: "operation"}


@dataclass(frozen=True)
class Shape:
    """A node: a line of words or a symbol, perhaps a small line below it, and notes below the outline."""

    words: str
    size: float
    below: str
    notes: tuple[str, ...]
    kind: str  # its class in the style sheet
    round: bool = False
    line_width: float = 1.25
    dashes: str | None = None
    is_stacked: bool = False

    @property
    def inner_width(self) -> float:
        """The outline's."""
        words = min(words_width(self.words, self.size) * BOLD, LONGEST)
        return max(words, words_width(self.below, SMALL)) + 24 if self.size == NAME else self.inner_height

    @property
    def inner_height(self) -> float:
        return TALL if self.below else HEIGHT

    @property
    def width(self) -> float:
        return max([self.inner_width, *(words_width(note, SMALL) for note in self.notes)])

    @property
    def height(self) -> float:
        """With room for the notes, and as much above, so that arrows meet the outline in its middle."""
        notes = LEADING * len(self.notes) + 4 if self.notes else 0
        return self.inner_height + 2 * (notes + self.behind)

    @property
    def behind(self) -> float:
        """How far the second outline of a closed box shows."""
        return 4.0 if self.is_stacked else 0.0

    @property
    def radius(self) -> float:
        return self.inner_height / 2 if self.round else 7.0

    def side(self, height: float) -> float:
        """From its middle to its outline, so far above or below."""
        into = max(abs(height) - (self.inner_height / 2 - self.radius), 0.0)
        return self.inner_width / 2 - self.radius + math.sqrt(max(self.radius**2 - into**2, 0.0))


def shape_of(thing: Thing, notes: tuple[str, ...]) -> Shape:
    if isinstance(thing, Op):
        is_symbol = thing.label in SYMBOLS.values()
        size = SYMBOL if is_symbol else NAME
        return Shape(thing.label, size, options(thing), notes, "operation", round=is_symbol)
    if isinstance(thing, Box):
        count = sum(1 for _ in thing.all_ops())
        rules = f"{count:,} rule{'s' if count > 1 else ''}"
        return Shape(thing.title, NAME, rules, notes, "operation", is_stacked=True)
    if isinstance(thing, Port):
        line_width = 2.25 if thing.is_exit else 1.25
        return Shape(thing.array.name, NAME, "", notes, "input", round=True, line_width=line_width)
    return dataclasses.replace(leaf(thing.role), words=thing.short_name, notes=notes)


def leaf(role: str) -> Shape:
    """Inputs are round and blue, parameters square and green, constants dashed."""
    dashes = "4 3" if role == CONSTANT else None
    return Shape("", NAME, "", (), LEAVES.get(role, "input"), round=role != PARAMETER, dashes=dashes)


def swatch(role: str, x: float, y: float, width: float) -> Markup:
    """A leaf in the legend."""
    return _outline(leaf(role), x + width / 2, y, width, 13)


def options(op: Op) -> str:
    """The options of a rule in a small line: axis=0, keepdims=True."""
    given = ", ".join(f"{name}={value}" for name, value in op.options.items() if value is not None)
    return shortened(given, LONGEST, SMALL)


def drawn(shape: Shape, x: float, y: float) -> list[Markup]:
    """A node around a point."""
    width, height = shape.inner_width, shape.inner_height
    found = []
    if shape.is_stacked:
        found.append(_outline(shape, x + shape.behind, y + shape.behind, width, height))
    found.append(_outline(shape, x, y, width, height))
    short = shortened(shape.words, LONGEST, shape.size)
    middle = y + 0.35 * shape.size - (6 if shape.below else 0)
    weight = 600 if shape.kind == "operation" and not shape.dashes else None
    tip = tooltip(short, shape.words)
    found.append(text(x, middle, short, *tip, size=shape.size, text_anchor="middle", font_weight=weight))
    if shape.below:
        found.append(text(x, y + 13, shape.below, size=SMALL, text_anchor="middle", class_="muted"))
    for i, note in enumerate(shape.notes):
        down = y + height / 2 + shape.behind + 12 + LEADING * i
        found.append(text(x, down, note, size=SMALL, text_anchor="middle", class_="backward"))
    return found


def _outline(shape: Shape, x: float, y: float, width: float, height: float) -> Markup:
    return element(
        "rect",
        x=x - width / 2,
        y=y - height / 2,
        width=width,
        height=height,
        rx=min(shape.radius, height / 2),
        class_=f"{shape.kind} {shape.kind}-line",
        stroke_width=shape.line_width,
        stroke_dasharray=shape.dashes,
    )
