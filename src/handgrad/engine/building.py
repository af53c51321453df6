"""From a program to native code, stage by stage, and what running it needs of all that."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import numpy as np

from handgrad.engine.assembly import Assembly
from handgrad.engine.build import nodes_of
from handgrad.engine.fusion import kernels_of
from handgrad.engine.kernels.fallback import FallbackKernel
from handgrad.engine.nodes import Constant
from handgrad.engine.rewrite import Graph, rewritten
from handgrad.engine.runtime import cache, native
from handgrad.engine.runtime.threads import threads
from handgrad.engine.schedule import Schedule, scheduled
from handgrad.engine.targets.target import Target
from handgrad.once import once
from handgrad.program import Program
from handgrad.program.passes import optimise


@dataclasses.dataclass(eq=False)
class Stages:
    """A program on its way to modules of IR, each stage made when it is first asked for; see ``Code``."""

    program: Program
    donated: dict[int, int]
    target: Target
    workers: int | None  # None: all that may be used, where it is not small
    small: float = 0.0
    timed: bool = False
    bfloat16: bool = False
    usable: int = dataclasses.field(default_factory=threads)

    @once
    def optimised(self) -> Program:
        return optimise(self.program)

    @once
    def graph(self) -> Graph:
        return rewritten(nodes_of(self.optimised))

    @once
    def flops(self) -> float:
        """Of a step."""
        return sum(k.work()[0] for k in self._kernels)

    @once
    def _kernels(self) -> list:
        return kernels_of(self.graph)  # which the schedule and the assembly go on to change

    @once
    def threads(self) -> int:
        return self.workers or (self.usable if self.flops > self.small else 1)

    @once
    def schedule(self) -> Schedule:
        onto = {self.graph.outputs[o]: self.graph.inputs[i] for o, i in self.donated.items()}
        return scheduled(self._kernels, self.threads, self.graph.outputs, onto)

    @once
    def assembly(self) -> Assembly:
        graph = self.graph
        return Assembly(self.schedule, graph.inputs, graph.outputs, self.target, self.timed, self.bfloat16)


@dataclasses.dataclass(frozen=True)
class Built:
    """All that it takes to run a program of native parts."""

    functions: list[str]  # of the kernels, in the table's order
    runs: int  # how many functions there are that call them
    threads: int
    flops: float
    arena_bytes: int
    clocks: int  # where in the arena they are
    constants: list[np.ndarray]  # in the table's order
    entries: list[str]  # of the cache, which hold the objects
    objects: list[bytes]
    fallbacks: list[FallbackKernel] = dataclasses.field(default_factory=list)


def built(stages: Stages) -> Built:
    assembly = stages.assembly
    *kernels, runs = assembly.texts()
    modules = dict.fromkeys(kernels, native.SPEED) | {runs: native.PLAIN}
    entries, objects = compiled(modules, stages.target)
    return Built(
        functions=list(assembly.modules),
        runs=len(assembly.segments),
        threads=stages.threads,
        flops=stages.flops,
        arena_bytes=assembly.arena_bytes,
        clocks=assembly.clocks,
        constants=[n.value for n in assembly.table if isinstance(n, Constant)],
        entries=entries,
        objects=objects,
        fallbacks=[k for k in stages.schedule.kernels if isinstance(k, FallbackKernel)],
    )


def compiled(modules: dict[str, int], target: Target) -> tuple[list[str], list[bytes]]:
    """Modules, each with its level of optimisation, as objects, and the names of their entries in the cache:
    from there, or made now, on all cores at once.
    """
    keys: dict[str, list[str | bytes]] = {ir: [ir, *native.key(target, n)] for ir, n in modules.items()}
    names = {ir: cache.name(key) for ir, key in keys.items()}
    found = {ir: cache.named(name) for ir, name in names.items()}
    missing = sorted((ir for ir, code in found.items() if code is None), key=len, reverse=True)
    if missing:

        def make(ir: str) -> bytes:
            return native.object_code(ir, target, modules[ir])

        with concurrent.futures.ThreadPoolExecutor(threads()) as pool:
            new = dict(zip(missing, pool.map(make, missing), strict=True))
        native.give_back()
        cache.write([(keys[ir], code) for ir, code in new.items()])
        found |= new
    return list(names.values()), [code for code in found.values() if code is not None]
