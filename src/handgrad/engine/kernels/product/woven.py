"""Two phases of a stride in one: their rows are neighbours by turns, and so are written in order.

Phase by phase, each would write every second element.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from handgrad.engine.access import affine
from handgrad.engine.emit.ir import Function, Value, i64
from handgrad.engine.kernels.concatenate import FILLED
from handgrad.engine.kernels.product.contraction import LONG, Contraction
from handgrad.engine.kernels.product.emission import Emission
from handgrad.engine.kernels.product.factors import Columns, Rows
from handgrad.engine.kernels.product.microkernel import Counters, Tile
from handgrad.engine.kernels.product.plan import Plan
from handgrad.engine.kernels.product.sums import Part
from handgrad.engine.lowering import Load

if TYPE_CHECKING:
    from handgrad.engine.kernels.product.kernel import Contract
    from handgrad.engine.kernels.product.product import Piece


def are_woven(node: Contract, mine: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether a factor with zeros between its elements is read as two phases that are written together: the
    last axis is that factor's, and the other one has one along which vectors are filled.
    """
    outputs = len(node.shape)
    last, sums = outputs - 1, node.sizes[outputs:]
    is_mine = last in mine and last not in other and node.sizes[last] % 2 == 0
    fills = any(loop < outputs and loop not in mine and node.sizes[loop] >= FILLED for loop in other)
    return is_mine and fills and math.prod(sums) // 2 <= LONG


def are_neighbours(even: Piece, odd: Piece) -> bool:
    """Whether two phases have the even and the odd places along the last axis, and else the same."""
    a, b = even.contraction, odd.contraction
    if not a.sums or not b.sums or a.sums[0] != b.sums[0] or even.apart != odd.apart:
        return False
    outputs = len(even.kernel.output_space)
    last, loop = outputs - 1, a.sums[0] - 1
    places = [phase.loops[last] for phase in (even.phase, odd.phase)]
    if (
        places != [affine(first, {last: 2}) for first in (0, 1)]
        or even.phase.loops[:last] != odd.phase.loops[:last]
    ):
        return False
    is_alike = a.sizes[: loop + 1] == b.sizes[: loop + 1] and a.out[loop] == b.out[loop] == 2
    columns = (n for n in range(loop) if (a.x.strides[n] != 0) != (a.x.strides[loop] != 0))
    fills = any(a.sizes[n] >= FILLED for n in columns)
    is_apart = (a.x.strides[loop] == 0) != (a.y.strides[loop] == 0)
    return is_alike and is_apart and fills and max(a.depth, b.depth) <= LONG


def dense(c: Contraction) -> Contraction:
    """With the last axis written in order."""
    last = c.sums[0] - 1
    return dataclasses.replace(c, out=tuple(n // 2 if loop == last else n for loop, n in enumerate(c.out)))


def halved(load: Load, loop: int) -> Load:
    """A load that moves half as far along a loop."""
    strides = {k: n // 2 if k == loop else n for k, n in load.offset.strides}
    return Load(load.array, affine(load.offset.start, strides), load.gathers, load.dtype)


class Odd(Emission):
    """The odd places, which are written with the even ones."""

    def ahead(self, at: Counters, tile: Tile) -> None:
        return None


class WovenEmission(Emission):
    """The even places, and beside each tile of them that of the odd ones."""

    def __init__(self, piece: Piece, plan: Plan, sizes: dict[int, int], odd: Odd):
        super().__init__(piece, plan, sizes)
        self.odd = odd

    def scratch_bytes(self) -> int:
        return super().scratch_bytes() + self.odd.scratch_bytes()

    def begin(
        self, f: Function, pointers: dict, scratch: Value, starts: dict[int, Value], finite: Value
    ) -> None:
        super().begin(f, pointers, scratch, starts, finite)
        beside = f.offset(scratch, i64(super().scratch_bytes()), "i8")
        self.odd.begin(f, pointers, beside, starts, finite)
        self.odd_part = Part.whole(self.odd.c)

    def own(self, at: Counters) -> Counters:
        """Counters of the loops that both have."""
        return {loop: n for loop, n in at.items() if loop < self.c.sums[0]}

    def ahead(self, at: Counters, tile: Tile) -> Callable[[Value], None] | None:
        after = self.after(at, tile)
        return self.epilogue.ahead(
            {**after, self.c.down: self.f.binary("mul", after[self.c.down], i64(2))}, tile
        )

    def copy_y(self, at: Counters, part: Part) -> None:
        super().copy_y(at, part)
        self.odd.copy_y(self.own(at), self.odd_part)

    def y(self, at: Counters, part: Part, panel: Columns) -> Any:
        return super().y(at, part, panel), self.odd.y(self.own(at), self.odd_part, panel)

    def borders(self, part: Part, rows: Rows) -> dict[int, Any] | None:
        mine, others = super().borders(part, rows), self.odd.borders(self.odd_part, rows)
        if mine is None or others is None:
            return None
        return {place: (mine.get(place), others.get(place)) for place in sorted({*mine, *others})}

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
        f, c, units = self.f, self.c, panel.units
        (mine, others), (even, odd) = stretches or (None, None), y
        first = self.sums_of(at, part, panel, even, i, rows, mask, mine)
        second = self.odd.sums_of(self.own(at), self.odd_part, panel, odd, i, rows, mask, others)
        woven = []
        for r in range(0, rows * units, units):
            woven += [*first[r : r + units], *second[r : r + units]]
        row = f.binary("mul", f.binary("add", i, self.start(c.down)), i64(2))
        here = {**at, c.down: row, c.along: panel.first}
        self.epilogue.tile(here, Tile(2 * rows, units), woven, panel.count, panel.mask)
