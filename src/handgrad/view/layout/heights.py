"""How high each cell of a layer lies, in a given order, so that edges are as level as can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from handgrad.view.layout.places import Cell, Piece

GAP, TIGHT = 16.0, 9.0  # between neighbours in a layer, and beside a place of an edge
TURNS = 6  # to and fro, and again as many sweeps at the end
EFFORT_OF_TURNS = 20_000  # cells moved by each turn; larger graphs get fewer
IDLE = 1e-3  # the weight of staying where one is


@dataclass(eq=False)
class Wish:
    """A height, and how much it is wanted."""

    height: float
    weight: float


@dataclass(eq=False)
class Pull:
    """A neighbour, how far from it one wants to be, and how much."""

    cell: Cell
    offset: float
    weight: float


@dataclass(eq=False)
class Block:
    """Cells that touch one another, and move as one."""

    height: float
    pool: list[Wish]
    count: int


def settle(layers: list[list[Cell]], pieces: Sequence[Piece]) -> None:
    """Give every cell its ``y``, for layers ordered from the top down.

    Each layer in turn is laid out exactly: its cells want to be level with their neighbours, at the weighted
    median of what each asks for, and keep their order and distance. That is an isotonic regression, solved by
    pooling what would overlap. Sweeps go to and fro; in the last ones nodes have both sides in view, and
    edges stay as high as they came until just before their end.
    """
    before: dict[Cell, list[Pull]] = {cell: [] for layer in layers for cell in layer}
    after: dict[Cell, list[Pull]] = {cell: [] for layer in layers for cell in layer}
    for piece in pieces:
        before[piece.b].append(Pull(piece.a, piece.leaving - piece.arriving, piece.weight))
        after[piece.a].append(Pull(piece.b, piece.arriving - piece.leaving, piece.weight))
    both: dict[Cell, list[Pull]] = {}
    for layer in layers:
        lay(layer, [[Wish(0.0, 1.0)] for _ in layer])
        for cell in layer:
            both[cell] = before[cell] if cell.is_place else [*before[cell], *after[cell]]
    turns = min(TURNS, max(EFFORT_OF_TURNS // max(len(before), 1), 1))
    for _ in range(turns):
        for layer in layers:
            lay(layer, [wishes(cell, before[cell]) for cell in layer])
        for layer in reversed(layers):
            lay(layer, [wishes(cell, after[cell]) for cell in layer])
    for turn in range(turns + 1):
        for layer in layers:
            lay(layer, [wishes(cell, before[cell] if turn == 0 else both[cell]) for cell in layer])


def wishes(cell: Cell, pulls: list[Pull]) -> list[Wish]:
    if len(pulls) == 0:
        return [Wish(cell.y, IDLE)]
    return [Wish(pull.cell.y + pull.offset, pull.weight) for pull in pulls]


def lay(layer: list[Cell], wanted: list[list[Wish]]) -> None:
    """Place a layer's cells where they want to be, or as near as the others let them."""
    offsets = offsets_of(layer)
    blocks: list[Block] = []
    for offset, given in zip(offsets, wanted, strict=True):
        pool = [Wish(wish.height - offset, wish.weight) for wish in given]
        block = Block(median(pool), pool, 1)
        while len(blocks) > 0 and blocks[-1].height > block.height:
            above = blocks.pop()
            pool = [*above.pool, *block.pool]
            block = Block(median(pool), pool, above.count + block.count)
        blocks.append(block)
    heights = [block.height for block in blocks for _ in range(block.count)]
    for cell, offset, height in zip(layer, offsets, heights, strict=True):
        cell.y = height + offset


def offsets_of(layer: list[Cell]) -> list[float]:
    """How far below the first each cell is at least."""
    found = [0.0] if len(layer) > 0 else []
    for above, below in pairwise(layer):
        gap = GAP if above.height > 0 and below.height > 0 else TIGHT
        found.append(found[-1] + above.height / 2 + gap + below.height / 2)
    return found


def median(pool: list[Wish]) -> float:
    """The height with as much weight above as below; the middle of all such heights."""
    wanted = sorted(pool, key=lambda wish: wish.height)
    half = sum([wish.weight for wish in wanted]) / 2
    weight = 0.0
    for i, wish in enumerate(wanted):
        weight += wish.weight
        if abs(weight - half) < 1e-9 * half:
            return (wish.height + wanted[i + 1].height) / 2
        if weight > half:
            return wish.height
    return wanted[-1].height
