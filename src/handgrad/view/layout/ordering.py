"""In which order the cells of each layer lie, so that few edges cross."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

from handgrad.view.layout.places import Cell, Piece

SWEEPS = 12
EFFORT = 60_000  # cells looked at; larger graphs are swept less often, but at least twice


def ordered(layers: list[list[Cell]], pieces: Sequence[Piece]) -> list[list[Cell]]:
    """Order each layer by the means of its neighbours' places, to and fro; the best order met is kept.

    Sugiyama, Tagawa & Toda 1981. Ties stay as they were, so the order that was given shows.
    """
    crossing = Crossing(layers, pieces)
    best = crossing.snapshot()
    fewest = crossing.count()
    for sweep in range(min(SWEEPS, max(EFFORT // max(len(crossing.place), 1), 2))):
        if fewest == 0:
            break
        crossing.sweep(sweep % 2 == 0)
        found = crossing.count()
        if found < fewest:
            best = crossing.snapshot()
            fewest = found
    return best


class Crossing:
    """Layers in an order, and which of their edges cross in it."""

    def __init__(self, layers: list[list[Cell]], pieces: Sequence[Piece]) -> None:
        self.layers = layers
        self.before: dict[Cell, list[Piece]] = {cell: [] for layer in layers for cell in layer}
        self.after: dict[Cell, list[Piece]] = {cell: [] for layer in layers for cell in layer}
        self.gaps: list[list[Piece]] = [[] for _ in layers]
        for piece in pieces:
            self.before[piece.b].append(piece)
            self.after[piece.a].append(piece)
            self.gaps[piece.b.layer].append(piece)
        self.as_trees()
        self.place: dict[Cell, int] = {}
        for layer in layers:
            self.put(layer)

    def put(self, layer: list[Cell]) -> None:
        for i, cell in enumerate(layer):
            self.place[cell] = i

    def as_trees(self) -> None:
        """As met on the way back from each end, inputs in their order, so that trees do not cross at all."""
        number: dict[Cell, int] = {}
        met: set[Cell] = set()
        waiting = [cell for layer in self.layers for cell in layer if len(self.after[cell]) == 0]
        waiting.reverse()
        while len(waiting) > 0:
            cell = waiting[-1]
            if cell in met:
                waiting.pop()
                if cell not in number:
                    number[cell] = len(number)
            else:
                met.add(cell)
                for piece in reversed(self.before[cell]):
                    if piece.a not in met:
                        waiting.append(piece.a)
        for layer in self.layers:
            layer.sort(key=lambda cell: number[cell])

    def snapshot(self) -> list[list[Cell]]:
        return [[*layer] for layer in self.layers]

    def sweep(self, is_forward: bool) -> None:
        for layer in self.layers if is_forward else reversed(self.layers):
            self.rearrange(layer, is_forward)

    def rearrange(self, layer: list[Cell], is_forward: bool) -> None:
        """By the means of neighbours' places; cells without neighbours stay where they are."""
        means: dict[Cell, float] = {}
        for cell in layer:
            if is_forward:
                seen = [self.place[piece.a] + piece.a.share(piece.edge) for piece in self.before[cell]]
            else:
                seen = [self.place[piece.b] + piece.b.share(piece.edge) for piece in self.after[cell]]
            if len(seen) > 0:
                means[cell] = sum(seen) / len(seen)
        places = [i for i, cell in enumerate(layer) if cell in means]
        moved = sorted([cell for cell in layer if cell in means], key=lambda cell: means[cell])
        for i, cell in zip(places, moved, strict=True):
            layer[i] = cell
        self.put(layer)

    def count(self) -> int:
        """How many pairs of edges cross: those whose ends lie in different orders."""
        count = 0
        for pieces in self.gaps:
            ends = sorted([self.ends(piece) for piece in pieces], key=lambda pair: pair)
            met: list[float] = []
            for _, end in ends:
                count += len(met) - bisect_right(met, end)
                insort(met, end)
        return count

    def ends(self, piece: Piece) -> tuple[float, float]:
        start = self.place[piece.a] + piece.a.share(piece.edge)
        return (start, self.place[piece.b] + piece.b.share(piece.edge))
