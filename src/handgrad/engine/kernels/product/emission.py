"""A plan as code: the loops around tiles, the panels that they read, the sums that are not finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from handgrad.engine.emit.ir import Function, Value, i64
from handgrad.engine.kernels.product.epilogue import Epilogue
from handgrad.engine.kernels.product.factors import Columns, Factors, Rows
from handgrad.engine.kernels.product.guards import Stretches, borders, restricted
from handgrad.engine.kernels.product.microkernel import Counters, Panel, Tile
from handgrad.engine.kernels.product.plan import between_borders, tiles
from handgrad.engine.kernels.product.source import as_int
from handgrad.engine.kernels.product.sums import Part, Sums
from handgrad.engine.kernels.product.unfinished import clear, elements, finish, place_of


class Emission(Factors):
    """The code of a plan, for as many turns of each loop as ``sizes`` says."""

    def memory(self) -> list[int]:
        """Bytes, in whole lines; each with room for a vector behind."""
        needed = [self.y_elements(), elements(self), self.x_elements()]
        width = self.type.bits // 8
        return [-(-(n + self.lanes) * width // 64) * 64 if n else 0 for n in needed]

    def scratch_bytes(self) -> int:
        return sum(self.memory())

    def begin(
        self, f: Function, pointers: dict, scratch: Value, starts: dict[int, Value], finite: Value
    ) -> None:
        self.f, self.pointers, self.starts = f, pointers, starts
        y, unfinished, _ = self.memory()
        self.panels_of_y = scratch
        self.unfinished = f.offset(scratch, i64(y), "i8")
        self.panels_of_x = f.offset(scratch, i64(y + unfinished), "i8")
        self.sums = Sums(f, self.c, self.plan, self.type.of(self.lanes))
        self.epilogue = Epilogue(f, self.c, self.plan.microkernel, self.piece, pointers, finite)

    def emit(
        self, f: Function, pointers: dict, scratch: Value, starts: dict[int, Value], finite: Value
    ) -> None:
        self.begin(f, pointers, scratch, starts, finite)
        with self.nest(self.c.batch) as at:
            if self.plan.cut is None:
                self.part(at, Part.whole(self.c))
            else:
                clear(self)
                with self.sums.parts() as part:
                    self.part(at, part)
                finish(self, at)

    def ahead(self, at: Counters, tile: Tile) -> Callable[[Value], None] | None:
        return self.epilogue.ahead(self.after(at, tile), tile)

    def after(self, at: Counters, tile: Tile) -> Counters:
        """Where the next tile begins: below this one, or, after the last, at the top where it goes on."""
        f, c = self.f, self.c
        row = f.binary("add", at[c.down], i64(tile.rows))
        end = f.binary("add", self.start(c.down), i64(self.sizes[c.down]))
        is_last = f.compare("icmp sge", row, end)
        loop, step = ([*c.outer_rows, *c.outer_columns] or [c.along])[-1], 1
        if c.outer_rows and not self.plan.rows_outside:
            loop = c.outer_rows[-1]
        elif tile.units < self.units:
            loop, step = c.along, tile.units * self.width
        beside = f.binary("add", at[loop], f.select(is_last, i64(step), i64(0)))
        return {**at, loop: beside, c.down: f.select(is_last, self.start(c.down), row)}

    def part(self, at: Counters, part: Part) -> None:
        """All tiles, over a part of the sums."""
        plan, c = self.plan, self.c
        if plan.packs_y and plan.is_whole_y:
            self.copy_y(at, part)
        if plan.rows_outside:
            with self.nest(c.outer_rows) as rows:
                for runs in self.blocks():
                    self.panels_of_rows({**at, **rows}, part, runs)
        else:
            self.panels_of_rows(at, part, self.runs())

    def panels_of_rows(self, at: Counters, part: Part, runs: list[Rows]) -> None:
        """The tiles of some rows, panel after panel."""
        c = self.c
        if self.plan.packs_x:
            self.copy_x(at, part, runs)
        inside = [] if self.plan.rows_outside else c.outer_rows
        with self.nest(c.outer_columns) as columns:
            for panel in self.panels():
                here = {**at, **columns}
                y = self.y(here, part, panel)
                with self.nest(inside) as rows:
                    self.tiles({**here, **rows}, part, panel, y, runs)

    def runs(self) -> list[Rows]:
        """All rows, in tiles of at most two sizes; or, of an array among zeros, of one between two at its
        borders.
        """
        c, n, most = self.c, self.sizes[self.c.down], self.plan.tile.rows
        has_borders = any(guard.strides[c.down] for guard in c.guards)
        runs = between_borders(n, most) if has_borders else tiles(n, most)
        return [Rows(i64(r.start), i64(r.start + r.count * r.size), r.size) for r in runs]

    def blocks(self) -> Iterator[list[Rows]]:
        """Rows in blocks of some tiles, in loops."""
        f = self.f
        if not self.plan.block:
            yield self.runs()
            return
        for run in self.runs():
            size = self.plan.block * run.tile
            with f.loop(run.begin, run.end, size) as begin:
                end = f.intrinsic("smin", f.binary("add", begin, i64(size)), run.end)
                yield [Rows(begin, end, run.tile)]

    def tiles(self, at: Counters, part: Part, panel: Columns, y: Any, runs: list[Rows]) -> None:
        """A panel's tiles, row after row."""
        mask = None if self.plan.packs_y or self.plan.has_panels else panel.mask
        first, *rest = runs
        if self.plan.keeps_y:
            keeping = self.y_as_it_lies(at, part, panel)._replace(kept=y)
            self.tile(at, part, panel, keeping, first.begin, first.tile, panel.mask)
            first = first._replace(begin=self.f.binary("add", first.begin, i64(first.tile)))
        for rows in (first, *rest):
            if rows.begin != rows.end:
                self.tiles_of(at, part, panel, y, rows, mask)

    def tiles_of(self, at, part, panel, y, rows, mask) -> None:
        """Tiles of one size; those at the border of an array among zeros by themselves, or, where it is not
        known which those are, the rows of all.
        """
        f, begin, borders = self.f, rows.begin, self.borders(part, rows)
        for place, stretches in (borders or {}).items():
            with f.loop(begin, i64(place), rows.tile) as i:
                self.tile(at, part, panel, y, i, rows.tile, mask)
            self.tile(at, part, panel, y, i64(place), rows.tile, mask, stretches)
            begin = i64(place + rows.tile)
        with f.loop(begin, rows.end, rows.tile) as i:
            if borders is not None:
                self.tile(at, part, panel, y, i, rows.tile, mask)
                return
            with f.loop(i, f.binary("add", i, i64(rows.tile))) as row:
                self.tile(at, part, panel, y, row, 1, mask)

    def borders(self, part: Part, rows: Rows) -> dict[int, Any] | None:
        """The tiles at the border and what is inside of them; None where it is not known."""
        c = self.c
        if rows.tile == 1 or not any(guard.strides[c.down] for guard in c.guards):
            return {}
        ends = rows.begin, rows.end, self.start(c.down)
        is_elsewhere = any(c.guarded(guard) in part.at for guard in c.guards)
        if is_elsewhere or not all(end.text.lstrip("-").isdigit() for end in ends):
            return None
        places = range(as_int(rows.begin), as_int(rows.end), rows.tile)
        return borders(c, [as_int(ends[2]) + i for i in places], rows.tile)

    def tile(
        self,
        at: Counters,
        part: Part,
        panel: Columns,
        y: Any,
        i: Value,
        rows: int,
        mask: Value | None,
        stretches: Any = None,
    ) -> None:
        sums = self.sums_of(at, part, panel, y, i, rows, mask, stretches)
        if self.plan.cut is None:
            row = self.f.binary("add", i, self.start(self.c.down))
            here = {**at, self.c.down: row, self.c.along: panel.first}
            self.epilogue.tile(here, Tile(rows, panel.units), sums, panel.count, panel.mask)

    def sums_of(
        self,
        at: Counters,
        part: Part,
        panel: Columns,
        y: Panel,
        i: Value,
        rows: int,
        mask: Value | None,
        stretches: Stretches | None,
    ) -> list[Value]:
        f, c = self.f, self.c
        row = f.binary("add", i, self.start(c.down))
        here = {**at, c.down: row, c.along: panel.first}
        tile = Tile(rows, panel.units)
        x = self.x(here, part, i, rows)
        old = place_of(self, here, i, panel) if self.plan.cut else None
        guards = tuple(g for g in c.guards if rows == 1 or not g.strides[c.down])
        spans = restricted(f, part.spans(self.plan, f), c, guards, {**here, **part.at})
        ahead = self.ahead(here, tile)
        return self.sums.of(tile, x, y, spans, mask, old, ahead, stretches or {})
