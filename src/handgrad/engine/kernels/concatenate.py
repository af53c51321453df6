"""Arrays laid side by side into one."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from typing import Any

import numpy as np

from handgrad.engine.access import row_major
from handgrad.engine.emit.ir import i64
from handgrad.engine.emit.point import Point
from handgrad.engine.kernels.kernel import Kernel, Site, counters
from handgrad.engine.kernels.nest import nest, total
from handgrad.engine.lowering import Lowering
from handgrad.engine.nodes import Node, Reshape


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Concatenate(Node):
    """Parts, each from a corner on."""

    parts: tuple[Node, ...]
    corners: tuple[tuple[int, ...], ...]

    @property
    def args(self) -> tuple:
        return self.parts

    def with_args(self, args: tuple) -> Node:
        return dataclasses.replace(self, parts=args)

    def kernel(self, lowering: Lowering) -> Kernel:
        values = [(x, lowering.lower(x, counters(x.shape))) for x in self.parts]
        return ConcatenateKernel(self, self.shape, values, [self])

    def check(self) -> None:
        if sum(x.size for x in self.parts) != self.size:
            raise ValueError(f"{self}: its parts have another size")


def _concat(build: Any, out: Any, arrays: Any, axis: int = 0) -> Node:
    axis %= len(out.shape)
    corners, start = [], 0
    parts = tuple(build.array(x) for x in arrays)
    for x in parts:
        corners.append(tuple(start if i == axis else 0 for i in range(len(out.shape))))
        start += x.shape[axis]
    return Concatenate(out.shape, np.dtype(out.dtype), parts, tuple(corners))


def _stack(build: Any, out: Any, arrays: Any, axis: int = 0) -> Node:
    axis %= len(out.shape)
    widened = tuple(1 if i == axis else n for i, n in enumerate(out.shape))
    parts = tuple(Reshape(widened, x.dtype, x) for x in map(build.array, arrays))
    corners = [tuple(k if i == axis else 0 for i in range(len(out.shape))) for k in range(len(parts))]
    return Concatenate(out.shape, np.dtype(out.dtype), parts, tuple(corners))


OPERATIONS = {"concat": _concat, "stack": _stack}


class ConcatenateKernel(Kernel):
    name = "concatenate"
    writes_in_order = False
    node: Concatenate

    def details(self) -> Hashable:
        return (self.node.corners, tuple(x.shape for x in self.node.parts))

    def emit(self, site: Site) -> None:
        f, node = site.f, self.node
        strides = row_major(node.shape)
        for (part, e), corner in zip(self.values, node.corners, strict=True):
            start = sum(c * s for c, s in zip(corner, strides, strict=True))
            with nest(f, [(i, i64(0), i64(n)) for i, n in enumerate(part.shape)]) as here:
                place = total(f, [(here[i], strides[i]) for i in here])
                point = Point(f, site.pointers, here)
                point.store(node, f.binary("add", place, i64(start)), point.operand(e, node.dtype))
