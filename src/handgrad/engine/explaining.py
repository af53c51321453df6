"""What a program was made into, in words and figures."""

from __future__ import annotations

import math
import time

import numpy as np

from handgrad.engine.assembly import setting
from handgrad.engine.building import Stages
from handgrad.engine.code import Code
from handgrad.engine.kernels.kernel import Kernel
from handgrad.engine.runtime.memory import in_lines
from handgrad.program import trace


def explain(code: Code, ir: bool = False) -> str:
    """The optimised program, its kernels, where arrays lie, and on request the LLVM IR.

    A kernel's flops count a function such as exp as its cost in additions; its bytes are those of the arrays
    that it reads and writes. Of timed code that has run, each kernel's share of its time, and for products
    the share of ``peak``, are told too.
    """
    clock = Clock(code) if code.timed and code.cycles().any() else None
    return "\n\n".join([plan(code.stages, clock)] + [code.ir] * ir)


def plan(stages: Stages, clock: Clock | None = None) -> str:
    """What a program is made into, whether it can run here or not."""
    return "\n\n".join([str(stages.optimised), kernels(stages, clock), buffers(stages)])


def kernels(stages: Stages, clock: Clock | None) -> str:
    """A table of the kernels."""
    schedule = stages.schedule
    threads = f"{schedule.threads} thread{'s' * (schedule.threads > 1)}"
    phases = f"{schedule.phases} phase{'s' * (schedule.phases > 1)}"
    lines = [f"{len(schedule.kernels)} kernels in {phases}, {threads}, for {stages.target.cpu}"]
    head = f"    {'kernel':12}{'space':20}{'flops':>9}{'bytes':>9}  {'divided':8}"
    lines.append(head + ("    time    peak  " if clock else "") + "what it makes")
    phase = -1
    for kernel in schedule.kernels:
        if kernel.phase != phase:
            phase = kernel.phase
            lines.append(f"phase {phase}")
        lines += _lines(stages, kernel, clock)
    if clock:
        lines.append(f"    waiting for each other: {100 * clock.waiting:.1f} % of the time")
    flops, moved = (sum(figures) for figures in zip(*(k.work() for k in schedule.kernels), strict=True))
    products = sum(k.product_flops for k in schedule.kernels)
    lines.append(f"in all {figure(flops)}flop, {figure(products)}flop of them in products; {figure(moved)}B")
    return "\n".join(lines)


def _lines(stages: Stages, kernel: Kernel, clock: Clock | None, indent: str = "    ") -> list[str]:
    """A kernel, how it is computed, and what is inside of it."""
    flops, moved = kernel.work()
    told = clock.told(kernel) if clock else ""
    space = "x".join(map(str, kernel.told_space)) or "1"
    divided = "-" if kernel.partition is None else f"axis {kernel.partition}"
    made = kernel.node.name
    if kernel.stores.issubset(kernel.makes):
        made = ", ".join(node.name if node in kernel.stores else f"({node.name})" for node in kernel.makes)
    lines = [
        f"{indent}{kernel.name:12}{space:20}{figure(flops):>9}{figure(moved):>9}  {divided:8}{told}{made}"
    ]
    how = kernel.describe(setting(kernel, stages.threads, stages.target, stages.bfloat16))
    lines += [f"{indent}  {how}"] * bool(how)
    for inner in kernel.inside:
        lines += _lines(stages, inner, clock, indent + "    ")
    return lines


class Clock:
    """What timed code says of its kernels."""

    def __init__(self, code: Code):
        cycles = code.cycles()
        self.slowest = cycles.max(axis=0)  # of the threads
        self.number = code.assembly.clock
        outermost = [self.number[kernel] for kernel in code.schedule.kernels]
        self.total = (cycles[:, outermost].sum(axis=1) + cycles[:, -1]).max()
        self.waiting = cycles[:, -1].mean() / self.total
        self.code = code
        self.peak = peak()

    def told(self, kernel: Kernel) -> str:
        """Its share of the time, and of a product its share of the peak."""
        share = self.slowest[self.number[kernel]] / self.total
        seconds = share * self.code.seconds
        flops = kernel.product_flops / self.code.workers
        reached = f"{100 * flops / seconds / self.peak:4.0f} %" if flops and seconds else " " * 6
        return f" {100 * share:5.1f} % {reached}  "


def peak() -> float:
    """Multiplications and additions a second of one core, in float32 products that stay in the near cache."""
    x, y = np.ones((126, 256), np.float32), np.ones((256, 64), np.float32)
    code = Code(trace(lambda x, y: x @ y, x, y), workers=1)
    out = np.zeros((126, 64), np.float32)
    best = math.inf
    for _ in range(10):
        began = time.perf_counter()
        code([x, y], [out], steps=100)
        best = min(best, (time.perf_counter() - began) / 100)
    return 2 * x.size * y.shape[1] / best


def buffers(stages: Stages) -> str:
    """The arena: each array's place and size."""
    places = stages.schedule.places
    needed = sum(in_lines(n.nbytes) for n in places)
    size = figure(stages.schedule.size)
    lines = [f"arena of {size}B for {len(places)} arrays of {figure(needed)}B in all"]
    for node, place in sorted(places.items(), key=lambda item: (item[1], item[0].number)):
        lines.append(f"    {place:>10}  {node.dtype}{list(node.shape)}  {node.name}")
    return "\n".join(lines)


def figure(n: float) -> str:
    """1,234,567 as 1.23 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f} "
