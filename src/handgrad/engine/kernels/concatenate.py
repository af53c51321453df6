"""Arrays laid side by side into one, or one of them among zeros."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import numpy as np

from handgrad.engine.access import Shape, affine, counter, row_major, spelled_out
from handgrad.engine.emit.ir import Function, Value, i64
from handgrad.engine.emit.point import Point
from handgrad.engine.kernels.kernel import Bounds, Kernel, Site
from handgrad.engine.kernels.nest import Groups, along, collapsed, lanes_for, nest, over_groups, ranges_of
from handgrad.engine.lowering import Load, Lowering, loads
from handgrad.engine.nodes import Elementwise, Fill, Flip, Node, Reshape
from handgrad.once import once

FILLED = 16  # elements that fill a vector
MOST = 32  # arrays among zeros that are laid into one
Box = tuple[tuple[int, int], ...]  # from where to where, along each axis


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Concatenate(Node):
    """Parts that leave nothing out, each laid from a corner on by steps, later ones over earlier ones."""

    parts: tuple[Node, ...]
    corners: tuple[Shape, ...]
    steps: tuple[Shape, ...]
    is_far: bool = False  # whether products read what is among zeros where it lies, whatever is near

    @property
    def args(self) -> tuple:
        return self.parts

    @once
    def near(self) -> list[int]:
        """Axes with zeros that a product wants to be stored: those that are best gone through as one with the
        few elements inside, or in vectors.
        """
        laid = laid_among_zeros(self)
        own, steps = ((), ()) if laid is None else (laid[0].shape, laid[2])

        def is_near(axis: int) -> bool:
            inside = [i for i in range(axis + 1, len(own)) if own[i] != 1]
            if not inside:
                return own[axis] * steps[axis] >= FILLED
            return math.prod(own[i] for i in inside) < FILLED and not set(inside) <= set(self.padded)

        return [axis for axis in self.padded if is_near(axis)]

    @property
    def padded(self) -> list[int]:
        """Axes with zeros, where one array lies among them."""
        laid = laid_among_zeros(self)
        own = self.shape if laid is None else laid[0].shape
        return [axis for axis, n in enumerate(self.shape) if own[axis] != n]

    @once
    def apart(self) -> Node | None:
        """An array among zeros as one among those that are near, among those that are not; None where it has
        not both.
        """
        return None if len(self.near) in (0, len(self.padded)) else self.with_near(self.near)

    @once
    def apart_but_steps(self) -> Node | None:
        """The same, where zeros between elements are not near."""
        laid = laid_among_zeros(self)
        near = [] if laid is None else [axis for axis in self.near if laid[2][axis] == 1]
        if near == self.near:
            return self.apart
        return self.with_near(near) if near else dataclasses.replace(self, is_far=True)

    def with_near(self, near: list[int]) -> Node:
        """One among the zeros of these axes, among those of the others."""
        laid = laid_among_zeros(self)
        assert laid is not None
        x = laid[0]
        inside = [
            slice(low, low + (n - 1) * step + 1, step)
            for n, low, step in zip(x.shape, *laid[1:], strict=True)
        ]
        first = tuple(s if axis in near else slice(None) for axis, s in enumerate(inside))
        second = tuple(slice(None) if axis in near else s for axis, s in enumerate(inside))
        shape = tuple(n if axis in near else x.shape[axis] for axis, n in enumerate(self.shape))
        far = among_zeros(among_zeros(x, first, shape), second, self.shape)
        assert isinstance(far, Concatenate)
        return dataclasses.replace(far, is_far=True)

    def with_args(self, args: tuple) -> Node:
        return dataclasses.replace(self, parts=args)

    def kernel(self, lowering: Lowering) -> Kernel:
        return ConcatenateKernel(self, lowering)

    def check(self) -> None:
        dense = [x.size for x, steps in zip(self.parts, self.steps, strict=True) if set(steps) <= {1}]
        if sum(dense) != self.size:
            raise ValueError(f"{self}: its parts have another size")


def side_by_side(out: Any, parts: list[Node], axis: int) -> Node:
    laid, start = [], 0
    for x in parts:
        stop = start + x.shape[axis]
        laid.append((x, tuple((start, stop) if i == axis else (0, n) for i, n in enumerate(x.shape))))
        start = stop
    return of_boxes(out, laid)


def _concat(build: Any, out: Any, arrays: Any, axis: int = 0) -> Node:
    return side_by_side(out, [build.array(x) for x in arrays], axis % len(out.shape))


def _stack(build: Any, out: Any, arrays: Any, axis: int = 0) -> Node:
    axis %= len(out.shape)
    widened = tuple(1 if i == axis else n for i, n in enumerate(out.shape))
    return side_by_side(out, [Reshape(widened, x.dtype, x) for x in map(build.array, arrays)], axis)


OPERATIONS = {"concat": _concat, "stack": _stack}


def among_zeros(x: Node, index: tuple, shape: Shape) -> Node:
    """Zeros of ``shape`` with x at ``index``, of slices, integers, None and one ``...``."""
    if x.size == 0:
        return Fill(shape, x.dtype, 0)
    sizes: list[int] = []
    corner: list[int] = []
    steps: list[int] = []
    backwards: list[int] = []
    for part, n in spelled_out(index, shape):
        if part is None:
            continue
        places = range(n)[part] if isinstance(part, slice) else range(n)[part::n][:1]
        if places.step < 0:
            backwards.append(len(sizes))
            places = places[::-1]
        sizes.append(len(places))
        corner.append(places[0])
        steps.append(places.step if len(places) > 1 else 1)
    if x.shape != tuple(sizes):
        x = Reshape(tuple(sizes), x.dtype, x)
    if backwards:
        x = Flip(x.shape, x.dtype, x, tuple(backwards))
    reach = tuple((c, c + (n - 1) * s + 1) for c, n, s in zip(corner, sizes, steps, strict=True))
    boxes = list(cut_out(tuple((0, n) for n in shape), reach))
    if max(steps, default=1) > 1:
        boxes.append(reach)
    return of_boxes(Fill(shape, x.dtype, 0), [*zeros(boxes, x.dtype), (x, reach)], tuple(steps))


def cut_out(box: Box, hole: Box) -> Iterator[Box]:
    """Boxes that make up what of a box lies outside of another."""
    if not meets(box, hole):
        yield box
        return
    rest = list(box)
    for axis, ((start, stop), (low, high)) in enumerate(zip(box, hole, strict=True)):
        for one in ((start, low), (high, stop)):
            if one[0] < one[1]:
                yield (*rest[:axis], one, *rest[axis + 1 :])
        rest[axis] = max(start, low), min(stop, high)


def meets(one: Box, other: Box) -> bool:
    return all(max(a, c) < min(b, d) for (a, b), (c, d) in zip(one, other, strict=True))


def apart_among_zeros(node: Node, uses: dict[Node, int]) -> Node | None:
    """A sum of arrays that lie apart, each among zeros: all of them among zeros."""
    if not (isinstance(node, Elementwise) and node.op == "add" and len(set(node.nodes)) == 2):
        return None
    terms = [x for x in node.nodes if isinstance(x, Concatenate) and uses[x] == 1 and x.shape == node.shape]
    if len(terms) < 2 or any(
        x.dtype != node.dtype or any(max(s, default=1) > 1 for s in x.steps) for x in terms
    ):
        return None
    (laid, rest), (more, _) = map(laid_and_left, terms)
    if len(laid) + len(more) > MOST:
        return None
    if any(meets(one, other) for _, one in laid for _, other in more):
        return None
    for _, hole in more:
        rest = [piece for box in rest for piece in cut_out(box, hole)]
    parts = [(added_to_zero(x), box) for x, box in (*laid, *more)]
    return of_boxes(node, [*zeros(rest, node.dtype), *parts])


def laid_among_zeros(node: Concatenate) -> tuple[Node, Shape, Shape] | None:
    """The one array that lies among zeros, from which corner on and by which steps."""
    laid = [k for k, x in enumerate(node.parts) if not (isinstance(x, Fill) and x.value == 0)]
    if len(laid) != 1 or isinstance(node.parts[laid[0]], Fill):
        return None
    return node.parts[laid[0]], node.corners[laid[0]], node.steps[laid[0]]


def laid_and_left(node: Concatenate) -> tuple[list[tuple[Node, Box]], list[Box]]:
    """What is laid where, and the boxes of zeros."""
    laid, left = [], []
    for x, corner in zip(node.parts, node.corners, strict=True):
        box = tuple((c, c + n) for c, n in zip(corner, x.shape, strict=True))
        if isinstance(x, Fill) and x.value == 0:
            left.append(box)
        else:
            laid.append((x, box))
    return laid, left


def added_to_zero(x: Node) -> Node:
    """What is left of x beside a zero: -0.0 becomes 0.0."""
    is_done = isinstance(x, Elementwise) and x.op == "add" and x.operands[1:] == (0.0,)
    return x if is_done or x.dtype.kind != "f" else Elementwise(x.shape, x.dtype, "add", (x, 0.0), x.dtype)


def zeros(boxes: Iterable[Box], dtype: np.dtype) -> list[tuple[Node, Box]]:
    return [(Fill(tuple(high - low for low, high in box), dtype, 0), box) for box in boxes]


def of_boxes(out: Any, laid: list[tuple[Node, Box]], steps: Shape | None = None) -> Concatenate:
    """Parts laid where their boxes begin; the last one perhaps by steps."""
    dense = (1,) * len(out.shape)
    corners = tuple(tuple(low for low, _ in box) for _, box in laid)
    every = [*[dense] * (len(laid) - 1), steps or dense]
    return Concatenate(out.shape, np.dtype(out.dtype), tuple(x for x, _ in laid), corners, tuple(every))


class ConcatenateKernel(Kernel):
    """Its space are the loops over the axes of the result, beside each those of parts that fill only some of
    the axis.
    """

    name = "concatenate"
    writes_in_order = False
    node: Concatenate

    def __init__(self, node: Concatenate, lowering: Lowering):
        self.axes: list[int] = []  # of each loop
        space: list[int] = []
        self.loops: list[list[int]] = [[] for _ in node.parts]  # of each part, by axis
        for axis, n in enumerate(node.shape):
            self.axes.append(axis)
            space.append(n)
            whole = len(space) - 1
            for part, loops in zip(node.parts, self.loops, strict=True):
                loops.append(whole if part.shape[axis] == n else len(space))
                if part.shape[axis] != n:
                    self.axes.append(axis)
                    space.append(part.shape[axis])
        here = [
            tuple(counter(loop, n) for loop, n in zip(loops, x.shape, strict=True))
            for x, loops in zip(node.parts, self.loops, strict=True)
        ]
        values = [(x, lowering.lower(x, place)) for x, place in zip(node.parts, here, strict=True)]
        super().__init__(node, tuple(space), values, [node])

    @property
    def output_space(self) -> tuple:
        return self.node.shape

    @property
    def told_space(self) -> tuple:
        return self.node.shape

    @property
    def divisible(self) -> list[int]:
        return [self.axes.index(axis) for axis, n in enumerate(self.node.shape) if n > 1]

    @property
    def block(self) -> int:
        return math.prod(self.node.shape[self.axes[self.partition or 0] + 1 :])

    def details(self) -> Hashable:
        return (self.node.corners, self.node.steps, tuple(x.shape for x in self.node.parts))

    def emit(self, site: Site) -> None:
        ConcatenateEmitter(site, self).emit()


class ConcatenateEmitter:
    """Outer loops that all parts go through as a whole are gone through once; inside them part comes after
    part.
    """

    def __init__(self, site: Site, kernel: ConcatenateKernel):
        self.site = site
        self.f = site.f
        self.kernel = kernel
        self.node = kernel.node
        self.numbers = [k for k, x in enumerate(kernel.node.parts) if x.size]
        self.targets = [self.target(k) for k in range(len(kernel.node.parts))]

    def target(self, part: int) -> Load:
        """Where a part is laid."""
        node, loops = self.node, self.kernel.loops[part]
        strides = row_major(node.shape)
        start = sum(c * s for c, s in zip(node.corners[part], strides, strict=True))
        steps = [k * s for k, s in zip(node.steps[part], strides, strict=True)]
        sizes = node.parts[part].shape
        moves = {loop: s for loop, s, n in zip(loops, steps, sizes, strict=True) if n > 1}
        return Load(node, affine(start, moves), (), node.dtype)

    def emit(self) -> None:
        f, kernel = self.f, self.kernel
        together = self.together()
        reads = [load for k in self.numbers for load in (*loads([kernel.expressions[k]]), self.targets[k])]
        partition = kernel.partition
        sizes, groups = collapsed(self.space_of(together), reads, partition)
        ranges = ranges_of(f, sizes, groups, partition, self.site.bounds)
        with nest(f, [(g, *bounds) for g, bounds in enumerate(ranges)]) as outer:
            for k in self.numbers:
                own = self.space_of(set(kernel.loops[k]) - together)
                lay(self.site, own, kernel.values[k], self.targets[k], *self.divided(k), groups, outer)

    def together(self) -> set[int]:
        """The outer loops of all parts."""
        found: set[int] = set()
        if len(self.numbers) > 1:
            for loops in zip(*(self.kernel.loops[k] for k in self.numbers), strict=True):
                if len(set(loops)) > 1:
                    break
                found.add(loops[0])
        return found

    def space_of(self, loops: set[int]) -> tuple:
        return tuple(n if loop in loops else 1 for loop, n in enumerate(self.kernel.space))

    def divided(self, part: int) -> tuple[int | None, Bounds | None]:
        """The loop of a part that the threads divide, and what is a thread's of it."""
        kernel, node, bounds = self.kernel, self.node, self.site.bounds
        if kernel.partition is None or bounds is None:
            return kernel.partition, bounds
        axis = kernel.axes[kernel.partition]
        loop = kernel.loops[part][axis]
        if loop == kernel.partition:
            return loop, bounds
        n, corner, step = node.parts[part].shape[axis], node.corners[part][axis], node.steps[part][axis]
        start, stop = (within(self.f, end, n, corner, step) for end in bounds)
        return loop, (start, stop)


def lay(
    site: Site,
    space: tuple,
    value: tuple[Node, Any],
    target: Load,
    divided: int | None,
    bounds: Bounds | None,
    around: Groups,
    outer: dict[int, Value],
) -> None:
    """Write a value to where the target says, in loops over a space inside those that go ``around``."""
    f = site.f
    sizes, groups = collapsed(space, [*loads([value[1]]), target], divided)
    (_, e), (node, target) = over_groups([value, (target.array, target)], [*around, *groups])
    ranges = ranges_of(f, sizes, groups, divided, bounds)
    first = len(around)
    last = first + len(ranges) - 1
    is_in_order = target.offset.stride(last) == 1
    lanes = lanes_for([e], site.target.vector_bytes) if is_in_order else 1

    def store(counters: dict[int, Value], lanes: int, mask: Value | None) -> None:
        point = Point(f, site.pointers, counters, last if lanes > 1 else None, lanes, mask, site.finite)
        place, _ = point.address(target)
        point.store(node, place, point.operand(e, node.dtype))

    loops = [(first + g, *bounds) for g, bounds in enumerate(ranges[:-1])]
    is_one_turn = divided is not None and space[divided] == 1
    with turn_of(f, bounds) if is_one_turn else contextlib.nullcontext(), nest(f, loops) as inner:
        counters = {**outer, **inner}
        if ranges:
            along(f, *ranges[-1], lanes, lambda i, *how: store({**counters, last: i}, *how))
        else:
            store(counters, 1, None)


def turn_of(f: Function, bounds: Bounds | None) -> contextlib.AbstractContextManager:
    """A divided loop of one turn is no loop, but one thread's all the same."""
    return contextlib.nullcontext() if bounds is None else f.when(f.compare("icmp slt", *bounds))


def within(f: Function, end: Value, n: int, corner: int, step: int) -> Value:
    """How many of n places, from a corner on by steps, come before the end."""
    reach = f.intrinsic("smax", f.binary("sub", end, i64(corner - step + 1)), i64(0))
    return f.intrinsic("smin", f.binary("sdiv", reach, i64(step)) if step > 1 else reach, i64(n))
