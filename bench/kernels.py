"""Right kernels and wrong ones, graded: ``python -m bench.kernels [SEEDS]`` writes ``bench/KERNELS.md``.

Each right kernel of ``tests/checking/kernels`` (twelve operations, six ways of writing each, three dtypes) is
checked with several seeds, of inputs, douts and draws: none may be called anything but right. Each wrong one
must not be called right. Beside stands what graders do with a fixed tolerance: allclose at 1e-2, on the
outputs and gradients at the same inputs.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handgrad.checking.kernels import KernelReport, check_kernel
from handgrad.checking.kernels.arithmetic import FORMATS
from handgrad.checking.kernels.calls import Kernel
from handgrad.checking.kernels.due import Due, Reference
from handgrad.checking.kernels.libraries import TorchLibrary, is_floating, rounded_to
from handgrad.checking.kernels.running import Caller
from handgrad.checking.subject import parameter_names
from tests.checking.kernels import right, wrong
from tests.checking.kernels.references import REFERENCES, inputs_of

FILE = Path(__file__).parent / "KERNELS.md"
DTYPES = ("float32", "bfloat16", "float16")
TOLERANCE = 1e-2

PAGE = """# Graded kernels

`python -m bench.kernels {seeds}`. How a verdict comes about is in [docs/kernels.md](../docs/kernels.md).

## Right kernels

Twelve operations, forward and backward, each written in six ways (float32 inside; in blocks, from the end;
term by term in another order; each step rounded to the dtype; the same in blocks; PyTorch's own), with
{seeds} sets of inputs.

{0}
{1}

## Wrong kernels

Of {many} planted faults handgrad calls {caught} wrong or imprecise. `torch.allclose` with atol = rtol =
{tolerance:g}, on outputs and gradients at the same inputs, passes {passed[allclose]}.

{2}
"""


def checked(kernel: Any, name: str, dtype: str, seed: int, inside: str | None = None) -> KernelReport:
    torch.manual_seed(seed)
    wrong.MEMORY.clear()
    inputs = inputs_of(name, np.random.default_rng(seed))
    reference = REFERENCES[name][0]
    return check_kernel(kernel, reference, *inputs, dtype=dtype, inside=inside, arrays="torch", seed=seed)


def passes_allclose(kernel: Any, name: str, dtype: str, seed: int = 0) -> bool:
    """What a grader says that compares with the reference at fixed tolerances, outputs and gradients."""
    torch.manual_seed(seed)
    wrong.MEMORY.clear()
    inputs = inputs_of(name, np.random.default_rng(seed))
    f = REFERENCES[name][0]
    values = [rounded_to(x, dtype) if is_floating(x) else x for x in inputs]
    names, reference = parameter_names(f, len(inputs)), Reference(f, values, "numpy")
    caller = Caller(
        Kernel(kernel, f, values, names, TorchLibrary()), reference, values, names, FORMATS[dtype], seed
    )
    ran = caller.ran(values, 0)
    due = Due(reference, values, caller.douts(0), FORMATS[dtype], [seed])
    return all(
        got.shape == exact.shape and np.allclose(got, exact, rtol=TOLERANCE, atol=TOLERANCE)
        for got, exact in zip(ran.seen, due.exact, strict=False)
        if got is not None
    )


def of_right(seeds: int) -> tuple[list[str], list[str]]:
    """A table of the right kernels by dtype, and what was said of those that were not called right."""
    lines, said = (
        ["| dtype | kernels checked | results compared | called right | not |", "|---|---:|---:|---:|---:|"],
        [],
    )
    for dtype in DTYPES:
        kernels = results = good = 0
        for name in REFERENCES:
            for way, kernel in right.implementations(name).items():
                for seed in range(seeds):
                    report = checked(kernel, name, dtype, seed)
                    kernels, good = kernels + 1, good + (report.ok is True)
                    results += len(report.arrays) * (report.points + 3)  # called again, and of strided arrays
                    if report.ok is not True:
                        said.append(f"- {dtype}, {name}, {way}, seed {seed}: {report.verdict}")
                        print(said[-1], report, flush=True)
            print(dtype, name, f"{kernels} kernels", flush=True)
        lines.append(f"| {dtype} | {kernels:,} | {results:,} | {good:,} | {kernels - good} |")
    return lines, said


def of_wrong() -> tuple[list[str], Counter]:
    """A table of the wrong kernels, and how often each grader called one right."""
    lines = ["| fault | of | dtype | handgrad | what it says first | allclose |", "|---|---|---|---|---|---|"]
    passed: Counter = Counter()
    for said, (of, dtype, inside, kernel) in wrong.FAULTS.items():
        report = checked(kernel, of, dtype, 0, inside)
        close = passes_allclose(kernel, of, dtype)
        passed["handgrad"] += report.ok is not False
        passed["allclose"] += close
        first = report.causes[0].sentence.partition(";")[0] if report.causes else ""
        asked = f"{dtype}, {inside} inside" if inside else dtype
        lines.append(
            f"| {said} | {of} | {asked} | {report.verdict} | {first} | {'**passes**' if close else 'fails'} |"
        )
    return lines, passed


def main(seeds: int) -> None:
    began = time.perf_counter()
    faults, passed = of_wrong()
    print(*faults, sep="\n", flush=True)
    table, alarms = of_right(seeds)
    many = len(wrong.FAULTS)
    caught = many - passed["handgrad"]
    parts = [table, alarms, faults]
    FILE.write_text(
        PAGE.format(*("\n".join(p) for p in parts), **locals(), tolerance=TOLERANCE), encoding="utf-8"
    )
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
