"""Contractions, planned for each part of one of their loops, as code."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from handgrad.engine.access import affine, row_major
from handgrad.engine.emit.arithmetic import type_of
from handgrad.engine.emit.ir import Function, Type, Value, i64
from handgrad.engine.kernels.nest import over_groups
from handgrad.engine.kernels.product.among_zeros import Phase
from handgrad.engine.kernels.product.contraction import Operand, contraction
from handgrad.engine.kernels.product.emission import Emission
from handgrad.engine.kernels.product.plan import FMA, Plan, Way, best_way, planned
from handgrad.engine.kernels.product.woven import Odd, WovenEmission, are_neighbours, dense, halved
from handgrad.engine.lowering import Load, loads, mapped
from handgrad.engine.targets.target import Target

if TYPE_CHECKING:
    from handgrad.engine.kernels.product.kernel import ContractKernel


def vectors_of(dtype: np.dtype, target: Target) -> Type:
    scalar = type_of(dtype)
    return scalar.of(target.vector_bytes // (scalar.bits // 8))


def are_pairs(dtype: np.dtype, target: Target) -> bool:
    """Whether factors can be rounded to pairs of bfloat16."""
    return target.has_bf16 and dtype == np.float32


class Product:
    """The kernel of a contraction, planned for the parts of one loop that threads take; in phases one after
    the other, where it has such.
    """

    def __init__(
        self,
        kernel: ContractKernel,
        slices: list[tuple[int, int]],
        target: Target,
        in_pairs: bool = False,
    ):
        both = zip(kernel.node.phases, kernel.operands, strict=True)
        pieces = [Piece(kernel, *each, slices, target, in_pairs) for each in both]
        self.pieces = together(pieces, target.registers)

    @property
    def scratch_bytes(self) -> int:
        """Memory that a thread needs beside the arrays."""
        return max(piece.scratch_bytes for piece in self.pieces)

    def describe(self) -> str:
        texts = dict.fromkeys(piece.describe() for piece in self.pieces)
        count = len(self.pieces)
        return (f"{count} phases: " if count > 1 else "") + "; ".join(texts)

    def emit(self, f: Function, pointers: dict, scratch: Value, part: Value, finite: Value) -> None:
        """The whole product, or a part of it."""
        for piece in self.pieces:
            piece.emit(f, pointers, scratch, part, finite)


class Piece:
    """One phase of a product."""

    def __init__(
        self,
        kernel: ContractKernel,
        phase: Phase,
        operands: tuple[Operand, Operand],
        slices: list[tuple[int, int]],
        target: Target,
        in_pairs: bool,
    ):
        self.kernel, self.phase = kernel, phase
        self.type = vectors_of(kernel.node.dtype, target)
        self.lanes = self.type.lanes
        values = phase.values(kernel.values)
        outputs = len(kernel.output_space)
        steps = affine(0, dict(enumerate(row_major(kernel.output_space))))
        written = Load(kernel.node, phase.moved(steps), (), kernel.node.dtype)
        given = phase.space, outputs, operands, loads([e for _, e in values]), written
        made, groups = contraction(*given, kernel.partition)
        self.values = over_groups(values, groups)
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
        return max(self.emission(plan, size).scratch_bytes() for size, plan in self.plans.items())

    def describe(self) -> str:
        guarded = " among zeros" * bool(self.contraction.guards)
        return next(iter(self.plans.values())).describe() + guarded

    def emission(self, plan: Plan, size: int) -> Emission:
        sizes = dict(enumerate(self.contraction.sizes))
        if self.apart is not None:
            sizes[self.apart] = size
        return Emission(self, plan, sizes)

    def emit(self, f: Function, pointers: dict, scratch: Value, part: Value, finite: Value) -> None:
        c = self.contraction
        if 0 in (c.sizes[loop] for loop in c.loops if loop not in c.sums):
            return
        share = self.slices[0][1] - self.slices[0][0]
        for size, plan in self.plans.items():
            emission = self.emission(plan, size)
            if self.apart is None:
                emission.emit(f, pointers, scratch, {}, finite)
            elif size:
                start = {self.apart: f.binary("mul", part, i64(share))}
                with f.when(self.takes(f, part, size)):
                    emission.emit(f, pointers, scratch, start, finite)

    def takes(self, f: Function, part: Value, size: int) -> Value:
        """Whether a part has that size."""
        sizes = [stop - start for start, stop in self.slices]  # the same ones in a row
        before = f.binary("sub", part, i64(sizes.index(size)))
        return f.compare("icmp ult", before, i64(sizes.count(size)))


def together(pieces: list[Piece], registers: int) -> list[Piece]:
    """The pieces, of which two neighbours are one where their rows can be written together."""
    found: list[Piece] = []
    for piece in pieces:
        if found and are_neighbours(found[-1], piece):
            piece = Woven(found.pop(), piece, registers)
        found.append(piece)
    return found


class Woven(Piece):
    """Two phases of a stride, of which one has the even places along the last axis and one the odd ones."""

    def __init__(self, even: Piece, odd: Piece, registers: int):
        self.kernel, self.phase, self.type, self.lanes = even.kernel, even.phase, even.type, even.lanes
        self.apart, self.slices = even.apart, even.slices
        last = even.contraction.sums[0] - 1
        changed = mapped([e for _, e in even.values], lambda load: halved(load, last))
        self.values = [(node, e) for (node, _), e in zip(even.values, changed, strict=True)]
        self.contraction, self.odd = dense(even.contraction), odd
        odd.contraction = dense(odd.contraction)
        way = Way(FMA, self.contraction.x.strides[last] == 0)
        self.plans = {}
        for size in even.plans:
            mine = {} if self.apart is None else {self.apart: size}
            plan = planned(odd.contraction, way, mine, self.lanes, registers)
            tile = plan.tile._replace(rows=min(plan.tile.rows, max(self.lanes // 2, 1)))
            self.plans[size] = dataclasses.replace(plan, tile=tile, keeps_y=False, packs_x=False)

    def describe(self) -> str:
        return "even and odd rows together, " + super().describe()

    def emission(self, plan: Plan, size: int) -> Emission:
        every = [dict(enumerate(c.sizes)) for c in (self.contraction, self.odd.contraction)]
        if self.apart is not None:
            every = [{**sizes, self.apart: size} for sizes in every]
        return WovenEmission(self, plan, every[0], Odd(self.odd, plan, every[1]))
