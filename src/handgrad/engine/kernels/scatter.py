"""Parts added to zeros at places that are values."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from handgrad.engine.access import Coordinates, Gathered, affine, counter, row_major
from handgrad.engine.emit.arithmetic import memory_type
from handgrad.engine.emit.ir import Type, Value, i64
from handgrad.engine.emit.point import Point
from handgrad.engine.kernels.concatenate import among_zeros, lay, within
from handgrad.engine.kernels.kernel import AddingKernel, Bounds, Kernel, Site
from handgrad.engine.kernels.nest import along, collapsed, lanes_for, nest, over_groups, ranges_of
from handgrad.engine.lowering import Load, Lowering, Number, loads
from handgrad.engine.nodes import Broadcast, Gather, Node, gathered, nodes_in, with_nodes

WIDE = 256  # places in order along which threads divide what is added, rather than look whose it is
SHORT = 16  # numbers in a row that are added to spare memory where they are another thread's
SPARE = 16  # rows of it, so that none waits for the one before


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ScatterAdd(Node):
    """Zeros, to which x is added at ``index``."""

    x: Node
    index: tuple

    @property
    def args(self) -> tuple:
        return (self.x, *nodes_in(self.index))

    def with_args(self, args: tuple) -> Node:
        return dataclasses.replace(self, x=args[0], index=with_nodes(self.index, args[1:]))

    def kernel(self, lowering: Lowering) -> Kernel:
        return ScatterKernel(self, lowering)


def _scatter_add(build: Any, out: Any, x: Any, index: Any, shape: Any) -> Node:
    parts = build.index_of(index, out.shape)
    ghost = np.broadcast_to(np.zeros((), bool), out.shape)
    spot = tuple(np.zeros(part.shape, np.int64) if isinstance(part, Node) else part for part in parts)
    x = build.array(x)
    landed = ghost[spot].shape
    if x.shape != landed:
        x = Broadcast(landed, x.dtype, x)
    if not nodes_in(parts):
        return among_zeros(x, parts, out.shape)
    return ScatterAdd(out.shape, x.dtype, x, parts)


OPERATIONS = {"scatter_add": _scatter_add}


class ScatterKernel(AddingKernel):
    """Its space are the loops over the axes of the result, and those over what is added.

    Threads divide the result. Each goes through all that is added, in order, and adds what falls into its own
    part; so the order in which a sum is made does not hang on their number.
    """

    name = "scatter"
    writes_in_order = False
    node: ScatterAdd

    def __init__(self, node: ScatterAdd, lowering: Lowering):
        here = self.counters(node, 0)
        places = gathered(here, node.index, node.shape) or ()
        both = zip(here, places, node.x.shape, node.shape, strict=False)
        apart = [i for i, (count, place, n, size) in enumerate(both) if count != place or n != size]
        here = self.counters(node, min([*apart, len(here), len(places)]))
        view = Gather(node.x.shape, node.dtype, node, node.index)
        target = Lowering({node, *lowering.stored}, {}).lower(view, here)
        values = [(node.x, lowering.lower(node.x, here)), (node, target)]
        self.places = gathered(here, node.index, node.shape) or ()
        self.looked_up = [axis for axis, place in enumerate(self.places) if isinstance(place, Gathered)]
        super().__init__(node, (*node.shape, *node.x.shape), values, [node])

    def counters(self, node: ScatterAdd, together: int) -> Coordinates:
        """Of the loops over what is added, some outer ones together with those over the result."""
        ndim = len(node.shape)
        self.updates = [i if i < together else ndim + i for i in range(len(node.x.shape))]
        return tuple(counter(loop, n) for loop, n in zip(self.updates, node.x.shape, strict=True))

    @property
    def divisible(self) -> list[int]:
        """One axis: where possible one along which places are in order, if it is the outermost or long."""
        long = [axis for axis, n in enumerate(self.node.shape) if n > 1]
        looked_up = [axis for axis in long if axis in self.looked_up]
        in_order = [axis for axis in long if self.slice(axis)]
        good = [axis for axis in in_order if axis == long[0] or self.node.shape[axis] >= WIDE]
        are_many = self.node.x.size > self.node.size and len(self.node.shape) - 1 in self.looked_up
        if are_many and not good:
            return []  # of numbers one by one, to look whose each is takes as long as to add it
        return (good or looked_up or in_order)[:1]

    def slice(self, axis: int) -> tuple[int, int, int] | None:
        """The loop whose turns go through places of an axis in order, the first one, and the step."""
        place = self.places[axis]
        if axis in self.looked_up or not place.strides:
            return None
        ((loop, step),) = place.strides
        return (loop, place.start, step) if step > 0 else None

    @property
    def scales(self) -> bool:
        """Not where each part looks whose everything is."""
        return self.partition is not None and self.slice(self.partition) is not None

    def details(self) -> Hashable:
        return (self.node.x.shape, *(self.slice(axis) for axis in range(len(self.node.shape))))

    def emit(self, site: Site) -> None:
        ScatterEmitter(site, self).emit()


class ScatterEmitter:
    """Vectors run along the innermost loop, if no place is looked up there."""

    def __init__(self, site: Site, kernel: ScatterKernel):
        self.site = site
        self.f = site.f
        self.kernel = kernel
        self.node = kernel.node

    def emit(self) -> None:
        kernel, node = self.kernel, self.node
        if node.size:
            moves = {
                i: s for i, (n, s) in enumerate(zip(node.shape, row_major(node.shape), strict=True)) if n > 1
            }
            everywhere = Load(node, affine(0, moves), (), node.dtype)
            space = (*node.shape, *(1 for _ in node.x.shape))
            zero = (node, Number(0, node.dtype))
            lay(self.site, space, zero, everywhere, kernel.partition, self.site.bounds, [], {})
        if node.x.size:
            self.add(tuple(n if loop in kernel.updates else 1 for loop, n in enumerate(kernel.space)))

    def add(self, space: tuple) -> None:
        f, site, kernel = self.f, self.site, self.kernel
        divided, bounds = self.divided()
        sizes, groups = collapsed(space, kernel.reads, divided)
        (_, e), (node, target) = over_groups(kernel.values, groups)
        ranges = ranges_of(f, sizes, groups, divided, bounds)
        inner = len(sizes) - 1
        indices = loads([index for index, *_ in target.gathers])
        if target.offset.stride(inner) != 1 or any(load.offset.stride(inner) for load in indices):
            inner = len(sizes)
        length = math.prod(sizes[inner:])
        scalar = memory_type(node.dtype)
        with nest(f, [(g, *bounds) for g, bounds in enumerate(ranges[:inner])]) as outer:
            point = Point(f, site.pointers, {**outer, inner: i64(0)}, finite=site.finite)
            place, _ = point.address(target)
            row = f.offset(site.pointers[node], place, scalar.scalar)
            mine = self.is_mine(point, target)
            is_short = length <= SHORT
            if mine is not None and is_short:
                spare = self.spare_row(scalar, length, [i64(0), *outer.values()][-1])
                row = f.select(mine, row, spare)
            pointers = {**site.pointers, node: row}
            here = Load(node, affine(0, {inner: 1} if inner < len(sizes) else {}), (), node.dtype)

            def body(i: Value, lanes: int, mask: Value | None) -> None:
                point = Point(f, pointers, {**outer, inner: i}, inner, lanes, mask, site.finite)
                old, new = point.load(here), point.operand(e, node.dtype)
                point.store(node, i, f.binary(self.addition, old, new))

            with f.when(mine) if mine is not None and not is_short else contextlib.nullcontext():
                if inner < len(sizes):
                    along(f, *ranges[inner], lanes_for([e], site.target.vector_bytes), body)
                else:
                    body(i64(0), 1, None)

    def spare_row(self, scalar: Type, length: int, turn: Value) -> Value:
        """Memory for what other threads add: few numbers are sooner added there than jumped over."""
        spare = self.f.binary("mul", self.f.binary("and", turn, i64(SPARE - 1)), i64(length))
        return self.f.offset(self.f.room(scalar, SPARE * length), spare, scalar.scalar)

    @property
    def addition(self) -> str:
        kind = self.node.dtype.kind
        return "or" if kind == "b" else "fadd" if kind == "f" else "add"

    def divided(self) -> tuple[int | None, Bounds | None]:
        """The loop over what is added that a thread goes through in part only, and which part."""
        kernel, bounds = self.kernel, self.site.bounds
        in_order = None if kernel.partition is None else kernel.slice(kernel.partition)
        if bounds is None or in_order is None:
            return None, None
        loop, corner, step = in_order
        start, stop = (within(self.f, end, kernel.space[loop], corner, step) for end in bounds)
        return loop, (start, stop)

    def is_mine(self, point: Point, target: Load) -> Value | None:
        """Whether a place that is looked up lies in a thread's own part; None, where that is plain."""
        f, kernel, bounds = self.f, self.kernel, self.site.bounds
        if bounds is None or kernel.partition not in kernel.looked_up:
            return None
        index, _, size = target.gathers[kernel.looked_up.index(kernel.partition)]
        start, stop = bounds
        ahead = f.binary("sub", point.place_of(index, size), start)
        return f.compare("icmp ult", ahead, f.binary("sub", stop, start))
