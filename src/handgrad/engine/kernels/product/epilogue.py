"""What is made of a tile's sums, and written: the elementwise chain that follows a product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad.engine.costs import COSTS
from handgrad.engine.emit.arithmetic import memory_type
from handgrad.engine.emit.ir import Function, Type, Value, i64
from handgrad.engine.emit.point import Point
from handgrad.engine.kernels.nest import transposed
from handgrad.engine.kernels.product.contraction import Contraction
from handgrad.engine.kernels.product.microkernel import Counters, Microkernel, Tile
from handgrad.engine.lowering import Load, loads, walk

LARGE = 8  # operations beyond which they are written down once for all rows of a tile


def lies_as(c: Contraction, e: Load) -> bool:
    """Whether what is read lies in lines where the output does, so that each tile reads other lines."""
    outer, inner = (c.along, c.down) if c.is_across else (c.down, c.along)
    return bool(e.offset.stride(outer)) and e.offset.stride(inner) == 1


class Epilogue:
    """Values of the node that is the product itself, and of what follows it, at the product's places."""

    def __init__(
        self,
        f: Function,
        c: Contraction,
        kernel: Microkernel,
        piece: Any,
        pointers: dict,
        finite: Value,
    ):
        self.f, self.c, self.kernel, self.pointers, self.finite = f, c, kernel, pointers, finite
        self.node, self.values, self.stores = piece.kernel.node, piece.values, piece.kernel.stores
        self.vector: Type = piece.type.of(piece.lanes)
        expressions = [e for _, e in self.values]
        self.is_large = sum(COSTS.get(getattr(e, "op", ""), 1) for e in walk(expressions)) > LARGE
        self.late = [e for e in loads(expressions) if not e.gathers and lies_as(c, e)]

    def tile(
        self, at: Counters, tile: Tile, sums: list[Value], count: int | Value, mask: Value | None
    ) -> None:
        f, c = self.f, self.c
        if c.is_across:
            self.transposed_tile(at, tile, sums, count)
            return
        finished = [
            self.finished(sums[r * tile.units : (r + 1) * tile.units], mask) for r in range(tile.rows)
        ]
        rows, mask = [row for row, _ in finished], finished[0][1]
        if not self.is_large:
            for r, row in enumerate(rows):
                here = {**at, c.down: f.binary("add", at[c.down], i64(r))}
                self.row(here, c.along, row, mask)
            return
        self.kept_rows(at, c.down, c.along, rows, i64(tile.rows), mask)

    def finished(self, row: list[Value], mask: Value | None) -> tuple[list[Value], Value | None]:
        """A row's sums as vectors along the columns, and the mask of the last one."""
        f, lanes = self.f, self.vector.lanes
        if not self.kernel.is_along_sum:
            return row, mask
        rest = len(row) % lanes
        return self.kernel.finished(f, row), (
            f.compare("icmp slt", f.lane_numbers(lanes), i64(rest)) if rest else None
        )

    def transposed_tile(self, at: Counters, tile: Tile, sums: list[Value], count: int | Value) -> None:
        """The output lies in order along the tile's rows."""
        f, c, lanes = self.f, self.c, self.vector.lanes
        rows = []
        for v in range(tile.units):
            lines = sums[v :: tile.units]
            rows += [[x] for x in transposed(f, lines + lines[:1] * (lanes - tile.rows))]
        mask = None
        if tile.rows < lanes:
            mask = f.compare("icmp slt", f.lane_numbers(lanes), i64(tile.rows))
        n = count if isinstance(count, Value) else i64(count)
        self.kept_rows(at, c.along, c.down, rows, n, mask)

    def kept_rows(
        self,
        at: Counters,
        down: int,
        along: int,
        rows: list[list[Value]],
        count: Value,
        mask: Value | None,
    ) -> None:
        """Rows from memory, so that what is made of one is written down once."""
        f, size = self.f, self.vector.bits // 8 * self.vector.lanes
        units = len(rows[0])
        place = f.room(self.vector, len(rows) * units)
        for n, x in enumerate(x for row in rows for x in row):
            f.store(x, f.offset(place, i64(n * size), "i8"))
        with f.loop(i64(0), count) as r:
            start = f.offset(place, f.binary("mul", r, i64(units * size)), "i8")
            row = [f.load(f.offset(start, i64(v * size), "i8"), self.vector) for v in range(units)]
            self.row({**at, down: f.binary("add", at[down], r)}, along, row, mask)

    def row(self, at: Counters, along: int, vectors: list[Value], mask: Value | None) -> None:
        """Neighbours along a loop; ``mask`` is that of the last vector."""
        f, c = self.f, self.c
        for v, x in enumerate(vectors):
            here = {**at, along: f.binary("add", at[along], i64(v * self.vector.lanes))}
            place = self.place(here)
            own = mask if v == len(vectors) - 1 else None
            point = Point(f, self.pointers, here, along, self.vector.lanes, own, self.finite)
            point.made[self.node] = x
            point.store_all(self.values, self.stores, place, c.out[along] or 1)

    def place(self, at: Counters) -> Value:
        """Where in the output an element lies."""
        f, place = self.f, i64(self.c.start)
        for loop, n in at.items():
            place = f.binary("add", place, f.binary("mul", n, i64(self.c.out[loop])))
        return place

    def ahead(self, at: Counters, tile: Tile) -> Callable[[Value], None] | None:
        """Asks for what the end of the tile will read and write that comes next, a row at a time.

        Asked for all at once, the lines would wait for each other, and the tile for them. They are left in
        the second cache: rows far apart, as the channels of an image, may fall on few lines of the nearest.
        """
        f, c = self.f, self.c
        if self.kernel.is_along_sum:
            return None
        loop, lines, apart = c.down, tile.units, self.vector.lanes  # how many at once, how many columns apart
        if c.is_across:
            loop, lines, apart = c.along, -(-tile.units * self.vector.lanes // tile.rows), 1

        def ask(row: Value) -> None:
            first = row if loop == c.down else f.binary("mul", row, i64(lines))
            here = {**at, loop: f.binary("add", at[loop], first)}
            point = Point(f, self.pointers, here)
            stored = (node for node, _ in self.values if node in self.stores)
            places = [(e.array, point.address(e)[0], e.offset.stride(c.along), False) for e in self.late]
            places += [(node, self.place(here), c.out[c.along], True) for node in stored]
            for array, place, stride, writes in places:
                scalar = memory_type(array.dtype).scalar
                for n in range(lines):
                    there = f.binary("add", place, i64(n * apart * stride))
                    f.prefetch(f.offset(self.pointers[array], there, scalar, False), 2, writes)

        return ask
