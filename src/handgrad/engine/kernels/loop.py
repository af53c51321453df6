"""Kernels of loops: elementwise chains, and reductions."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.engine.access import Affine, affine, row_major
from handgrad.engine.emit.arithmetic import Arithmetic, cast, memory_type, type_of
from handgrad.engine.emit.exact import rounded_off
from handgrad.engine.emit.ir import Function, Type, Value, i64, number
from handgrad.engine.emit.point import Point
from handgrad.engine.fusion import Kernel
from handgrad.engine.graph import Node
from handgrad.engine.lowering import Apply, Fill, Load, Made, loads, walk

Bounds = tuple[Value, Value]
FLOAT64 = np.dtype(np.float64)
AT_ONCE = 4  # vectors that a sum over rows carries along
ROWS_AHEAD = 2  # how far a gather asks ahead
LONG = 128  # terms beyond which a sum would lose digits, were each added to it as it is


def lanes_for(expressions: list, vector_bytes: int) -> int:
    """Elements in a vector: of eight bytes where such floats are computed, else of four."""
    wide = any(e.dtype == np.float64 for e in walk(expressions))
    return vector_bytes // (8 if wide else 4)


@contextlib.contextmanager
def nest(f: Function, loops: list[tuple[int, Value, Value]]) -> Iterator[dict[int, Value]]:
    """Loops inside each other, outermost first: (number, start, stop). Gives their counters."""
    with contextlib.ExitStack() as stack:
        yield {loop: stack.enter_context(f.loop(start, stop)) for loop, start, stop in loops}


def along(f: Function, start: Value, stop: Value, lanes: int, body: Callable) -> None:
    """body(i, lanes, mask) for vectors from start to stop; what is left over goes under a mask."""
    if lanes == 1:
        with f.loop(start, stop) as i:
            body(i, 1, None)
        return
    end = whole_blocks(f, start, stop, lanes)
    with f.loop(start, end, lanes) as i:
        body(i, lanes, None)
    with f.when(f.compare("icmp slt", end, stop)):
        mask = f.compare("icmp slt", f.lane_numbers(lanes), f.binary("sub", stop, end))
        body(end, lanes, mask)


class LoopKernel:
    """Elementwise values over a space."""

    def __init__(self, f: Function, kernel: Kernel, pointers: dict[Node, Value], vector_bytes: int):
        self.f = f
        self.kernel = kernel
        self.pointers = pointers
        expressions = [e for _, e in kernel.values]
        self.lanes = lanes_for(expressions, vector_bytes)
        self.sizes, self.groups = collapsed(kernel.space, loads(expressions), kernel.partition)

    def emit(self, bounds: Bounds | None, watching: Value) -> None:
        """The loops; ``bounds`` are those of the loop that is divided among threads."""
        f = self.f
        if math.prod(self.kernel.space) == 0:
            return
        memo: dict[int, Any] = {}
        values = [(node, moved(e, self.groups, memo)) for node, e in self.kernel.values]
        ranges = ranges_of(f, self.sizes, self.groups, self.kernel.partition, bounds)
        outer = [(g, *ranges[g]) for g in range(len(ranges) - 1)]
        inner = len(ranges) - 1
        strides = row_major(tuple(self.sizes))
        turned = turned_loop(values, inner, self.lanes)
        if turned is not None:
            self.turn(values[0], turned, ranges, strides)
            return
        with nest(f, outer) as counters:
            if not ranges:
                point = Point(f, self.pointers, {}, watching=watching)
                point.store_all(values, self.kernel.stores, i64(0))
                return
            row = total(f, [(counters[g], strides[g]) for g, *_ in outer])

            def body(i: Value, lanes: int, mask: Value | None) -> None:
                point = Point(f, self.pointers, {**counters, inner: i}, inner, lanes, mask, watching)
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
            if not e.looks or e.offset.stride(inner) != 1 or not counters:
                continue
            outer = max(counters)
            last = f.binary("sub", ranges[outer][1], i64(1))
            ahead = f.intrinsic("smin", f.binary("add", counters[outer], i64(ROWS_AHEAD)), last)
            point = Point(f, self.pointers, {**counters, outer: ahead, inner: i}, inner, 1)
            place, _ = point.address(e)
            if place.lanes == 1:
                f.prefetch(f.offset(self.pointers[e.array], place, memory_type(e.dtype).scalar), 2)

    def turn(self, value: tuple[Node, Any], turned: int, ranges: list, strides: tuple) -> None:
        """A copy whose source runs in order along another loop than its result: by square blocks."""
        f, lanes = self.f, self.lanes
        node, load = value
        inner = len(ranges) - 1
        others = [(g, *bounds) for g, bounds in enumerate(ranges) if g not in (turned, inner)]
        (low, high), (start, stop) = ranges[turned], ranges[inner]
        middle, end = whole_blocks(f, low, high, lanes), whole_blocks(f, start, stop, lanes)
        with nest(f, others) as outer:
            row = total(f, [(counter, strides[g]) for g, counter in outer.items()])

            def place(i: Value, j: Value) -> Value:
                return f.binary("add", f.binary("add", row, f.binary("mul", i, i64(strides[turned]))), j)

            with f.loop(low, middle, lanes) as i, f.loop(start, end, lanes) as j:
                lines = []
                for k in range(lanes):
                    counters = {**outer, turned: i, inner: f.binary("add", j, i64(k))}
                    lines.append(Point(f, self.pointers, counters, turned, lanes).value(load))
                for k, line in enumerate(transposed(f, lines)):
                    Point(f, self.pointers, {}, inner, lanes).store(
                        node, place(f.binary("add", i, i64(k)), j), line
                    )

            def rest(i: Value, first: Value, last: Value) -> None:
                def body(j: Value, width: int, mask: Value | None) -> None:
                    point = Point(f, self.pointers, {**outer, turned: i, inner: j}, inner, width, mask)
                    point.store(node, place(i, j), point.value(load))

                along(f, first, last, lanes, body)

            with f.loop(low, middle) as i:
                rest(i, end, stop)
            with f.loop(middle, high) as i:
                rest(i, start, stop)


def whole_blocks(f: Function, start: Value, stop: Value, block: int) -> Value:
    """Where the last whole block ends; ``block`` is a power of two."""
    length = f.binary("sub", stop, start)
    return f.binary("add", start, f.binary("and", length, i64(-block)))


def turned_loop(values: list[tuple[Node, Any]], inner: int, lanes: int) -> int | None:
    """The loop along which a plain copy's source runs in order, if that is not the inner one."""
    if len(values) != 1 or not isinstance(values[0][1], Load) or lanes == 1:
        return None
    load = values[0][1]
    if load.looks or load.dtype.kind == "b" or load.offset.stride(inner) in (0, 1):
        return None
    return next((g for g in range(inner) if load.offset.stride(g) == 1), None)


def transposed(f: Function, lines: list[Value]) -> list[Value]:
    """A square of vectors turned over its diagonal: blocks of 1, 2, 4, ... are exchanged."""
    n = len(lines)
    lines = list(lines)
    step = 1
    while step < n:
        picks = (
            [e if e & step == 0 else n + e - step for e in range(n)],
            [e + step if e & step == 0 else n + e for e in range(n)],
        )
        for a in range(n):
            if a & step == 0:
                pair = lines[a], lines[a + step]
                lines[a], lines[a + step] = (f.shuffle(*pair, picked) for picked in picks)
        step *= 2
    return lines


def total(f: Function, parts: list[tuple[Value, int]]) -> Value:
    """Σ counter·stride."""
    found = i64(0)
    for count, stride in parts:
        found = f.binary("add", found, f.binary("mul", count, i64(stride)))
    return found


Groups = list[list[tuple[int, int]]]


def collapsed(
    space: tuple, reads: list[Load], apart: int | None, kept: Any = None
) -> tuple[list[int], Groups]:
    """Neighbouring loops made one where every read runs through them as through one.

    Gives the sizes of the new loops, and for each the old ones in it with their strides. Loops in one group
    are all alike in ``kept``; the loop ``apart``, which threads divide, is the first in its group.
    """
    sizes: list[int] = []
    groups: Groups = []
    looked = any(load.looks for load in reads)
    for loop, n in enumerate(space):
        if n == 1:
            continue
        fits = (
            bool(groups)
            and not looked
            and loop != apart
            and (kept is None or kept[groups[-1][-1][0]] == kept[loop])
        )
        if fits and all(
            load.offset.stride(groups[-1][-1][0]) == n * load.offset.stride(loop) for load in reads
        ):
            groups[-1] = [(old, stride * n) for old, stride in groups[-1]] + [(loop, 1)]
            sizes[-1] *= n
        else:
            groups.append([(loop, 1)])
            sizes.append(n)
    return sizes, groups


def ranges_of(
    f: Function, sizes: list[int], groups: Groups, partition: int | None, bounds: Bounds | None
) -> list[Bounds]:
    """The bounds of the collapsed loops, of which the divided one runs over a thread's slice."""
    ranges = [(i64(0), i64(n)) for n in sizes]
    if bounds is None or partition is None:
        return ranges
    for g, members in enumerate(groups):
        if partition in dict(members):
            start, stop = bounds
            factor = i64(dict(members)[partition])
            ranges[g] = f.binary("mul", start, factor), f.binary("mul", stop, factor)
    return ranges


def moved(e: Any, groups: Groups, memo: dict[int, Any]) -> Any:
    """An expression over the old loops as one over the collapsed ones."""
    if not isinstance(e, Load | Apply | Fill | Made):
        return e
    if id(e) not in memo:
        if isinstance(e, Load):
            offset = Affine(e.offset.start)
            for g, members in enumerate(groups):
                offset = offset + affine(0, {g: e.offset.stride(members[-1][0])})
            looks = tuple((moved(index, groups, memo), step, size) for index, step, size in e.looks)
            memo[id(e)] = Load(e.array, offset, looks, e.dtype)
        elif isinstance(e, Apply):
            memo[id(e)] = Apply(e.op, tuple(moved(x, groups, memo) for x in e.args), e.kind, e.dtype)
        else:
            memo[id(e)] = e
    return memo[id(e)]


class ReduceKernel:
    """Sums, products, extremes over some loops of a space; vectors run along the loop that is read in
    order.
    """

    def __init__(self, f: Function, kernel: Kernel, pointers: dict[Node, Value], vector_bytes: int):
        self.f = f
        self.kernel = kernel
        self.pointers = pointers
        axes = kernel.node.options["axes"]
        expressions = [e for _, e in kernel.values]
        self.lanes = lanes_for(expressions, vector_bytes)
        kept = [i not in axes for i in range(len(kernel.space))]
        reads = loads(expressions)
        self.sizes, self.groups = collapsed(kernel.space, reads, kernel.partition, kept)
        self.kept = [kept[members[0][0]] for members in self.groups]
        self.vector = self.best_vector(reads, *collapsed(kernel.space, reads, None, kept))
        memo: dict[int, Any] = {}
        self.values = [(node, moved(e, self.groups, memo)) for node, e in kernel.values]

    def emit(self, bounds: Bounds | None, watching: Value) -> None:
        f, kernel = self.f, self.kernel
        if math.prod(kernel.node.shape) == 0:
            return
        self.watching = watching
        self.ranges = ranges_of(f, self.sizes, self.groups, kernel.partition, bounds)
        shape = [n for n, kept in zip(self.sizes, self.kept, strict=True) if kept]
        steps = iter(row_major(tuple(shape)))
        self.strides = {g: next(steps) for g, kept in enumerate(self.kept) if kept}
        if self.vector is None:
            self.scalars()
        elif self.kept[self.vector]:
            self.columns(self.vector)
        else:
            self.rows(self.vector)

    def best_vector(self, reads: list[Load], sizes: list[int], groups: Groups) -> int | None:
        """The loop along which most reads are neighbours, the inner one if two are alike.

        It is chosen among the loops as they are undivided, so that no number of threads changes the order in
        which a sum is made.
        """

        def score(g: int) -> tuple:
            strides = [load.offset.stride(groups[g][-1][0]) for load in reads]
            good = sum(1 for s in strides if s == 1) - 2 * sum(1 for s in strides if s > 1 or s < 0)
            return good, min(sizes[g], 2 * self.lanes), g

        if not groups:
            return None
        inner, _ = groups[max(range(len(groups)), key=score)][-1]
        return next(g for g, members in enumerate(self.groups) if members[-1][0] == inner)

    def is_long(self, node: Node) -> bool:
        """Whether a value is a sum of so many numbers, one after the other, that its digits would go."""
        terms = math.prod(n for n, kept in zip(self.sizes, self.kept, strict=True) if not kept)
        if self.vector is not None and not self.kept[self.vector]:
            terms //= self.lanes
        return node.options["name"] == "sum" and node.dtype.kind == "f" and terms > LONG

    def starts(self, lanes: int) -> list[list[Value]]:
        """Places for the results, which begin at what changes nothing.

        Long sums of float32 are made in float64; those of float64 have a second place, for what rounding
        takes from them.
        """
        places = []
        for node, _ in self.values:
            is_long = self.is_long(node)
            type = type_of(FLOAT64 if is_long else node.dtype, lanes)
            count = 2 if is_long and node.dtype == FLOAT64 else 1
            places.append([self.f.variable(type, neutral(node, type)) for _ in range(count)])
        return places

    def join(self, places: list[list[Value]], point: Point) -> None:
        """Take one more point into the results."""
        f = self.f
        for (place, *lost), (node, e) in zip(places, self.values, strict=True):
            x = cast(f, point.value(e), e.dtype, node.dtype)
            if self.is_long(node):
                x = cast(f, x, node.dtype, FLOAT64)
            x = f.splat(x, point.lanes)
            if point.mask is not None:
                x = f.select(point.mask, x, neutral(node, x.type))
            old = f.load(place, x.type)
            new = combine(f, node, old, x)
            f.store(new, place)
            for rest in lost:
                f.store(f.binary("fadd", f.load(rest, x.type), rounded_off(f, old, x, new)), rest)

    def results(self, places: list[list[Value]], lanes: int) -> list[Value]:
        """What was joined; where that is not finite, what rounding took is no number."""
        f = self.f
        found = []
        for (place, *lost), (node, _) in zip(places, self.values, strict=True):
            have = FLOAT64 if self.is_long(node) else node.dtype
            x = f.load(place, type_of(have, lanes))
            for rest in lost:
                more = f.load(rest, x.type)
                x = f.select(f.compare("fcmp uno", more, more), x, f.binary("fadd", x, more))
            found.append(cast(f, x, have, node.dtype))
        return found

    def store(self, place: Value, results: list[Value], point: Point, step: int = 1) -> None:
        for (node, _), x in zip(self.values, results, strict=True):
            if node in self.kernel.stores:
                point.store(node, place, x, step)

    def loops(self, kept: bool, but: int | None) -> list[tuple[int, Value, Value]]:
        return [(g, *self.ranges[g]) for g in range(len(self.sizes)) if self.kept[g] is kept and g != but]

    def scalars(self) -> None:
        """A space of one point."""
        point = Point(self.f, self.pointers, {}, watching=self.watching)
        results = [cast(self.f, point.value(e), e.dtype, node.dtype) for node, e in self.values]
        self.store(i64(0), results, point)

    def columns(self, vector: int) -> None:
        """The vector runs along what is kept: several columns at once, each summed down its rows."""
        f = self.f
        with nest(f, self.loops(True, vector)) as outer:
            row = total(f, [(i, self.strides[g]) for g, i in outer.items()])
            step = self.strides[vector]

            def body(i: Value, lanes: int, mask: Value | None, count: int = 1) -> None:
                places = [self.starts(lanes) for _ in range(count)]
                with nest(f, self.loops(False, None)) as inner:
                    for k in range(count):
                        here = f.binary("add", i, i64(k * lanes))
                        counters = {**outer, **inner, vector: here}
                        point = Point(f, self.pointers, counters, vector, lanes, mask, self.watching)
                        self.join(places[k], point)
                for k in range(count):
                    here = f.binary("add", i, i64(k * lanes))
                    point = Point(f, self.pointers, {}, vector, lanes, mask)
                    found = self.results(places[k], lanes)
                    at = f.binary("add", row, f.binary("mul", here, i64(step)))
                    self.store(at, found, point, step)

            start, stop = self.ranges[vector]
            block = AT_ONCE * self.lanes
            middle = whole_blocks(f, start, stop, block)
            with f.loop(start, middle, block) as i:
                body(i, self.lanes, None, AT_ONCE)
            along(f, middle, stop, self.lanes, body)

    def rows(self, vector: int) -> None:
        """The vector runs along what is summed; in the end its lanes are."""
        f = self.f
        with nest(f, self.loops(True, None)) as outer:
            places = self.starts(self.lanes)
            with nest(f, self.loops(False, vector)) as inner:

                def body(i: Value, lanes: int, mask: Value | None) -> None:
                    counters = {**outer, **inner, vector: i}
                    self.join(places, Point(f, self.pointers, counters, vector, lanes, mask, self.watching))

                along(f, *self.ranges[vector], self.lanes, body)
            point = Point(f, self.pointers, {})
            sums = zip(self.values, self.results(places, self.lanes), strict=True)
            found = [across(f, node, x) for (node, _), x in sums]
            self.store(total(f, [(i, self.strides[g]) for g, i in outer.items()]), found, point)


def neutral(node: Node, type: Type) -> Value:
    """What changes nothing in a reduction."""
    name = node.options["name"]
    if name in ("max", "min") and node.dtype.kind == "f":
        return number(float("-inf") if name == "max" else float("inf"), type)
    if name in ("max", "min") and node.dtype.kind in "iu":
        limits = np.iinfo(node.dtype)
        return number(limits.min if name == "max" else limits.max, type)
    return number({"sum": 0, "prod": 1, "any": 0, "all": 1, "max": 0, "min": 1}[name], type)


def combine(f: Function, node: Node, x: Value, y: Value) -> Value:
    name, kind = node.options["name"], node.dtype.kind
    if name in ("any", "all") or kind == "b":
        return f.binary("or" if name in ("any", "max", "sum") else "and", x, y)
    if name in ("max", "min"):
        return getattr(Arithmetic(f), f"{name}imum")(x, y, kind=node.dtype)
    words = {"sum": "add", "prod": "mul"}
    return f.binary(("f" if kind == "f" else "") + words[name], x, y)


def across(f: Function, node: Node, x: Value) -> Value:
    """A vector's lanes made one, by halves: always in the same order."""
    while x.lanes > 1:
        half = x.lanes // 2
        low, high = (f.shuffle(x, x, list(range(start, start + half))) for start in (0, half))
        x = combine(f, node, low, high)
    return x
