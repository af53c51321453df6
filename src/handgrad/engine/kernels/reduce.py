"""Sums, products and extremes over some loops of a space."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from handgrad.engine.access import row_major
from handgrad.engine.emit.arithmetic import Arithmetic, cast, type_of
from handgrad.engine.emit.exact import rounded_off
from handgrad.engine.emit.ir import Function, Type, Value, i64, number
from handgrad.engine.emit.point import Point
from handgrad.engine.kernels.kernel import Kernel, Site, counters
from handgrad.engine.kernels.nest import (
    Groups,
    along,
    collapsed,
    lanes_for,
    nest,
    over_groups,
    ranges_of,
    total,
    whole_blocks,
)  # fmt: skip
from handgrad.engine.lowering import Load, Lowering, loads, walk
from handgrad.engine.nodes import Node, NotCompiled, OfOne, Reshape

FLOAT64 = np.dtype(np.float64)
AT_ONCE = 4  # vectors that a sum over rows carries along
A_READ = {0: 0, 1: 1, 2: 3}  # instructions that a vector of elements takes which are so far apart
LONG = 128  # terms beyond which a sum would lose digits, were each added to it as it is

# Reductions of many elements to a few are made in blocks.
MANY = 2**16
FEW, FEW_IN_PIECES = 64, 4096
BLOCKS = range(16, 1025)
ABOUT = 64  # how many blocks are best


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Reduce(OfOne):
    """A reduction over axes that go."""

    op: str
    axes: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.op

    @property
    def is_in_pieces(self) -> bool:
        """Whether what is summed for one result lies in pieces, each in order: a channel of all images."""
        first, last = self.axes[0], self.axes[-1]
        return last == len(self.x.shape) - 1 and len(self.axes) <= last - first

    def kernel(self, lowering: Lowering) -> Kernel:
        return ReduceKernel(self, self.x.shape, [(self, lowering.lower(self.x, counters(self.x.shape)))])

    def check(self) -> None:
        if self.shape != tuple(n for i, n in enumerate(self.x.shape) if i not in self.axes):
            raise ValueError(f"{self}: it is a reduction of {self.x} over {self.axes}")


def reduction(op: str) -> Callable[..., Node]:
    def build(build: Any, out: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Node:
        x = build.array(x)
        ndim = len(x.shape)
        axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = tuple(sorted({a % ndim for a in axes}))
        kept = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        if op in ("max", "min") and x.size == 0 and math.prod(kept):
            raise NotCompiled(f"the {op} of nothing")
        made = Reduce(kept, np.dtype(out.dtype), x, op, axes)
        return made if kept == out.shape else Reshape(out.shape, made.dtype, made)

    return build


OPERATIONS = {op: reduction(op) for op in ("sum", "prod", "max", "min", "any", "all")}


def in_blocks(node: Node, uses: object) -> Node | None:
    """A reduction of many elements to a few as two: of blocks, which threads divide, and of what these give.

    Where what is summed lies in pieces, this also goes through them as they lie, not from far to far.
    The blocks follow from the shape alone, so that no number of threads changes the order of a sum.
    """
    if not isinstance(node, Reduce) or not node.axes or node.x.size < MANY:
        return None
    if node.size >= (FEW_IN_PIECES if node.is_in_pieces else FEW):
        return None
    x, outer = node.x, 1
    for axis in node.axes:
        n = x.shape[axis]
        if outer * n >= BLOCKS.start:
            break
        outer *= n
    most = x.size // node.size // BLOCKS.start
    counts = [b for b in BLOCKS if b <= most and b % outer == 0 and n % (b // outer) == 0]
    if not counts:
        return None
    count = min(counts, key=lambda b: max(b / ABOUT, ABOUT / b)) // outer
    cut = (*x.shape[:axis], count, n // count, *x.shape[axis + 1 :])
    gone = (axis + 1, *(a + 1 for a in node.axes if a > axis))
    kept = tuple(n for i, n in enumerate(cut) if i not in gone)
    dtype = FLOAT64 if node.op == "sum" and node.dtype.kind == "f" else node.dtype
    blocks = Reduce(kept, dtype, Reshape(cut, x.dtype, x), node.op, gone)
    return dataclasses.replace(node, x=blocks, axes=tuple(a for a in node.axes if a <= axis))


class ReduceKernel(Kernel):
    """Reductions of several values over the same loops."""

    name = "reduce"
    node: Reduce

    def may_join(self, host: Kernel) -> bool:
        return (
            isinstance(host, ReduceKernel) and self.space == host.space and self.node.axes == host.node.axes
        )

    def lowered_in(self, host: Kernel, stored: set[Node]) -> list[tuple[Node, Any]]:
        lowering = Lowering(stored, {})
        return [(node, lowering.lower(node.args[0], counters(self.space))) for node in self.makes]

    @property
    def divisible(self) -> list[int]:
        return [i for i, n in enumerate(self.space) if n > 1 and i not in self.node.axes]

    @property
    def block(self) -> int:
        kept = [i for i in range(len(self.space)) if i not in self.node.axes]
        return math.prod(self.space[i] for i in kept if i > (self.partition or 0))

    @property
    def joined(self) -> int:
        return len(self.values)

    def details(self) -> Hashable:
        return (self.node.axes, tuple(node.name for node in self.makes))

    def emit(self, site: Site) -> None:
        ReduceEmitter(site, self).emit()


class ReduceEmitter:
    """Vectors run along the loop that is read in order."""

    def __init__(self, site: Site, kernel: ReduceKernel):
        self.site = site
        self.f = site.f
        self.kernel = kernel
        self.pointers = site.pointers
        expressions = kernel.expressions
        self.lanes = lanes_for(expressions, site.target.vector_bytes)
        kept = [i not in kernel.node.axes for i in range(len(kernel.space))]
        reads = loads(expressions)
        self.sizes, self.groups = collapsed(kernel.space, reads, kernel.partition, kept)
        self.kept = [kept[members[0][0]] for members in self.groups]
        self.vector = self.best_vector(reads, *collapsed(kernel.space, reads, None, kept))
        self.values = over_groups(kernel.values, self.groups)

    def emit(self) -> None:
        f, kernel = self.f, self.kernel
        if math.prod(kernel.node.shape) == 0:
            return
        self.ranges = ranges_of(f, self.sizes, self.groups, kernel.partition, self.site.bounds)
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
        """The loop along which a point takes least time, the inner one if two are alike.

        It is chosen among the loops as they are undivided, so that no number of threads changes the order in
        which a sum is made.
        """

        terms = max(math.prod(self.kernel.space[axis] for axis in self.kernel.node.axes), 1)
        parts = len(walk(self.kernel.expressions))

        def instructions(g: int) -> tuple[float, int]:
            loop, _ = groups[g][-1]
            strides = (abs(load.offset.stride(loop)) for load in reads)
            reading = sum(A_READ.get(stride, 2 * self.lanes) for stride in strides)
            vectors = -(-sizes[g] // self.lanes) / max(sizes[g], 1)
            halvings = 0 if loop not in self.kernel.node.axes else 2 * math.log2(self.lanes) / terms
            return vectors * (parts + reading) + halvings, -g

        if not groups:
            return None
        inner, _ = groups[min(range(len(groups)), key=instructions)][-1]
        return next(g for g, members in enumerate(self.groups) if members[-1][0] == inner)

    def is_long(self, node: Node) -> bool:
        """Whether a value is a sum of so many numbers, one after the other, that its digits would go."""
        terms = math.prod(n for n, kept in zip(self.sizes, self.kept, strict=True) if not kept)
        if self.vector is not None and not self.kept[self.vector]:
            terms //= self.lanes
        return node.name == "sum" and node.dtype.kind == "f" and terms > LONG

    def held(self, node: Node, e: Any) -> np.dtype:
        """The dtype that a result is made in."""
        is_wide = node.dtype.kind == "f" and (self.is_long(node) or e.dtype == FLOAT64)
        return FLOAT64 if is_wide else node.dtype

    def starts(self, lanes: int) -> list[list[Value]]:
        """Places for the results, which begin at what changes nothing.

        Long sums of float32 are made in float64; those of float64 have a second place, for what rounding
        takes from them.
        """
        places = []
        for node, e in self.values:
            type = type_of(self.held(node, e), lanes)
            count = 2 if self.is_long(node) and e.dtype == FLOAT64 else 1
            places.append([self.f.variable(type, neutral(node, type)) for _ in range(count)])
        return places

    def join(self, places: list[list[Value]], point: Point) -> None:
        """Take one more point into the results."""
        f = self.f
        for (place, *lost), (node, e) in zip(places, self.values, strict=True):
            x = cast(f, point.value(e), e.dtype, self.held(node, e))
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
        for (place, *lost), (node, e) in zip(places, self.values, strict=True):
            have = self.held(node, e)
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
        point = Point(self.f, self.pointers, {}, finite=self.site.finite)
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
                        point = Point(f, self.pointers, counters, vector, lanes, mask, self.site.finite)
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
                    self.join(
                        places, Point(f, self.pointers, counters, vector, lanes, mask, self.site.finite)
                    )

                along(f, *self.ranges[vector], self.lanes, body)
            point = Point(f, self.pointers, {})
            sums = zip(self.values, self.results(places, self.lanes), strict=True)
            found = [across(f, node, x) for (node, _), x in sums]
            self.store(total(f, [(i, self.strides[g]) for g, i in outer.items()]), found, point)


def neutral(node: Node, type: Type) -> Value:
    """What changes nothing in a reduction."""
    name = node.name
    if name in ("max", "min") and node.dtype.kind == "f":
        return number(float("-inf") if name == "max" else float("inf"), type)
    if name in ("max", "min") and node.dtype.kind in "iu":
        limits = np.iinfo(node.dtype)
        return number(limits.min if name == "max" else limits.max, type)
    return number({"sum": 0, "prod": 1, "any": 0, "all": 1, "max": 0, "min": 1}[name], type)


def combine(f: Function, node: Node, x: Value, y: Value) -> Value:
    name, kind = node.name, node.dtype.kind
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
