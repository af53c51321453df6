"""Whether a long training becomes slow: gradients and moments that fade pass through subnormal numbers.

mlp-wide on so few digits that it learns them by heart. The one that has trained for long and one at step
100 take turns, so that a noisy machine is noisy for both.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator

from bench.contestants import JAX, NUMPY, OURS, TORCH, makers
from bench.tables import table, time_of
from bench.timing import interleaved
from bench.workload import named

EARLY, LATE, CALL = 100, 20_000, 20
CONTESTANTS = (OURS, NUMPY, TORCH, JAX)


def aged(steps: Callable[[int], float], budget: float) -> tuple[int, float]:
    """Train to step ``LATE``, or as far as ``budget`` seconds go: the step reached, and the loss there."""
    began, reached, loss = time.perf_counter(), 0, 0.0
    while reached < LATE and time.perf_counter() - began < budget:
        loss = steps(CALL)
        reached += CALL
    return reached, loss + 0.0  # not -0


def row(name: str, make: Callable, budget: float, rounds: int) -> list[str]:
    workload = dataclasses.replace(named("mlp-wide"), rows=256)
    young, old = make(workload), make(workload)
    young(EARLY)
    reached, loss = aged(old, budget)
    times = interleaved({"young": young, "old": old}, CALL, rounds, turn=0)
    early, late = times["young"].median, times["old"].median
    return [name, time_of(early), time_of(late), f"{reached:,}", f"{loss:.1e}", f"{late / early:.2f}"]


def report(engine: str, budget: float = 60.0, rounds: int = 5) -> Iterator[str]:
    yield f"\n## A step of mlp-wide on 256 digits, at step {EARLY} and late\n"
    yield f"Late is step {LATE:,}, or as far as {budget:.0f} s go.\n"
    available = makers(named("mlp-wide"), engine)
    yield from table(
        ("", f"at step {EARLY}", "late", "step", "loss there", "late / early"),
        (row(name, available[name], budget, rounds) for name in CONTESTANTS if name in available),
    )
