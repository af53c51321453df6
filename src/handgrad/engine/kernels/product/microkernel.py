"""The inner loops: how a tile's sums are made in registers from rows of x and vectors of y."""

from __future__ import annotations

import abc
import itertools
from typing import NamedTuple

from handgrad.engine.emit.ir import Function, Type, Value, i64
from handgrad.engine.emit.vectors import vector_at

Counters = dict[int, Value]


class Panel(NamedTuple):
    """Where a tile reads a factor: its first element, how far it moves in each loop that is summed, how far
    apart its rows or vectors are, and whether its elements are vectors; and where what is read is kept.
    """

    start: Value
    strides: dict[int, int]
    apart: int
    is_vector: bool = True
    kept: Panel | None = None
    is_inside: bool = True  # whether all that a turn may be asked for is in the array
    ahead: int = 0  # how far behind what a turn reads lies what it asks for
    step: int = 1  # how far apart the elements of a vector are

    def line(self, f: Function, counters: Counters, scalar: str) -> Value:
        """The address of what one turn of the sums reads."""
        place = i64(0)
        for loop, count in counters.items():
            place = f.binary("add", place, f.binary("mul", count, i64(self.strides[loop])))
        return f.offset(self.start, place, scalar, self.is_inside)

    def below(self, f: Function, row: int, scalar: str) -> Panel:
        """The panel from a row on."""
        return self._replace(start=f.offset(self.start, i64(row * self.apart), scalar, self.is_inside))


class Tile(NamedTuple):
    """Rows by units: a unit is a vector of columns, or one column where vectors run along the sum."""

    rows: int
    units: int


class Microkernel(abc.ABC):
    """How products are added up in registers."""

    unit: str  # what a tile is so and so many of, across
    most: Tile  # what it makes at once
    is_along_sum = False

    def width(self, lanes: int) -> int:
        """Columns in a unit."""
        return 1 if self.is_along_sum else lanes

    @abc.abstractmethod
    def registers(self, tile: Tile) -> int:
        """What a turn needs."""

    @abc.abstractmethod
    def end(self, tile: Tile, lanes: int) -> float:
        """Instructions that it takes to finish a tile."""

    @abc.abstractmethod
    def turn(
        self,
        f: Function,
        tile: Tile,
        x: Panel,
        y: Panel,
        at: Counters,
        sums: list[Value],
        mask: Value | None = None,
    ) -> list[Value]:
        """One more term for each sum. ``mask`` lets lanes of the last vector through."""

    def finished(self, f: Function, row: list[Value]) -> list[Value]:
        """A row's sums as vectors along the columns."""
        return row


def loaded(
    f: Function, start: Value, n: int, apart: int, step: int, vector: Type, mask: Value | None
) -> list[Value]:
    """n vectors, of the last one what its mask lets through."""
    places = [f.offset(start, i64(v * apart), vector.scalar) for v in range(n)]
    masks = [*[None] * (n - 1), mask]
    return [vector_at(f, p, step, vector, own) for p, own in zip(places, masks, strict=True)]


class Fma(Microkernel):
    """A row's element of x times each vector of y; where x depends on columns too, a vector of x times it."""

    unit, most = "vectors", Tile(16, 16)

    def registers(self, tile: Tile) -> int:
        if tile.rows == 1:
            return tile.units + 2  # y from memory
        return tile.rows * tile.units + tile.units + (tile.units > 1) + 1

    def end(self, tile: Tile, lanes: int) -> float:
        return 2 * tile.rows * tile.units

    def turn(
        self,
        f: Function,
        tile: Tile,
        x: Panel,
        y: Panel,
        at: Counters,
        sums: list[Value],
        mask: Value | None = None,
    ) -> list[Value]:
        vector = sums[0].type
        line = y.line(f, at, vector.scalar)
        ys = loaded(f, line, tile.units, y.apart, y.step, vector, mask)
        if y.kept:
            self.keep(f, y.kept.line(f, at, vector.scalar), line, ys)
        above = x.line(f, at, vector.scalar)
        for r in {0, tile.rows - 1} if x.ahead else ():
            f.prefetch(f.offset(above, i64(x.ahead + r * x.apart), vector.scalar, False), 2)
        made = []
        for r in range(tile.rows):
            place = f.offset(above, i64(r * x.apart), vector.scalar)
            if x.is_vector:
                xs = loaded(f, place, tile.units, vector.lanes, x.step, vector, mask)
            else:
                xs = [f.splat(f.load(place, vector.of(1)), vector.lanes)] * tile.units
            mine = sums[r * tile.units : (r + 1) * tile.units]
            made += [self.multiply_add(f, *three) for three in zip(xs, ys, mine, strict=True)]
        return made

    def keep(self, f: Function, target: Value, line: Value, ys: list[Value]) -> None:
        """Copy what was read, and ask for the next panel, which lies beside this one."""
        for v, y in enumerate(ys):
            f.store(y, f.offset(target, i64(v * y.lanes), y.type.scalar))
            f.prefetch(f.offset(line, i64((len(ys) + v) * y.lanes), y.type.scalar), 2)

    def multiply_add(self, f: Function, x: Value, y: Value, z: Value) -> Value:
        return f.multiply_add(x, y, z)


class Pairs(Fma):
    """The same for pairs of bfloat16, in 32 bits, of which one instruction adds both products."""

    unit = "vectors of pairs"

    def multiply_add(self, f: Function, x: Value, y: Value, z: Value) -> Value:
        return f.module.target.multiply_pairs(f, x, y, z)


class Dots(Microkernel):
    """Rows of x times rows of y, both in order along the sum; in the end the lanes of each sum are added up.

    Nothing is wasted where the columns are no multiple of a vector.
    """

    unit, most, is_along_sum = "columns", Tile(8, 8), True

    def registers(self, tile: Tile) -> int:
        return tile.rows * tile.units + tile.units + 1

    def end(self, tile: Tile, lanes: int) -> float:
        halvings = (lanes >> n for n in range(1, lanes.bit_length()))
        additions = sum(-(-tile.units * half // lanes) for half in halvings)
        return tile.rows * (3 * additions + 4)

    def turn(
        self,
        f: Function,
        tile: Tile,
        x: Panel,
        y: Panel,
        at: Counters,
        sums: list[Value],
        mask: Value | None = None,
    ) -> list[Value]:
        vector = sums[0].type

        def lines(panel: Panel, n: int) -> list[Value]:
            start = panel.line(f, at, vector.scalar)
            places = [f.offset(start, i64(r * panel.apart), vector.scalar) for r in range(n)]
            return [vector_at(f, p, panel.step, vector, mask) for p in places]

        ys, xs = lines(y, tile.units), lines(x, tile.rows)
        pairs = itertools.product(xs, ys)
        return [f.multiply_add(x, y, z) for (x, y), z in zip(pairs, sums, strict=True)]

    def finished(self, f: Function, row: list[Value]) -> list[Value]:
        return sums_of_lanes(f, row)


def sums_of_lanes(f: Function, vectors: list[Value]) -> list[Value]:
    """The sums of each vector's lanes, in order, as many in a vector as it has lanes; the rest of the last
    one's lanes mean nothing.

    Halves of two vectors are laid side by side and added, so each addition serves as many sums as it can; a
    vector that has no partner is its own.
    """
    lanes = width = vectors[0].lanes  # width: lanes that belong to one sum
    while width > 1:
        half = width // 2
        starts = range(0, 2 * lanes, width)
        low = [start + e for start in starts for e in range(half)]
        high = [start + half + e for start in starts for e in range(half)]
        vectors = [
            f.binary("fadd", f.shuffle(x, y, low), f.shuffle(x, y, high))
            for x, y in itertools.zip_longest(vectors[::2], vectors[1::2], fillvalue=vectors[-1])
        ]
        width = half
    return vectors
