"""Loops: a program inside the program, whose kernels run once for each step.

The body's kernels are kernels like others, divided among the same threads. Each array that is carried has
two places (one is read, the other written, by turns; the first step reads what the loop was given, the last
writes the result). Where what is carried to each step is asked for, that sequence is its places, and nothing
is copied. Where each thread reads only what it made itself, in the same step or the one before, no step waits
for another thread. Where nothing is carried, threads divide the steps, and each has a room of its own for
what its steps store.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.engine.emit.ir import Function, Value, i64
from handgrad.engine.fusion import kernels_of
from handgrad.engine.kernels.fallback import FallbackKernel
from handgrad.engine.kernels.kernel import Kernel, Setting, Site, as_it_lies
from handgrad.engine.kernels.looped import Looped
from handgrad.engine.kernels.product.panels import packed_before
from handgrad.engine.lowering import Lowering
from handgrad.engine.nodes import Elementwise, Fill, Graph, Node, Result, graph_of, results_of
from handgrad.engine.rewrite import rewritten
from handgrad.engine.runtime.memory import in_lines
from handgrad.engine.schedule import Schedule, scheduled, stays_inside
from handgrad.once import once

if TYPE_CHECKING:
    from handgrad.engine.assembly import Assembly, Run

BYTES = np.dtype(np.uint8)
SOME_STEPS = 4  # for each thread, from which threads divide the steps


@dataclasses.dataclass(frozen=True)
class Body:
    """The program of a step: inputs and outputs, weights and carry and parts of sequences, in this order."""

    graph: Graph
    kernels: tuple[Kernel, ...]
    weights: int
    carried: int

    @property
    def whys(self) -> tuple[str, ...]:
        """What needs NumPy."""
        return tuple(why for k in self.kernels if isinstance(k, FallbackKernel) for why in k.whys)

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
        """A step's part of the sequences that are made; what is carried to it, of one of those."""
        return self.graph.outputs[self.carried :]

    @once
    def kept(self) -> dict[Node, int]:
        """What is carried and its sequence, which results it is."""
        outputs = self.graph.outputs
        return {x: i for i, x in enumerate(outputs) if i >= self.carried and x in self.carry}


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
    graph = keeping_carry(graph, len(same), len(carry))
    made = Body(graph, tuple(kernels_of(graph)), len(same), len(carry))
    if made.whys:
        return results_of(Looped((0,), BYTES, given, body, length, reverse, False, made.whys), out)
    given = (*same.values(), *given[len(weights) :])
    return results_of(Scan((0,), BYTES, given, made, length, reverse), out)


def keeping_carry(graph: Graph, weights: int, carried: int) -> Graph:
    """A body that writes no copies of what is carried to it: it lies in the sequence of them already."""
    carry = set(graph.inputs[weights : weights + carried])
    outputs = list(graph.outputs)
    for i, out in enumerate(outputs[carried:], carried):
        x = out.operands[0] if isinstance(out, Elementwise) and out.op == "astype" else None
        if x in carry and x.dtype == out.dtype:
            outputs[i] = x
            carry.remove(x)
    return graph_of(graph.inputs, outputs)


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
    sharers: int  # how many threads divide the steps; 1, where they divide the kernels of each step
    turns_at: dict[Node, int]  # where in the room the first of the two places of a carried array is
    unread_at: dict[int, int]  # and what nobody reads

    def __init__(self, node: Scan, values: list[tuple[Node, Any]]):
        super().__init__(node, (node.length,), values, [node])

    @property
    def steps(self) -> int:
        """For how many its work is told."""
        return self.node.length

    def work(self) -> tuple[float, float]:
        works = [kernel.work() for kernel in self.node.body.kernels]
        flops, moved = (sum(work[i] for work in works) for i in (0, 1))
        return flops * self.steps, moved * self.steps

    @property
    def product_flops(self) -> int:
        return self.steps * sum(kernel.product_flops for kernel in self.node.body.kernels)

    @property
    def inside(self) -> Schedule:
        return self.inner

    def describe(self, setting: Setting) -> str:
        phases = f", {self.inner.phases} phases each" if self.inner.phases > 1 else ""
        apart = ", steps divided among threads" if self.sharers > 1 else ""
        count = len(self.node.body.kernels)
        return f"{count} kernel{'s' * (count > 1)} a step{phases}{apart}"

    # How it is scheduled.

    def arrange(self, threads: int) -> None:
        body = self.node.body
        is_shared = threads > 1 and self.are_steps_apart and self.node.length >= SOME_STEPS * threads
        self.sharers = threads if is_shared else 1
        for kernel in body.kernels:
            kernel.is_private = is_shared or self.is_private
        inside = 1 if is_shared else threads
        self.inner = scheduled(list(body.kernels), inside, body.graph.outputs, self.in_place)
        if not self.waits:
            for kernel in body.kernels:
                kernel.is_dynamic = False  # a step reads what its own thread made in the one before
        size = self.inner.size * self.sharers

        def take(nbytes: int) -> int:
            nonlocal size
            size += in_lines(nbytes)
            return size - in_lines(nbytes)

        self.results = {node.index: node for node in self.stores if isinstance(node, Result)}
        turning = [after for x, after in zip(body.carry, body.after, strict=True) if x not in body.kept]
        self.turns_at = {x: take(2 * in_lines(x.nbytes)) for x in turning if x not in self.in_place}
        self.unread_at = {i: take(n) for i, n in enumerate(self.sizes) if i not in self.results}
        self.room = Room((size,), BYTES)
        self.stores = {*self.results.values(), self.room}

    @property
    def are_steps_apart(self) -> bool:
        """Whether no step waits for another."""
        return not self.node.body.carried

    @property
    def in_place(self) -> dict[Node, Node]:
        """What a step writes over what it is given."""
        return {}

    @property
    def sizes(self) -> list[int]:
        """Bytes of each result."""
        body = self.node.body
        return [x.nbytes for x in body.after] + [self.node.length * x.nbytes for x in body.written]

    @property
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
        calls = [assembly.prepared(group) for group in self.inner.groups]
        memory = assembly.memory
        given = [(memory(load.array), load.offset.start * load.dtype.itemsize) for load in loads]
        return Steps(self, tuple(given), calls)

    def emit(self, site: Site) -> None:
        raise NotImplementedError("a scan is no function: its body's kernels are")


@dataclasses.dataclass(frozen=True)
class Steps:
    """A loop over steps: where what it is given lies, and the calls of a step."""

    kernel: ScanKernel
    given: tuple[tuple[Node, int], ...]
    calls: list[list[tuple[Kernel, Any]]]

    def emit(self, run: Run, where: dict[Node, Value], part: Value) -> None:
        f, held = run.f, Held(self, run, where)
        self.keep_first(run, held)
        with f.loop(*self.bounds(run)) as step:
            moving = held.parts(self.time(f, step)) | self.carry(run, held, step)
            run.calls(self.calls, held.still | moving)
            if self.kernel.waits:
                run.wait()

    def bounds(self, run: Run) -> tuple[Value, Value]:
        """The steps that a thread makes."""
        length, sharers = self.kernel.node.length, self.kernel.sharers
        if sharers == 1:
            return i64(0), i64(length)
        share = i64(-(-length // sharers))
        start = run.f.intrinsic("umin", run.f.binary("mul", run.thread, share), i64(length))
        return start, run.f.intrinsic("umin", run.f.binary("add", start, share), i64(length))

    def time(self, f: Function, step: Value) -> Value:
        """Which place of the sequences a step is at."""
        node = self.kernel.node
        return f.binary("sub", i64(node.length - 1), step) if node.reverse else step

    def keep_first(self, run: Run, held: Held) -> None:
        """What was given to be carried, in the sequence of what is carried to each step."""
        f, body = run.f, held.body
        if body.kept:
            with contextlib.nullcontext() if self.kernel.is_private else f.when(run.is_first()):
                for x, i in body.kept.items():
                    here = held.part(x, i, self.time(f, i64(0)))
                    f.copy(held.starts[body.carry.index(x)], here, x.nbytes)

    def carry(self, run: Run, held: Held, step: Value) -> dict[Node, Value]:
        """Where what is carried lies: what a step reads, and what it writes."""
        f, body = run.f, self.kernel.node.body
        is_first = f.compare("icmp eq", step, i64(0))
        is_last = f.compare("icmp eq", step, i64(self.kernel.node.length - 1))
        here = {}
        for i, (before, after) in enumerate(zip(body.carry, body.after, strict=True)):
            if before in body.kept:
                steps = step, f.binary("add", step, i64(1))
                now, then = (held.part(before, body.kept[before], self.time(f, n)) for n in steps)
            else:
                now, then = (self.turn(run, held, after, step, by) for by in (0, 1))
            here[before] = f.select(is_first, held.starts[i], now)
            here[after] = f.select(is_last, held.results[i], then)
        return here

    def turn(self, run: Run, held: Held, x: Node, step: Value, by: int) -> Value:
        """One of a carried array's two places: the one that this step reads, or, ``by`` one, writes."""
        f = run.f
        parity = f.binary("and", f.binary("add", step, i64(by)), i64(1))
        place = f.binary("mul", parity, i64(in_lines(x.nbytes)))
        return f.offset(held.room, f.binary("add", place, i64(self.kernel.turns_at[x])), "i8")


class Held:
    """Where what a loop works on lies."""

    def __init__(self, steps: Steps, run: Run, where: dict[Node, Value]):
        self.f, kernel = run.f, steps.kernel
        self.body, self.room = kernel.node.body, where[kernel.room]
        given = [self.f.offset(where[array], i64(start), "i8") for array, start in steps.given]
        first, second = self.body.weights, self.body.weights + self.body.carried
        self.starts, self.sequences = given[first:second], given[second:]
        results = {i: where[run.assembly.memory(result)] for i, result in kernel.results.items()}
        results |= {i: self.inside(place) for i, place in kernel.unread_at.items()}
        self.results = [results[i] for i in range(len(results))]
        self.still: dict[Node, Value] = dict(run.constants)
        self.still |= zip(self.body.graph.inputs, given[:first], strict=False)
        own = self.room
        if kernel.sharers > 1:
            own = self.f.offset(own, self.f.binary("mul", run.thread, i64(kernel.inner.size)), "i8")
        self.still |= {a: self.f.offset(own, i64(n), "i8") for a, n in kernel.inner.places.items()}

    def inside(self, place: int) -> Value:
        return self.f.offset(self.room, i64(place), "i8")

    def parts(self, t: Value) -> dict[Node, Value]:
        """What step t has of the sequences."""
        first = len(self.results) - len(self.body.written)
        parts = {
            x: self.at(t, x, all_of_x) for x, all_of_x in zip(self.body.parts, self.sequences, strict=False)
        }
        return parts | {x: self.part(x, i, t) for i, x in enumerate(self.body.written, first)}

    def part(self, x: Node, result: int, t: Value) -> Value:
        """Where step t has its part of a result."""
        return self.at(t, x, self.results[result])

    def at(self, t: Value, x: Node, sequence: Value) -> Value:
        return self.f.offset(sequence, self.f.binary("mul", t, i64(x.nbytes)), "i8")
