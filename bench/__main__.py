"""``make bench``: measures, prints, and writes RESULTS.md, or on a processor without AVX-512 RESULTS_AVX2.md;
with ``--only``, measures a part, and writes it where ``--write`` asks for it.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from bench import accuracy, memory, race, scaling, startup, subnormals
from bench.levels import processor
from bench.tables import table
from bench.workload import NAMES
from handgrad.engine.targets.here import levels

ENGINE = "native"

CHAIN = """
import time, handgrad as hg
x = y = hg.variable(1.0)
began = time.perf_counter()
for _ in range(100_000):
    y = y * 1.00001
forward = time.perf_counter()
y.backward()
backward = time.perf_counter()
del y
freed = time.perf_counter()
print(forward - began, backward - forward, freed - backward)
"""


def results() -> Path:
    """The file for processors like this one."""
    return Path(__file__).with_name("RESULTS.md" if "avx512" in levels() else "RESULTS_AVX2.md")


def heading(engine: str) -> Iterator[str]:
    yield "# Measurements"
    yield ""
    yield (
        f"Python {platform.python_version()}, NumPy {version('numpy')}, PyTorch {version('torch')}, "
        f"JAX {version('jax')}, {os.cpu_count()} cores of {processor()} with {levels()[0]}, all used by "
        f"everyone; handgrad's engine is {engine}. Each table is of one run, contestants taking turns; "
        f"medians; ratio = their time / handgrad's, so above 1 handgrad is faster."
    )


def accuracies() -> Iterator[str]:
    yield "\n## Accuracy on 1,000 held out of mnist-5k (784-50-10, Adam 1e-3, batch 100, 20 epochs)\n"
    steps = 50
    yield (
        f"Over the first {steps} steps the losses of handgrad's two engines differ by at most "
        f"{accuracy.apart(steps):.1e} of themselves.\n"
    )
    found = accuracy.compare().items()
    yield from table(
        ("", *(f"seed {seed}" for seed in accuracy.SEEDS), "mean"),
        (
            (name, *(f"{100 * a:.1f} %" for a in shares), f"{100 * statistics.mean(shares):.2f} %")
            for name, shares in found
        ),
    )


def chain() -> Iterator[str]:
    ran = subprocess.run([sys.executable, "-c", CHAIN], check=True, capture_output=True, text=True)
    forward, backward, freed = map(float, ran.stdout.split())
    yield "\n## A chain of 100,000 recorded operations\n"
    yield f"Forward {forward:.2f} s, backward {backward:.2f} s, freed {freed:.2f} s."


def sections(engine: str, rounds: int) -> dict[str, Callable[[], Iterator[str]]]:
    return {
        **{name: functools.partial(race.report, name, engine, rounds) for name in NAMES},
        "startup": functools.partial(startup.report, engine),
        "memory": functools.partial(memory.report, engine),
        "scaling": functools.partial(scaling.report, engine),
        "subnormals": functools.partial(subnormals.report, engine),
        "accuracy": accuracies,
        "chain": chain,
    }


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=sections("", 0), help="these parts")
    parser.add_argument("--write", action="store_true", help="the parts, where not all are measured")
    parser.add_argument("--engine", choices=("numpy", "native", "jax"), default=ENGINE)
    parser.add_argument("--rounds", type=int, default=15, help="of each workload")
    return parser.parse_args()


def main() -> None:
    asked = options()
    parts = sections(asked.engine, asked.rounds)
    lines = []
    for part in (functools.partial(heading, asked.engine), *(parts[name] for name in asked.only or parts)):
        for line in part():
            print(line, flush=True)
            lines.append(line)
    if asked.write or not asked.only:
        results().write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
