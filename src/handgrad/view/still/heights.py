"""How high each cell of a layer lies, in a given order, so that edges are as level as can be."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from handgrad.view.still.places import Cell

Link = tuple[Cell, Cell, float, float, float]
"""Neighbours in two layers, where an edge meets each from its middle, and how much it wants to be level."""

Wish = tuple[float, float]
"""A height, and how much it is wanted."""

GAP, TIGHT = 16.0, 9.0  # between neighbours in a layer, and beside a place of an edge
TURNS = 6  # to and fro, and again as many sweeps at the end
EFFORT = 20_000  # cells moved by each turn; larger graphs get fewer
IDLE = 1e-3  # the weight of staying where one is


def settle(layers: list[list[Cell]], links: Sequence[Link]) -> None:
    """Give every cell its ``y``, for layers ordered from the top down.

    Each layer in turn is laid out exactly: its cells want to be level with their neighbours, at the weighted
    median of what each asks for, and keep their order and distance. That is an isotonic regression, solved by
    pooling what would overlap. Sweeps go to and fro; in the last ones nodes have both sides in view, and
    edges stay as high as they came until just before their end.
    """
    before: dict[Cell, list[tuple[Cell, float, float]]] = {cell: [] for layer in layers for cell in layer}
    after: dict[Cell, list[tuple[Cell, float, float]]] = {cell: [] for cell in before}
    for a, b, leaving, arriving, weight in links:
        before[b].append((a, leaving - arriving, weight))
        after[a].append((b, arriving - leaving, weight))
    both = {cell: before[cell] + ([] if cell.is_place else after[cell]) for cell in before}
    for layer in layers:
        _lay(layer, [[(0.0, 1.0)] for _ in layer])
    turns = min(TURNS, max(EFFORT // max(len(before), 1), 1))
    for seen in [before, after] * turns + [before] + [both] * turns:
        for layer in layers[:: -1 if seen is after else 1]:
            _lay(layer, [_wishes(cell, seen[cell]) for cell in layer])


def _wishes(cell: Cell, neighbours: list[tuple[Cell, float, float]]) -> list[Wish]:
    return [(other.y + offset, weight) for other, offset, weight in neighbours] or [(cell.y, IDLE)]


def _lay(layer: list[Cell], wishes: list[list[Wish]]) -> None:
    """Place a layer's cells where they want to be, or as near as the others let them."""
    offsets = _offsets(layer)
    blocks: list[tuple[float, list[Wish], int]] = []  # where it is, what it wants, of how many cells
    for offset, wanted in zip(offsets, wishes, strict=True):
        pool, count = [(height - offset, weight) for height, weight in wanted], 1
        at = _median(pool)
        while blocks and blocks[-1][0] > at:
            _, others, more = blocks.pop()
            pool, count = others + pool, count + more
            at = _median(pool)
        blocks.append((at, pool, count))
    places = (at for at, _, count in blocks for _ in range(count))
    for cell, offset, at in zip(layer, offsets, places, strict=True):
        cell.y = at + offset


def _offsets(layer: list[Cell]) -> list[float]:
    """How far below the first each cell is at least."""
    found = [0.0]
    for above, below in itertools.pairwise(layer):
        gap = GAP if above.height and below.height else TIGHT
        found.append(found[-1] + above.height / 2 + gap + below.height / 2)
    return found[: len(layer)]


def _median(wishes: list[Wish]) -> float:
    """The height with as much weight above as below; the middle of all such heights."""
    wishes = sorted(wishes)
    half = sum(weight for _, weight in wishes) / 2
    weight = 0.0
    for i, (height, more) in enumerate(wishes):
        weight += more
        if abs(weight - half) < 1e-9 * half:
            return (height + wishes[i + 1][0]) / 2
        if weight > half:
            return height
    return wishes[-1][0]
