"""Elementwise chains over a space."""

from __future__ import annotations

import math
from typing import Any

from handgrad.engine.access import row_major
from handgrad.engine.emit.arithmetic import memory_type
from handgrad.engine.emit.ir import Value, i64
from handgrad.engine.emit.point import Point
from handgrad.engine.kernels.kernel import Bounds, Kernel, Site, counters
from handgrad.engine.kernels.nest import (
    along,
    collapsed,
    lanes_for,
    nest,
    over_groups,
    ranges_of,
    total,
    transposed,
    whole_blocks,
)  # fmt: skip
from handgrad.engine.lowering import Load, Lowering, loads
from handgrad.engine.nodes import Node

SOME_PAIRS = 4  # turns of a loop around one of two, along which vectors run then
ROWS_AHEAD = 2  # how far a gather asks ahead


class LoopKernel(Kernel):
    """Elementwise values over a space."""

    name = "loop"

    @property
    def has_epilogue(self) -> bool:
        return True

    @classmethod
    def of(cls, node: Node, lowering: Lowering) -> LoopKernel:
        return cls(node, node.shape, [(node, lowering.lower(node, counters(node.shape), True))])

    def may_join(self, host: Kernel) -> bool:
        return host.has_epilogue and self.space == host.output_space

    def lowered_in(self, host: Kernel, stored: set[Node]) -> list[tuple[Node, Any]]:
        here = counters(host.output_space)
        lowering = Lowering(stored, dict.fromkeys(host.makes, here))
        return [(node, lowering.lower(node, here, True)) for node in self.makes]

    def made_before(self, host: Kernel) -> set[Node]:
        return set(host.makes)

    @property
    def divisible(self) -> list[int]:
        return [i for i, n in enumerate(self.space) if n > 1]

    def emit(self, site: Site) -> None:
        LoopEmitter(site, self).emit()


class LoopEmitter:
    def __init__(self, site: Site, kernel: LoopKernel):
        self.site = site
        self.f = site.f
        self.kernel = kernel
        self.pointers = site.pointers
        expressions = kernel.expressions
        self.lanes = lanes_for(expressions, site.target.vector_bytes)
        self.sizes, self.groups = collapsed(kernel.space, loads(expressions), kernel.partition)

    def emit(self) -> None:
        f, finite = self.f, self.site.finite
        if math.prod(self.kernel.space) == 0:
            return
        values = over_groups(self.kernel.values, self.groups)
        ranges = ranges_of(f, self.sizes, self.groups, self.kernel.partition, self.site.bounds)
        outer = [(g, *ranges[g]) for g in range(len(ranges) - 1)]
        inner = len(ranges) - 1
        strides = row_major(tuple(self.sizes))
        along_source = transposed_loop(values, inner, self.lanes)
        if along_source is not None:
            self.transpose(values[0], along_source, ranges, strides)
            return
        if self.are_pairs(values):
            self.pairs(values, ranges, strides)
            return
        with nest(f, outer) as counters:
            if not ranges:
                point = Point(f, self.pointers, {}, finite=finite)
                point.store_all(values, self.kernel.stores, i64(0))
                return
            row = total(f, [(counters[g], strides[g]) for g, *_ in outer])

            def body(i: Value, lanes: int, mask: Value | None) -> None:
                point = Point(f, self.pointers, {**counters, inner: i}, inner, lanes, mask, finite)
                self.ask_ahead(values, counters, inner, i, ranges)
                place = f.binary("add", row, i)
                point.store_all(values, self.kernel.stores, place)

            along(f, *ranges[inner], self.lanes, body)

    def ask_ahead(
        self, values: list, counters: dict[int, Value], inner: int, i: Value, ranges: list[Bounds]
    ) -> None:
        """Ask for what rows further on read where their place is looked up: no processor foresees that."""
        f = self.f
        for e in loads([e for _, e in values]):
            if not e.gathers or e.offset.stride(inner) != 1 or not counters:
                continue
            outer = max(counters)
            last = f.binary("sub", ranges[outer][1], i64(1))
            ahead = f.intrinsic("smin", f.binary("add", counters[outer], i64(ROWS_AHEAD)), last)
            point = Point(f, self.pointers, {**counters, outer: ahead, inner: i}, inner, 1)
            place, _ = point.address(e)
            if place.lanes == 1:
                f.prefetch(f.offset(self.pointers[e.array], place, memory_type(e.dtype).scalar), 2)

    def are_pairs(self, values: list) -> bool:
        """Whether the innermost loop has two turns, and vectors run better along the one around it."""
        if self.sizes[-1:] != [2] or len(self.sizes) < 2 or self.lanes == 1:
            return False
        around = len(self.sizes) - 2
        is_whole = self.kernel.partition not in dict(self.groups[-1] + self.groups[-2])
        has_gathers = any(e.gathers for e in loads([e for _, e in values]))
        return is_whole and not has_gathers and self.sizes[around] >= SOME_PAIRS

    def pairs(self, values: list, ranges: list[Bounds], strides: tuple) -> None:
        """Both turns of the innermost loop, along vectors of the one around it; their results are written by
        turns. What is left over is made by shorter vectors.
        """
        f, around = self.f, len(ranges) - 2
        n, width, done = self.sizes[around], self.lanes, 0
        with nest(f, [(g, *ranges[g]) for g in range(around)]) as counters:
            row = total(f, [(count, strides[g]) for g, count in counters.items()])
            while width:
                end = done + (n - done) // width * width
                with f.loop(i64(done), i64(end), width) as i:
                    place = f.binary("add", row, f.binary("shl", i, i64(1)))
                    self.pair(values, {**counters, around: i}, place, width)
                width, done = width // 2, end

    def pair(self, values: list, counters: dict[int, Value], place: Value, width: int) -> None:
        f, around = self.f, len(self.sizes) - 2
        turns = ({**counters, around + 1: i64(turn)} for turn in range(2))
        points = [Point(f, self.pointers, at, around, width, None, self.site.finite) for at in turns]
        for point in points:
            point.compute(values)
        for node, _ in values:
            if node in self.kernel.stores:
                first, second = (f.splat(point.made[node], width) for point in points)
                if width > 1:
                    ends = [[(e + k * width) // 2 + e % 2 * width for e in range(width)] for k in range(2)]
                    first, second = (f.shuffle(first, second, picked) for picked in ends)
                points[0].store(node, place, first)
                points[0].store(node, f.binary("add", place, i64(width)), second)

    def transpose(self, value: tuple[Node, Any], other: int, ranges: list, strides: tuple) -> None:
        """A copy whose source runs in order along another loop than its result: by square blocks."""
        f, lanes = self.f, self.lanes
        node, load = value
        inner = len(ranges) - 1
        others = [(g, *bounds) for g, bounds in enumerate(ranges) if g not in (other, inner)]
        (low, high), (start, stop) = ranges[other], ranges[inner]
        middle, end = whole_blocks(f, low, high, lanes), whole_blocks(f, start, stop, lanes)
        with nest(f, others) as outer:
            row = total(f, [(counter, strides[g]) for g, counter in outer.items()])

            def place(i: Value, j: Value) -> Value:
                return f.binary("add", f.binary("add", row, f.binary("mul", i, i64(strides[other]))), j)

            with f.loop(low, middle, lanes) as i, f.loop(start, end, lanes) as j:
                lines = []
                for k in range(lanes):
                    counters = {**outer, other: i, inner: f.binary("add", j, i64(k))}
                    lines.append(Point(f, self.pointers, counters, other, lanes).value(load))
                for k, line in enumerate(transposed(f, lines)):
                    Point(f, self.pointers, {}, inner, lanes).store(
                        node, place(f.binary("add", i, i64(k)), j), line
                    )

            def rest(i: Value, first: Value, last: Value) -> None:
                def body(j: Value, width: int, mask: Value | None) -> None:
                    point = Point(f, self.pointers, {**outer, other: i, inner: j}, inner, width, mask)
                    point.store(node, place(i, j), point.value(load))

                along(f, first, last, lanes, body)

            with f.loop(low, middle) as i:
                rest(i, end, stop)
            with f.loop(middle, high) as i:
                rest(i, start, stop)


def transposed_loop(values: list[tuple[Node, Any]], inner: int, lanes: int) -> int | None:
    """The loop along which a plain copy's source runs in order, if that is not the inner one."""
    if len(values) != 1 or not isinstance(values[0][1], Load) or lanes == 1:
        return None
    load = values[0][1]
    if load.gathers or load.dtype.kind == "b" or load.offset.stride(inner) in (0, 1):
        return None
    return next((g for g in range(inner) if load.offset.stride(g) == 1), None)
