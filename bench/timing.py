"""Fair times on a noisy machine: contestants take turns, and medians are compared."""

from __future__ import annotations

import dataclasses
import math
import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PIECE, LONGEST = 0.01, 1.0  # seconds: how often is looked whether threads rest, and for how long at most


@dataclasses.dataclass(frozen=True)
class Spread:
    """Seconds: the median of the rounds, the best and the worst."""

    median: float
    low: float
    high: float


def spread(seconds: list[float]) -> Spread:
    return Spread(statistics.median(seconds), min(seconds), max(seconds))


def seconds_of(call: Callable[[int], object], n: int) -> float:
    began = time.perf_counter()
    call(n)
    return time.perf_counter() - began


def rest() -> None:
    """Wait until the threads of the contestant before have ceased to spin on a core of the next one's.

    OpenBLAS's do so for some 100 ms, oneDNN's for a few.
    """
    end = time.perf_counter() + LONGEST
    busy = PIECE
    while busy > PIECE / 10 and time.perf_counter() < end:
        before = time.process_time()
        time.sleep(PIECE)
        busy = time.process_time() - before


def interleaved(
    contestants: Mapping[str, Callable[[int], object]], unit: int, rounds: int, turn: float = 0.2
) -> dict[str, Spread]:
    """Seconds a step. In each round each makes as many ``unit``s of steps as fill ``turn`` seconds."""
    counts, times = {}, {name: [] for name in contestants}
    for name, steps in contestants.items():
        steps(unit)  # compile, fill caches
        rest()
        counts[name] = unit * max(1, math.ceil(turn / max(seconds_of(steps, unit), 1e-6)))
        steps(counts[name])
    for _ in range(rounds):
        for name, steps in contestants.items():
            rest()
            times[name].append(seconds_of(steps, counts[name]) / counts[name])
    return {name: spread(seconds) for name, seconds in times.items()}


class Others:
    """How much of the machine other processes used since this was made; on Linux, else None.

    Threads that wait for each other by spinning, OpenBLAS's and OpenMP's, become several times slower where
    another process holds a core: a run with more than a few per cent here says little.
    """

    def __init__(self):
        self.began = self._now()

    def share(self) -> float | None:
        busy, idle, own = (now - then for now, then in zip(self._now(), self.began, strict=True))
        return max(busy - own, 0.0) / (busy + idle) if busy + idle else None

    def __str__(self) -> str:
        share = self.share()
        return "" if share is None else f"Other processes used {100 * share:.0f} % of the machine meanwhile."

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds of all cores: busy, idle, and busy for this process and its children."""
        stat = Path("/proc/stat")
        if not stat.exists():
            return 0.0, 0.0, 0.0
        ticks = [int(n) for n in stat.read_text().split("\n", 1)[0].split()[1:9]]
        idle, second = ticks[3] + ticks[4], os.sysconf("SC_CLK_TCK")
        return (sum(ticks) - idle) / second, idle / second, sum(os.times()[:4])
