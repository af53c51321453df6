"""What a product is: a sum over some loops of the product of two arrays, both read at affine places.

Loops are numbered: those of the output's axes, then those that are summed, then two of one turn each, which
stand in where there is nothing to run along. Rows are the loops that the second factor does not depend on,
columns those that the first does not, batch those of both.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from handgrad.engine.access import Affine, affine
from handgrad.engine.kernels.nest import Groups, Placed, collapsed
from handgrad.engine.lowering import Load
from handgrad.once import once

FEW_ROWS = 6  # too few to keep the processor busy
MOST_TURNS = 9  # of a loop over a window
LONG = 1024  # terms from which on a sum is made of shorter ones, which keep their digits
NO_ROW, NO_COLUMN = -2, -1  # the loops of one turn


class Guard(NamedTuple):
    """A coordinate of an array among zeros: start + Σ stride·counter; what is not in range(size) is 0."""

    start: int
    strides: tuple[int, ...]
    size: int


class Factor(NamedTuple):
    """An array, the element at which its reading starts, and how far it moves in each loop; and where it
    is read beyond its border, which says nothing of more than one loop that is summed.
    """

    array: Any
    start: int
    strides: tuple[int, ...]
    guards: tuple[Guard, ...] = ()


@dataclasses.dataclass(frozen=True)
class Contraction:
    """out[...] = Σ x[...]·y[...].

    Args:
        sizes: of the loops.
        out: how far apart a loop's turns lie in the output; 0 of those that are summed.
        start: where the output begins.
        sums: the loops that are summed.
        x, y: the factors.
        dtype: of factors and output.
        has_panels: whether y lies in panels: all lines of a vector's columns, then the next columns.
    """

    sizes: tuple[int, ...]
    out: tuple[int, ...]
    start: int
    sums: tuple[int, ...]
    x: Factor
    y: Factor
    dtype: np.dtype
    has_panels: bool = False

    def swapped(self) -> Contraction:
        """The same, rows for columns."""
        return dataclasses.replace(self, x=self.y, y=self.x)

    @property
    def guards(self) -> tuple[Guard, ...]:
        return (*self.x.guards, *self.y.guards)

    def guarded(self, guard: Guard) -> int:
        """The loop whose turns it lets through or not."""
        return next((loop for loop in self.sums if guard.strides[loop]), self.sums[0])

    @property
    def loops(self) -> range:
        return range(len(self.sizes) - 2)

    @once
    def along(self) -> int:
        """The loop of vectors: of columns, or of a batch where all three arrays lie in order along it."""
        inner = [loop for loop in self.batch_loops if self.out[loop] == 1]
        if inner and self.x.strides[inner[0]] == self.y.strides[inner[0]] == 1:
            return inner[0]
        return self._innermost(self.column_loops, NO_COLUMN)

    @once
    def down(self) -> int:
        """The loop that a tile's rows run along: the innermost one, or, where that is short, the longest."""
        inner = self._innermost(self.row_loops, NO_ROW)
        if self.out[inner] <= 1 or self.sizes[inner] >= FEW_ROWS:
            return inner
        return max(self.row_loops, key=lambda loop: (self.sizes[loop], loop))

    def _innermost(self, loops: list[int], none: int) -> int:
        return min(loops, key=lambda loop: self.out[loop], default=len(self.sizes) + none)

    @property
    def row_loops(self) -> list[int]:
        return self._of(lambda x, y: x != 0 and y == 0)

    @property
    def column_loops(self) -> list[int]:
        return self._of(lambda x, y: x == 0 and y != 0)

    @property
    def batch_loops(self) -> list[int]:
        return self._of(lambda x, y: (x == 0) == (y == 0))

    def _of(self, test: Any) -> list[int]:
        kept = (loop for loop in self.loops if loop not in self.sums)
        return [loop for loop in kept if test(self.x.strides[loop], self.y.strides[loop])]

    @property
    def outer_rows(self) -> list[int]:
        return [loop for loop in self.row_loops if loop != self.down]

    @property
    def outer_columns(self) -> list[int]:
        return [loop for loop in self.column_loops if loop != self.along]

    @property
    def batch(self) -> list[int]:
        return [loop for loop in self.batch_loops if loop != self.along]

    @property
    def is_elementwise(self) -> bool:
        """Whether vectors of x are multiplied with vectors of y: channels that are each on their own."""
        return self.along in self.batch_loops

    @property
    def is_across(self) -> bool:
        """Whether the output lies in order along rows, and not along columns."""
        return self.out[self.along] > 1 and self.out[self.down] == 1

    @property
    def depth(self) -> int:
        """How many products are added up."""
        return math.prod(self.sizes[loop] for loop in self.sums)

    def turns(self, loops: list[int]) -> int:
        return math.prod(self.sizes[loop] for loop in loops)


class Inside(NamedTuple):
    """That a coordinate lies in range(size), without which an operand is 0."""

    offset: Affine
    size: int


class Operand(NamedTuple):
    load: Load
    guards: tuple[Inside, ...] = ()


def contraction(
    space: tuple[int, ...],
    outputs: int,
    operands: tuple[Operand, Operand],
    beside: list[Load],
    written: Load,
    apart: int | None = None,
) -> tuple[Contraction, Groups]:
    """A contraction over ``space``, whose first loops are the output's axes, in fewest loops.

    Neighbouring loops are one where both factors, the output and what is read ``beside`` them run through
    them as through one; the output is ``written``, and the loop ``apart`` begins one. Also gives the loops
    that each was made of.
    """
    space, operands = by_strides(space, outputs, operands)
    x, y = (operand.load for operand in operands)
    guards = [guard for operand in operands for guard in operand.guards]
    reads: list[Placed] = [x, y, written, *guards, *beside]
    kinds = [
        (loop < outputs, x.offset.stride(loop) != 0, y.offset.stride(loop) != 0) for loop in range(len(space))
    ]
    sizes, groups = collapsed(space, reads, apart, kinds)
    last = [members[-1][0] for members in groups]

    def strides(offset: Affine) -> tuple[int, ...]:
        return (*map(offset.stride, last), 0, 0)

    factors = [
        Factor(
            operand.load.array,
            operand.load.offset.start,
            strides(operand.load.offset),
            tuple(Guard(g.offset.start, strides(g.offset), g.size) for g in operand.guards),
        )
        for operand in operands
    ]
    sums = tuple(g for g, loop in enumerate(last) if loop >= outputs)
    out, start = strides(written.offset), written.offset.start
    made = Contraction((*sizes, 1, 1), out, start, sums, factors[0], factors[1], written.dtype)
    return made, groups


def by_strides(
    space: tuple[int, ...], outputs: int, operands: tuple[Operand, Operand]
) -> tuple[tuple[int, ...], tuple[Operand, Operand]]:
    """The loops that are summed in the order in which the larger array lies, so that most of them are one.

    Where a sum will be cut, windows among zeros are whole in each part.
    """
    larger = max(operands, key=lambda operand: operand.load.array.size).load.offset
    guards = [guard.offset for operand in operands for guard in operand.guards]
    is_cut = math.prod(space[outputs:]) > LONG

    def outermost_first(loop: int) -> tuple[bool, int]:
        is_window = space[loop] <= MOST_TURNS and any(guard.stride(loop) for guard in guards)
        return is_cut and is_window, -abs(larger.stride(loop))

    sums = sorted(range(outputs, len(space)), key=outermost_first)
    order = [*range(outputs), *sums]
    place = {loop: n for n, loop in enumerate(order)}

    def moved(offset: Affine) -> Affine:
        return affine(offset.start, {place[loop]: stride for loop, stride in offset.strides})

    def operand(given: Operand) -> Operand:
        load = given.load
        guards = tuple(Inside(moved(guard.offset), guard.size) for guard in given.guards)
        return Operand(Load(load.array, moved(load.offset), load.gathers, load.dtype), guards)

    x, y = map(operand, operands)
    return tuple(space[loop] for loop in order), (x, y)
