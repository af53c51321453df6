"""The time that a check may take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# Seconds that nobody waits for. What a search may take is counted in work, so that a busy machine finds as
# much; this ends those that compute long in few lines.
FAR = 400.0
OFTEN = 25  # edits, after which it is told how many were tried


class OutOfTime(Exception):
    """The budget is spent."""


@dataclass
class Clock:
    """Seconds left of a budget, and what to call while they pass."""

    budget: float | None = None
    tell: Callable[[str], None] | None = None
    began: float = field(default_factory=lambda: time.perf_counter())
    repairs: int = 0  # edits tried by the search for one that repairs
    repaired_until: float | None = None

    @property
    def spent(self) -> float:
        return time.perf_counter() - self.began

    @property
    def left(self) -> float:
        return math.inf if self.budget is None else self.budget - self.spent

    def times(self, run: Callable[[], object]) -> float:
        """How often something can be run in a quarter of what is left."""
        most, began = min(self.left, FAR) / 4, time.perf_counter()
        run()
        return most / max(time.perf_counter() - began, 1e-6)

    def allows_repair(self, most: float) -> bool:
        """Whether one more edit may be tried: one allowance for all inputs, half of what is left at most."""
        if self.repaired_until is None:
            self.repaired_until = time.perf_counter() + min(self.left, FAR) / 2
        self.repairs += 1
        if self.tell is not None and self.repairs % OFTEN == 0:
            self.tell(f"trying changes of the code: {self.repairs}")
        return self.repairs <= most and time.perf_counter() < self.repaired_until

    def look(self, doing: str) -> None:
        if self.tell is not None:
            self.tell(doing)
        if self.left <= 0:
            raise OutOfTime(doing)
