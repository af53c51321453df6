"""A recorded computation for the terminal: a tree of boxes and rules in the order of the forward."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from handgrad.view.checking import RIGHT, WRONG
from handgrad.view.equations import fan_out
from handgrad.view.graph import Array, Box, Graph, Op, Use
from handgrad.view.repeats import first_number
from handgrad.view.rounding import told
from handgrad.view.scene import clear
from handgrad.view.summary import spelled_shape, summary
from handgrad.view.svg import clean

FORWARD, BACKWARD = "38;5;33", "38;5;172"  # legible on dark and on light
BOLD, DIM = "1", "2"
VERDICTS = {RIGHT: "32", WRONG: "1;31"}
WHOLE_SUM = 72  # letters of a sum
GAP = 2  # columns between columns
LEAST = 4  # columns that are left of each
SHARES = {0: 1.8, 2: 1.0, 3: 1.0, 4: 1.2}  # of the room, where there is too little; shapes are never cut


@dataclass
class Line:
    """One line of the tree, and those below it."""

    words: str
    shape: str = ""
    value: str = ""
    gradient: str = ""
    verdict: str = ""
    look: str = ""  # of its words
    kind: str = ""  # of its verdict
    below: list[Line] = field(default_factory=list)


def tree(graph: Graph, colour: bool, width: int = 100) -> str:
    """The graph as text: what each rule made of what, its value, the gradient that came back, the verdict.

    Args:
        colour: whether to write ANSI colours.
        width: columns of the terminal; longer lines are cut.
    """
    is_open = set(clear(graph, graph.root).boxes if graph.folded else graph.boxes)
    head = Line(plain(graph.title), "", "value", "gradient", look=BOLD, below=_Lines(is_open).of(graph.root))
    rows = [("", head), *_below(head, "")]
    widths = _widths(rows, width)
    return "".join(_written(row, widths, width, colour) + "\n" for row in rows)


class _Lines:
    """Lines of what is in boxes, each leaf before the first rule that uses it."""

    def __init__(self, is_open: set[Box]):
        self.is_open = is_open
        self.met: set[Array] = set()

    def of(self, box: Box) -> list[Line]:
        found: list[Line] = []
        things: list[Op | Box] = [*box.ops, *box.boxes]
        for thing in sorted(things, key=first_number):
            if isinstance(thing, Op):
                found += self.op(thing)
            elif thing in self.is_open:
                found.append(Line(plain(thing.title), look=BOLD, below=self.of(thing)))
            else:
                found.append(closed(thing))
        return found

    def op(self, op: Op) -> Iterator[Line]:
        for use in op.inputs:
            array = use.array
            if array is not None and array.maker is None and array not in self.met:
                self.met.add(array)
                yield _valued(f"{plain(array.short_name)}: {array.role}", _shape(array), array)
        given = ", ".join(_given(use) for use in op.inputs)
        shapes = ", ".join(map(_shape, op.outputs))
        line = _valued(f"{op.name}({given})", f"-> {shapes}", *op.outputs)
        if op.verdict is not None:
            line.verdict, line.kind = plain(op.verdict.text), op.verdict.kind
        yield line


def closed(box: Box) -> Line:
    """A box in one line, with what came out of it last."""
    ops = list(box.all_ops())
    outs = ops[-1].outputs
    words = f"{plain(box.title)} ({len(ops):,} rule{'s' * (len(ops) > 1)})"
    line = _valued(words, f"-> {', '.join(map(_shape, outs))}", *outs)
    wrong = [op for op in ops if op.verdict is not None and op.verdict.kind == WRONG]
    if wrong:
        line.verdict, line.kind = f"{len(wrong):,} wrong: {wrong[0].name}", WRONG
    return line


def _valued(words: str, shape: str, *arrays: Array) -> Line:
    """A line with arrays' values and gradients, and below it the sums that these gradients are."""
    values = ", ".join(summary(array.value, is_labels=array.is_labels).text for array in arrays)
    known = any(array.grad is not None for array in arrays)
    gradients = ", ".join("–" if a.grad is None else told(a.grad, a.noise).text for a in arrays)
    sums = [Line(" ".join(total), look=BACKWARD) for a in arrays if (total := fan_out(a, WHOLE_SUM))]
    return Line(words, shape, values, gradients if known else "", below=sums)


def _given(use: Use) -> str:
    if use.array is None:
        return plain(use.literal)
    return plain(use.array.short_name if use.array.maker is None else use.array.name)


def _shape(array: Array) -> str:
    return spelled_shape(summary(array.value).shape)


def plain(words: str) -> str:
    """On one line, without what would steer the terminal."""
    return " ".join(clean(words).split())


# On the page.

Row = tuple[str, Line]
"""The strokes that lead to a line, and the line."""


def _below(line: Line, lead: str) -> Iterator[Row]:
    """The lines below a line."""
    for i, inner in enumerate(line.below):
        is_last = i == len(line.below) - 1
        yield lead + ("└ " if is_last else "├ "), inner
        yield from _below(inner, lead + ("  " if is_last else "│ "))


def _cells(row: Row) -> list[str]:
    lead, line = row
    return [lead + line.words, line.shape, line.value, line.gradient, line.verdict]


def _widths(rows: list[Row], width: int) -> list[int]:
    """Columns for words, shapes, values, gradients and verdicts: what they need, or less."""
    cells = [_cells(row) for row in rows if row[1].value]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    for _ in range(sum(widths) + GAP * (len(widths) - 1) - width):
        widest = max(SHARES, key=lambda i: widths[i] / SHARES[i])
        widths[widest] = max(widths[widest] - 1, LEAST)
    return widths


def _written(row: Row, widths: list[int], width: int, colour: bool) -> str:
    """A line in its columns; one of words alone may take the whole width."""
    lead, line = row
    words, *others = _cells(row)
    is_alone = not any(others)
    room = width if is_alone else widths[0]
    looks = ["", FORWARD, BACKWARD, VERDICTS.get(line.kind, DIM)]
    cells = [(fitted(words[len(lead) :], room - columns(lead)), line.look)]
    if not is_alone:
        cells += zip(map(fitted, others, widths[1:]), looks, strict=True)
    joined = (" " * GAP).join(_coloured(words, look if colour else "") for words, look in cells)
    return (_coloured(lead, DIM if colour else "") + joined).rstrip()


def _coloured(words: str, look: str) -> str:
    """Words in a colour, with the blanks after them left out of it."""
    bare = words.rstrip()
    return f"\x1b[{look}m{bare}\x1b[0m{words[len(bare) :]}" if look and bare else words


def columns(words: str) -> int:
    """How many columns of a terminal words take."""
    return sum(map(_column, words))


def _column(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fitted(words: str, room: int) -> str:
    """Words in so many columns: filled up with blanks, or cut with an ellipsis."""
    if columns(words) > room:
        while words and columns(words) >= room:
            words = words[:-1]
        words = words + "…" if room > 0 else ""
    return words + " " * (room - columns(words))
