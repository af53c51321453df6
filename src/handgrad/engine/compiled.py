"""A program as native code: what it takes, what it gives, and the call between."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.engine import native
from handgrad.engine.assembly import BARRIER_BYTES, DONE, STATUS_WORDS, Assembly
from handgrad.engine.cache import cached
from handgrad.engine.fusion import kernels_of, work
from handgrad.engine.graph import LEAVES, VIEWS, Graph, Node, graph_of
from handgrad.engine.memory import aligned
from handgrad.engine.host import Host, this_host, threads
from handgrad.engine.schedule import scheduled
from handgrad.engine.team import team
from handgrad.program import Program
from handgrad.program.passes import optimise

SMALL = 2e6  # operations in a step below which one thread is quicker

RUN = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, *[ctypes.c_int64] * 2, ctypes.c_void_p)


class Code:
    """Native code for a program whose arrays have known shapes.

    Args:
        program: what to compile.
        over: for an output (by number) the input (by number) that it is written over.
        workers: threads; as many as the process may use, or one for small programs, if not said.
        host: whose instructions to use.

    Raises:
        NotCompiled: naming an operation that there is no code for.
    """

    def __init__(
        self,
        program: Program,
        over: dict[int, int] | None = None,
        workers: int | None = None,
        host: Host | None = None,
    ):
        self.program = program
        self.host = host or this_host()
        graph = with_own_outputs(graph_of(optimise(program)))
        kernels = kernels_of(graph)
        self.flops = sum(work(k)[0] for k in kernels)
        self.workers = workers or (threads() if self.flops > SMALL else 1)
        self.graph = graph
        onto = {graph.outputs[o]: graph.inputs[i] for o, i in (over or {}).items()}
        self.schedule = scheduled(kernels, self.workers, graph.outputs, onto)
        self.assembly = Assembly(self.schedule, graph.inputs, graph.outputs, self.host)
        self.ir = str(self.assembly)
        versions = [native.llvm_version(), self.host.cpu, self.host.features]
        code = cached([self.ir, *versions], functools.partial(native.object_code, self.ir, *versions[1:]))
        self.native = native.Native(code, self.host.cpu, self.host.features)
        self.function = RUN(self.native.address("run"))
        self.arena = aligned(self.assembly.arena_bytes)
        self.constants = [n.value for n in self.assembly.table if n.op == "constant"]

    def __call__(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], **options: Any) -> int:
        """One step, or ``steps``; see ``run``."""
        return self.run([x.ctypes.data for x in (*inputs, *self.constants, *outputs)], **options)

    def run(self, pointers: list[int], strides: list[int] | None = None, steps: int = 1) -> int:
        """Make steps; how many were made before one was flagged.

        Raises:
            IndexError: an index was out of range.
        """
        table = np.array(pointers, np.int64)
        moves = np.array(strides or [0] * len(pointers), np.int64)
        status = np.zeros(STATUS_WORDS, np.int64)
        barrier = aligned(BARRIER_BYTES)
        barrier[:] = 0
        addresses = [a.ctypes.data for a in (table, moves, self.arena, status, barrier)]
        give_way = yield_address()

        def work(thread: int) -> None:
            self.function(*addresses, steps, thread, give_way)

        if self.workers == 1:
            work(0)
        else:
            team(self.workers).run(work)
        if status[1] or status[3]:
            raise IndexError("an index is out of range for its axis")
        return int(status[DONE])


def _base(node: Node) -> Node:
    """The node whose memory an output is."""
    while node.op == "reshape":
        node = node.args[0]
    return node


def with_own_outputs(graph: Graph) -> Graph:
    """A graph whose outputs are each made by a kernel, into memory of its own."""
    nodes, taken = list(graph.nodes), set()
    outputs = []
    for out in graph.outputs:
        base = _base(out)
        if base.op in LEAVES or base in taken or (base is not out and base.op in VIEWS):
            out = base = Node("astype", [out], out.shape, out.dtype)
            nodes.append(out)
        taken.add(base)
        outputs.append(out)
    return Graph(nodes, graph.inputs, [_base(out) for out in outputs])


@functools.cache
def yield_address() -> int:
    """The C function by which a thread lets others run."""
    if os.name == "nt":
        return ctypes.cast(ctypes.windll.kernel32.SwitchToThread, ctypes.c_void_p).value or 0
    return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
