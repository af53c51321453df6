"""Where arrays lie in the arena: memory is used again when all that read it is done."""

from __future__ import annotations

import bisect
import heapq

from handgrad.engine.kernels.kernel import Kernel
from handgrad.engine.nodes import Node
from handgrad.engine.runtime.memory import in_lines


class Arena:
    """Free ranges, in order; first fit."""

    def __init__(self) -> None:
        self.free: list[tuple[int, int]] = []
        self.size = 0

    def take(self, need: int) -> int:
        for i, (start, stop) in enumerate(self.free):
            if stop - start >= need:
                self.free[i : i + 1] = [(start + need, stop)] if stop - start > need else []
                return start
        start = self.free.pop()[0] if self.free and self.free[-1][1] == self.size else self.size
        self.size = start + need
        return start

    def give(self, start: int, stop: int) -> None:
        i = bisect.bisect(self.free, (start, stop))
        if i < len(self.free) and self.free[i][0] == stop:
            stop = self.free.pop(i)[1]
        if i and self.free[i - 1][1] == start:
            i -= 1
            start = self.free.pop(i)[0]
        self.free.insert(i, (start, stop))


def places_of(order: list[Kernel], moments: list[int], outside: set[Node]) -> tuple[dict[Node, int], int]:
    """A place for each array that is not the caller's, and the size of them all.

    ``moments`` are when the kernels run: what is last read at one moment is free at the next.
    """
    last = {array: now for kernel, now in zip(order, moments, strict=True) for array in kernel.arrays}
    arena = Arena()
    places: dict[Node, int] = {}
    living: list[tuple[int, int, int]] = []  # (last moment, start, stop)
    for kernel, now in zip(order, moments, strict=True):
        while living and living[0][0] < now:
            _, start, stop = heapq.heappop(living)
            arena.give(start, stop)
        for node in sorted(kernel.stores, key=lambda n: n.number):
            if node not in outside:
                need = in_lines(node.nbytes)
                places[node] = arena.take(need)
                heapq.heappush(living, (last.get(node, now), places[node], places[node] + need))
    return places, arena.size
