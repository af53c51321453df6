"""Which layer each node of a graph lies in, and the places in between that long edges go through."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

STRAIGHT, DIRECT, BENT = 8, 2, 1  # how much pieces of edges want to be level: of long ones, of short ones


@dataclass(eq=False)
class Cell:
    """Something in a layer: a node, a box, a port of the box that is laid out, or a place of an edge."""

    width: float = 0.0
    height: float = 0.0
    ports: dict[int, float] = field(default_factory=dict)  # of a box: where edges meet it, from its centre
    edge: int = -1  # of a port: whose it is
    is_place: bool = False  # whether an edge goes through it
    layer: int = 0
    lane: float = 0.0  # the width of its layer
    x: float = 0.0
    y: float = 0.0

    @property
    def top(self) -> float:
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height / 2

    def port(self, edge: int) -> float:
        """Where an edge meets it, from its centre."""
        return self.ports.get(edge, 0.0)

    def share(self, edge: int) -> float:
        """The same, as a share of its height."""
        return self.port(edge) / self.height if len(self.ports) > 0 else 0.0


@dataclass(eq=False)
class Piece:
    """A part of an edge, from one layer to the next; to go on in a new row, it turns at two corners."""

    a: Cell
    b: Cell
    edge: int
    weight: float
    corners: list[Cell] = field(default_factory=list)

    @property
    def leaving(self) -> float:
        return self.a.port(self.edge)

    @property
    def arriving(self) -> float:
        return self.b.port(self.edge)


@dataclass(eq=False)
class Wire:
    """The part of an edge that lies directly in one box, and the places that it goes through."""

    edge: int
    source: Cell
    target: Cell
    weight: float
    label: Cell | None = None
    places: list[Cell] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)

    @property
    def length(self) -> int:
        """How many layers on its target is at least."""
        return 1 if self.label is None else 2

    def divide(self) -> None:
        """From place to place, each piece with its weight."""
        stops = [self.source, *self.places, self.target]
        outer = BENT if len(self.places) >= self.length else DIRECT
        last = len(stops) - 2
        for i, (a, b) in enumerate(pairwise(stops)):
            weight = self.weight * (STRAIGHT if 0 < i < last else outer)
            self.pieces.append(Piece(a, b, self.edge, weight))


def layered(
    members: Sequence[Cell], entries: Sequence[Cell], exits: Sequence[Cell], wires: Sequence[Wire]
) -> list[list[Cell]]:
    """All cells in layers, entries alone in the first, exits alone in the last, with places for long edges.

    Each member lies as far to the left as its sources allow, but what only leaves lead to is next to the
    first that uses it. A label is right after its edge's source.

    Raises:
        ValueError: edges go in a circle.
    """
    ends = Ends([*entries, *members, *exits])
    for wire in wires:
        ends.take(wire)
    cells = ends.in_order()
    for cell in cells:
        sources = [wire.source.layer + wire.length for wire in ends.incoming[cell]]
        cell.layer = max(sources, default=0)
    pull(cells, ends)
    first = min([cell.layer for cell in members], default=1) - (1 if len(entries) > 0 else 0)
    last = max([cell.layer for cell in [*members, *entries]], default=0) + 1
    for port in entries:
        port.layer = first
    for port in exits:
        port.layer = last
    layers: list[list[Cell]] = [[] for _ in range(first, last + (1 if len(exits) > 0 else 0))]
    for cell in ends.cells:
        cell.layer -= first
        layers[cell.layer].append(cell)
    for wire in wires:
        wire.places = [Cell(layer=i, is_place=True) for i in range(wire.source.layer + 1, wire.target.layer)]
        if wire.label is not None:
            wire.label.layer = wire.source.layer + 1
            wire.label.is_place = True
            wire.places[0] = wire.label
        for place in wire.places:
            layers[place.layer].append(place)
        wire.divide()
    return layers


class Ends:
    """The wires into and out of each cell."""

    def __init__(self, cells: list[Cell]) -> None:
        self.cells = cells
        self.incoming: dict[Cell, list[Wire]] = {cell: [] for cell in cells}
        self.outgoing: dict[Cell, list[Wire]] = {cell: [] for cell in cells}

    def take(self, wire: Wire) -> None:
        self.incoming[wire.target].append(wire)
        self.outgoing[wire.source].append(wire)

    def in_order(self) -> list[Cell]:
        """Each after its sources, else as given.

        Raises:
            ValueError: edges go in a circle.
        """
        number = {cell: i for i, cell in enumerate(self.cells)}
        missing = {cell: len(self.incoming[cell]) for cell in self.cells}
        ready = [i for i, cell in enumerate(self.cells) if missing[cell] == 0]
        found: list[Cell] = []
        while len(ready) > 0:
            cell = self.cells[ready.pop(0)]
            found.append(cell)
            for wire in self.outgoing[cell]:
                missing[wire.target] -= 1
                if missing[wire.target] == 0:
                    insort(ready, number[wire.target])
        if len(found) < len(self.cells):
            raise ValueError("these edges go in a circle, or do where each box is taken for one node")
        return found


def pull(cells: list[Cell], ends: Ends) -> None:
    """Move leaves, and what hangs on leaves alone, to the right as far as they may."""
    is_loose: dict[Cell, bool] = {}
    for cell in cells:
        sources = [wire.source for wire in ends.incoming[cell]]
        is_loose[cell] = all(is_loose[source] and len(ends.outgoing[source]) == 1 for source in sources)
    for cell in reversed(cells):
        targets = [wire.target.layer - wire.length for wire in ends.outgoing[cell]]
        if is_loose[cell] and len(targets) > 0:
            cell.layer = min(targets)
