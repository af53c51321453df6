"""Products whose factors are rounded to bfloat16, with sums in float32, on targets that have the instruction.

Neighbours along k are pairs in 32 bits; one instruction multiplies two pairs and adds both products to a sum.
So both factors are copied, rounded, in pairs; from there on a pair is what an element is to other products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from handgrad.engine.emit.ir import Function, Type, Value, i64, number
from handgrad.engine.fusion import Kernel
from handgrad.engine.kernels.product.product import (
    SIZE_OF_ROWS,
    SIZE_OF_SUMS,
    Panel,
    Part,
    Plan,
    ProductKernel,
    Shape,
    tiles,
)


def is_of_halves(kernel: Kernel) -> bool:
    """Whether a product is of float32, and its rounded rows or its unfinished sums fit the scratch memory."""
    *_, M, N, K = kernel.space
    fits = M * (K + 1) // 2 * 4 <= SIZE_OF_ROWS or M * -(-N // 16) * 64 <= SIZE_OF_SUMS
    return kernel.node.dtype == np.float32 and fits


class HalfKernel(ProductKernel):
    """A product in bfloat16. Depth is counted in pairs."""

    def planned(self, rows: int, columns: int, shape: Shape) -> Plan:
        self.is_far = False
        pairs = (self.K + 1) // 2
        count = -(-pairs * rows * 4 // SIZE_OF_ROWS)
        size = -(-pairs // count)
        early = [size] * ((pairs - 1) // size)
        return Plan(tiles(rows, shape.rows), shape, True, True, early, pairs - sum(early))

    def multiply_add(self, x: Value, y: Value, z: Value) -> Value:
        return self.f.module.target.multiply_pairs(self.f, x, y, z)

    def panel(
        self, lead: dict[int, Value], column: Value, vectors: int, last: int, packs: bool, part: Part
    ) -> Panel:
        f, lanes = self.f, self.lanes
        j, k = self.lead + 1, self.lead + 2
        for v, mask in enumerate(self.masks(vectors, last)):
            first = f.binary("add", column, i64(v * lanes))

            def line(depth: Value, first: Value = first, mask: Value | None = mask) -> Value:
                start = self.start(self.B, {**lead, j: first, k: depth})
                return line_of(f, start, self.B.offset.stride(j), lanes, mask)

            for pair, y in self.pairs(line, part):
                place = f.binary("add", f.binary("mul", pair, i64(vectors * lanes)), i64(v * lanes))
                f.store(y, f.offset(self.scratch, place, self.type.scalar))
        return Panel(self.scratch, vectors * lanes, [None] * vectors)

    def pack_rows(self, lead: dict[int, Value], row: Value, i: Value, size: int, part: Part) -> None:
        f, lanes, k = self.f, self.lanes, self.lead + 2
        target = f.offset(self.packed_rows, f.binary("mul", i, i64(part.depth)), self.type.scalar)
        for first in range(0, size, lanes):
            mask = f.compare("icmp slt", f.lane_numbers(lanes), i64(min(lanes, size - first)))
            here = f.binary("add", row, i64(first))

            def line(depth: Value, here: Value = here, mask: Value = mask) -> Value:
                start = self.start(self.A, {**lead, self.lead: here, k: depth})
                return line_of(f, start, self.A.offset.stride(self.lead), lanes, mask)

            for pair, x in self.pairs(line, part):
                place = f.binary("add", f.binary("mul", pair, i64(size)), i64(first))
                f.masked_store(x, f.offset(target, place, self.type.scalar), mask)

    def pairs(self, line: Callable[[Value], Value], part: Part) -> Iterator[tuple[Value, Value]]:
        """Each pair of lines of a part of k, rounded and interleaved; an odd last one beside zeros."""
        f = self.f
        lonely = 1 if part.ends and self.K % 2 else 0
        with f.loop(i64(0), i64(part.depth - lonely)) as pair:
            depth = f.binary("mul", f.binary("add", pair, part.start), i64(2))
            yield pair, interleaved(f, line(depth), line(f.binary("add", depth, i64(1))))
        if lonely:
            x = line(i64(self.K - 1))
            yield i64(part.depth - 1), interleaved(f, x, number(0, x.type))


def line_of(f: Function, start: Value, stride: int, lanes: int, mask: Value | None) -> Value:
    """Neighbours along a factor's rows or columns, wherever they lie; those masked out are 0."""
    vector = Type("float", lanes)
    if stride == 1:
        return f.masked_load(start, vector, mask) if mask else f.load(start, vector)
    spread = f.binary("mul", f.lane_numbers(lanes), i64(stride))
    return f.gather(f.offset(start, spread, "float"), vector, mask)


def interleaved(f: Function, x: Value, y: Value) -> Value:
    """x₀ y₀ x₁ y₁ ..., rounded to bfloat16, as so many 32 bits."""
    lanes = x.lanes
    first, second = (f.convert("fptrunc", a, "bfloat") for a in (x, y))
    both = f.shuffle(first, second, [n // 2 + lanes * (n % 2) for n in range(2 * lanes)])
    return f.put(f"bitcast {both.type} {both.text} to {x.type}", x.type)
