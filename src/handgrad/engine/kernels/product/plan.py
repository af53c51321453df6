"""How a contraction is computed: what vectors run along, the tile, the order, copies, where sums are cut.

Nothing that a result's bits hang on is chosen by a thread's share: neither along what sums are made, nor
where they are cut.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

from handgrad.engine.kernels.product.contraction import Contraction
from handgrad.engine.kernels.product.microkernel import Dots, Fma, Microkernel, Pairs, Tile

WORTH_PACKING = 3  # tiles that use a panel
MOST_PACKED = 1 << 19  # bytes of rows of x that are copied
NEAR = 1 << 18  # bytes that stay in a near cache
MOST_UNITS = 8
MOST_ROWS = 30
LONG = 1024  # terms from which on a sum is made of shorter ones, which keep their digits
CHAIN = 256  # terms of those
MOST_DEPTH_OF_DOTS = 4096  # of deeper ones, the sums would lose digits
LEAST_DEPTH_OF_DOTS = 32
A_TILE, A_TURNED_VECTOR, A_COPIED_VECTOR = 12.0, 10.0, 1.5  # what these take, in multiplications of a vector


@dataclasses.dataclass(frozen=True)
class Run:
    """Tiles of one size in a row: where the first begins, how many there are, and how large they are."""

    start: int
    count: int
    size: int


def tiles(n: int, most: int) -> list[Run]:
    """n split into the fewest parts of at most ``most``, as even as can be."""
    count = -(-n // most)
    if count == 0:
        return []
    size, larger = divmod(n, count)
    runs = [Run(0, larger, size + 1), Run(larger * (size + 1), count - larger, size)]
    return [run for run in runs if run.count]


@dataclasses.dataclass(frozen=True)
class Cut:
    """Sums in parts: the loop ``sums[place]`` in blocks, those outside it in single turns.

    ``apart``: each part is a sum of its own, and those are added, which keeps their digits.
    """

    place: int
    block: int
    apart: bool


@dataclasses.dataclass(frozen=True)
class Plan:
    microkernel: Microkernel
    tile: Tile
    is_swapped: bool = False  # rows for columns
    packs_x: bool = False
    packs_y: bool = False
    rows_outside: bool = False  # rows of the output are finished one after the other, not panels
    cut: Cut | None = None

    @property
    def in_pairs(self) -> bool:
        return isinstance(self.microkernel, Pairs)

    @property
    def is_whole_y(self) -> bool:
        """Whether all panels of y are there at once."""
        return self.rows_outside or self.microkernel.is_along_sum

    def lines(self, c: Contraction) -> int:
        """Lines of a panel, at most."""
        if not c.sums:
            return 1
        sizes = [c.sizes[loop] for loop in c.sums]
        if self.cut:
            sizes[: self.cut.place + 1] = [self.cut.block]
        if self.in_pairs:
            sizes[-1] = (sizes[-1] + 1) // 2
        return math.prod(sizes)

    def describe(self) -> str:
        copied = [name for name, packs in (("x", self.packs_x), ("y", self.packs_y)) if packs]
        parts = [f"{self.tile.rows} x {self.tile.units} {self.microkernel.unit}"]
        parts += ["rows for columns"] * self.is_swapped
        parts += [f"{' and '.join(copied)} copied"] * bool(copied) + ["rows outside"] * self.rows_outside
        parts += [f"sums in parts of {self.cut.block}"] if self.cut else []
        return ", ".join(parts)


def planned(c: Contraction, mine: dict[int, int], lanes: int, registers: int, in_pairs: bool) -> Plan:
    """The plan for a contraction of whose loops a thread computes as many turns as ``mine`` says."""
    kernel, is_swapped = best_way(c, lanes, registers, in_pairs)
    c = c.swapped() if is_swapped else c
    rows, columns = (mine.get(loop, c.sizes[loop]) for loop in (c.down, c.along))
    depth = max(c.depth / (lanes if kernel.is_along_sum else 1), 1)
    _, tile = best_tile(c, rows, columns, depth, kernel, lanes, registers)
    inner = c.sums[-1] if c.sums else c.down
    if kernel.is_along_sum:
        return Plan(kernel, tile, is_swapped, packs_y=c.y.strides[inner] != 1)
    units = -(-columns // kernel.width(lanes))
    all_rows = rows * math.prod(mine.get(loop, c.sizes[loop]) for loop in c.outer_rows)
    cut = cut_of(c, in_pairs, all_rows)
    plan = Plan(kernel, tile, is_swapped, cut=cut)
    packed = all_rows * plan.lines(c) * c.dtype.itemsize
    is_across = c.x.strides[c.down] == 1 and c.x.strides[inner] != 1
    panels = -(-units // tile.units)
    packs_x = in_pairs or (is_across and panels >= WORTH_PACKING and packed <= MOST_PACKED)
    uses = -(-rows // tile.rows) * c.turns(c.outer_rows)
    packs_y = in_pairs or uses >= WORTH_PACKING or (c.y.strides[c.along] != 1 and columns > 1)
    whole = plan.lines(c) * units * lanes * c.turns(c.outer_columns) * c.dtype.itemsize
    rows_outside = bool(c.outer_rows) and cut is None and whole <= NEAR and not packs_x
    return dataclasses.replace(plan, packs_x=packs_x, packs_y=packs_y, rows_outside=rows_outside)


# What vectors run along, and the tile: what takes least time.


def best_way(c: Contraction, lanes: int, registers: int, in_pairs: bool) -> tuple[Microkernel, bool]:
    """Columns, rows (with rows for columns) or the sum; and whether rows are for columns."""
    if in_pairs:
        return Pairs(), False
    found: list[tuple[float, Microkernel, bool]] = []
    for is_swapped in (False, True):
        one = c.swapped() if is_swapped else c
        if is_swapped and (c.along in c.batch_loops or (one.is_across and c.depth > LONG)):
            continue
        around = c.turns([*one.outer_rows, *one.outer_columns])
        rows, columns = one.sizes[one.down], one.sizes[one.along]
        depth = max(c.depth, 1)
        cost, _ = best_tile(one, rows, columns, depth, Fma(), lanes, registers)
        copies = depth * -(-columns // lanes) * c.turns(one.outer_columns) * A_COPIED_VECTOR
        is_copied = one.y.strides[one.along] != 1 and columns > 1
        turning = around * rows * -(-columns // lanes) * A_TURNED_VECTOR if one.is_across else 0.0
        found.append((cost * around + copies * is_copied * 2 + turning, Fma(), is_swapped))
        if is_for_dots(one):
            cost, _ = best_tile(one, rows, columns, depth / lanes, Dots(), lanes, registers)
            is_copied = one.y.strides[one.sums[-1]] != 1
            found.append((cost * around + depth / lanes * columns * 4 * is_copied, Dots(), is_swapped))
    _, kernel, is_swapped = min(found, key=lambda way: way[0])
    return kernel, is_swapped


def is_for_dots(c: Contraction) -> bool:
    """Whether vectors may run along the sum: x lies in order along it, and y does or is copied so."""
    if not c.sums or c.along in c.batch_loops or c.is_across or c.outer_columns:
        return False
    inner = c.sums[-1]
    is_near = c.sizes[c.along] * c.depth * c.dtype.itemsize <= NEAR
    fits = c.sizes[inner] >= LEAST_DEPTH_OF_DOTS and c.depth <= MOST_DEPTH_OF_DOTS and is_near
    return fits and c.x.strides[inner] == 1 and (c.y.strides[inner] == 1 or len(c.sums) == 1)


def best_tile(
    c: Contraction, rows: int, columns: int, turns: float, kernel: Microkernel, lanes: int, registers: int
) -> tuple[float, Tile]:
    """The tile that takes least time, and what it takes; of those alike the larger one."""
    most = lanes if c.is_across else MOST_ROWS
    units = -(-columns // kernel.width(lanes))
    every = (Tile(r, u) for u in range(1, MOST_UNITS + 1) for r in range(1, most + 1))
    fitting = [tile for tile in every if kernel.registers(tile) <= registers]
    costs = ((cost_of(tile, rows, units, turns, kernel), -tile.rows * tile.units, tile) for tile in fitting)
    cost, _, tile = min(costs, key=lambda found: found[:2])
    return cost, tile


def cost_of(tile: Tile, rows: int, units: int, turns: float, kernel: Microkernel) -> float:
    """A turn takes as long as its multiplications (two at a time) or its loads (two at a time), and at least
    the latency of one; each tile costs something to begin and to end.
    """
    total = 0.0
    for a, b in itertools.product(tiles(rows, tile.rows), tiles(units, tile.units)):
        turn = max(a.size * b.size / 2, (a.size + b.size) / 2, 4)
        total += a.count * b.count * (turns * turn + A_TILE + kernel.ends * a.size * b.size)
    return total


# Where sums are cut.


def cut_of(c: Contraction, in_pairs: bool, rows: int) -> Cut | None:
    """Long sums in parts of about ``CHAIN`` terms; of pairs also those whose copied rows were too many."""
    if c.depth > LONG:
        return cut_at(c, CHAIN, apart=True)
    most = max(MOST_PACKED // (2 * max(rows, 1)), 2)
    return cut_at(c, most, apart=False) if in_pairs and c.depth > most else None


def cut_at(c: Contraction, terms: int, apart: bool) -> Cut:
    """Parts of about that many terms, in even numbers of turns."""
    inside = 1
    for place in reversed(range(len(c.sums))):
        size = c.sizes[c.sums[place]]
        if inside * size > terms or place == 0:
            break
        inside *= size
    block = max(terms // inside, 1)
    return Cut(place, block + block % 2 if inside == 1 else block, apart)
