"""Layers side by side, in as many rows as the width asks for: a long graph goes on below, as text does."""

from __future__ import annotations

from dataclasses import dataclass, field

from handgrad.view.layout.heights import settle
from handgrad.view.layout.places import Cell, Piece

NARROW, WIDE = 24.0, 70.0  # between two layers
GUESS = 32.0  # the same, before heights are known
SLOPE = 0.3  # of the way that edges climb between two layers, how far these are apart
BETWEEN, TRACK = 16.0, 9.0  # around the edges that go on in the next row, and from one to the next of them
ROW, CROSS = 4.0, 1.0  # what a row costs, and each edge that is cut by its end


@dataclass(eq=False)
class Row:
    """Layers that are side by side."""

    layers: list[list[Cell]]
    pieces: list[Piece] = field(default_factory=list)  # within it
    turning: list[Piece] = field(default_factory=list)  # from it to the next
    right: float = 0.0
    top: float = 0.0
    bottom: float = 0.0

    @property
    def gutter(self) -> float:
        """The room that the edges take which go on in the next row."""
        return TRACK * (len(self.turning) + 1) if len(self.turning) > 0 else 0.0

    def settle(self) -> None:
        """Heights, and how high the row is in all."""
        settle(self.layers, self.pieces)
        self.top = min([cell.top for layer in self.layers for cell in layer], default=0.0)
        self.bottom = max([cell.bottom for layer in self.layers for cell in layer], default=0.0)

    def spread(self, left: float) -> None:
        """Put its layers side by side, further apart where edges are steep."""
        climbs: dict[Cell, float] = {}
        for piece in self.pieces:
            climb = abs(piece.a.y + piece.leaving - piece.b.y - piece.arriving)
            climbs[piece.b] = max(climbs.get(piece.b, 0.0), climb)
        start = left
        for i, layer in enumerate(self.layers):
            steepest = max([climbs.get(cell, 0.0) for cell in layer], default=0.0)
            start = self.right + min(max(SLOPE * steepest, NARROW), WIDE) if i > 0 else left
            self.right = start + max([cell.width for cell in layer], default=0.0)
            for cell in layer:
                cell.x = (start + self.right) / 2
                cell.lane = self.right - start

    def move(self, down: float) -> None:
        for layer in self.layers:
            for cell in layer:
                cell.y += down
        self.top += down
        self.bottom += down

    def turn(self, left: float) -> None:
        """Lead each edge that goes on around the right end of the row, below it, and back to the left."""
        count = len(self.turning)
        in_order = sorted(self.turning, key=lambda piece: piece.a.y + piece.leaving)
        for i, piece in enumerate(in_order):
            y = self.bottom + BETWEEN + TRACK * (count - 1 - i)
            start = Cell(x=self.right + TRACK * (count - i), y=y)
            piece.corners = [start, Cell(x=left - TRACK * (i + 1), y=y)]


def in_rows(layers: list[list[Cell]], pieces: list[Piece], room: float) -> tuple[float, float]:
    """Place all from (0, 0) on, no wider than ``room`` if that can be; the width and height that it takes."""
    guess = GUESS
    rows = arranged(layers, pieces, room, guess)
    for _ in range(2):
        widest = max([row.right + row.gutter for row in rows], default=0.0)
        if widest <= room or len(rows) == len(layers):
            break
        guess += (widest - room) / max(max([len(row.layers) for row in rows]) - 1, 1) + 1.0
        rows = arranged(layers, pieces, room, guess)
    return stacked(rows)


def arranged(layers: list[list[Cell]], pieces: list[Piece], room: float, guess: float) -> list[Row]:
    """Rows with heights of their own, each from the left on."""
    rows: list[Row] = []
    of_layer: list[Row] = []
    for start, stop in cuts(layers, pieces, room, guess):
        row = Row(layers[start:stop])
        rows.append(row)
        for _ in range(start, stop):
            of_layer.append(row)
    for piece in pieces:
        row = of_layer[piece.a.layer]
        if row is of_layer[piece.b.layer]:
            row.pieces.append(piece)
        else:
            row.turning.append(piece)
    left = max([row.gutter for row in rows], default=0.0)
    for row in rows:
        row.settle()
        row.spread(left)
    return rows


def stacked(rows: list[Row]) -> tuple[float, float]:
    """One row below the other; the width and height of all."""
    left = max([row.gutter for row in rows], default=0.0)
    width, down = 0.0, 0.0
    for row in rows:
        row.move(down - row.top)
        row.turn(left)
        width = max(width, row.right + row.gutter)
        turns = TRACK * (len(row.turning) - 1)
        down = row.bottom + (2 * BETWEEN + turns if len(row.turning) > 0 else BETWEEN)
    return (width, rows[-1].bottom if len(rows) > 0 else 0.0)


def cuts(layers: list[list[Cell]], pieces: list[Piece], room: float, guess: float) -> list[tuple[int, int]]:
    """From which layer to which each row goes: few rows, and ends that cut few edges.

    Each way to end is the best way to end before with one more row, as a paragraph is broken into lines.
    """
    count = len(layers)
    widths = [max([cell.width for cell in layer], default=0.0) for layer in layers]
    crossed = [0 for _ in range(count + 1)]
    for piece in pieces:
        crossed[piece.b.layer] += 1
    costs = [0.0]
    starts = [0]
    for stop in range(1, count + 1):
        best, chosen, width = -1.0, stop - 1, 0.0
        for start in range(stop - 1, -1, -1):
            width += widths[start] + (guess if start < stop - 1 else 0.0)
            if width > room and start < stop - 1:
                break
            end = CROSS * crossed[stop] if stop < count else 0.0
            idle = max(room - width, 0.0) / room
            cost = costs[start] + ROW + end + idle * idle + (1e6 if is_bare(widths, start, stop) else 0.0)
            if best < 0 or cost < best:
                best, chosen = cost, start
        costs.append(best)
        starts.append(chosen)
    found: list[tuple[int, int]] = []
    stop = count
    while stop > 0:
        found.append((starts[stop], stop))
        stop = starts[stop]
    found.reverse()
    return found


def is_bare(widths: list[float], start: int, stop: int) -> bool:
    """Whether a row would hold nothing but ports or places of edges."""
    return max(widths[start:stop]) == 0 and stop - start < len(widths)
