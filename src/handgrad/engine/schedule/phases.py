"""Kernels in order, with their phases."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

from handgrad.engine.kernels.kernel import Kernel, counters
from handgrad.engine.kernels.loop import LoopKernel
from handgrad.engine.lowering import Load, Lowering
from handgrad.engine.nodes import Node, Reshape, cast
from handgrad.engine.order import Order
from handgrad.engine.schedule.division import partition_of, stays_inside
from handgrad.engine.schedule.memory import places_of
from handgrad.engine.schedule.rounds import grouped
from handgrad.once import once

Link = tuple[Load, Kernel, Kernel]  # an array's elements, who reads, who writes


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Kernels in order, with their phases, and a place for every array that they store."""

    groups: list[list[Kernel]]  # each one kernel, or some that threads make together, part by part
    threads: int
    places: dict[Node, int]  # offsets in the arena, in bytes
    size: int  # of the arena
    donated: dict[Node, Node]  # nodes that are written over an input

    @once
    def kernels(self) -> list[Kernel]:
        return [kernel for group in self.groups for kernel in group]

    @property
    def phases(self) -> int:
        return max((k.phase for k in self.kernels), default=0) + 1

    def memory(self, node: Node) -> Node:
        """The node in whose memory another lies."""
        return self.donated.get(node, node)


def scheduled(
    kernels: list[Kernel], threads: int, outputs: Iterable[Node], donated: dict[Node, Node]
) -> Schedule:
    """Phases and places.

    ``outputs`` are nodes whose memory is the caller's. ``donated`` maps a node to the input that it is
    written over, which must have been read by all that need the old one; where some kernel cannot come
    before, the node is made elsewhere and copied in the end.
    """
    for kernel in kernels:
        kernel.arrange(threads)
    plan = Plan(kernels, donated, threads)
    outside = {*outputs, *plan.donated} - plan.copied
    groups = plan.groups()
    moments = [k.phase if threads > 1 else i for i, group in enumerate(groups) for k in group]
    places, size = places_of([kernel for group in groups for kernel in group], moments, outside)
    return Schedule(groups, threads, places, size, plan.donated)


class Plan:
    """The order of the kernels: each after the makers of what it reads, and after those that read what it
    overwrites.
    """

    def __init__(self, kernels: list[Kernel], donated: dict[Node, Node], threads: int):
        self.threads = threads
        self.order: Order[Kernel] = Order()
        self.maker: dict[Node, Kernel] = {}
        self.readers: dict[Node, list[Kernel]] = {}
        self.donated: dict[Node, Node] = {}
        self.copied: set[Node] = set()
        for kernel in kernels:
            self.add(kernel)
        for node, target in donated.items():
            self.donate(node, target)

    def add(self, kernel: Kernel) -> None:
        self.order.append(kernel)
        self.order.demand([self.maker[a] for a in kernel.arrays if a in self.maker], kernel)
        self.maker |= dict.fromkeys(kernel.stores, kernel)
        for array in kernel.arrays:
            self.readers.setdefault(array, []).append(kernel)

    def donate(self, node: Node, target: Node) -> None:
        """Write a node over an input once that was read; a copy of it, where it is needed before."""
        writer, readers = self.maker[node], self.readers.get(target, [])
        if not (writer.may_write_over(node, target) and self.order.demand(readers, writer)):
            self.copied.add(node)
            copy = copying(node, target)
            self.add(copy)
            self.order.demand(readers, copy)
            node = copy.node
        self.donated[node] = target

    def groups(self) -> list[list[Kernel]]:
        """The kernels in order, those together that threads make in parts; phases and what is divided are
        noted with each.
        """
        order = list(self.order)
        if self.threads == 1:
            return [[kernel] for kernel in order]
        for kernel in order:
            kernel.partition = partition_of(kernel, self.maker, self.threads)
        for kernel in order:
            kernel.phase = self.phase(kernel)
        phases = itertools.groupby(sorted(order, key=lambda k: k.phase), lambda k: k.phase)
        return [group for _, phase in phases for group in grouped(list(phase), self)]

    def phase(self, kernel: Kernel) -> int:
        """The first phase in which all that it needs is there; those of earlier kernels are known."""
        needed = (k.phase + (not stays_inside(*link, self.threads)) for k, link in self.links(kernel))
        return max(needed, default=0)

    def links(self, kernel: Kernel) -> Iterator[tuple[Kernel, Link]]:
        """The kernels that it must wait for, each with what is read of the one that writes."""
        for load in kernel.reads:
            maker = self.maker.get(load.array, kernel)
            if maker is not kernel:
                yield maker, (load, kernel, maker)
        for target in (self.donated[node] for node in kernel.stores if node in self.donated):
            for reader in self.readers.get(target, ()):
                if reader is not kernel:
                    yield from (
                        (reader, (load, reader, kernel)) for load in reader.reads if load.array is target
                    )


def copying(node: Node, target: Node) -> Kernel:
    """A kernel that writes a node over an input."""
    copy = cast(node, target.dtype, target.shape)
    view = Reshape(target.shape, node.dtype, node)
    load = Lowering({node}, {}).lower(view, counters(target.shape))
    return LoopKernel(copy, target.shape, [(copy, load)])
