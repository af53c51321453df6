"""Which layer each node of a graph lies in, and the places in between that long edges go through."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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
        return self.port(edge) / self.height if self.ports else 0.0


@dataclass(eq=False)
class Wire:
    """The part of an edge that lies directly in one box, and the places that it goes through."""

    edge: int
    source: Cell
    target: Cell
    weight: float
    label: Cell | None = None
    places: list[Cell] = field(default_factory=list)

    @property
    def length(self) -> int:
        """How many layers on its target is at least."""
        return 1 if self.label is None else 2

    def pieces(self) -> Iterator[tuple[Cell, Cell, float]]:
        """From place to place, with the weight of each."""
        stops = [self.source, *self.places, self.target]
        is_long = len(self.places) >= self.length
        outer = BENT if is_long else DIRECT
        for i, (a, b) in enumerate(itertools.pairwise(stops)):
            yield a, b, self.weight * (STRAIGHT if 0 < i < len(stops) - 2 else outer)


def layered(
    members: Sequence[Cell], entries: Sequence[Cell], exits: Sequence[Cell], wires: Sequence[Wire]
) -> list[list[Cell]]:
    """All cells in layers, entries alone in the first, exits alone in the last, with places for long edges.

    Each member lies as far to the left as its sources allow, but what only leaves lead to is next to the
    first that uses it. A label is right after its edge's source.

    Raises:
        ValueError: edges go in a circle.
    """
    ends = Ends([*entries, *members, *exits], wires)
    cells = ends.sorted()
    for cell in cells:
        cell.layer = max((wire.source.layer + wire.length for wire in ends.incoming[cell]), default=0)
    _pull(cells, ends)
    first = min((cell.layer for cell in members), default=1) - (1 if entries else 0)
    last = max((cell.layer for cell in (*members, *entries)), default=0) + 1
    for port in entries:
        port.layer = first
    for port in exits:
        port.layer = last
    layers: list[list[Cell]] = [[] for _ in range(first, last + (1 if exits else 0))]
    for cell in ends.incoming:
        cell.layer -= first
        layers[cell.layer].append(cell)
    for wire in wires:
        wire.places = [Cell(layer=i) for i in range(wire.source.layer + 1, wire.target.layer)]
        if wire.label:
            wire.label.layer = wire.source.layer + 1
            wire.places[0] = wire.label
        for place in wire.places:
            place.is_place = True
            layers[place.layer].append(place)
    return layers


class Ends:
    """The wires into and out of each cell."""

    def __init__(self, cells: Sequence[Cell], wires: Sequence[Wire]) -> None:
        self.incoming: dict[Cell, list[Wire]] = {cell: [] for cell in cells}
        self.outgoing: dict[Cell, list[Wire]] = {cell: [] for cell in cells}
        for wire in wires:
            self.incoming[wire.target].append(wire)
            self.outgoing[wire.source].append(wire)

    def sorted(self) -> list[Cell]:
        """Each after its sources, else as given.

        Raises:
            ValueError: edges go in a circle.
        """
        cells = list(self.incoming)
        number = {cell: i for i, cell in enumerate(cells)}
        missing = {cell: len(wires) for cell, wires in self.incoming.items()}
        ready = [i for i, cell in enumerate(cells) if not missing[cell]]
        found = []
        while ready:
            cell = cells[heapq.heappop(ready)]
            found.append(cell)
            for wire in self.outgoing[cell]:
                missing[wire.target] -= 1
                if not missing[wire.target]:
                    heapq.heappush(ready, number[wire.target])
        if len(found) < len(cells):
            raise ValueError("these edges go in a circle, or do where each box is taken for one node")
        return found


def _pull(cells: list[Cell], ends: Ends) -> None:
    """Move leaves, and what hangs on leaves alone, to the right as far as they may."""
    is_loose: dict[Cell, bool] = {}
    for cell in cells:
        sources = [wire.source for wire in ends.incoming[cell]]
        is_loose[cell] = all(is_loose[source] and len(ends.outgoing[source]) == 1 for source in sources)
    for cell in reversed(cells):
        if is_loose[cell] and ends.outgoing[cell]:
            cell.layer = min(wire.target.layer - wire.length for wire in ends.outgoing[cell])
