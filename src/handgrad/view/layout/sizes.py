"""What is drawn of a node, and at an edge, and the room that it takes."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from handgrad.view.layout.words import BOLD, words_width

Point = tuple[float, float]

NAME, SYMBOL, VALUE, SMALL = 13.0, 19.0, 12.0, 11.0  # sizes of letters
LONGEST = 180.0  # pixels that a name may take
BELOW = 15.0  # from an outline to the first note below it
HIGH, TALL, LOW = 34.0, 42.0, 20.0  # of nodes with one line, with two, and of references
LEADING = 14.0
SYMBOLS = "+−×÷"
THUMB, THINNEST = 30.0, 8.0  # sides of thumbnails
BESIDE = 6.0  # between a thumbnail and the lines beside it
CELL_AIR = 9.0  # in a cell, around its number
AIR = 4.0  # between an arrow and what is written at it
TITLE = 22.0  # the height of a box's title
LONGEST_TITLE = 320.0


@dataclass(frozen=True)
class Shape:
    """A node: a line of words or a symbol, perhaps a small line below it, and notes below the outline."""

    words: str
    below: str
    notes: list[str]
    kind: str  # operation, input, parameter, reference
    is_round: bool = False
    is_stacked: bool = False  # a closed box

    @property
    def is_symbol(self) -> bool:
        return len(self.words) == 1 and self.words in SYMBOLS

    @property
    def size(self) -> float:
        return SYMBOL if self.is_symbol else SMALL if self.kind == "reference" else NAME

    @property
    def inner_width(self) -> float:
        """The outline's."""
        if self.is_symbol:
            return self.inner_height
        if self.kind == "reference":
            return min(words_width(self.words, SMALL), LONGEST) + 16
        words = min(words_width(self.words, NAME) * BOLD, LONGEST)
        return max(words, min(words_width(self.below, SMALL), LONGEST)) + 24

    @property
    def inner_height(self) -> float:
        if self.kind == "reference":
            return LOW
        return TALL if len(self.below) > 0 else HIGH

    @property
    def width(self) -> float:
        return max([self.inner_width + 2 * self.behind, *[words_width(note, SMALL) for note in self.notes]])

    @property
    def height(self) -> float:
        """With room for the notes, and as much above, so that arrows meet the outline in its middle."""
        notes = LEADING * len(self.notes) + 6 if len(self.notes) > 0 else 0.0
        return self.inner_height + 2 * (notes + self.behind)

    @property
    def behind(self) -> float:
        """How far the second outline of a closed box shows."""
        return 4.0 if self.is_stacked else 0.0

    @property
    def radius(self) -> float:
        return self.inner_height / 2 if self.is_round or self.is_symbol else 7.0

    def side(self, height: float) -> float:
        """From its middle to its outline, so far above or below."""
        into = max(abs(height) - (self.inner_height / 2 - self.radius), 0.0)
        return self.inner_width / 2 - self.radius + sqrt(max(self.radius**2 - into**2, 0.0))


@dataclass(frozen=True)
class Tag:
    """An array in small: a few lines, and perhaps a thumbnail of so many pixels; or its numbers, in cells."""

    lines: list[str]
    rows: float = 0.0
    columns: float = 0.0
    cell: float = 0.0  # the width of a number's cell, where numbers are written out

    @property
    def scale(self) -> float:
        """How large a pixel of the thumbnail is: its longer side is always the same."""
        return THUMB / max(self.rows, self.columns) if self.rows > 0 else 0.0

    @property
    def picture_width(self) -> float:
        if self.cell > 0:
            return self.cell * self.columns
        return max(self.columns * self.scale, THINNEST) if self.rows > 0 else 0.0

    @property
    def picture_height(self) -> float:
        if self.cell > 0:
            return LEADING * self.rows
        return max(self.rows * self.scale, THINNEST) if self.rows > 0 else 0.0

    @property
    def width(self) -> float:
        beside = self.picture_width + (BESIDE if len(self.lines) > 0 else 0) if self.rows > 0 else 0.0
        return beside + max([words_width(line, VALUE) for line in self.lines], default=0.0)

    @property
    def height(self) -> float:
        return max(self.picture_height, LEADING * len(self.lines))


def cell_width(texts: list[str]) -> float:
    """A cell's, of numbers that stand below each other."""
    return max([words_width(text, VALUE) for text in texts], default=0.0) + CELL_AIR


def label_width(tags: list[Tag]) -> float:
    return max([tag.width for tag in tags], default=0.0)


def label_height(tags: list[Tag]) -> float:
    """As much above the arrow as below."""
    return 2 * (AIR + max([tag.height for tag in tags], default=0.0))


def title_width(title: str) -> float:
    """The least width of an open box."""
    return min(words_width(title, NAME) * BOLD + 2, LONGEST_TITLE) + 36


def met(points: list[Point], start: Point, source: Shape, end: Point, target: Shape) -> list[Point]:
    """An arrow's points, from the outline of its source to that of its target."""
    first, last = points[0][1], points[-1][1]
    leaving = start[0] + source.side(first - start[1])
    arriving = end[0] - target.side(last - end[1])
    return [(leaving, first), *points, (arriving, last)]


def level_of(role: str) -> float:
    """How much an arrow wants to be level: values flow, along which a picture is read; leaves stand aside."""
    if role == "input":
        return 6.0
    return 1.0 if role == "parameter" or role == "constant" else 8.0
