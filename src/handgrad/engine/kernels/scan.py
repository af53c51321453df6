"""Loops: a program inside the program, whose kernels run once for each step.

The body's kernels are kernels like others, divided among the same threads. Each array that is carried has
two places (one is read, the other written, by turns; the first step reads what the loop was given, the last
writes the result). Where each thread reads only what it made itself, in the same step or the one before, no
step waits for another thread.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.engine.access import row_major
from handgrad.engine.emit.ir import Value, i64
from handgrad.engine.fusion import kernels_of
from handgrad.engine.kernels.kernel import Kernel, Setting, Site, counters
from handgrad.engine.kernels.product.panels import packed_before
from handgrad.engine.lowering import Load, Lowering, NotAffine
from handgrad.engine.nodes import Fill, Graph, Node, NotCompiled, Result
from handgrad.engine.rewrite import rewritten
from handgrad.engine.runtime.memory import in_lines
from handgrad.engine.schedule import Schedule, scheduled, stays_inside
from handgrad.once import once

if TYPE_CHECKING:
    from handgrad.engine.assembly import Assembly, Run

BYTES = np.dtype(np.uint8)


@dataclasses.dataclass(frozen=True)
class Body:
    """The program of a step: inputs and outputs, weights and carry and parts of sequences, in this order."""

    graph: Graph
    kernels: tuple[Kernel, ...]
    weights: int
    carried: int

    @property
    def carry(self) -> tuple[Node, ...]:
        return self.graph.inputs[self.weights : self.weights + self.carried]

    @property
    def parts(self) -> tuple[Node, ...]:
        return self.graph.inputs[self.weights + self.carried :]

    @property
    def after(self) -> tuple[Node, ...]:
        """What is carried on."""
        return self.graph.outputs[: self.carried]

    @property
    def written(self) -> tuple[Node, ...]:
        """A step's part of the sequences that are made."""
        return self.graph.outputs[self.carried :]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Scan(Node):
    """A loop: its results are what it carries in the end, and the sequences that it writes."""

    given: tuple[Node, ...]  # weights, carry, sequences
    body: Body
    length: int
    reverse: bool

    @property
    def args(self) -> tuple:
        return self.given

    def with_args(self, args: tuple) -> Node:
        return dataclasses.replace(self, given=args)

    def kernel(self, lowering: Lowering) -> Kernel:
        return ScanKernel(self, [(x, as_it_lies(x, lowering)) for x in self.given])

    def check(self) -> None:
        first = self.body.weights + self.body.carried
        shapes = [x.shape for x in self.given[:first]] + [x.shape[1:] for x in self.given[first:]]
        if shapes != [x.shape for x in self.body.graph.inputs]:
            raise ValueError(f"{self}: its body takes {[x.shape for x in self.body.graph.inputs]}")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Room(Node):
    """The memory of a loop for itself: the places of what it carries, and what its body stores."""


def as_it_lies(x: Node, lowering: Lowering) -> Load:
    """Where an array lies in one piece.

    Raises:
        NotAffine: it does not.
    """
    made = lowering.lower(x, counters(x.shape))
    if isinstance(made, Load) and not made.gathers:
        here = {i: step for i, (n, step) in enumerate(zip(x.shape, row_major(x.shape), strict=True)) if n > 1}
        if dict(made.offset.strides) == here or not x.size:
            return made
    raise NotAffine(x)


def _scan(
    build: Any,
    out: tuple,
    weights: list,
    carry: list,
    xs: list,
    body: Any,
    length: int,
    reverse: bool = False,
) -> tuple[Node, ...]:
    given = tuple(build.array(x) for x in (*weights, *carry, *xs))
    if length == 0:
        return tuple(
            build.array(carry[i]) if i < len(carry) else Fill(x.shape, np.dtype(x.dtype), 0)
            for i, x in enumerate(out)
        )
    inside = rewritten(build.inside(body))
    graph, same = packed_before(inside, dict(zip(inside.inputs, given[: len(weights)], strict=False)))
    given = (*same.values(), *given[len(weights) :])
    made = Body(graph, tuple(kernels_of(graph)), len(same), len(carry))
    missing = [kernel for kernel in made.kernels if not kernel.is_native]
    if missing:
        raise NotCompiled(f"its body needs NumPy: {missing[0].node.name}")
    scan = Scan((0,), BYTES, given, made, length, reverse)
    return tuple(Result(x.shape, np.dtype(x.dtype), scan, i) for i, x in enumerate(out))


OPERATIONS = {"scan": _scan}


class ScanKernel(Kernel):
    """The kernels of a body, once for each step, on all threads."""

    name = "scan"
    writes_in_order = False
    keeps_to_slices = False
    node: Scan
    inner: Schedule  # of a step
    room: Room
    results: dict[int, Result]  # those that somebody reads
    turns_at: list[int]  # where in the room the first of the two places of each carried array is
    unread_at: dict[int, int]  # and what nobody reads

    def __init__(self, node: Scan, values: list[tuple[Node, Any]]):
        super().__init__(node, (node.length,), values, [node])

    def work(self) -> tuple[float, float]:
        flops, moved = (sum(f) for f in zip(*(k.work() for k in self.node.body.kernels), strict=True))
        return flops * self.node.length, moved * self.node.length

    @property
    def product_flops(self) -> int:
        return self.node.length * sum(kernel.product_flops for kernel in self.node.body.kernels)

    @property
    def inside(self) -> list[Kernel]:
        return self.inner.kernels

    def describe(self, setting: Setting) -> str:
        phases = f", {self.inner.phases} phases each" if self.inner.phases > 1 else ""
        count = len(self.node.body.kernels)
        return f"{count} kernel{'s' * (count > 1)} a step{phases}"

    # How it is scheduled.

    def arrange(self, threads: int) -> None:
        body = self.node.body
        self.inner = scheduled(list(body.kernels), threads, body.graph.outputs, {})
        size = self.inner.size

        def take(nbytes: int) -> int:
            nonlocal size
            size += in_lines(nbytes)
            return size - in_lines(nbytes)

        self.results = {node.index: node for node in self.stores if isinstance(node, Result)}
        self.turns_at = [take(2 * in_lines(x.nbytes)) for x in body.after]
        sizes = [x.nbytes for x in body.after] + [self.node.length * x.nbytes for x in body.written]
        self.unread_at = {i: take(nbytes) for i, nbytes in enumerate(sizes) if i not in self.results}
        self.room = Room((size,), BYTES)
        self.stores = {*self.results.values(), self.room}

    @once
    def waits(self) -> bool:
        """Whether threads meet between steps."""
        if self.inner.threads == 1:
            return False
        body = self.node.body
        maker = {node: k for k in body.kernels for node in k.stores}
        before = dict(zip(body.carry, body.after, strict=True))
        links = [
            (load, k, maker[before[load.array]])
            for k in body.kernels
            for load in k.reads
            if load.array in before
        ]
        return self.inner.phases > 1 or not all(stays_inside(*link, self.inner.threads) for link in links)

    # How it is called.

    @property
    def constants(self) -> list[Node]:
        return [*super().constants, *(a for kernel in self.node.body.kernels for a in kernel.constants)]

    def prepared(self, assembly: Assembly) -> Steps:
        loads = [load for _, load in self.values]
        calls = [(kernel, kernel.prepared(assembly)) for kernel in self.inner.kernels]
        return Steps(
            self, tuple((load.array, load.offset.start * load.dtype.itemsize) for load in loads), calls
        )

    def emit(self, site: Site) -> None:
        raise NotImplementedError("a scan is no function: its body's kernels are")


@dataclasses.dataclass(frozen=True)
class Steps:
    """A loop over steps: where what it is given lies, and the calls of a step."""

    kernel: ScanKernel
    given: tuple[tuple[Node, int], ...]
    calls: list[tuple[Kernel, Any]]

    def emit(self, run: Run, where: dict[Node, Value]) -> None:
        f, kernel = run.f, self.kernel
        node, body, memory = kernel.node, kernel.node.body, where[kernel.room]
        given = [f.offset(where[array], i64(start), "i8") for array, start in self.given]
        first = body.weights
        starts, sequences = given[first : first + body.carried], given[first + body.carried :]
        made = {i: where[run.schedule.memory(result)] for i, result in kernel.results.items()}
        made |= {i: f.offset(memory, i64(place), "i8") for i, place in kernel.unread_at.items()}
        finals, written = made, [made[body.carried + i] for i in range(len(body.written))]
        inside = {array: f.offset(memory, i64(place), "i8") for array, place in kernel.inner.places.items()}
        with f.loop(i64(0), i64(node.length)) as step:
            t = f.binary("sub", i64(node.length - 1), step) if node.reverse else step
            is_first = f.compare("icmp eq", step, i64(0))
            is_last = f.compare("icmp eq", step, i64(node.length - 1))
            here = dict(zip(body.graph.inputs, given[:first], strict=False))
            for i, (before, after) in enumerate(zip(body.carry, body.after, strict=True)):
                turn, other = (self.turn(run, memory, i, step, by) for by in (0, 1))
                here[before] = f.select(is_first, starts[i], turn)
                here[after] = f.select(is_last, finals[i], other)
            for x, start in zip((*body.parts, *body.written), (*sequences, *written), strict=True):
                here[x] = f.offset(start, f.binary("mul", t, i64(x.nbytes)), "i8")
            run.calls(self.calls, {**run.constants, **inside, **here})
            if kernel.waits:
                run.wait()

    def turn(self, run: Run, memory: Value, i: int, step: Value, by: int) -> Value:
        """One of a carried array's two places: the one that this step reads, or, ``by`` one, writes."""
        f, kernel = run.f, self.kernel
        parity = f.binary("and", f.binary("add", step, i64(by)), i64(1))
        place = f.binary("mul", parity, i64(in_lines(kernel.node.body.after[i].nbytes)))
        return f.offset(memory, f.binary("add", place, i64(kernel.turns_at[i])), "i8")
