"""Which loop of a kernel the threads divide, and whether each then reads only what it made itself."""

from __future__ import annotations

from handgrad.engine.kernels.kernel import Kernel
from handgrad.engine.lowering import Load
from handgrad.engine.nodes import Node

ROUNDED = 32  # turns in a slice for each thread from which slices are made multiples of a vector
VECTOR = 16


def partition_of(kernel: Kernel, maker: dict[Node, Kernel]) -> int | None:
    """The loop to divide: the kernel's own choice, else the one in which each thread reads most of what it
    made itself, else the outermost.
    """
    preferred = kernel.preferred_division()
    if preferred is not None:
        return preferred
    made = [(load, maker[load.array]) for load in kernel.reads if load.array in maker]

    def own_elements(i: int) -> int:
        kernel.partition = i
        return sum(load.array.size for load, other in made if stays_inside(load, kernel, other))

    return max(kernel.divisible, key=lambda i: (own_elements(i), -i), default=None)


def slices(n: int, threads: int) -> list[tuple[int, int]]:
    """Where each thread's part of n turns begins and ends."""
    share = -(-n // threads)
    if n >= ROUNDED * VECTOR:
        share = -(-share // VECTOR) * VECTOR
    return [(min(t * share, n), min((t + 1) * share, n)) for t in range(threads)]


def stays_inside(load: Load, kernel: Kernel, maker: Kernel) -> bool:
    """Whether each thread reads here only what it made itself."""
    if not (kernel.is_native and maker.is_native):
        return False
    if not load.array.size:
        return True
    if kernel.partition is None or maker.partition is None:
        return kernel.partition is maker.partition
    n = kernel.space[kernel.partition]
    if maker.space[maker.partition] != n or load.gathers:
        return False
    if load.offset.stride(kernel.partition) != maker.block or load.offset.start < 0:
        return False
    place = load.offset.start
    for loop, stride in load.offset.strides:
        if loop == kernel.partition:
            continue
        if stride < 0:
            return False
        if stride % (n * maker.block):
            place += stride * (kernel.space[loop] - 1)
    return place < maker.block
