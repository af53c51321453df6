"""What a program was made into, in words and figures."""

from __future__ import annotations

import math

from handgrad.engine.compiled import Code
from handgrad.engine.fusion import Kernel, work
from handgrad.engine.graph import Node
from handgrad.engine.memory import LINE


def explain(code: Code, ir: bool = False) -> str:
    """The program, the kernels that it was fused into with their flops and bytes, where arrays lie, and the IR."""
    parts = [str(code.optimised), kernels(code), buffers(code)]
    return "\n\n".join(parts + [code.ir] * ir)


def kernels(code: Code) -> str:
    schedule = code.schedule
    threads = f"{schedule.threads} thread{'s' * (schedule.threads > 1)}"
    lines = [f"{len(schedule.kernels)} kernels in {schedule.phases} phases, {threads}, for {code.host.cpu}"]
    lines.append(f"{'':4}{'kernel':10}{'space':22}{'flops':>10}{'bytes':>10}  {'divided':8} what it makes")
    phase = -1
    for kernel in schedule.kernels:
        if kernel.phase != phase:
            phase = kernel.phase
            lines.append(f"phase {phase}")
        lines.append(_line(kernel))
    flops, moved = (sum(figures) for figures in zip(*map(work, schedule.kernels), strict=True))
    products = sum(2 * math.prod(k.space) for k in schedule.kernels if k.kind == "product")
    lines.append(f"in all {figure(flops)}flop, {figure(products)} of them in products; {figure(moved)}B")
    return "\n".join(lines)


def _line(kernel: Kernel) -> str:
    flops, moved = work(kernel)
    space = "x".join(map(str, kernel.space)) or "1"
    divided = "-" if kernel.partition is None else f"axis {kernel.partition}"
    made = [
        ("" if node in kernel.stores else "(") + _name(node) + ("" if node in kernel.stores else ")")
        for node, _ in kernel.values
    ]
    return f"{'':4}{kernel.kind:10}{space:22}{figure(flops):>10}{figure(moved):>10}  {divided:8} {', '.join(made)}"


def _name(node: Node) -> str:
    return node.options["name"] if node.op == "reduce" else node.op


def buffers(code: Code) -> str:
    """The arena: each array's place, size and phase."""
    schedule = code.schedule
    needed = sum(-(-n.size * n.dtype.itemsize // LINE) * LINE for n in schedule.places)
    lines = [
        f"arena of {figure(code.assembly.arena_bytes)}B for {len(schedule.places)} arrays of {figure(needed)}B in all"
    ]
    for node, place in sorted(schedule.places.items(), key=lambda item: (item[1], item[0].number)):
        lines.append(f"    {place:>10}  {node.dtype}{list(node.shape)}  {_name(node)}")
    return "\n".join(lines)


def figure(n: float) -> str:
    """1,234,567 as 1.23 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f} "
