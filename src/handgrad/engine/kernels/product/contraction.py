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

from handgrad.engine.access import affine, row_major
from handgrad.engine.kernels.nest import Groups, collapsed
from handgrad.engine.lowering import Load
from handgrad.engine.nodes import Node
from handgrad.once import once

NO_ROW, NO_COLUMN = -2, -1  # the loops of one turn


class Factor(NamedTuple):
    """An array, the element at which its reading starts, and how far it moves in each loop."""

    array: Any
    start: int
    strides: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Contraction:
    """out[...] = Σ x[...]·y[...].

    Args:
        sizes: of the loops.
        out: how far apart a loop's turns lie in the output; 0 of those that are summed.
        sums: the loops that are summed.
        x, y: the factors.
        dtype: of factors and output.
        has_panels: whether y lies in panels: all lines of a vector's columns, then the next columns.
    """

    sizes: tuple[int, ...]
    out: tuple[int, ...]
    sums: tuple[int, ...]
    x: Factor
    y: Factor
    dtype: np.dtype
    has_panels: bool = False

    def swapped(self) -> Contraction:
        """The same, rows for columns."""
        return dataclasses.replace(self, x=self.y, y=self.x)

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
        """The loop that a tile's rows run along."""
        return self._innermost(self.row_loops, NO_ROW)

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


def contraction(
    space: tuple[int, ...],
    outputs: int,
    operands: tuple[Load, Load],
    beside: list[Load],
    node: Node,
    apart: int | None = None,
) -> tuple[Contraction, Groups]:
    """A contraction over ``space``, whose first loops are the output's axes, in fewest loops.

    Neighbouring loops are one where both factors, the output and what is read ``beside`` them run through
    them as through one; the output is ``node``, and the loop ``apart`` begins one. Also gives the loops that
    each was made of.
    """
    steps = row_major(space[:outputs])
    written = Load(node, affine(0, dict(enumerate(steps))), (), node.dtype)
    x, y = operands
    kinds = [
        (loop < outputs, x.offset.stride(loop) != 0, y.offset.stride(loop) != 0) for loop in range(len(space))
    ]
    sizes, groups = collapsed(space, [x, y, written, *beside], apart, kinds)
    last = [members[-1][0] for members in groups]
    factors = [
        Factor(e.array, e.offset.start, (*(e.offset.stride(loop) for loop in last), 0, 0)) for e in operands
    ]
    out = tuple(steps[loop] if loop < outputs else 0 for loop in last)
    sums = tuple(g for g, loop in enumerate(last) if loop >= outputs)
    made = Contraction((*sizes, 1, 1), (*out, 0, 0), sums, factors[0], factors[1], node.dtype)
    return made, groups
