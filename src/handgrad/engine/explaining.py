"""What a program was made into, in words and figures."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from handgrad.engine.assembly import setting
from handgrad.engine.building import Stages
from handgrad.engine.code import Code
from handgrad.engine.kernels.kernel import Kernel, innermost
from handgrad.engine.runtime.memory import in_lines
from handgrad.engine.schedule import Schedule
from handgrad.program import repeated, trace


def explain(code: Code, ir: bool = False) -> str:
    """The optimised program, its kernels, where arrays lie, and on request the LLVM IR.

    A kernel's flops count a function such as exp as its cost in additions; its bytes are those of the arrays
    that it reads and writes; those of steps that the caller counts are told of one. Of timed code that has
    run, each kernel's share of its time, and for products the share of ``peak``, are told too.

    Examples:
        >>> f = hg.compile(lambda x: hg.tanh(x) * 2)
        >>> _ = f(np.ones(4))
        >>> print("tanh" in f.explain())
        True
    """
    clock = Clock(code) if code.timed and code.cycles().any() else None
    steps = [f"a step from Python:\n\n{explain(inner)}" for inner in code.inner]
    return "\n\n".join([plan(code.stages, clock), *steps] + [code.ir] * ir)


def plan(stages: Stages, clock: Clock | None = None) -> str:
    """What a program is made into, whether it can run here or not."""
    return "\n\n".join([str(stages.optimised), kernels(stages, clock), buffers(stages)])


def kernels(stages: Stages, clock: Clock | None) -> str:
    """A table of the kernels."""
    schedule = stages.schedule
    threads = f"{schedule.threads} thread{'s' * (schedule.threads > 1)}"
    phases = f"{schedule.phases} phase{'s' * (schedule.phases > 1)}"
    count = f"{len(schedule.kernels)} kernel{'s' * (len(schedule.kernels) > 1)}"
    lines = [f"{count} in {phases}, {threads}, for {stages.target.cpu}"]
    head = f"    {'kernel':12}{'space':20}{'flops':>9}{'bytes':>9}  {'divided':8}"
    lines.append(head + ("    time    peak  " if clock else "") + "what it makes")
    lines += _phases(stages, schedule, clock)
    if clock:
        lines.append(f"    waiting for each other: {100 * clock.waiting:.1f} % of the time")
    flops, moved = (sum(figures) for figures in zip(*(k.work() for k in schedule.kernels), strict=True))
    products = sum(k.product_flops for k in schedule.kernels)
    lines.append(f"in all {figure(flops)}flop, {figure(products)}flop of them in products; {figure(moved)}B")
    return "\n".join(lines)


def _phases(stages: Stages, schedule: Schedule, clock: Clock | None, indent: str = "") -> Iterator[str]:
    phase = -1
    for group in schedule.groups:
        if group[0].phase != phase:
            phase = group[0].phase
            yield f"{indent}phase {phase}"
        if len(group) > 1:
            yield f"{indent}    {_parts(group[0], schedule.threads)}"
        for kernel in group:
            yield from _lines(stages, kernel, clock, indent + "    " * (1 + (len(group) > 1)))


def _parts(kernel: Kernel, threads: int) -> str:
    """How kernels are made together."""
    if kernel.is_dynamic:
        return f"together, in {kernel.rounds * threads} parts, each by a thread that is free"
    return f"together, in {kernel.rounds} parts of each thread's slice"


def _lines(stages: Stages, kernel: Kernel, clock: Clock | None, indent: str) -> Iterator[str]:
    """A kernel, how it is computed, and what is inside of it."""
    flops, moved = kernel.work()
    space = "x".join(map(str, kernel.told_space)) or "1"
    divided = "-" if kernel.partition is None else f"axis {kernel.partition}"
    made = kernel.node.name
    if kernel.stores.issubset(kernel.makes):
        made = ", ".join(node.name if node in kernel.stores else f"({node.name})" for node in kernel.makes)
    told = clock.told(kernel) if clock else ""
    yield f"{indent}{kernel.name:12}{space:20}{figure(flops):>9}{figure(moved):>9}  {divided:8}{told}{made}"
    how = kernel.describe(setting(kernel, stages.threads, stages.target, stages.bfloat16))
    if how:
        yield f"{indent}  {how}"
    if kernel.inside:
        yield from _phases(stages, kernel.inside, clock, indent + "    ")


class Clock:
    """What timed code says of its kernels."""

    def __init__(self, code: Code):
        cycles = code.cycles()
        self.slowest = cycles.max(axis=0)  # of the threads
        self.total = cycles.sum(axis=1).max()
        self.waiting = cycles[:, -1].mean() / self.total
        self.calls = code.calls().mean(axis=0)  # of each thread
        self.average = cycles.mean(axis=0)
        self.workers = code.workers
        self.number = {kernel: n for n, kernel in enumerate(code.assembly.counted)}
        self.peak = peak()

    def told(self, kernel: Kernel) -> str:
        """Its share of the time, and of a product its share of the peak."""
        numbers = [self.number[k] for k in innermost([kernel])]
        cycles = (self.average if kernel.is_dynamic else self.slowest)[numbers].sum()
        share = f" {100 * cycles / self.total:5.1f} % "
        if kernel.inside or not kernel.product_flops or not cycles:
            return share + " " * 8
        reached = kernel.product_flops / self.workers / kernel.rounds * self.calls[numbers[0]] / cycles
        return f"{share}{100 * reached / self.peak:4.0f} %  "


def peak() -> float:
    """Multiplications and additions in a cycle of one core, in float32 products in the near cache.

    Examples:
        >>> hg.engine.peak() > 0
        True
    """
    x, y = np.ones((126, 256), np.float32), np.ones((256, 64), np.float32)
    out, steps, made = np.zeros((126, 64), np.float32), np.array(10), np.array(0)
    code = Code(repeated(trace(lambda out, x, y: x @ y, out, x, y), 1), {0: 0}, workers=1, timed=True)
    best, before = math.inf, 0
    for _ in range(100):
        code([out, x, y, steps], [out, made])
        best, before = min(best, code.cycles()[0, 0] - before), code.cycles()[0, 0]
    return float(2 * x.size * y.shape[1] * steps / best)


def buffers(stages: Stages) -> str:
    """The arena: each array's place and size."""
    schedule = stages.schedule
    return "\n".join([f"arena of {figure(schedule.size)}B for {_places(schedule)}", *_arrays(schedule)])


def _places(schedule: Schedule) -> str:
    needed = sum(in_lines(x.nbytes) for x in schedule.places)
    return f"{len(schedule.places)} arrays of {figure(needed)}B in all"


def _arrays(schedule: Schedule, indent: str = "    ") -> Iterator[str]:
    for node, place in sorted(schedule.places.items(), key=lambda item: (item[1], item[0].number)):
        yield f"{indent}{place:>10}  {node.dtype}{list(node.shape)}  {node.name}"
    for kernel in schedule.kernels:
        if kernel.inside and kernel.inside.places:
            yield f"{indent}in the room of {kernel.name} {_places(kernel.inside)}"
            yield from _arrays(kernel.inside, indent + "    ")


def figure(n: float) -> str:
    """1,234,567 as 1.23 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f} "
