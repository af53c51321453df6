"""``make bench``: measures, prints, and writes RESULTS.md."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from bench import accuracy, mlp_course, startup
from bench.timing import interleaved

RESULTS = Path(__file__).parent / "RESULTS.md"

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


def report() -> Iterator[str]:
    yield "# Measurements"
    yield ""
    yield (
        f"Python {platform.python_version()}, NumPy {version('numpy')}, PyTorch {version('torch')}, "
        f"JAX {version('jax')}, {os.cpu_count()} cores of {platform.machine()}. Each table is of one run, "
        f"contestants taking turns; medians; ratio = their time / handgrad's, so above 1 handgrad is faster."
    )
    yield from course()
    yield from started()
    yield from accuracies()
    yield from chain()


def course() -> Iterator[str]:
    yield "\n## One step of mlp-course (784-50-10, batch 100, SGD, float32, mini-batch gathered)\n"
    yield f"Losses agree to {mlp_course.agree():.1e} over 20 steps.\n"
    times = interleaved(
        {name: make() for name, make in mlp_course.CONTESTANTS.items()}, rounds=15, repeats=60
    )
    yield from _ratios(times, "handgrad, eager", 1e6, "µs")


def started() -> Iterator[str]:
    yield "\n## From process start to a first step of mlp-course\n"
    yield from _ratios(startup.first_step(), "handgrad", 1e3, "ms")
    yield f"\n`import handgrad` takes {startup.import_over_numpy():.0f} ms over `import numpy`."


def accuracies() -> Iterator[str]:
    found = accuracy.compare()
    yield "\n## Accuracy on 1,000 held out of mnist-5k (784-50-10, Adam 1e-3, batch 100, 20 epochs)\n"
    yield "| | " + " | ".join(f"seed {seed}" for seed in accuracy.SEEDS) + " | mean |"
    yield "|---|" + "---|" * (len(accuracy.SEEDS) + 1)
    for name, shares in found.items():
        cells = [f"{100 * a:.1f} %" for a in shares] + [f"{100 * statistics.mean(shares):.2f} %"]
        yield f"| {name} | " + " | ".join(cells) + " |"


def chain() -> Iterator[str]:
    ran = subprocess.run([sys.executable, "-c", CHAIN], check=True, capture_output=True, text=True)
    forward, backward, freed = map(float, ran.stdout.split())
    yield "\n## A chain of 100,000 recorded operations\n"
    yield f"Forward {forward:.2f} s, backward {backward:.2f} s, freed {freed:.2f} s."


def _ratios(times: dict[str, float], ours: str, scale: float, unit: str) -> Iterator[str]:
    yield "| | time | ratio |"
    yield "|---|---|---|"
    for name, seconds in times.items():
        yield f"| {name} | {seconds * scale:.0f} {unit} | {seconds / times[ours]:.2f} |"


def main() -> None:
    lines = []
    for line in report():
        print(line, flush=True)
        lines.append(line)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
