"""How a tile reads its factors: the loops around it, the panels that they lie in, and copies of those."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from handgrad.engine.emit.ir import Function, Value, i64
from handgrad.engine.kernels.product.contraction import Contraction, Factor
from handgrad.engine.kernels.product.guards import restricted
from handgrad.engine.kernels.product.microkernel import Counters, Panel
from handgrad.engine.kernels.product.plan import Plan, tiles
from handgrad.engine.kernels.product.source import Block, Size, as_int, as_value, copy, copy_pairs
from handgrad.engine.kernels.product.sums import Part

if TYPE_CHECKING:
    from handgrad.engine.kernels.product.product import Piece

STRETCH = 16  # lines of x


@dataclasses.dataclass(frozen=True)
class Columns:
    """A panel's columns: the first, how many units, how many columns that are there, and the last vector's
    mask.
    """

    first: Value
    units: int
    count: Size
    mask: Value | None


class Rows(NamedTuple):
    """Rows in tiles of one size: which of this thread's is the first, and the end."""

    begin: Value
    end: Value
    tile: int


class Factors:
    """Both factors of a plan, for as many turns of each loop as ``sizes`` says."""

    f: Function
    pointers: dict
    starts: dict[int, Value]
    panels_of_x: Value
    panels_of_y: Value

    def __init__(self, piece: Piece, plan: Plan, sizes: dict[int, int]):
        self.piece, self.plan, self.sizes = piece, plan, sizes
        c = piece.contraction
        self.c: Contraction = c.swapped() if plan.is_swapped else c
        self.lanes, self.type = piece.lanes, piece.type
        self.width = plan.microkernel.width(self.lanes)
        self.units = -(-sizes[self.c.along] // self.width)

    def turns(self, loops: list[int]) -> int:
        return math.prod(self.sizes[loop] for loop in loops)

    def padded(self, n: int) -> int:
        """In whole vectors."""
        return -(-n // self.lanes) * self.lanes

    @property
    def lines(self) -> int:
        """Lines of a panel: of a part of the sums, at most."""
        return self.plan.lines(self.c)

    def y_elements(self) -> int:
        if not self.plan.packs_y:
            return 0
        if self.plan.is_whole_y:
            columns = self.units * self.width * self.turns(self.c.outer_columns)
            return self.padded(self.lines) * columns
        return self.lines * min(self.plan.tile.units, self.units) * self.width

    def x_elements(self) -> int:
        if not self.plan.packs_x:
            return 0
        rows = self.plan.block * self.plan.tile.rows or self.turns(self.c.row_loops)
        return self.lines_of_x * rows

    @property
    def lines_of_x(self) -> int:
        """Lines that a panel of x has room for: a last one's vector must not reach into the next panel, which
        has been begun before it.
        """
        return self.lines + (self.lanes if self.is_copied_in_stretches else 0)

    @property
    def is_copied_in_stretches(self) -> bool:
        """Whether some lines of all panels of x are copied, then the next ones: those of one panel lie so far
        apart that they push each other out of the caches before the next panel reads on in them.
        """
        c = self.c
        is_across = c.x.strides[c.down] == 1 and len(c.sums) == 1 and not c.x.guards
        return is_across and not self.plan.in_pairs and self.lines > STRETCH

    def start(self, loop: int) -> Value:
        return self.starts.get(loop, i64(0))

    @contextlib.contextmanager
    def nest(self, loops: list[int]) -> Iterator[Counters]:
        with contextlib.ExitStack() as stack:
            at = {}
            for loop in loops:
                first = self.start(loop)
                end = self.f.binary("add", first, i64(self.sizes[loop]))
                at[loop] = stack.enter_context(self.f.loop(first, end))
            yield at

    def flat(self, loops: list[int], at: Counters) -> Value:
        """Which turn of those loops this is, of this thread's."""
        f, n = self.f, i64(0)
        for loop in loops:
            turn = f.binary("sub", at[loop], self.start(loop))
            n = f.binary("add", f.binary("mul", n, i64(self.sizes[loop])), turn)
        return n

    def panels(self) -> Iterator[Columns]:
        """The columns in panels, in loops; where masks cost little the last one is as the others."""
        f, width, columns = self.f, self.width, self.sizes[self.c.along]
        first, rest = self.start(self.c.along), columns % width
        for run in tiles(self.units, self.plan.tile.units):
            begin, step = run.start * width, run.size * width
            is_last = rest and run.start + run.count * run.size == self.units
            is_one = bool(is_last) and (run.count == 1 or self.lanes == 16)
            whole = run.count - (1 if is_last and not is_one else 0)
            if whole:
                with f.loop(i64(begin), i64(begin + whole * step), step) as j:
                    count, mask = self.left(j, run.size) if is_one else (step, None)
                    yield Columns(f.binary("add", j, first), run.size, count, mask)
            if whole < run.count:
                begin += whole * step
                count, mask = self.left(i64(begin), run.size)
                yield Columns(f.binary("add", i64(begin), first), run.size, columns - begin, mask)

    def left(self, j: Value, units: int) -> tuple[Value, Value]:
        """How many columns a panel has that begins at the j-th, and which lanes of its last vector."""
        f = self.f
        left = f.binary("sub", i64(self.sizes[self.c.along]), j)
        count = f.intrinsic("smin", left, i64(units * self.width))
        last = f.binary("sub", left, i64((units - 1) * self.width))
        return count, f.compare("icmp slt", f.lane_numbers(self.lanes), last)

    def address(self, factor: Factor, at: Counters) -> Value:
        f, place = self.f, i64(factor.start)
        for loop, count in at.items():
            place = f.binary("add", place, f.binary("mul", count, i64(factor.strides[loop])))
        return f.offset(self.pointers[factor.array], place, self.type.scalar, not factor.guards)

    def copy(self, block: Block, target: Value, width: int) -> None:
        vector = self.type.of(self.lanes)
        (copy_pairs if self.plan.in_pairs else copy)(self.f, block, target, width, vector)

    def lines_of(self, factor: Factor, part: Part) -> list[tuple[int, int, Size]]:
        return [(loop, factor.strides[loop], n) for loop, n in part.loops]

    def copy_x(self, at: Counters, part: Part, runs: list[Rows]) -> None:
        """Each tile's rows as a panel of their own."""
        c = self.c
        self.first_row = runs[0].begin
        with self.nest([] if self.plan.rows_outside else c.outer_rows) as outer, self.stretches(part) as some:
            for rows in runs:
                with self.f.loop(rows.begin, rows.end, rows.tile) as i:
                    row = self.f.binary("add", i, self.start(c.down))
                    here = {**at, **outer, **part.at, c.down: row}
                    lines = self.lines_of(c.x, part)
                    block = Block(self.address(c.x, here), c.x.strides[c.down], rows.tile, lines, some)
                    self.copy(block, self.panel_of_x({**at, **outer}, i), rows.tile)

    @contextlib.contextmanager
    def stretches(self, part: Part) -> Iterator[dict[int, tuple[Size, Size]]]:
        """Which lines of x are copied at once, in a loop."""
        if not self.is_copied_in_stretches:
            yield {}
            return
        ((loop, n),) = part.loops
        with self.f.loop(i64(0), as_value(n), STRETCH) as first:
            end = self.f.intrinsic("smin", self.f.binary("add", first, i64(STRETCH)), as_value(n))
            yield {loop: (first, end)}

    def panel_of_x(self, at: Counters, i: Value) -> Value:
        f, c = self.f, self.c
        row = f.binary("sub", i, self.first_row)
        if not self.plan.rows_outside:
            outer = f.binary("mul", self.flat(c.outer_rows, at), i64(self.sizes[c.down]))
            row = f.binary("add", outer, row)
        return f.offset(self.panels_of_x, f.binary("mul", row, i64(self.lines_of_x)), self.type.scalar)

    def x(self, at: Counters, part: Part, i: Value, size: int) -> Panel:
        c = self.c
        if self.plan.packs_x:
            strides = part.row_major(self.plan, size, self.f)
            return Panel(self.panel_of_x(at, i), strides, 1, False)
        x, start = c.x, self.address(c.x, {**at, **part.at})
        strides = {loop: x.strides[loop] for loop, _ in part.loops}
        ahead = self.plan.ahead and self.plan.ahead * strides[c.sums[-1]]
        step = strides[c.sums[-1]] if self.width == 1 else 1
        is_vector, is_inside = x.strides[c.along] != 0, not x.guards
        return Panel(start, strides, x.strides[c.down], is_vector, None, is_inside, ahead, step)

    def copy_y(self, at: Counters, part: Part) -> None:
        """All panels, one behind the other; where vectors run along the sum, all rows of y."""
        c = self.c
        if self.plan.microkernel.is_along_sum:
            ((inner, depth),) = part.loops
            whole = Columns(self.start(c.along), self.units, self.units, None)
            lines: list[tuple[int, int, Size]] = [(c.along, c.y.strides[c.along], self.units)]
            with self.nest(c.outer_columns) as columns:
                here = {**at, **columns, c.along: whole.first}
                block = Block(self.address(c.y, here), c.y.strides[inner], depth, lines)
                self.copy(block, self.panel_of_y(here, whole), self.padded(as_int(depth)))
            return
        with self.nest(c.outer_columns) as columns:
            for panel in self.panels():
                self.copy_panel({**at, **columns}, part, panel)

    def copy_panel(self, at: Counters, part: Part, panel: Columns) -> None:
        c = self.c
        here = {**at, **part.at, c.along: panel.first}
        spans = restricted(self.f, part.spans(self.plan, self.f), c, c.y.guards, here)
        inside = {span.loop: (span.begin, span.end) for span in spans if not span.is_whole}
        lines = self.lines_of(c.y, part)
        block = Block(self.address(c.y, here), c.y.strides[c.along], panel.count, lines, inside)
        self.copy(block, self.panel_of_y(at, panel), panel.units * self.width)

    def panel_of_y(self, at: Counters, panel: Columns) -> Value:
        f, c = self.f, self.c
        if not self.plan.is_whole_y:
            return self.panels_of_y
        outer = f.binary("mul", self.flat(c.outer_columns, at), i64(self.units * self.width))
        column = f.binary("sub", panel.first, self.start(c.along))
        lines = self.padded(self.lines) if self.width == 1 else self.lines
        place = f.binary("mul", f.binary("add", outer, column), i64(lines))
        return f.offset(self.panels_of_y, place, self.type.scalar)

    def y(self, at: Counters, part: Part, panel: Columns) -> Any:
        """A panel of y as it lies, or copied so that its lines lie one behind the other.

        Lines that are far apart fall on few of the nearest cache's, and push each other out of it.
        """
        if self.plan.has_panels:
            return self.y_packed_before(part, panel)
        if not self.plan.packs_y:
            return self.y_as_it_lies(at, part, panel)
        if not (self.plan.is_whole_y or self.plan.keeps_y):
            self.copy_panel(at, part, panel)
        if self.width == 1:
            ((inner, depth),) = part.loops
            return Panel(self.panel_of_y(at, panel), {inner: 1}, self.padded(as_int(depth)))
        strides = part.row_major(self.plan, panel.units * self.width, self.f)
        return Panel(self.panel_of_y(at, panel), strides, self.lanes)

    def y_as_it_lies(self, at: Counters, part: Part, panel: Columns) -> Panel:
        c = self.c
        here = {**at, **part.at, c.along: panel.first}
        strides = {loop: c.y.strides[loop] for loop, _ in part.loops}
        along = c.y.strides[c.along]
        step = 2 if along == 2 and self.width > 1 else 1
        apart = along if self.width == 1 else step * self.lanes
        return Panel(self.address(c.y, here), strides, apart, is_inside=not c.y.guards, step=step)

    def y_packed_before(self, part: Part, panel: Columns) -> Panel:
        """All lines of a vector of columns lie one behind the other."""
        f, ((loop, _),) = self.f, part.loops
        lines, first = self.c.sizes[loop], part.at.get(loop, i64(0))
        if self.plan.in_pairs:
            lines, first = -(-lines // 2), f.binary("lshr", first, i64(1))
        start, apart = self.address(self.c.y, {}), lines * self.lanes
        for place in (f.binary("mul", panel.first, i64(lines)), f.binary("mul", first, i64(self.lanes))):
            start = f.offset(start, place, self.type.scalar)
        return Panel(start, {loop: self.lanes}, apart)
