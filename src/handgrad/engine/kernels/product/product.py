"""Contractions, planned for each thread's share, as code."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from handgrad.engine.emit.arithmetic import type_of
from handgrad.engine.emit.ir import Function, Type, Value, i64
from handgrad.engine.kernels.nest import over_groups
from handgrad.engine.kernels.product.contraction import contraction
from handgrad.engine.kernels.product.emission import Emission
from handgrad.engine.kernels.product.plan import Plan, best_way, planned
from handgrad.engine.lowering import loads
from handgrad.engine.targets.target import Target

if TYPE_CHECKING:
    from handgrad.engine.kernels.product.kernel import ContractKernel


def vectors_of(dtype: np.dtype, target: Target) -> Type:
    scalar = type_of(dtype)
    return scalar.of(target.vector_bytes // (scalar.bits // 8))


def are_pairs(dtype: np.dtype, target: Target) -> bool:
    """Whether factors can be rounded to pairs of bfloat16."""
    return target.has_halves and dtype == np.float32


class Product:
    """The kernel of a contraction, planned for the slices that threads take of its loop ``apart``."""

    def __init__(
        self,
        kernel: ContractKernel,
        slices: list[tuple[int, int]],
        target: Target,
        in_pairs: bool = False,
    ):
        self.kernel = kernel
        self.type = vectors_of(kernel.node.dtype, target)
        self.lanes = self.type.lanes
        beside = loads(kernel.expressions)
        outputs = len(kernel.output_space)
        given = kernel.space, outputs, kernel.operands, beside, kernel.node
        made, groups = contraction(*given, kernel.partition)
        self.values = over_groups(kernel.values, groups)
        self.contraction = made = dataclasses.replace(made, has_panels=kernel.node.has_panels)
        in_pairs = in_pairs and bool(made.sums) and are_pairs(kernel.node.dtype, target)
        self.apart, factor = None, 1  # the loop that threads divide
        for g, members in enumerate(groups):
            if kernel.partition in dict(members):
                self.apart, factor = g, dict(members)[kernel.partition]
        self.slices = [(start * factor, stop * factor) for start, stop in slices] or [(0, 0)]
        sizes = dict.fromkeys(stop - start for start, stop in self.slices)
        whole, _ = contraction(*given)
        whole = dataclasses.replace(whole, has_panels=made.has_panels)
        way = best_way(whole, self.lanes, target.registers, in_pairs)
        self.plans = {}
        for size in sizes:
            mine = {} if self.apart is None else {self.apart: size}
            self.plans[size] = planned(made, way, mine, self.lanes, target.registers)

    @property
    def scratch_bytes(self) -> int:
        """Memory that a thread needs beside the arrays."""
        return max(sum(self.emission(plan, size).memory()) for size, plan in self.plans.items())

    def describe(self) -> str:
        return next(iter(self.plans.values())).describe()

    def emission(self, plan: Plan, size: int) -> Emission:
        sizes = dict(enumerate(self.contraction.sizes))
        if self.apart is not None:
            sizes[self.apart] = size
        return Emission(self, plan, sizes)

    def emit(self, f: Function, pointers: dict, scratch: Value, thread: Value, finite: Value) -> None:
        """The whole product, or the slice of it that is this thread's."""
        c = self.contraction
        if 0 in (c.sizes[loop] for loop in c.loops if loop not in c.sums):
            return
        share = self.slices[0][1] - self.slices[0][0]
        for size, plan in self.plans.items():
            emission = self.emission(plan, size)
            if self.apart is None:
                emission.emit(f, pointers, scratch, {}, finite)
            elif size:
                start = {self.apart: f.binary("mul", thread, i64(share))}
                with f.when(self.takes(f, thread, size)):
                    emission.emit(f, pointers, scratch, start, finite)

    def takes(self, f: Function, thread: Value, size: int) -> Value:
        """Whether this thread's slice has that size."""
        mine = [t for t, (start, stop) in enumerate(self.slices) if stop - start == size]
        found = f.compare("icmp eq", thread, i64(mine[0]))
        for other in mine[1:]:
            found = f.binary("or", found, f.compare("icmp eq", thread, i64(other)))
        return found
