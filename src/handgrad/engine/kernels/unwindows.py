"""Windows added up where they lie: what is left of x's windows is an array like x."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from typing import Any

import numpy as np

from handgrad.arrays.windowing import Windowing, of_windows
from handgrad.engine.access import affine, counter, row_major
from handgrad.engine.emit.ir import Value, i64
from handgrad.engine.kernels.concatenate import lay, within
from handgrad.engine.kernels.kernel import AddingKernel, Bounds, Kernel, Site
from handgrad.engine.kernels.nest import collapsed, nest, ranges_of
from handgrad.engine.lowering import Apply, Load, Lowering, Number, loads
from handgrad.engine.nodes import Node, OfOne, Reshape, Transpose


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Unwindows(OfOne):
    """Zeros, to which each place of the windows x is added where it was, one place after the other."""

    how: Windowing

    def kernel(self, lowering: Lowering) -> Kernel:
        return UnwindowsKernel(self, lowering)

    def check(self) -> None:
        if (self.how.shape, self.how.result) != (self.shape, self.x.shape):
            raise ValueError(f"{self}: {self.x} are no windows of it")


def _unwindows(build: Any, out: Any, x: Any, *how: Any, **options: Any) -> Node:
    windows, x = of_windows(x, *how, **options), build.array(x)
    return as_a_view(x, windows) or Unwindows(out.shape, np.dtype(out.dtype), x, windows)


def as_a_view(x: Node, how: Windowing) -> Node | None:
    """Windows that fill the array and do not overlap: it is a view of them. None where they are not so."""
    parts = zip(how.axes, how.counts, how.size, how.stride, how.dilation, strict=True)
    if not all(size * count == how.shape[a] and (size, 1) == (s, d) for a, count, size, s, d in parts):
        return None
    ndim = len(how.shape)
    order = [axis for a in range(ndim) for axis in ([a, ndim + how.axes.index(a)] if a in how.axes else [a])]
    moved = Transpose(tuple(x.shape[axis] for axis in order), x.dtype, x, tuple(order))
    return Reshape(how.shape, x.dtype, moved)


OPERATIONS = {"unwindows": _unwindows}


class UnwindowsKernel(AddingKernel):
    """Its space are the loops over the axes of the result, of which those before the first that windows slide
    along are the windows' too; then those over the places in a window, and over the other axes of windows.
    """

    name = "unwindows"
    writes_in_order = False
    node: Unwindows

    def __init__(self, node: Unwindows, lowering: Lowering):
        how, ndim = node.how, len(node.shape)
        self.outer = min(how.axes, default=ndim)  # axes before any that windows slide along
        self.within = range(ndim, ndim + len(how.size))  # loops over the places in a window
        self.along = {axis: self.within.stop + axis - self.outer for axis in range(self.outer, ndim)}
        space = (*node.shape, *how.size, *node.x.shape[self.outer : ndim])
        loops = [*range(self.outer), *self.along.values(), *self.within]
        here = tuple(counter(loop, space[loop]) for loop in loops)
        super().__init__(node, space, [(node.x, lowering.lower(node.x, here))], [node])

    @property
    def divisible(self) -> list[int]:
        return [axis for axis, n in enumerate(self.node.shape) if n > 1]

    def details(self) -> Hashable:
        return self.node.how

    def emit(self, site: Site) -> None:
        UnwindowsEmitter(site, self).emit()


class UnwindowsEmitter:
    def __init__(self, site: Site, kernel: UnwindowsKernel):
        self.site = site
        self.f = site.f
        self.kernel = kernel
        self.node = kernel.node

    def emit(self) -> None:
        f, kernel, node = self.f, self.kernel, self.node
        if node.size == 0:
            return
        ((_, e),) = kernel.values
        strides = row_major(node.shape)
        everywhere = self.load(dict(enumerate(strides)))
        target = self.load(self.moves(strides))
        op = "logical_or" if node.dtype.kind == "b" else "add"
        total = Apply(op, (target, e), node.dtype, node.dtype)
        partition, bounds = kernel.partition, self.site.bounds
        outer = self.space_of(range(kernel.outer))
        sizes, groups = collapsed(outer, [*loads([e]), everywhere, target], partition)
        ranges = ranges_of(f, sizes, groups, partition, bounds)
        with nest(f, [(g, *bounds) for g, bounds in enumerate(ranges)]) as here:
            plane = self.space_of(range(kernel.outer, len(node.shape)))
            zero = (node, Number(0, node.dtype))
            lay(self.site, plane, zero, everywhere, partition, bounds, groups, here)
            places = [loop for loop in kernel.within if kernel.space[loop] > 1]
            around = [*groups, *([(loop, 1)] for loop in places)]
            numbers = {loop: len(groups) + i for i, loop in enumerate(places)}
            turns = [(numbers[loop], i64(0), i64(kernel.space[loop])) for loop in places]
            with nest(f, turns) as inside:
                divided = self.divided({loop: inside[g] for loop, g in numbers.items()})
                windows = self.space_of(kernel.along.values())
                lay(self.site, windows, (node, total), target, *divided, around, {**here, **inside})

    def space_of(self, loops: Any) -> tuple:
        return tuple(n if loop in loops else 1 for loop, n in enumerate(self.kernel.space))

    def load(self, strides: dict[int, int]) -> Load:
        moves = {loop: s for loop, s in strides.items() if self.kernel.space[loop] > 1}
        return Load(self.node, affine(0, moves), (), self.node.dtype)

    def moves(self, strides: tuple) -> dict[int, int]:
        """How far each loop over windows moves in the result."""
        kernel, how = self.kernel, self.node.how
        found = {axis: strides[axis] for axis in range(kernel.outer)}
        found |= {loop: strides[axis] for axis, loop in kernel.along.items()}
        for axis, s, d, loop in zip(how.axes, how.stride, how.dilation, kernel.within, strict=True):
            found |= {kernel.along[axis]: s * strides[axis], loop: d * strides[axis]}
        return found

    def divided(self, places: dict[int, Value]) -> tuple[int | None, Bounds | None]:
        """The loop over windows that a thread goes through in part only, and which part."""
        f, kernel, how, bounds = self.f, self.kernel, self.node.how, self.site.bounds
        axis = kernel.partition
        if axis is None or bounds is None or axis < kernel.outer:
            return axis, bounds
        loop = kernel.along[axis]
        if axis not in how.axes:
            return loop, bounds
        number = how.axes.index(axis)
        step, dilation = how.stride[number], how.dilation[number]
        first = f.binary("mul", places.get(kernel.within[number], i64(0)), i64(dilation))
        start, stop = (within(f, f.binary("sub", end, first), kernel.space[loop], 0, step) for end in bounds)
        return loop, (start, stop)
