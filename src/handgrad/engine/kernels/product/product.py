"""Matrix products: tiles of the result held in registers, and what follows applied to them there.

C[i, j] = Σₖ A[i, k]·B[k, j]. A tile is some rows by some vectors; for each k the vectors of B are loaded, and
each row's element of A is multiplied into all of them. B's rows lie in order along j; A is read element by
element, so it may lie in any order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator

from handgrad.engine.access import row_major
from handgrad.engine.emit.arithmetic import memory_type, type_of
from handgrad.engine.emit.ir import Function, Value, i64, number
from handgrad.engine.emit.point import Point
from handgrad.engine.fusion import Kernel
from handgrad.engine.graph import Node
from handgrad.engine.kernels.loop import nest, total, transposed
from handgrad.engine.lowering import Load, loads


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


@dataclasses.dataclass(frozen=True)
class Shape:
    """The largest tile: rows by vectors."""

    rows: int
    vectors: int


@dataclasses.dataclass(frozen=True)
class Panel:
    """Some vectors of each row of B: where the first row is, how far apart rows are, and the vectors'
    masks.
    """

    start: Value
    stride: int
    masks: list[Value | None]


FAR = 1 << 19  # bytes of a factor beyond which its next panel is asked for ahead


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of the sums over k: where it begins, its length, and whether it is the first, or the last; and
    whether its sums begin anew.
    """

    start: Value
    depth: int
    begins: bool
    ends: bool
    apart: bool


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a block of the result is computed."""

    downwards: list[Run]
    shape: Shape
    packs_panels: bool
    packs_rows: bool
    early: list[int]  # parts of k before the final one, all of one length
    final: int
    apart: bool = False  # whether each part is a sum of its own, and those are added


@dataclasses.dataclass(frozen=True)
class Block:
    """The rows and columns of the result that are one thread's."""

    lead: dict[int, Value]
    first_row: Value
    rows: int
    first_column: Value
    columns: int


WORTH_PACKING = 3  # tiles that use a panel


def scratch_bytes(kernel: Kernel) -> int:
    """Memory that a thread needs beside the arrays: for a panel, for unfinished sums, and for rows of A."""
    if kernel.kind != "product":
        return 0
    return max(kernel.space[-1], 1) * MOST_VECTORS * 64 + size_of_sums(kernel.space) + SIZE_OF_ROWS


def size_of_sums(space: tuple) -> int:
    """Bytes for a thread's unfinished sums; of a long product for all of them."""
    *_, M, N, K = space
    all_of_them = M * (N * 8 + 64) if K > LONG else 0  # however many lanes a vector has
    return max(SIZE_OF_SUMS, -(-all_of_them // 64) * 64)


SIZE_OF_SUMS = SIZE_OF_ROWS = 1 << 19
LONG = 1024  # terms from which on a sum is made of shorter ones, which keep their digits
CHAIN = 256  # terms of those
NEAREST = 1 << 15  # bytes of a panel that stay in the nearest cache


def depth_blocks(depth: int, vectors: int) -> list[int]:
    """k in parts, of which a panel of that many vectors stays in the nearest cache: all alike but the
    last.
    """
    most = NEAREST // (vectors * 64)
    if depth <= most * 3 // 2:
        return [depth]
    count = -(-depth // most)
    size = -(-depth // count)
    return [size] * (count - 1) + [depth - size * (count - 1)]


MOST_VECTORS = 8


def best_shape(rows: int, vectors: int, registers: int) -> Shape:
    """The tile that wastes least of a product of ``rows`` by ``vectors``.

    A turn of the inner loop takes as long as its multiplications (two at a time) or its loads (two at a
    time), and at least the latency of one; each tile costs something to begin and to end.
    """

    def cost(shape: Shape) -> float:
        total = 0.0
        for a, b in itertools.product(tiles(rows, shape.rows), tiles(vectors, shape.vectors)):
            turn = max(a.size * b.size / 2, (a.size + b.size) / 2, 4)
            total += a.count * b.count * (turn + 0.1)
        return total

    shapes = [
        Shape(r, v)
        for v in range(1, MOST_VECTORS + 1)
        for r in range(1, 31)
        if r * v + v + (r > 1 and v > 1) <= registers - 1
    ]
    return min(shapes, key=lambda s: (cost(s), -s.rows * s.vectors))


class ProductKernel:
    def __init__(
        self,
        f: Function,
        kernel: Kernel,
        pointers: dict[Node, Value],
        vector_bytes: int,
        registers: int,
        scratch: Value,
    ):
        self.scratch = scratch
        self.f = f
        self.kernel = kernel
        self.pointers = pointers
        self.registers = registers
        self.type = type_of(kernel.node.dtype)
        self.lanes = vector_bytes // (self.type.bits // 8)
        *lead, self.M, self.N, self.K = kernel.space
        self.lead = len(lead)
        self.unfinished = f.offset(scratch, i64(max(self.K, 1) * MOST_VECTORS * 64), "i8")
        self.packed_rows = f.offset(self.unfinished, i64(size_of_sums(kernel.space)), "i8")
        assert kernel.operands is not None
        self.A, self.B = kernel.operands
        self.is_far = self.N * self.K * self.type.bits // 8 > FAR
        self.late = [e for e in loads([e for _, e in kernel.values]) if not e.looks]

    def emit(self, slices: list[tuple[int, int]], tid: Value, watching: Value) -> None:
        """The whole product, or the slice of it that is this thread's."""
        f = self.f
        self.watching = watching
        space = self.kernel.output_space
        if 0 in space:
            return
        partition = self.kernel.partition
        if partition is None:
            outer = {d: (i64(0), i64(n)) for d, n in enumerate(space[: self.lead])}
            self.tiled(outer, i64(0), self.M, i64(0), self.N)
            return
        for size in dict.fromkeys(stop - start for start, stop in slices if stop > start):
            mine = [t for t, (start, stop) in enumerate(slices) if stop - start == size]
            same = [f.compare("icmp eq", tid, i64(t)) for t in mine]
            is_mine = same[0]
            for other in same[1:]:
                is_mine = f.binary("or", is_mine, other)
            with f.when(is_mine):
                start = f.binary("mul", tid, i64(slices[0][1]))
                self.slice(partition, start, size)

    def slice(self, partition: int, start: Value, size: int) -> None:
        outer = {d: (i64(0), i64(n)) for d, n in enumerate(self.kernel.output_space[: self.lead])}
        if partition < self.lead:
            outer[partition] = (start, self.f.binary("add", start, i64(size)))
            self.tiled(outer, i64(0), self.M, i64(0), self.N)
        elif partition == self.lead:
            self.tiled(outer, start, size, i64(0), self.N)
        else:
            self.tiled(outer, i64(0), self.M, start, size)

    def tiled(self, outer: dict, first_row: Value, rows: int, first_column: Value, columns: int) -> None:
        """Tiles over the rows and columns that are asked for, k in parts that stay in the nearest cache."""
        f = self.f
        shape = best_shape(rows, -(-columns // self.lanes), self.registers)
        plan = self.planned(rows, columns, shape)
        with nest(f, [(d, *bounds) for d, bounds in outer.items()]) as lead:
            block = Block(lead, first_row, rows, first_column, columns)
            if plan.early:
                self.clear(rows * -(-columns // self.lanes))
                with f.loop(i64(0), i64(len(plan.early))) as turn:
                    start = f.binary("mul", turn, i64(plan.early[0]))
                    self.part(block, plan, Part(start, plan.early[0], False, False, plan.apart))
            start = i64(sum(plan.early))
            self.part(block, plan, Part(start, plan.final, not plan.early, True, plan.apart))

    def planned(self, rows: int, columns: int, shape: Shape) -> Plan:
        """What is copied, and in how many parts k is walked."""
        downwards = tiles(rows, shape.rows)
        vectors = -(-columns // self.lanes)
        i, j, k = (self.lead + n for n in range(3))
        packs_panels = sum(down.count for down in downwards) >= WORTH_PACKING or self.B.offset.stride(j) != 1
        depths, apart = [self.K], self.K > LONG
        if apart:  # alike for any number of threads, so that the bits are
            depths = [CHAIN] * ((self.K - 1) // CHAIN)
            depths.append(self.K - sum(depths))
        elif packs_panels and rows * vectors * 64 <= SIZE_OF_SUMS:
            depths = depth_blocks(self.K, min(shape.vectors, vectors))
        packs_rows = (
            self.A.offset.stride(i) == 1
            and self.A.offset.stride(k) != 1
            and -(-vectors // shape.vectors) >= WORTH_PACKING
            and rows * depths[0] * self.type.bits // 8 <= SIZE_OF_ROWS
        )
        return Plan(downwards, shape, packs_panels, packs_rows, depths[:-1], depths[-1], apart)

    def part(self, block: Block, plan: Plan, part: Part) -> None:
        """All tiles of a block, over a part of k."""
        f = self.f
        lead = block.lead
        if plan.packs_rows:
            for down in plan.downwards:
                with f.loop(i64(down.start), i64(down.start + down.count * down.size), down.size) as i:
                    self.pack_rows(lead, f.binary("add", i, block.first_row), i, down.size, part)
        vectors = -(-block.columns // self.lanes)
        for across, last, j in self.panels(vectors, block.columns, plan.shape, block.first_column):
            panel = self.panel(lead, j, across, last, plan.packs_panels, part)
            done = f.binary("mul", f.binary("sub", j, block.first_column), i64(block.rows))
            for down in plan.downwards:
                with f.loop(i64(down.start), i64(down.start + down.count * down.size), down.size) as i:
                    row = f.binary("add", i, block.first_row)
                    place = f.binary("add", done, f.binary("mul", i, i64(across * self.lanes)))
                    unfinished = f.offset(self.unfinished, place, self.type.scalar)
                    source = self.rows(lead, row, i, down.size, plan, part)
                    self.tile(block, row, j, down.size, across, last, panel, source, part, unfinished)

    def rows(
        self, lead: dict[int, Value], row: Value, i: Value, size: int, plan: Plan, part: Part
    ) -> tuple[Value, int, int]:
        """Where a tile's rows of A begin, how far apart they are, and their elements."""
        if plan.packs_rows:
            place = self.f.binary("mul", i, i64(part.depth))
            return self.f.offset(self.packed_rows, place, self.type.scalar), 1, size
        start = self.start(self.A, {**lead, self.lead: row, self.lead + 2: part.start})
        return start, self.A.offset.stride(self.lead), self.A.offset.stride(self.lead + 2)

    def pack_rows(self, lead: dict[int, Value], row: Value, i: Value, size: int, part: Part) -> None:
        """A tile's elements of A, which lie in order along i, copied so that k follows k."""
        f, lanes = self.f, self.lanes
        start = self.start(self.A, {**lead, self.lead: row, self.lead + 2: part.start})
        target = f.offset(self.packed_rows, f.binary("mul", i, i64(part.depth)), self.type.scalar)
        with f.loop(i64(0), i64(part.depth)) as depth:
            source = f.offset(
                start, f.binary("mul", depth, i64(self.A.offset.stride(self.lead + 2))), self.type.scalar
            )
            here = f.offset(target, f.binary("mul", depth, i64(size)), self.type.scalar)
            for first in range(0, size, lanes):
                count = min(lanes, size - first)
                mask = f.compare("icmp slt", f.lane_numbers(lanes), i64(count))
                pointers = [f.offset(p, i64(first), self.type.scalar) for p in (source, here)]
                f.masked_store(f.masked_load(pointers[0], self.type.of(lanes), mask), pointers[1], mask)

    def panels(
        self, vectors: int, columns: int, shape: Shape, first: Value
    ) -> Iterator[tuple[int, int, Value]]:
        """Panels of columns: how many vectors each has, the lanes of its last one, and where it begins."""
        f = self.f
        rest = columns % self.lanes
        for run in tiles(vectors, shape.vectors):
            ends_here = run.start + run.count * run.size == vectors
            whole = run.count - (1 if rest and ends_here else 0)
            if whole:
                begin, step = run.start * self.lanes, run.size * self.lanes
                with f.loop(i64(begin), i64(begin + whole * step), step) as j:
                    yield run.size, self.lanes, f.binary("add", j, first)
            if whole < run.count:
                begin = (run.start + whole * run.size) * self.lanes
                yield run.size, rest, f.binary("add", i64(begin), first)

    def masks(self, vectors: int, last: int) -> list[Value | None]:
        """What lets through the lanes of each vector: all, but for the last one's."""
        f, lanes = self.f, self.lanes
        mask = f.compare("icmp slt", f.lane_numbers(lanes), i64(last)) if last < lanes else None
        return [mask if v == vectors - 1 else None for v in range(vectors)]

    def clear(self, vectors: int) -> None:
        """Unfinished sums begin at 0."""
        f, vector = self.f, self.type.of(self.lanes)
        with f.loop(i64(0), i64(vectors * self.lanes), self.lanes) as n:
            f.store(number(0, vector), f.offset(self.unfinished, n, self.type.scalar))

    def panel(
        self, lead: dict[int, Value], column: Value, vectors: int, last: int, packs: bool, part: Part
    ) -> Panel:
        """A panel of B as it lies, or copied so that its rows lie one behind the other.

        Rows that are far apart fall on few lines of the nearest cache and push each other out of it.
        """
        f, j, k = self.f, self.lead + 1, self.lead + 2
        start = self.start(self.B, {**lead, j: column, k: part.start})
        stride = self.B.offset.stride(k)
        masks = self.masks(vectors, last)
        width = vectors * self.lanes
        vector = self.type.of(self.lanes)
        if self.B.offset.stride(j) != 1:
            self.turn(start, vectors, last, part.depth)
            return Panel(self.scratch, width, [None] * vectors)
        if not packs or stride == width:
            return Panel(start, stride, masks)
        with f.loop(i64(0), i64(part.depth)) as depth:
            source = f.offset(start, f.binary("mul", depth, i64(stride)), self.type.scalar)
            target = f.offset(self.scratch, f.binary("mul", depth, i64(width)), self.type.scalar)
            for v, mask in enumerate(masks):
                pointer = f.offset(source, i64(v * self.lanes), self.type.scalar)
                y = f.masked_load(pointer, vector, mask) if mask else f.load(pointer, vector)
                f.store(y, f.offset(target, i64(v * self.lanes), self.type.scalar))
        return Panel(self.scratch, width, [None] * vectors)

    def turn(self, start: Value, vectors: int, last: int, depth: int) -> None:
        """A panel of a factor that lies transposed, copied into rows: by square blocks where it is in
        order.
        """
        f, lanes = self.f, self.lanes
        along_j, along_k = (self.B.offset.stride(self.lead + n) for n in (1, 2))
        width, scalar = vectors * lanes, self.type.scalar
        by_blocks = along_k == 1 and lanes > 1

        def at(base: Value, column: int, depth: Value, step: int, stride: int) -> Value:
            place = f.binary("add", i64(column * stride), f.binary("mul", depth, i64(step)))
            return f.offset(base, place, scalar)

        whole = depth // lanes * lanes if by_blocks else 0
        for v in range(vectors):
            columns = last if v == vectors - 1 else lanes
            with f.loop(i64(0), i64(whole), lanes) as k:
                lines = [
                    f.load(at(start, v * lanes + c, k, along_k, along_j), self.type.of(lanes))
                    for c in range(columns)
                ]
                lines += lines[:1] * (lanes - columns)
                for n, line in enumerate(transposed(f, lines)):
                    f.store(line, at(self.scratch, v * lanes, f.binary("add", k, i64(n)), width, 1))
            with f.loop(i64(whole), i64(depth)) as k, f.loop(i64(0), i64(columns)) as c:
                column = f.binary("add", c, i64(v * lanes))
                source = f.binary(
                    "add", f.binary("mul", column, i64(along_j)), f.binary("mul", k, i64(along_k))
                )
                target = f.binary("add", column, f.binary("mul", k, i64(width)))
                x = f.load(f.offset(start, source, scalar), self.type)
                f.store(x, f.offset(self.scratch, target, scalar))

    def tile(
        self,
        block: Block,
        row: Value,
        column: Value,
        rows: int,
        vectors: int,
        last: int,
        panel: Panel,
        source: tuple[Value, int, int],
        part: Part,
        unfinished: Value,
    ) -> None:
        """One tile: its sums over k, then what is made of them, written."""
        f, lanes, lead = self.f, self.lanes, block.lead
        masks = self.masks(vectors, last)
        i, j, k = self.lead, self.lead + 1, self.lead + 2
        vector = self.type.of(lanes)
        at_a, row_step, depth_step = source
        ahead, ahead_step = None, i64(0)
        if self.is_far and self.B.offset.stride(j) == 1:
            # The first tile of a panel asks for the next panel; the others for a line that they have.
            is_first = f.compare("icmp eq", row, block.first_row)
            after = f.binary("add", column, i64(vectors * lanes))
            next_panel = self.start(self.B, {**lead, j: after, k: part.start})
            ahead = f.select(is_first, next_panel, panel.start)
            ahead_step = f.select(is_first, i64(self.B.offset.stride(k)), i64(0))
        sums = [[f.variable(vector, number(0, vector)) for _ in range(vectors)] for _ in range(rows)]
        kept = [f.offset(unfinished, i64(n * lanes), self.type.scalar) for n in range(rows * vectors)]
        for place, old in zip(itertools.chain(*sums), kept, strict=True):
            f.store(number(0, vector) if part.begins or part.apart else f.load(old, vector), place)
        with self.depths(lead, row, column, rows, vectors, part) as depth:
            b = f.offset(panel.start, f.binary("mul", depth, i64(panel.stride)), self.type.scalar)
            if ahead is not None:
                line = f.offset(ahead, f.binary("mul", depth, ahead_step), self.type.scalar)
                for v in range(vectors):
                    f.prefetch(f.offset(line, i64(v * lanes), self.type.scalar), 2)
            ys = []
            for v in range(vectors):
                pointer = f.offset(b, i64(v * lanes), self.type.scalar)
                mask = panel.masks[v]
                ys.append(f.masked_load(pointer, vector, mask) if mask else f.load(pointer, vector))
            a = f.offset(at_a, f.binary("mul", depth, i64(depth_step)), self.type.scalar)
            for r in range(rows):
                pointer = f.offset(a, i64(r * row_step), self.type.scalar)
                x = f.splat(f.load(pointer, self.type), lanes)
                for v in range(vectors):
                    f.store(self.multiply_add(x, ys[v], f.load(sums[r][v], vector)), sums[r][v])
        if part.apart and not part.begins:
            for place, old in zip(itertools.chain(*sums), kept, strict=True):
                f.store(f.binary("fadd", f.load(old, vector), f.load(place, vector)), place)
        if not part.ends:
            for place, new in zip(itertools.chain(*sums), kept, strict=True):
                f.store(f.load(place, vector), new)
            return
        *outer, M, N = self.kernel.output_space
        strides = [M * N * step for step in row_major(tuple(outer))]
        plane = total(f, [(lead[d], strides[d]) for d in range(self.lead)])
        for r in range(rows):
            here = f.binary("add", row, i64(r))
            start = f.binary("add", plane, f.binary("mul", here, i64(N)))
            for v in range(vectors):
                there = f.binary("add", column, i64(v * lanes))
                counters = {**lead, i: here, j: there}
                point = Point(f, self.pointers, counters, j, lanes, masks[v], self.watching)
                point.made[self.kernel.node] = f.load(sums[r][v], vector)
                place = f.binary("add", start, there)
                point.store_all(self.kernel.values, self.kernel.stores, place)

    def multiply_add(self, x: Value, y: Value, z: Value) -> Value:
        """x·y + z."""
        return self.f.multiply_add(x, y, z)

    @contextlib.contextmanager
    def depths(
        self, lead: dict[int, Value], row: Value, column: Value, rows: int, vectors: int, part: Part
    ) -> Iterator[Value]:
        """The loop over k. On its way it asks for what the next tile's end will read, a row at a time.

        Asked for all at once, the lines would wait for each other, and the tile for them.
        """
        f, i, j = self.f, self.lead, self.lead + 1
        wanted = [e for e in self.late if e.offset.stride(i) and e.offset.stride(j) == 1]
        share = part.depth // rows
        if not wanted or share < 4 or not part.ends:
            with f.loop(i64(0), i64(part.depth)) as depth:
                yield depth
            return
        with f.loop(i64(0), i64(rows)) as turn:
            next_row = f.binary("add", f.binary("add", row, turn), i64(rows))
            point = Point(f, self.pointers, {**lead, i: next_row, j: column}, j, self.lanes)
            for e in wanted:
                place, _ = point.address(e)
                for v in range(vectors):
                    at = f.binary("add", place, i64(v * self.lanes))
                    f.prefetch(f.offset(self.pointers[e.array], at, memory_type(e.dtype).scalar))
            begin = f.binary("mul", turn, i64(share))
            is_last = f.compare("icmp eq", turn, i64(rows - 1))
            end = f.select(is_last, i64(part.depth), f.binary("add", begin, i64(share)))
            with f.loop(begin, end) as depth:
                yield depth

    def start(self, load: Load, counters: dict[int, Value]) -> Value:
        """The address of an operand's element at these counters, the others 0."""
        parts = [(count, load.offset.stride(loop)) for loop, count in counters.items()]
        place = self.f.binary("add", total(self.f, parts), i64(load.offset.start))
        return self.f.offset(self.pointers[load.array], place, self.type.scalar)
