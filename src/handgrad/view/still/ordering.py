"""In which order the cells of each layer lie, so that few edges cross."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

from handgrad.view.still.places import Cell

Link = tuple[Cell, Cell, float, float]
"""Neighbours in two layers, and where an edge meets each, as a share of its height from its middle."""

Neighbours = dict[Cell, list[tuple[Cell, float]]]

SWEEPS = 12
EFFORT = 60_000  # cells looked at; larger graphs are swept less often, but at least twice


def order(layers: list[list[Cell]], links: Sequence[Link]) -> None:
    """Order each layer by the means of its neighbours' places, to and fro; the best order met is kept.

    Sugiyama, Tagawa & Toda 1981. Ties stay as they were, so the order that was given shows.
    """
    before: Neighbours = {cell: [] for layer in layers for cell in layer}
    after: Neighbours = {cell: [] for cell in before}
    gaps: list[list[Link]] = [[] for _ in layers]
    for link in links:
        a, b, leaving, arriving = link
        before[b].append((a, leaving))
        after[a].append((b, arriving))
        gaps[b.layer].append(link)
    _depth_first(layers, before, after)
    place = {cell: i for layer in layers for i, cell in enumerate(layer)}
    best, fewest = [list(layer) for layer in layers], _crossings(gaps, place)
    for sweep in range(min(SWEEPS, max(EFFORT // max(len(place), 1), 2))):
        if fewest == 0:
            break
        neighbours, direction = (before, 1) if sweep % 2 == 0 else (after, -1)
        for layer in layers[::direction]:
            _sort(layer, neighbours, place)
        if (found := _crossings(gaps, place)) < fewest:
            best, fewest = [list(layer) for layer in layers], found
    layers[:] = best


def _depth_first(layers: list[list[Cell]], before: Neighbours, after: Neighbours) -> None:
    """As met on the way back from each end, inputs in their order, so that trees do not cross at all."""
    number: dict[Cell, int] = {}
    ends = [cell for layer in layers for cell in layer if not after[cell]]
    waiting = [(cell, False) for cell in reversed(ends)]
    while waiting:
        cell, is_done = waiting.pop()
        if is_done:
            number.setdefault(cell, len(number))
        elif cell not in number:
            waiting.append((cell, True))
            waiting += [(source, False) for source, _ in reversed(before[cell])]
    for layer in layers:
        layer.sort(key=number.__getitem__)


def _sort(layer: list[Cell], neighbours: Neighbours, place: dict[Cell, int]) -> None:
    """By the means of neighbours' places; cells without neighbours stay where they are."""
    means = {
        cell: sum(place[other] + share for other, share in found) / len(found)
        for cell in layer
        if (found := neighbours[cell])
    }
    moved = iter(sorted(means, key=means.__getitem__))
    layer[:] = [next(moved) if cell in means else cell for cell in layer]
    place.update((cell, i) for i, cell in enumerate(layer))


def _crossings(gaps: list[list[Link]], place: dict[Cell, int]) -> int:
    """How many pairs of edges cross: those whose ends lie in different orders."""
    count = 0
    for links in gaps:
        ends = sorted((place[a] + leaving, place[b] + arriving) for a, b, leaving, arriving in links)
        met: list[float] = []
        for _, end in ends:
            count += len(met) - bisect_right(met, end)
            insort(met, end)
    return count
