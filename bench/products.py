"""``python -m bench.products``: the workloads' matrix products, alone, beside OpenBLAS, MKL and oneDNN.

Each shape is that of a layer's x W, dout Wᵀ or xᵀ dout, its factors as they lie there. On a machine that
others use too only the quickest of many short runs says what a product takes; contestants take turns.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.levels import parser_for, report, tell
from bench.tables import table
from bench.timing import rest
from bench.workload import NAMES, named

RESULTS = Path(__file__).parent / "PRODUCTS.md"
TURN = 5e-4  # seconds that a run takes
TIMES = 2  # runs in a turn
WARM = 0.015  # seconds before the runs of several threads
OTHER_LAYERS = {  # (rows, D, M)
    "lenet": [(100, 400, 120), (100, 120, 84), (100, 84, 10)],
    "resnet8": [(64, 64, 10)],
    "gpt-nano": [(768, 128, 384), (768, 128, 128), (768, 128, 512), (768, 512, 128), (768, 128, 65)],
    "lstm-char": [(2048, 65, 512), (32, 128, 512), (2048, 128, 512), (2048, 128, 65)],
}


class Form(NamedTuple):
    """A product of a layer: x (N, D) with W (D, M), dout (N, M) with Wᵀ, or xᵀ with dout."""

    name: str
    rows: int
    columns: int
    depth: int

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        x = rng.standard_normal(
            (self.depth, self.rows) if self.name == "xᵀ dout" else (self.rows, self.depth)
        )
        y = rng.standard_normal(
            (self.columns, self.depth) if self.name == "dout Wᵀ" else (self.depth, self.columns)
        )
        return x.astype(np.float32), y.astype(np.float32)

    def views(self, x, y):
        """The factors as (rows, depth) and (depth, columns)."""
        return x.T if self.name == "xᵀ dout" else x, y.T if self.name == "dout Wᵀ" else y

    @property
    def flops(self) -> int:
        return 2 * self.rows * self.columns * self.depth

    def __str__(self) -> str:
        return f"{self.rows} x {self.depth} x {self.columns}"


def layers() -> dict[str, list[tuple[int, int, int]]]:
    ours = {}
    for name in NAMES:
        workload = named(name)
        ours[name] = [(workload.batch, D, M) for D, M in itertools.pairwise(workload.widths)]
    return {**ours, **OTHER_LAYERS}


def forms(names: list[str]) -> dict[Form, str]:
    """Every product once, with the workload that it is first met in."""
    found: dict[Form, str] = {}
    for name in names:
        for N, D, M in layers()[name]:
            for form in (Form("x W", N, M, D), Form("dout Wᵀ", N, D, M), Form("xᵀ dout", D, M, N)):
                found.setdefault(form, name)
    return found


# Contestants: each a function that makes a product n times.


def handgrad(form: Form, threads: int) -> Callable[[int], object]:
    from handgrad.engine import Code
    from handgrad.program import repeated, trace

    x, y = form.factors()
    out, made = np.zeros((form.rows, form.columns), np.float32), np.array(0)
    step = trace(lambda out, x, y: np.matmul(*form.views(x, y)), out, x, y)
    code = Code(repeated(step, 1), {0: 0}, workers=threads)
    code([out, x, y, np.array(1)], [out, made])
    np.testing.assert_allclose(out, np.matmul(*form.views(x, y)), rtol=0, atol=1e-3)
    return lambda n: code([out, x, y, np.array(n)], [out, made])


def by_python(call: Callable[[], object]) -> Callable[[int], object]:
    def run(n: int) -> None:
        for _ in range(n):
            call()

    return run


def openblas(form: Form, threads: int) -> Callable[[int], object]:
    from threadpoolctl import threadpool_limits

    a, b = form.views(*form.factors())
    out = np.zeros((form.rows, form.columns), np.float32)
    threadpool_limits(threads, "blas")
    return by_python(lambda: np.matmul(a, b, out=out))


def mkl(form: Form, threads: int) -> Callable[[int], object]:
    import torch

    torch.set_num_threads(threads)
    a, b = form.views(*map(torch.from_numpy, form.factors()))
    out = torch.zeros(form.rows, form.columns)
    return by_python(lambda: torch.mm(a, b, out=out))


def onednn(form: Form, threads: int) -> Callable[[int], object]:
    import torch

    torch.set_num_threads(threads)
    a, b = form.views(*map(torch.from_numpy, form.factors()))
    linear = torch.ops.mkldnn._linear_pointwise
    return by_python(lambda: linear(a, b.T, None, "none", [], ""))


CONTESTANTS = {"handgrad": handgrad, "OpenBLAS": openblas, "MKL": mkl, "oneDNN": onednn}


# Measuring.


def seconds(contestants: dict[str, Callable[[int], object]], rounds: int, threads: int) -> dict[str, float]:
    """The quickest of each one's runs; of one thread what it was given of its core."""
    timed = functools.partial(took, time.thread_time if threads == 1 else time.perf_counter)
    counts, best = {}, dict.fromkeys(contestants, math.inf)
    for name, run in contestants.items():
        counts[name] = 1
        awaken(run, 1, threads)
        while min(timed(run, counts[name]) for _ in range(3)) * counts[name] < TURN / 2:
            counts[name] *= 2
    rng, turns = random.Random(0), list(contestants.items())
    for _ in range(rounds):
        rng.shuffle(turns)  # since each leaves the caches as it likes
        for name, run in turns:
            awaken(run, counts[name], threads)
            best[name] = min(best[name], *(timed(run, counts[name]) for _ in range(TIMES)))
    return best


def awaken(run: Callable[[int], object], n: int, threads: int) -> None:
    """Run until its threads are awake, each on a core of its own, and the threads of others sleep."""
    if threads > 1:
        rest()
    began = time.perf_counter()
    while True:
        run(n)
        if threads == 1 or time.perf_counter() - began > WARM:
            return


def took(clock: Callable[[], float], run: Callable[[int], object], n: int) -> float:
    began = clock()
    run(n)
    return (clock() - began) / n


@functools.cache
def register_peak() -> float:
    """Floating-point operations a second of one core whose multiply-adds read and write registers alone."""
    import ctypes

    from handgrad.engine.emit.ir import FLOAT, I64, PTR, Module, Type, i64, number
    from handgrad.engine.runtime import native
    from handgrad.engine.targets.here import this_computer

    target, chains, turns = this_computer(), 12, 100_000
    lanes = target.vector_bytes // 4
    module = Module(target)
    f = module.function("peak", [("x", PTR, ""), ("n", I64, "")])
    vector = FLOAT.of(lanes) if lanes > 1 else Type("float")
    sums = [f.variable(vector, number(0, vector)) for _ in range(chains)]
    factor = f.load(f.args[0], vector)
    with f.loop(i64(0), f.args[1]):
        for place in sums:
            f.store(f.multiply_add(factor, factor, f.load(place, vector)), place)
    for i, place in enumerate(sums):
        f.store(f.load(place, vector), f.offset(f.args[0], i64((i + 1) * lanes), "float"))
    code = native.Native([native.object_code(str(module), target)], target)
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("peak"))
    memory = np.full((chains + 1) * lanes, 1e-3, np.float32)
    best = min(took(time.thread_time, lambda n: run(memory.ctypes.data, n), turns) for _ in range(40))
    return 2 * lanes * chains / best


def measured(names: list[str], threads: int, rounds: int) -> Iterator[dict]:
    for form, workload in forms(names).items():
        made = {name: make(form, threads) for name, make in CONTESTANTS.items()}
        found = seconds(made, rounds, threads)
        yield {"form": form, "workload": workload, "threads": threads, "seconds": found}


def section(level: str, threads: int, peak: float, found: list[dict]) -> Iterator[str]:
    cores = "one core" if threads == 1 else f"{threads} cores"
    yield f"\n## {level}, {cores}\n"
    rows, ratios = [], []
    for result in found:
        form, times = Form(*result["form"]), result["seconds"]
        own = times["handgrad"]
        best = min(t for name, t in times.items() if name != "handgrad")
        ratios.append(best / own)
        speeds = [f"{form.flops / times[name] / 1e9:.0f}" for name in CONTESTANTS]
        share = f"{100 * form.flops / own / (peak * threads):.0f} %"
        rows.append((result["workload"], form.name, str(form), *speeds, f"{best / own:.2f}", share))
    short = sum(ratio < 0.85 for ratio in ratios)
    yield (
        f"A loop that only multiplies and adds in registers: {peak / 1e9:.0f} Gflop/s a core. Against the "
        f"best of the three the median is {statistics.median(ratios):.2f}, the least {min(ratios):.2f}; "
        f"{short} of {len(ratios)} are below 0.85.\n"
    )
    heads = ("met in", "product", "rows x depth x columns", *CONTESTANTS, "best / ours", "of the peak")
    yield from table(heads, rows)


def main() -> None:
    parser = parser_for("products", __doc__, rounds=40)
    every = list(layers())
    parser.add_argument("--only", nargs="+", choices=every, default=every, help="these workloads")
    asked = parser.parse_args()
    if asked.as_json:
        tell(register_peak(), (r for n in asked.threads for r in measured(asked.only, n, asked.rounds)))
    else:
        report("products", "Matrix products alone", asked, section, unit="Gflop/s, ")


if __name__ == "__main__":
    main()
