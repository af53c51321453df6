"""Parts added to zeros at places that are values."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from typing import Any

import numpy as np

from handgrad.engine.emit.arithmetic import type_of
from handgrad.engine.emit.ir import i64, number
from handgrad.engine.emit.point import Point
from handgrad.engine.kernels.concatenate import among_zeros
from handgrad.engine.kernels.kernel import Kernel, Site, counters
from handgrad.engine.kernels.nest import nest
from handgrad.engine.lowering import Lowering
from handgrad.engine.nodes import Broadcast, Gather, Node, Slice, nodes_in, with_nodes


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
        here = counters(self.x.shape)
        kind = Gather if nodes_in(self.index) else Slice
        view = kind(self.x.shape, self.dtype, self, self.index)
        target = Lowering({self, *lowering.stored}, {}).lower(view, here)
        values = [(self.x, lowering.lower(self.x, here)), (self, target)]
        return ScatterKernel(self, self.shape, values, [self])


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


class ScatterKernel(Kernel):
    """Each element is added at its place, one after the other."""

    name = "scatter"
    writes_in_order = False
    node: ScatterAdd

    def details(self) -> Hashable:
        return (self.node.x.shape,)

    def emit(self, site: Site) -> None:
        f, node = site.f, self.node
        (part, e), (_, target) = self.values
        zero = number(0, type_of(node.dtype))
        with f.loop(i64(0), i64(node.size)) as i:
            Point(f, site.pointers, {}).store(node, i, zero)
        with nest(f, [(i, i64(0), i64(n)) for i, n in enumerate(part.shape)]) as here:
            point = Point(f, site.pointers, here)
            place, _ = point.address(target)
            old = point.load(target)
            new = point.operand(e, node.dtype)
            op = "or" if node.dtype.kind == "b" else "fadd" if node.dtype.kind == "f" else "add"
            point.store(node, place, f.binary(op, old, new))
