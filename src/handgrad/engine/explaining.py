"""What a program was made into, in words and figures."""

from __future__ import annotations

import math
import time

import numpy as np

from handgrad.engine.code import Code
from handgrad.engine.kernels.kernel import Kernel
from handgrad.engine.runtime.memory import LINE
from handgrad.program import trace


def explain(code: Code, ir: bool = False) -> str:
    """The optimised program, its kernels, where arrays lie, and on request the LLVM IR.

    A kernel's flops count a function such as exp as its cost in additions; its bytes are those of the arrays
    that it reads and writes. Of timed code that has run, each kernel's share of its time, and for products
    the share of ``peak``, are told too.
    """
    parts = [str(code.optimised), kernels(code), buffers(code)]
    return "\n\n".join(parts + [code.ir] * ir)


def kernels(code: Code) -> str:
    """A table of the kernels."""
    schedule = code.schedule
    threads = f"{schedule.threads} thread{'s' * (schedule.threads > 1)}"
    phases = f"{schedule.phases} phase{'s' * (schedule.phases > 1)}"
    lines = [f"{len(schedule.kernels)} kernels in {phases}, {threads}, for {code.target.cpu}"]
    clock = Clock(code) if code.timed and code.cycles().any() else None
    head = f"    {'kernel':12}{'space':20}{'flops':>9}{'bytes':>9}  {'divided':8}"
    lines.append(head + ("    time    peak  " if clock else "") + "what it makes")
    phase = -1
    for n, kernel in enumerate(schedule.kernels):
        if kernel.phase != phase:
            phase = kernel.phase
            lines.append(f"phase {phase}")
        lines.append(_line(kernel, clock.told(n, kernel) if clock else ""))
    if clock:
        lines.append(f"    waiting for each other: {100 * clock.waiting:.1f} % of the time")
    flops, moved = (sum(figures) for figures in zip(*(k.work() for k in schedule.kernels), strict=True))
    products = sum(k.product_flops for k in schedule.kernels)
    lines.append(f"in all {figure(flops)}flop, {figure(products)}flop of them in products; {figure(moved)}B")
    return "\n".join(lines)


def _line(kernel: Kernel, told: str) -> str:
    flops, moved = kernel.work()
    space = "x".join(map(str, kernel.space)) or "1"
    divided = "-" if kernel.partition is None else f"axis {kernel.partition}"
    nodes = kernel.makes if kernel.stores.issubset(kernel.makes) else [kernel.node]
    made = ", ".join(node.name if node in kernel.stores else f"({node.name})" for node in nodes)
    return f"    {kernel.name:12}{space:20}{figure(flops):>9}{figure(moved):>9}  {divided:8}{told}{made}"


class Clock:
    """What timed code says of its kernels."""

    def __init__(self, code: Code):
        cycles = code.cycles()
        self.slowest = cycles.max(axis=0)  # of the threads
        self.total = cycles.sum(axis=1).max()
        self.waiting = cycles[:, -1].mean() / self.total
        self.code = code
        self.peak = peak()

    def told(self, n: int, kernel: Kernel) -> str:
        """Its share of the time, and of a product its share of the peak."""
        share = self.slowest[n] / self.total
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


def buffers(code: Code) -> str:
    """The arena: each array's place and size."""
    places = code.schedule.places
    needed = sum(-(-n.nbytes // LINE) * LINE for n in places)
    size = figure(code.schedule.size)
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
