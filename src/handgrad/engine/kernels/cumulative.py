"""Sums and products of all elements up to each one along an axis."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from handgrad.engine.access import row_major
from handgrad.engine.emit.arithmetic import type_of
from handgrad.engine.emit.ir import Value, i64, number
from handgrad.engine.emit.point import Point
from handgrad.engine.kernels.kernel import Bounds, Kernel, Site, counters
from handgrad.engine.kernels.nest import along, lanes_for, nest, total
from handgrad.engine.lowering import Lowering
from handgrad.engine.nodes import Node, NotCompiled, OfOne, cast


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Cumulative(OfOne):
    """out[..., t, ...] = Σ x[..., s, ...] over s ≤ t, or Π, one after the other, as NumPy's."""

    axis: int
    op: str  # add or mul

    def kernel(self, lowering: Lowering) -> Kernel:
        x = lowering.lower(self.x, counters(self.x.shape))
        return CumulativeKernel(self, self.shape, [(self.x, x)], [self])

    def check(self) -> None:
        if (self.x.shape, self.x.dtype) != (self.shape, self.dtype):
            raise ValueError(f"{self}: it is made of {self.x}")


def _cumulative(op: str) -> Callable[..., Node]:
    def made(
        build: Any,
        out: Any,
        x: Any,
        axis: int | None = None,
        dtype: Any = None,
        include_initial: bool = False,
    ) -> Node:
        x = build.array(x)
        if include_initial or out.dtype == bool or x.shape != out.shape:
            raise NotCompiled("the engine has code for running sums and products of the shape of their array")
        axis = (len(x.shape) - 1 if axis is None else axis) % len(x.shape)
        x = x if x.dtype == out.dtype else cast(x, out.dtype)
        return Cumulative(x.shape, np.dtype(out.dtype), x, axis, op)

    return made


OPERATIONS = {"cumulative_sum": _cumulative("add"), "cumulative_prod": _cumulative("mul")}


class CumulativeKernel(Kernel):
    """One loop after the other along the axis; vectors run along the last axis, where that is another."""

    name = "cumulative"
    node: Cumulative

    @property
    def divisible(self) -> list[int]:
        return [i for i, n in enumerate(self.space) if n > 1 and i != self.node.axis]

    def details(self) -> Hashable:
        return (self.node.axis, self.node.op)

    def emit(self, site: Site) -> None:
        f, axis, last = site.f, self.node.axis, len(self.space) - 1
        if 0 in self.space:
            return
        strides = row_major(self.space)
        vector = last if axis != last else None
        ranges: list[Bounds] = [(i64(0), i64(n)) for n in self.space]
        if self.partition is not None and site.bounds is not None:
            ranges[self.partition] = site.bounds
        ((_, x),) = self.values
        outer = [(i, *bounds) for i, bounds in enumerate(ranges) if i not in (axis, vector)]
        with nest(f, outer) as around:

            def sums(at: dict[int, Value], lanes: int, mask: Value | None) -> None:
                type = type_of(self.node.dtype, lanes)
                place = f.variable(type, number(int(self.node.op == "mul"), type))
                with f.loop(*ranges[axis]) as t:
                    here = {**at, axis: t}
                    point = Point(f, site.pointers, here, vector, lanes, mask, site.finite)
                    op = f"f{self.node.op}" if self.node.dtype.kind == "f" else self.node.op
                    new = f.binary(op, f.load(place, type), point.operand(x, self.node.dtype))
                    f.store(new, place)
                    point.store(self.node, total(f, [(here[i], strides[i]) for i in here]), new)

            if vector is None:
                sums(around, 1, None)
            else:
                lanes = lanes_for(self.expressions, site.target.vector_bytes)
                along(f, *ranges[vector], lanes, lambda i, n, mask: sums({**around, vector: i}, n, mask))
