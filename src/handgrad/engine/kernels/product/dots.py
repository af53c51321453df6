"""Products of factors that both run in order along k: each element of a tile is a dot product of two rows.

C[i, j] = Σₖ A[i, k]·B[k, j], with vectors along k: nothing is copied, and nothing is wasted where the width
of the result is no multiple of a vector. In the end the lanes of each sum are added up, several sums at once.
"""

from __future__ import annotations

import itertools

from handgrad.engine.access import row_major
from handgrad.engine.emit.ir import Function, Value, i64, number
from handgrad.engine.emit.point import Point
from handgrad.engine.kernels.loop import along, nest, total
from handgrad.engine.kernels.product.product import ProductKernel, Shape, tiles


def dot_shape(rows: int, columns: int, registers: int) -> Shape:
    """The tile that takes least time; loads are as many as rows and columns, multiplications as their
    product.
    """

    def cost(shape: Shape) -> float:
        return sum(
            a.count * b.count * (max(a.size * b.size / 2, (a.size + b.size) / 2, 4) + 0.1)
            for a, b in itertools.product(tiles(rows, shape.rows), tiles(columns, shape.vectors))
        )

    shapes = [Shape(r, c) for c in range(1, 9) for r in range(1, 9) if r * c + min(r, c) + 1 <= registers]
    return min(shapes, key=lambda s: (cost(s), -s.vectors))


class DotKernel(ProductKernel):
    """A product whose second factor lies transposed."""

    def tiled(self, outer: dict, first_row: Value, rows: int, first_column: Value, columns: int) -> None:
        f = self.f
        shape = dot_shape(rows, columns, self.registers)
        with nest(f, [(d, *bounds) for d, bounds in outer.items()]) as lead:
            for across in tiles(columns, shape.vectors):
                start, step = across.start, across.size
                with f.loop(i64(start), i64(start + across.count * step), step) as j:
                    column = f.binary("add", j, first_column)
                    for down in tiles(rows, shape.rows):
                        end = down.start + down.count * down.size
                        with f.loop(i64(down.start), i64(end), down.size) as i:
                            self.dots(lead, f.binary("add", i, first_row), column, down.size, step)

    def dots(self, lead: dict[int, Value], row: Value, column: Value, rows: int, columns: int) -> None:
        """One tile."""
        f, lanes = self.f, self.lanes
        i, j = self.lead, self.lead + 1
        vector = self.type.of(lanes)
        at_a = self.start(self.A, {**lead, i: row})
        at_b = self.start(self.B, {**lead, j: column})
        sums = [[f.variable(vector) for _ in range(columns)] for _ in range(rows)]
        for place in itertools.chain(*sums):
            f.store(number(0, vector), place)

        def vectors(start: Value, k: Value, count: int, stride: int, mask: Value | None) -> list[Value]:
            pointers = [
                f.offset(f.offset(start, k, self.type.scalar), i64(n * stride), self.type.scalar)
                for n in range(count)
            ]
            return [f.masked_load(p, vector, mask) if mask else f.load(p, vector) for p in pointers]

        def body(k: Value, width: int, mask: Value | None) -> None:
            ys = vectors(at_b, k, columns, self.B.offset.stride(j), mask)
            xs = vectors(at_a, k, rows, self.A.offset.stride(i), mask)
            for x, line in zip(xs, sums, strict=True):
                for y, place in zip(ys, line, strict=True):
                    f.store(f.multiply_add(x, y, f.load(place, vector)), place)

        along(f, i64(0), i64(self.K), lanes, body)
        *outer, M, N = self.kernel.output_space
        strides = [M * N * step for step in row_major(tuple(outer))]
        plane = total(f, [(lead[d], strides[d]) for d in range(self.lead)])
        for r in range(rows):
            here = f.binary("add", row, i64(r))
            start = f.binary("add", plane, f.binary("mul", here, i64(N)))
            found = sums_of_lanes(f, [f.load(place, vector) for place in sums[r]])
            for first, dots in zip(range(0, columns, lanes), found, strict=True):
                there = f.binary("add", column, i64(first))
                (mask,) = self.masks(1, min(columns - first, lanes))
                counters = {**lead, i: here, j: there}
                point = Point(f, self.pointers, counters, j, lanes, mask, self.watching)
                point.made[self.kernel.node] = dots
                point.store_all(self.kernel.values, self.kernel.stores, f.binary("add", start, there))


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
