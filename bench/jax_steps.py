"""``python -m bench.jax_steps [NAMES]``: a step of the JAX engine beside one that is written by hand.

One device, the same network, data and order, n steps in a call: ours by the loop that ``fit`` calls, by hand
by ``lax.scan``; and by hand one jitted call a step. In turns; processor time, since a busy machine spoils
what a clock says, and the clock's beside it. ``--write`` puts the table into JAX_STEPS.md.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from bench import jax_peers
from bench.contestants import JAX, OURS, SCAN, Steps, trainer_for
from bench.timing import Others
from bench.workload import NAMES, Order, Workload, named
from handgrad.train.engines import steps_for

FILE = Path(__file__).with_name("JAX_STEPS.md")
Times = tuple[float, float]  # by the processors, by the clock


def ours(workload: Workload) -> tuple[Steps, int]:
    """Steps of the engine in one call, and how many there can be in one."""
    x, t = workload.examples()
    trainer, order = trainer_for(workload, "jax"), Order(workload)
    made = steps_for(trainer, trainer.progress, x, t, workload.batch, "jax", placement=trainer.placement())

    def steps(n: int) -> float:
        done, trainer.progress, _ = made.run(trainer.progress, order.take(n).reshape(-1), workload.batch)
        if done < n:
            raise ArithmeticError(f"{workload.name}: the loss or a gradient is not finite")
        return trainer.progress.totals["loss"]

    return steps, made.most


def seconds(steps: Steps, n: int) -> Times:
    clock, processors = time.perf_counter(), time.process_time()
    steps(n)
    return (time.process_time() - processors) / n, (time.perf_counter() - clock) / n


def measured(name: str, rounds: int, turn: float) -> dict[str, np.ndarray]:
    """Seconds a step, (rounds, 2), of each; all make the same number of steps in a turn, in one call."""
    workload = named(name)
    own, most = ours(workload)
    contestants = {OURS: own, SCAN: jax_peers.scan(workload), JAX: jax_peers.jit(workload)}
    own(1)
    n = max(1, min(math.ceil(turn / seconds(own, 1)[0]), most))
    for steps in contestants.values():
        steps(n)  # a scan is compiled for each number of steps
    times: dict[str, list[Times]] = {each: [] for each in contestants}
    for _ in range(rounds):
        for each, steps in contestants.items():
            times[each].append(seconds(steps, n))
    return {each: np.array(found) for each, found in times.items()}


def row(name: str, rounds: int, turn: float) -> str:
    times = measured(name, rounds, turn)
    least = {each: found.min(0) for each, found in times.items()}
    ratios = [times[each][:, 0] / times[OURS][:, 0] for each in (SCAN, JAX)]
    cells = [f"{least[each][0] * 1e6:,.0f}" for each in (OURS, SCAN, JAX)]
    cells += [f"{least[each][0] / least[OURS][0]:.2f}" for each in (SCAN, JAX)]
    cells += [f"{np.median(each):.2f}" for each in ratios]
    cells += [f"{np.median(times[SCAN][:, 1]) / np.median(times[OURS][:, 1]):.2f}"]
    return f"| {name} | " + " | ".join(cells) + " |"


def report(names: list[str], rounds: int, turn: float) -> Iterator[str]:
    yield "# A step by the JAX engine, beside one by hand\n"
    yield f"One device, JAX {jax.__version__}, CPU, float32; {rounds} turns. Above 1 handgrad is faster."
    yield "Processor time of a step, µs, the least of all turns; ratios of these, and the median of the"
    yield "ratios of each turn; at the end the ratio of the medians by the clock.\n"
    yield "| | handgrad | scan | jit | scan / ours | jit / ours | scan, median | jit, median | clock, scan |"
    yield "|---|" + "---:|" * 8
    others = Others()
    for name in names:
        yield row(name, rounds, turn)
    yield f"\n{others}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--turn", type=float, default=0.3, help="seconds of each turn")
    parser.add_argument("--write", action="store_true", help="into JAX_STEPS.md")
    args = parser.parse_args()
    lines = []
    for line in report(args.names, args.rounds, args.turn):
        print(line, flush=True)
        lines.append(line)
    if args.write:
        FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
