"""An order of things that keeps to "this before that", and is mended where a new demand goes against it.

Pearce and Kelly, "A dynamic topological sort algorithm for directed acyclic graphs" (2006): a demand that the
order meets already costs nothing, any other only what lies between the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Order(Generic[T]):
    def __init__(self) -> None:
        self.place: dict[T, int] = {}
        self.before: dict[T, dict[T, None]] = {}
        self.after: dict[T, dict[T, None]] = {}

    def append(self, x: T) -> None:
        """x comes last, until something is demanded."""
        self.place[x] = len(self.place)
        self.before[x], self.after[x] = {}, {}

    def __iter__(self) -> Iterator[T]:
        return iter(sorted(self.place, key=self.place.__getitem__))

    def demand(self, firsts: Iterable[T], then: T, most: int | None = None) -> bool:
        """Each of ``firsts`` before ``then``; False, and nothing is demanded, where one comes after.

        Where it takes more than ``most`` steps to see that, it is not seen, and not demanded.
        """
        new: list[T] = []
        for first in dict.fromkeys(firsts):
            if first is then or first in self.before[then]:
                continue
            if self.place[first] > self.place[then] and not self._mended(first, then, most):
                for x in new:
                    del self.before[then][x], self.after[x][then]
                return False
            self.before[then][first] = self.after[first][then] = None
            new.append(first)
        return True

    def _mended(self, first: T, then: T, most: int | None) -> bool:
        """Move what lies between; False where ``then`` must come before ``first``, or it takes too long."""
        low, high = self.place[then], self.place[first]
        later = self._reached(then, self.after, low, high, most)
        if later is None or first in later:
            return False
        earlier = self._reached(first, self.before, low, high, most)
        if earlier is None:
            return False
        moved = [*sorted(earlier, key=self.place.__getitem__), *sorted(later, key=self.place.__getitem__)]
        places = sorted(self.place[x] for x in moved)
        self.place.update(zip(moved, places, strict=True))
        return True

    def _reached(
        self, start: T, edges: dict[T, dict[T, None]], low: int, high: int, most: int | None
    ) -> set[T] | None:
        """What can be reached without leaving the places between; None where that is more than ``most``."""
        found, waiting = {start}, [start]
        while waiting:
            for x in edges[waiting.pop()]:
                if x not in found and low <= self.place[x] <= high:
                    found.add(x)
                    waiting.append(x)
            if most is not None and len(found) > most:
                return None
        return found
