"""Fair times on a noisy machine: contestants take turns, and medians are compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def interleaved(contestants: dict[str, Callable[[], object]], rounds: int, repeats: int) -> dict[str, float]:
    """Median seconds of one call, over ``rounds`` in which each contestant makes ``repeats`` calls."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for call in contestants.values():
        call()  # compile, fill caches
    for _ in range(rounds):
        for name, call in contestants.items():
            began = time.perf_counter()
            for _ in range(repeats):
                call()
            times[name].append((time.perf_counter() - began) / repeats)
    return {name: statistics.median(seconds) for name, seconds in times.items()}
