"""How a contraction is computed: what vectors run along, the tile, the order, copies, where sums are cut.

Nothing that a result's bits hang on is chosen by a thread's share: neither along what sums are made, nor
where they are cut.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import NamedTuple

from handgrad.engine.kernels.product.contraction import LONG, Contraction
from handgrad.engine.kernels.product.microkernel import Dots, Fma, Microkernel, Pairs, Tile
from handgrad.engine.runtime.memory import LINE

FMA, DOTS, PAIRS = Fma(), Dots(), Pairs()

WORTH_COPYING = 3  # tiles that use a panel of y
WORTH_COPYING_X = 64  # multiplications that use a line of a panel of x
WORTH_COPYING_DEEP_X = 48  # the same, of over CHAIN terms: lines push each other out of the caches
MOST_COPIED = 1 << 22  # bytes of rows of x
MOST_PAIRS = 1 << 19
NEAR = 1 << 19  # bytes that stay in a near cache
FAR = 1 << 17  # bytes that may come from beyond it
AHEAD = 32  # turns, in which what is asked for comes even from memory
CHAIN = 256  # terms of each of the sums that a long one is made of
MOST_DEPTH_OF_DOTS = 4096  # of deeper ones, the sums would lose digits
LEAST_DEPTH_OF_DOTS = 32
MANY_LANES = 2  # of a vector along the sum of one column, one of so many
A_TILE, A_COPIED_VECTOR = 24, 8  # instructions that each takes
AN_ELEMENT = 4  # that each element takes of a vector that is not copied by squares
A_TURNED_VECTOR = 12  # the same; where masks are no instructions of their own, three times as many


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


def between_borders(n: int, most: int) -> list[Run]:
    """The same, those between the first and the last of ``most``: code for three, and not for six."""
    count = -(-n // most)
    if count < 3:
        return tiles(n, most)
    left = n - (count - 2) * most
    first = (left + 1) // 2
    return [Run(0, 1, first), Run(first, count - 2, most), Run(n - left + first, 1, left - first)]


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
    keeps_y: bool = False  # the first tile of a panel copies it as it reads
    has_panels: bool = False  # y lies in panels already
    ahead: int = 0  # how many turns before it is read x is asked for
    rows_outside: bool = False  # some rows of the output are finished after the other, not panels
    block: int = 0  # how many tiles of rows, if so
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
        parts += [f"{' and '.join(copied)} copied"] * bool(copied)
        parts += ["y packed once"] * self.has_panels
        parts += [f"by blocks of {self.block} tiles" if self.block else "rows outside"] * self.rows_outside
        parts += [f"sums in parts of {self.cut.block}"] if self.cut else []
        return ", ".join(parts)


class Way(NamedTuple):
    """What vectors run along: columns, or the sum; of the contraction as it is, or with rows for columns."""

    microkernel: Microkernel
    is_swapped: bool


def planned(c: Contraction, way: Way, mine: dict[int, int], lanes: int, registers: int) -> Plan:
    """The plan for a contraction of whose loops a thread computes as many turns as ``mine`` says."""
    kernel, is_swapped = way
    in_pairs = kernel is PAIRS
    c = c.swapped() if is_swapped else c
    rows, columns = (mine.get(loop, c.sizes[loop]) for loop in (c.down, c.along))
    depth = max(float(vectors_along_sum(c, lanes) if kernel.is_along_sum else c.depth), 1.0)
    _, tile = best_tile(kernel, rows, columns, depth, lanes, registers, c.is_across)
    if kernel.is_along_sum:
        cut = cut_at(c, CHAIN * lanes, apart=True) if c.depth > MOST_DEPTH_OF_DOTS else None
        return Plan(kernel, tile, is_swapped, packs_y=c.y.strides[c.sums[-1]] != 1, cut=cut)
    all_rows = rows * math.prod(mine.get(loop, c.sizes[loop]) for loop in c.outer_rows)
    plan = Plan(kernel, tile, is_swapped, cut=cut_of(c, in_pairs, all_rows))
    return with_copies(plan, c, rows, all_rows, columns, lanes)


# What is copied, and in which order tiles are made.


def with_copies(plan: Plan, c: Contraction, rows: int, all_rows: int, columns: int, lanes: int) -> Plan:
    """The plan with what is copied, and by which blocks.

    As it lies an array is read by pieces of lines that are far apart, which come late and push each other
    out of the nearest cache. The first tile of a panel copies it on its way, so that this costs next to
    nothing; rows of x that lie across are asked for some turns ahead. Where the first factor leaves the near
    cache, blocks of its rows meet all panels in turn.
    """
    tile, in_pairs = plan.tile, plan.in_pairs
    inner = c.sums[-1] if c.sums else c.down
    units = -(-columns // lanes)
    size, lines = c.dtype.itemsize, plan.lines(c)
    bytes_of_x, bytes_of_y = all_rows * lines * size, c.turns(c.outer_columns) * units * lanes * lines * size
    uses, panels = -(-rows // tile.rows) * c.turns(c.outer_rows), -(-units // tile.units)
    in_order = c.y.strides[c.along] == 1 or columns == 1
    may_lie = in_order or c.y.strides[c.along] == 2
    is_copied = in_pairs or (uses >= WORTH_COPYING and not c.is_elementwise) or not may_lie
    packs_y = is_copied and not c.has_panels
    is_across = c.x.strides[c.down] == 1 and c.x.strides[inner] != 1
    comes_late = is_across and all_rows * c.depth * size > FAR and c.sizes[inner] > AHEAD and not c.x.guards
    is_slow = is_across and lanes * size < LINE  # vectors as long as a line wait less for them
    may_block = (packs_y or c.has_panels) and panels > 1 and not c.outer_rows and plan.cut is None
    block = 0
    if may_block and bytes_of_x > NEAR >= bytes_of_y and (is_slow or not is_across):
        block = max(NEAR // 4 // (tile.rows * lines * size), 1)
    worth = WORTH_COPYING_DEEP_X if c.depth > CHAIN else WORTH_COPYING_X
    is_worth = is_slow and panels * tile.rows * tile.units >= worth
    is_worth = is_worth and not c.x.guards
    packs_x = in_pairs or (is_worth and (block > 0 or bytes_of_x <= MOST_COPIED))
    by_rows = bool(c.outer_rows) and plan.cut is None and bytes_of_y <= NEAR and not packs_x
    return dataclasses.replace(
        plan,
        packs_x=packs_x,
        packs_y=packs_y,
        keeps_y=packs_y and in_order and not (c.outer_rows or in_pairs or block or c.x.guards),
        has_panels=c.has_panels,
        ahead=AHEAD if comes_late and not packs_x else 0,
        rows_outside=by_rows or block > 0,
        block=block,
    )


# What vectors run along, and the tile: what takes least time.


def best_way(c: Contraction, lanes: int, registers: int, in_pairs: bool) -> Way:
    """Columns, rows (with rows for columns) or the sum. Asked of a contraction that is not divided, so that
    sums are made in one way by any number of threads.
    """
    if in_pairs and not c.is_elementwise and not c.guards:
        return Way(PAIRS, False)
    if c.has_panels:
        return Way(FMA, False)
    found: list[tuple[float, Microkernel, bool]] = []
    for is_swapped in (False, True):
        one = c.swapped() if is_swapped else c
        if any(guard.strides[one.along] for guard in one.guards) or (is_swapped and c.is_elementwise):
            continue
        around = c.turns([*one.outer_rows, *one.outer_columns])
        rows, columns = one.sizes[one.down], one.sizes[one.along]
        depth = float(max(c.depth, 1))
        cost, _ = best_tile(FMA, rows, columns, depth, lanes, registers, one.is_across)
        units = -(-columns // lanes)
        if one.is_across:
            cost += rows * units * A_TURNED_VECTOR * (1 if lanes * c.dtype.itemsize == LINE else 3)
        is_copied = one.y.strides[one.along] != 1 and columns > 1
        is_fast = one.y.strides[one.along] == 2 or is_by_squares(one, lanes)
        a_vector = A_COPIED_VECTOR if is_fast else AN_ELEMENT * lanes
        copying = depth * units * c.turns(one.outer_columns) * a_vector * is_copied
        found.append((cost * around + copying, FMA, is_swapped))
        if is_for_dots(one, lanes):
            vectors = vectors_along_sum(one, lanes)
            cost, _ = best_tile(DOTS, rows, columns, float(vectors), lanes, registers)
            is_copied = one.y.strides[one.sums[-1]] != 1
            copying = vectors * columns * A_COPIED_VECTOR * is_copied
            found.append((1.05 * cost * around + copying, DOTS, is_swapped))
    _, kernel, is_swapped = min(found, key=lambda way: way[0])
    return Way(kernel, is_swapped)


def is_by_squares(c: Contraction, lanes: int) -> bool:
    """Whether y, where it is copied, is transposed in registers."""
    return bool(c.sums) and c.y.strides[c.sums[-1]] == 1 and c.sizes[c.sums[-1]] >= lanes


def vectors_along_sum(c: Contraction, lanes: int) -> int:
    """How many vectors there are along a sum, of which each turn of the outer loops begins one."""
    inner = c.sizes[c.sums[-1]]
    return c.depth // max(inner, 1) * -(-inner // lanes)


def is_for_dots(c: Contraction, lanes: int) -> bool:
    """Whether vectors may run along the sum: x lies in order along it, and y does or is copied so.

    Deeper sums are cut, as those of a filter's gradient over all images, whose one column is dout.
    """
    if not c.sums or c.is_elementwise or c.is_across:
        return False
    inner = c.sums[-1]
    if any(c.guarded(guard) == inner for guard in c.guards):
        return False
    if c.sizes[c.along] == 1 and len(c.sums) > 1 and MANY_LANES * c.sizes[inner] >= lanes:
        return c.x.strides[inner] in (1, 2) and c.y.strides[inner] == 1 and c.sizes[inner] <= CHAIN
    near = NEAR // 2 if len(c.sums) == 1 else FAR // 2  # pieces that lie apart come late from beyond it
    is_near = c.sizes[c.along] * c.depth * c.dtype.itemsize <= near
    is_long = c.sizes[inner] >= LEAST_DEPTH_OF_DOTS or (len(c.sums) > 1 and c.sizes[inner] % lanes == 0)
    fits = is_long and c.depth <= MOST_DEPTH_OF_DOTS and is_near
    return fits and c.x.strides[inner] == 1 and (c.y.strides[inner] == 1 or len(c.sums) == 1)


@functools.cache
def best_tile(
    kernel: Microkernel,
    rows: int,
    columns: int,
    turns: float,
    lanes: int,
    registers: int,
    is_across: bool = False,
) -> tuple[float, Tile]:
    """The tile that takes least time, and what it takes, in instructions; of those alike the larger one.

    A turn takes as long as its multiplications or its loads, and at least the latency of one, at two
    instructions at a time.
    """
    units = -(-columns // kernel.width(lanes))
    most_rows = min(kernel.most.rows, lanes) if is_across else kernel.most.rows
    most = Tile(min(most_rows, max(rows, 1)), min(kernel.most.units, max(units, 1)))

    def cost(tile: Tile) -> float:
        total = 0.0
        for a, b in itertools.product(tiles(rows, tile.rows), tiles(units, tile.units)):
            one = Tile(a.size, b.size)
            turn = max(one.rows * one.units, one.rows + one.units, 8)
            total += a.count * b.count * (turns * turn + A_TILE + kernel.end(one, lanes))
        return total

    every = itertools.starmap(Tile, itertools.product(range(1, most.rows + 1), range(1, most.units + 1)))
    fitting = [tile for tile in every if kernel.registers(tile) <= registers]
    best = min(fitting, key=lambda tile: (cost(tile), -tile.rows * tile.units))
    return cost(best), best


# Where sums are cut.


def cut_of(c: Contraction, in_pairs: bool, rows: int) -> Cut | None:
    """Long sums in parts of about ``CHAIN`` terms; of pairs also those whose copied rows were too many."""
    if c.depth > LONG:
        return cut_at(c, CHAIN, apart=True)
    most = max(MOST_PAIRS // (2 * max(rows, 1)), 2)
    return cut_at(c, most, apart=False) if in_pairs and c.depth > most else None


def cut_at(c: Contraction, terms: int, apart: bool) -> Cut:
    """Parts of about that many terms, in even numbers of turns."""
    inside = 1
    for place in reversed(range(len(c.sums))):
        size = c.sizes[c.sums[place]]
        if inside * size > terms or place == 0:
            break
        inside *= size
    block = evenly(c.sizes[c.sums[place]], max(terms // inside, 1))
    return Cut(place, block + block % 2 if inside == 1 else block, apart)


def evenly(n: int, most: int) -> int:
    """Turns of a block: at most so many, and fewer, but not less than half, where all are then alike."""
    return next((block for block in range(most, most // 2, -1) if n % block == 0), most)
