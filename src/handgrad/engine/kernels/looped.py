"""Loops whose body needs NumPy for some of it: a loop of Python's around code for the body."""

from __future__ import annotations

import ctypes
import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.arrays import shape
from handgrad.arrays.loops import order
from handgrad.engine.kernels.fallback import FallbackKernel
from handgrad.engine.kernels.kernel import Kernel, as_it_lies
from handgrad.engine.lowering import Lowering
from handgrad.engine.nodes import Node, Result
from handgrad.engine.runtime.memory import array_at
from handgrad.program import Program
from handgrad.tree import leaves

if TYPE_CHECKING:
    from handgrad.engine.code import Code


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Looped(Node):
    """A loop from Python: a scan, or, ``counted``, an iterate."""

    given: tuple[Node, ...]  # weights, carry, sequences; if it is counted, the number of steps
    body: Program
    length: int
    reverse: bool
    counted: bool
    whys: tuple[str, ...]  # what needs NumPy

    @property
    def args(self) -> tuple:
        return self.given

    @property
    def weights(self) -> int:
        return len(self.body.inputs[0])

    @property
    def carried(self) -> int:
        return len(self.body.inputs[1])

    def with_args(self, args: tuple) -> Node:
        return dataclasses.replace(self, given=args)

    def kernel(self, lowering: Lowering) -> Kernel:
        return LoopedKernel(self, (self.length,), [(x, as_it_lies(x, lowering)) for x in self.given], [self])


class LoopedKernel(FallbackKernel):
    name = "looped"
    node: Any  # Looped
    code: Code  # of a step

    @property
    def whys(self) -> tuple[str, ...]:
        return self.node.whys

    def prepare(self, compiled: Callable[[Program, dict[int, int]], Code]) -> None:
        first = self.node.weights
        self.code = compiled(self.node.body, {i: first + i for i in range(self.node.carried)})

    def may_write_over(self, node: Node, array: Node) -> bool:
        return goes_on_from(self, node, array, self.node.weights, self.node.carried)

    def compute(self, address_of: Callable[[Node], int]) -> bool:
        node, body = self.node, self.node.body
        given = [address_of(load.array) + load.offset.start * load.dtype.itemsize for _, load in self.values]
        after, written = ([nbytes(x) for x in leaves(part)] for part in body.outputs)
        sizes = [*after, *[8] * node.counted, *(node.length * n for n in written)]
        memory = {x.index: address_of(x) for x in self.stores if isinstance(x, Result)}
        unread = {i: np.empty(n, np.uint8) for i, n in enumerate(sizes) if i not in memory}
        memory |= {i: spare.ctypes.data for i, spare in unread.items()}
        results = [memory[i] for i in range(len(sizes))]
        carry, first = results[: node.carried], node.weights + node.carried
        for start, own, n in zip(given[node.weights : first], carry, after, strict=True):
            if start != own:
                ctypes.memmove(own, start, n)
        sequences = list(zip(given[first:], map(nbytes, body.inputs[2]), strict=False))
        still = [(p, 0) for p in (*given[: node.weights], *carry)]
        constants = [(x.ctypes.data, 0) for x in self.code.constants]
        told = [*((p, 0) for p in carry), *zip(results[len(results) - len(written) :], written, strict=True)]
        arrays = [*still, *sequences, *constants, *told]
        steps = order(node.length, node.reverse)
        if node.counted:
            steps = steps[: int(array_at(given[-1], (), np.dtype(np.int64)))]
        done, is_fine = 0, True
        try:
            for t in steps:
                is_fine &= self.code.run([p + t * move for p, move in arrays])
                if node.counted and not is_fine:
                    break
                done += 1
        finally:
            if node.counted:
                array_at(results[node.carried], (), np.dtype(np.int64))[...] = done
        return is_fine


def nbytes(x: Any) -> int:
    return math.prod(shape(x)) * np.dtype(x.dtype).itemsize


def goes_on_from(kernel: Kernel, node: Node, array: Node, first: int, carried: int) -> bool:
    """Whether a result is what a loop carries on from an array, which it reads for nothing else; what it
    carries are the arrays that it is given from the first on.
    """
    readers = [i - first for i, (_, load) in enumerate(kernel.values) if load.array is array]
    return not readers or (isinstance(node, Result) and node.index < carried and readers == [node.index])
