"""How the time of a step of mlp-wide goes with the batch and with the width."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from bench.contestants import JAX, OURS, TORCH, made
from bench.tables import table, time_of
from bench.timing import interleaved
from bench.workload import Workload, named

BATCHES = (1, 8, 32, 128, 512)
WIDTHS = (64, 128, 256, 512, 1024)
EPOCH = 16  # steps, where there are enough examples
CONTESTANTS = (OURS, TORCH, JAX)


def sized(batch: int, width: int) -> Workload:
    return dataclasses.replace(
        named("mlp-wide"), widths=(784, width, width, 10), batch=batch, rows=EPOCH * batch
    )


def row(workload: Workload, label: str, engine: str, rounds: int) -> list[str]:
    contestants, _ = made(workload, engine, CONTESTANTS)
    times = interleaved(contestants, workload.epoch_steps(), rounds, turn=0.1)
    cells = [label]
    for name in CONTESTANTS:
        if name not in times:
            cells.append("–")
            continue
        median = times[name].median
        ratio = "" if name == OURS else f" ({median / times[OURS].median:.2f})"
        cells.append(time_of(median) + ratio)
    return cells


def report(engine: str, rounds: int = 3) -> Iterator[str]:
    yield "\n## A step of mlp-wide by batch and by width\n"
    yield "Medians of few rounds, ratios in brackets.\n"
    yield from table(
        ("batch, at width 512", *CONTESTANTS),
        (row(sized(batch, 512), str(batch), engine, rounds) for batch in BATCHES),
    )
    yield ""
    yield from table(
        ("width, at batch 128", *CONTESTANTS),
        (row(sized(128, width), str(width), engine, rounds) for width in WIDTHS),
    )
