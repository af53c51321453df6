"""Which thread does what, when threads wait for each other, and where arrays lie.

A kernel's outermost loop is divided among the threads, always at the same places for the same number of
turns. So what a thread reads is mostly what it wrote itself, and no one waits: a batch goes forward and
backward in slices. Where a kernel reads beyond its own slice (a sum over the batch) it belongs to a later
*phase*, and between phases the threads meet. Every element is computed whole by one thread, in one order: so
the bits are the same for any number of threads.
"""

from __future__ import annotations

import dataclasses
import math

from handgrad.engine.fusion import Kernel, copying, in_order, is_pointwise, makers
from handgrad.engine.graph import Node
from handgrad.engine.lowering import Load
from handgrad.engine.runtime.memory import LINE

LARGE_FACTOR = 1 << 16  # bytes of a second factor that are worth dividing among threads
ROUNDED = 32  # turns in a slice for each thread from which slices are made multiples of a vector
VECTOR = 16


def partition_of(kernel: Kernel, producer: dict[Node, Kernel]) -> int | None:
    """The loop to divide among threads.

    Of a product its rows, so that a thread goes on with its own examples; or its columns where the second
    factor is the larger by far, so that each thread reads only its part of that. Of loops the one in which
    each thread reads most of what it made itself, else the outermost.
    """
    if kernel.kind not in ("loop", "product", "reduce", "random"):
        return None
    gone = kernel.node.options["axes"] if kernel.kind == "reduce" else ()
    candidates = [i for i, n in enumerate(kernel.output_space) if n > 1 and i not in gone]
    if kernel.kind == "random":
        candidates = candidates[:1]
    if kernel.kind == "product":
        *_, M, N, K = kernel.space
        columns = len(kernel.output_space) - 1
        if len(candidates) > 1 and N > 2 * M and N * K * kernel.node.dtype.itemsize >= LARGE_FACTOR:
            return columns
        return candidates[0] if candidates else None

    made = [(load, producer[load.array]) for load in kernel.reads if load.array in producer]

    def own_elements(i: int) -> int:
        kernel.partition = i
        return sum(load.array.size for load, maker in made if stays_inside(load, kernel, maker))

    return max(candidates, key=lambda i: (own_elements(i), -i), default=None)


def slices(n: int, threads: int) -> list[tuple[int, int]]:
    """Where each thread's part of n turns begins and ends."""
    share = -(-n // threads)
    if n >= ROUNDED * VECTOR:
        share = -(-share // VECTOR) * VECTOR
    return [(min(t * share, n), min((t + 1) * share, n)) for t in range(threads)]


def stays_inside(load: Load, kernel: Kernel, maker: Kernel) -> bool:
    """Whether each thread reads here only what it made itself."""
    if not load.array.size:
        return True
    if kernel.partition is None or maker.partition is None:
        return kernel.partition is maker.partition
    n = kernel.space[kernel.partition]
    if maker.space[maker.partition] != n or load.looks:
        return False
    block = divided_stride(maker)
    if load.offset.stride(kernel.partition) != block or load.offset.start < 0:
        return False
    place = load.offset.start
    for loop, stride in load.offset.strides:
        if loop == kernel.partition:
            continue
        if stride < 0:
            return False
        if stride % (n * block):
            place += stride * (kernel.space[loop] - 1)
    return place < block


def divided_stride(maker: Kernel) -> int:
    """How far apart in its results the turns of a kernel's divided loop lie."""
    kept = [
        i
        for i in range(len(maker.output_space))
        if maker.kind != "reduce" or i not in maker.node.options["axes"]
    ]
    inner = [maker.output_space[i] for i in kept if i > (maker.partition or 0)]
    return math.prod(inner)


@dataclasses.dataclass
class Schedule:
    """Kernels in order, with their phases, and a place for every array that they store."""

    kernels: list[Kernel]
    threads: int
    places: dict[Node, int]  # offsets in the arena, in bytes
    size: int  # of the arena
    over: dict[Node, Node]  # nodes that are written over an input

    @property
    def phases(self) -> int:
        return max((k.phase for k in self.kernels), default=0) + 1


def scheduled(kernels: list[Kernel], threads: int, outputs: list[Node], over: dict[Node, Node]) -> Schedule:
    """Phases and places.

    ``outputs`` are nodes whose memory is the caller's. ``over`` maps a node to the input that it is written
    over, which must have been read by all that need the old one; where some kernel cannot come before, the
    node is made elsewhere and copied in the end.
    """
    producer = {node: k for k in kernels for node in k.stores}
    for kernel in kernels:
        kernel.partition = partition_of(kernel, producer) if threads > 1 else None
    over = dict(over)
    kernels, copied = _in_place(kernels, producer, over)
    for kernel in kernels:
        kernel.phase = 0
    changed = True
    while changed:
        changed = False
        for kernel in kernels:
            phase = _phase(kernel, kernels, producer, over) if threads > 1 else 0
            changed |= phase != kernel.phase
            kernel.phase = phase
    order = sorted(kernels, key=lambda k: k.phase)
    places, size = _places(order, threads, {*outputs, *over} - copied)
    return Schedule(order, threads, places, size, over)


def _phase(kernel: Kernel, kernels: list[Kernel], producer: dict, over: dict) -> int:
    phase = kernel.phase
    for load in kernel.reads:
        maker = producer.get(load.array)
        if maker is not None and maker is not kernel:
            waits = "foreign" in (kernel.kind, maker.kind) or not stays_inside(load, kernel, maker)
            phase = max(phase, maker.phase + waits)
    for node in kernel.stores:
        if node in over:
            for reader in _readers(over[node], kernels):
                if reader is not kernel:
                    inside = all(
                        stays_inside(load, reader, kernel)
                        for load in reader.reads
                        if load.array is over[node]
                    )
                    phase = max(phase, reader.phase + (not inside))
    return phase


def _readers(array: Node, kernels: list[Kernel]) -> list[Kernel]:
    return [k for k in kernels if array in k.arrays]


def _in_place(
    kernels: list[Kernel], producer: dict[Node, Kernel], over: dict[Node, Node]
) -> tuple[list[Kernel], set[Node]]:
    """Kernels ordered so that each overwrites an input after it was read; what cannot be is copied in the
    end.
    """
    copied = set()
    for node, target in list(over.items()):
        writer = producer[node]
        readers = [k for k in _readers(target, kernels) if k is not writer]
        before = _needed_by(readers, producer, over, kernels)
        if writer in before or not is_pointwise(writer, target):
            copied.add(node)
            copy = copying(node, target)
            kernels = [*kernels, copy]
            producer[copy.node] = copy
            over[copy.node] = over.pop(node)
    return in_order(kernels, lambda kernel: _before(kernel, producer, over, kernels)), copied


def _needed_by(readers: list[Kernel], producer: dict, over: dict, kernels: list[Kernel]) -> set[Kernel]:
    seen: set[Kernel] = set()
    waiting = list(readers)
    while waiting:
        kernel = waiting.pop()
        if kernel not in seen:
            seen.add(kernel)
            waiting += _before(kernel, producer, over, kernels)
    return seen


def _before(kernel: Kernel, producer: dict, over: dict, kernels: list[Kernel]) -> list[Kernel]:
    """The kernels that must come before this one."""
    written = sorted((node for node in kernel.stores if node in over), key=lambda node: node.number)
    readers = [k for node in written for k in _readers(over[node], kernels)]
    return [*makers(kernel, producer), *(k for k in readers if k is not kernel)]


def _places(order: list[Kernel], threads: int, outside: set[Node]) -> tuple[dict[Node, int], int]:
    """First fit: memory is used again when all that read it is done; with threads, a phase later."""

    def moment(i: int) -> int:
        return order[i].phase if threads > 1 else i

    last: dict[Node, int] = {}
    for i, kernel in enumerate(order):
        for array in kernel.arrays:
            last[array] = moment(i)
    places: dict[Node, int] = {}
    living: list[tuple[int, int, int]] = []  # (start, end, last moment)
    size = 0
    for i, kernel in enumerate(order):
        now = moment(i)
        living = [block for block in living if block[2] >= now]
        for node in sorted(kernel.stores, key=lambda n: n.number):
            if node in outside:
                continue
            need = max(-(-node.size * node.dtype.itemsize // LINE) * LINE, LINE)
            start = 0
            for a, b, _ in sorted(living):
                if a - start >= need:
                    break
                start = max(start, b)
            places[node] = start
            living.append((start, start + need, last.get(node, now)))
            size = max(size, start + need)
    return places, size
