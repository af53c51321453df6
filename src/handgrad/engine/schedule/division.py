"""Which loop of a kernel the threads divide, and whether each then reads only what it made itself."""

from __future__ import annotations

import functools

from handgrad.engine.kernels.kernel import Kernel
from handgrad.engine.lowering import Load
from handgrad.engine.nodes import Node

ROUNDED = 32  # turns in a slice for each thread from which slices are made multiples of a vector
VECTOR = 16


def partition_of(kernel: Kernel, maker: dict[Node, Kernel], threads: int) -> int | None:
    """The loop to divide: the kernel's own choice, else the one in which each thread reads most of what it
    made itself, else the outermost.
    """
    preferred = kernel.preferred_division()
    if preferred is not None:
        return preferred
    made = [(load, maker[load.array]) for load in kernel.reads if load.array in maker]

    def own_elements(i: int) -> int:
        kernel.partition = i
        return sum(load.array.size for load, other in made if stays_inside(load, kernel, other, threads))

    return max(kernel.divisible, key=lambda i: (own_elements(i), -i), default=None)


@functools.cache
def slices(n: int, threads: int) -> list[tuple[int, int]]:
    """Where each thread's part of n turns begins and ends."""
    share = -(-n // threads)
    if are_cut_at_vectors(n):
        share = -(-share // VECTOR) * VECTOR
    return [(min(t * share, n), min((t + 1) * share, n)) for t in range(threads)]


def are_cut_at_vectors(n: int) -> bool:
    """Whether n turns are cut at multiples of a vector, whatever the number of threads."""
    return n >= ROUNDED * VECTOR


def stays_inside(load: Load, kernel: Kernel, maker: Kernel, threads: int) -> bool:
    """Whether each thread reads here only what it made itself.

    So where the divided loops of both cut the array at the same elements, and what a turn reads lies between
    its first element and the next turn's.
    """
    if not (kernel.keeps_to_slices and maker.keeps_to_slices):
        return False
    if not load.array.size:
        return True
    if kernel.partition is None or maker.partition is None:
        return kernel.partition is maker.partition
    if load.offset.start < 0:
        return False
    n, block = kernel.space[kernel.partition], load.offset.stride(kernel.partition)
    if not are_cut_alike(n, block, maker.space[maker.partition], maker.block, threads):
        return False
    place = load.offset.start + sum(stride * (size - 1) for _, stride, size in load.gathers)
    for loop, stride in load.offset.strides:
        if loop == kernel.partition:
            continue
        if stride < 0:
            return False
        if stride % (n * block):
            place += stride * (kernel.space[loop] - 1)
    return place < block


def are_cut_alike(n: int, block: int, other: int, its_block: int, threads: int) -> bool:
    """Whether n turns of a block each are divided at the same elements as other turns of other blocks."""
    if (n, block) == (other, its_block):
        return True
    cuts, its = slices(n, threads), slices(other, threads)
    return n * block == other * its_block and all(
        stop * block == its_stop * its_block for (_, stop), (_, its_stop) in zip(cuts, its, strict=True)
    )
