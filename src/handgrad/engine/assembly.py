"""A schedule as modules of IR: one for each kernel, and one with ``run0``, which makes many steps.

Kernels that are the same up to what their pointers point to are one function: where in an array a kernel
begins to read travels in the pointer. Where NumPy must compute something in the middle, there is another run
for what comes after, and so on.

``run0(table, arena, status, barrier, thread, yield)``. The table holds a pointer to each input, constant
and output. The status is two flags, that something is not finite, and that an index is out of range, and two
more, which a loop uses by turns with these.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
from collections.abc import Hashable, Iterator, Sequence

from handgrad.engine.emit.ir import I64, PTR, Module, Value, i64
from handgrad.engine.emit.point import STATUS
from handgrad.engine.kernels.kernel import Called, Kernel, Setting, Site, innermost
from handgrad.engine.lowering import walk
from handgrad.engine.nodes import Constant, Node
from handgrad.engine.runtime.memory import LINE
from handgrad.engine.schedule import Schedule, parts_of
from handgrad.engine.targets.target import Target

STATUS_WORDS = 4
BARRIER_BYTES = 256
COUNTER_WORD, COUNTERS = 8, 8  # of the barrier: each how many parts of a group were taken since threads met
KERNEL = "kernel"  # what a kernel's function is called until its name is known

Group = list[tuple[Kernel, Called]]  # which are called together, part by part
Groups = list[Group]

BARRIER = """
define internal void @barrier(ptr %barrier, i64 %threads, ptr %yield) noinline nounwind {
entry:
  %generation = getelementptr i8, ptr %barrier, i64 128
  %mine = load atomic i64, ptr %generation acquire, align 8
  %before = atomicrmw add ptr %barrier, i64 1 acq_rel
  %arrived = add i64 %before, 1
  %all = icmp eq i64 %arrived, %threads
  br i1 %all, label %last, label %wait
last:
  store atomic i64 0, ptr %barrier monotonic, align 8
  %taken = getelementptr i64, ptr %barrier, i64 COUNTER_WORD
  store <COUNTERS x i64> zeroinitializer, ptr %taken, align 64
  %next = add i64 %mine, 1
  store atomic i64 %next, ptr %generation release, align 8
  ret void
wait:
  %spins = phi i64 [ 0, %entry ], [ %more, %again ], [ 0, %patient ]
  %now = load atomic i64, ptr %generation acquire, align 8
  %open = icmp ne i64 %now, %mine
  br i1 %open, label %done, label %again.or.yield
again.or.yield:
  %tired = icmp sgt i64 %spins, 1000
  br i1 %tired, label %patient, label %again
again:
  %more = add i64 %spins, 1
  PAUSE
  br label %wait
patient:
  %result = call i32 %yield()
  br label %wait
done:
  ret void
}
""".replace("COUNTER_WORD", str(COUNTER_WORD)).replace("COUNTERS", str(COUNTERS))


def segments(groups: list[list[Kernel]]) -> list[list[list[Kernel]]]:
    """The groups of kernels in runs between those that NumPy computes."""
    runs: list[list[list[Kernel]]] = [[]]
    for group in groups:
        if group[0].is_native:
            runs[-1].append(group)
        else:
            runs.append([])
    return runs


def setting(kernel: Kernel, threads: int, target: Target, bfloat16: bool) -> Setting:
    """What a kernel is written for, once it is known which of its loops is divided."""
    return Setting(target, parts_of(kernel, threads), bfloat16)


@dataclasses.dataclass(frozen=True)
class Call:
    """A kernel's function, and what it is given: arrays, each from a byte on."""

    function: str
    arrays: tuple[tuple[Node, int], ...]

    def emit(self, run: Run, where: dict[Node, Value], part: Value) -> None:
        arrays = [run.f.offset(where[a], i64(n), "i8") for a, n in self.arrays]
        given = ", ".join(f"{x.type} {x.text}" for x in (*arrays, run.scratch, run.status, part))
        run.f.do(f"call void {run.functions.get(self.function, f'@{self.function}')}({given})")


class Assembly:
    """The modules of a schedule for a target."""

    def __init__(
        self,
        schedule: Schedule,
        inputs: Sequence[Node],
        outputs: Sequence[Node],
        target: Target,
        timed: bool = False,
        bfloat16: bool = False,
    ):
        self.schedule = schedule
        self.counted = innermost(schedule.kernels)
        self.donated = dict(schedule.donated)  # in loops too
        self.target = target
        self.bfloat16 = bfloat16  # whether products round their factors
        self.timed = timed  # whether each thread adds up the cycles of each kernel, and of waiting
        constants = {a for k in schedule.kernels for a in k.constants}
        self.table = [*inputs, *sorted(constants, key=lambda n: n.number), *outputs]
        self.scratch = 0
        self.functions: dict[Hashable, str] = {}
        self.modules: dict[str, Module] = {}
        self.segments = [[self.prepared(group) for group in groups] for groups in segments(schedule.groups)]

    def prepared(self, group: list[Kernel]) -> Group:
        """Kernels with what is called for them."""
        return [(kernel, kernel.prepared(self)) for kernel in group]

    def texts(self) -> list[str]:
        """A module for each distinct kernel, and one for the runs, whose table goes on with their addresses.

        Calls by address need nothing of a linker, so each module is compiled and kept by itself.
        """
        return [*map(str, self.modules.values()), str(self.runs(by_address=True))]

    def text(self) -> str:
        """All in one module, from outside of which only the runs are called."""
        return str(merged(list(self.modules.values()), self.runs(by_address=False)))

    def runs(self, by_address: bool) -> Module:
        return Runs(self, by_address).module

    @property
    def arena_bytes(self) -> int:
        """Memory for the arrays in between, and behind them for what each thread needs for itself."""
        return self.clocks + (self.clock_bytes * self.schedule.threads if self.timed else 0)

    @property
    def clocks(self) -> int:
        """Where in the arena each thread's cycles are, by kernel, the last for waiting; and its calls."""
        return self.schedule.size + self.scratch * self.schedule.threads

    @property
    def clock_bytes(self) -> int:
        return 2 * 8 * (len(self.counted) + 1)

    def memory(self, node: Node) -> Node:
        """The node in whose memory another lies."""
        return self.donated.get(node, node)

    # One kernel.

    def call(self, kernel: Kernel) -> Call:
        """A kernel's function, written if there is none yet that does the same."""
        memory = self.memory
        stored = sorted(kernel.stores, key=lambda node: node.number)
        arrays = list(dict.fromkeys(map(memory, (*kernel.arrays, *stored))))
        starts = self.starts(kernel)
        kernel.rebase(lambda array: starts.get(memory(array), 0))
        numbers = {array: n for n, array in enumerate(arrays)}
        signature = kernel.signature(lambda node: numbers[memory(node)])
        if signature not in self.functions:
            self.functions[signature] = self.write(kernel, arrays)
        return Call(self.functions[signature], tuple((array, starts.get(array, 0)) for array in arrays))

    def starts(self, kernel: Kernel) -> dict[Node, int]:
        """The byte of each memory that a kernel begins to read at; of what it writes the first."""
        found: dict[Node, list[tuple[int, int]]] = {}
        for load in kernel.reads:
            bytes_of = load.dtype.itemsize
            found.setdefault(self.memory(load.array), []).append((load.offset.start * bytes_of, bytes_of))
        starts = {}
        for memory, loads in found.items():
            start = min(start for start, _ in loads)
            is_one_kind = len({bytes_of for _, bytes_of in loads}) == 1
            starts[memory] = start if is_one_kind else start // LINE * LINE
        return starts | {self.memory(node): 0 for node in kernel.stores}

    def write(self, kernel: Kernel, arrays: list[Node]) -> str:
        """The function of a kernel, in a module of its own, named by what it does."""
        module = Module(self.target)
        parameters = [(f"a{n}", PTR, "noalias") for n in range(len(arrays))]
        parameters += [("scratch", PTR, "noalias"), (STATUS[1:], PTR, ""), ("part", I64, "")]
        f = module.function(KERNEL, parameters, attributes="noinline")
        where = dict(zip(arrays, f.args, strict=False))
        pointers = {a: where[self.memory(a)] for a in (*kernel.arrays, *kernel.stores)}
        checks = any(getattr(e, "op", None) == "check_finite" for e in walk(kernel.expressions))
        finite = f.variable(I64, i64(0)) if checks else i64(0)
        scratch, status, part = f.args[-3:]
        given = setting(kernel, self.schedule.threads, self.target, self.bfloat16)
        site = Site(given.target, given.parts, given.bfloat16, f, pointers, part, scratch, finite)
        self.scratch = max(self.scratch, kernel.scratch(site))
        if self.schedule.threads > 1 and kernel.partition is None and not kernel.is_private:
            with f.when(f.compare("icmp eq", part, i64(0))):
                kernel.emit(site)
        else:
            kernel.emit(site)
        if checks:
            seen = f.load(finite, I64)
            with f.when(f.compare("icmp ne", seen, i64(0))):
                f.store(i64(1), status)
        module.compact()
        f.name = f"{kernel.name}.{hashlib.blake2b(str(module).encode(), digest_size=12).hexdigest()}"
        self.modules[f.name] = module
        return f.name


class Runs:
    """The module that calls the kernels."""

    def __init__(self, assembly: Assembly, by_address: bool):
        self.assembly = assembly
        self.schedule = assembly.schedule
        self.target = assembly.target
        self.by_address = by_address
        self.module = Module(self.target)
        if self.schedule.threads > 1:
            self.module.add(BARRIER.replace("PAUSE", self.target.pause(self.module)))
        for n, groups in enumerate(assembly.segments):
            Run(self, f"run{n}", groups)


class Run:
    """A function that calls kernels, one after the other."""

    def __init__(self, runs: Runs, title: str, groups: Groups):
        self.assembly, self.schedule, self.target = runs.assembly, runs.schedule, runs.target
        parameters = [(n, PTR, "") for n in ("table", "arena", "status", "barrier")]
        parameters += [("thread", I64, ""), ("yield", PTR, "")]
        self.f = runs.module.function(title, parameters)
        self.table, self.arena, self.status, self.barrier, self.thread, _ = self.f.args
        self.number = {kernel: n for n, kernel in enumerate(self.assembly.counted)}
        saved = self.target.flush(self.f)
        own = self.own(self.schedule.size, self.assembly.scratch)
        self.scratch = self.f.offset(self.arena, own, "i8")
        clocks = self.own(self.assembly.clocks, self.assembly.clock_bytes)
        self.clocks = self.f.offset(self.arena, clocks, "i8")
        self.functions = self.addresses() if runs.by_address else {}
        where = self.places()
        self.constants: dict[Node, Value] = {n: x for n, x in where.items() if isinstance(n, Constant)}
        self.taken = 0  # counters in use at this place, since the threads last met
        self.calls(groups, where)
        if self.taken:
            self.wait()
        if saved is not None:
            self.target.restore(self.f, saved)

    def own(self, start: int, size: int) -> Value:
        """Where in the arena this thread's part of something begins."""
        return self.f.binary("add", i64(start), self.f.binary("mul", self.thread, i64(size)))

    def entry(self, n: int) -> Value:
        return self.f.load(self.f.offset(self.table, i64(n), "ptr"), PTR)

    def addresses(self) -> dict[str, str]:
        """The kernels' functions, which the table goes on with."""
        first = len(self.assembly.table)
        return {name: self.entry(first + n).text for n, name in enumerate(self.assembly.modules)}

    def places(self) -> dict[Node, Value]:
        """Where arrays are."""
        where = {node: self.entry(n) for n, node in enumerate(self.assembly.table)}
        for node, place in self.schedule.places.items():
            where[node] = self.f.offset(self.arena, i64(place), "i8")
        return where

    def calls(self, groups: Groups, where: dict[Node, Value]) -> None:
        """Kernels one after the other, or part by part; between phases threads wait for each other."""
        phase = groups[0][0][0].phase if groups else 0
        for group in groups:
            first, _ = group[0]
            if first.phase > phase:
                self.wait()
                phase = first.phase
            with self.parts(first) as part:
                for kernel, call in group:
                    with self.clocked(self.number.get(kernel)):
                        call.emit(self, where, part)

    @contextlib.contextmanager
    def parts(self, kernel: Kernel) -> Iterator[Value]:
        """The parts that a thread makes: those of its own slice, or any that no other has taken yet."""
        f, count = self.f, kernel.rounds
        if count == 1:
            yield self.thread
        elif kernel.is_dynamic and self.taken < COUNTERS:
            counter = f.offset(self.barrier, i64(COUNTER_WORD + self.taken), "i64")
            self.taken += 1
            with f.asked(counter, i64(count * self.schedule.threads)) as part:
                yield part
        else:
            first = f.binary("mul", self.thread, i64(count))
            with f.loop(first, f.binary("add", first, i64(count))) as part:
                yield part

    def is_first(self) -> Value:
        """Whether this is the first of the threads."""
        return self.f.compare("icmp eq", self.thread, i64(0))

    def is_fine(self) -> Value:
        """Whether nothing was flagged."""
        f = self.f
        raised = f.binary("or", f.load(self.status, I64), f.load(f.offset(self.status, i64(1), "i64"), I64))
        return f.compare("icmp eq", raised, i64(0))

    def wait(self) -> None:
        self.taken = 0
        if self.schedule.threads > 1:
            with self.clocked(len(self.assembly.counted)):
                self.f.do(f"call void @barrier(ptr %barrier, i64 {self.schedule.threads}, ptr %yield)")

    @contextlib.contextmanager
    def clocked(self, number: int | None) -> Iterator[None]:
        """Add the cycles that something takes to a thread's clock of that number, and that it was called."""
        f = self.f
        if number is None or not self.assembly.timed:
            yield
            return
        began = f.call("llvm.readcyclecounter", I64)
        yield
        spent = f.binary("sub", f.call("llvm.readcyclecounter", I64), began)
        for place, more in ((number, spent), (number + len(self.assembly.counted) + 1, i64(1))):
            clock = f.offset(self.clocks, i64(place), "i64")
            f.store(f.binary("add", f.load(clock, I64), more), clock)


def merged(kernels: list[Module], runs: Module) -> Module:
    """Modules as one, which declares what none of them defines, and has kernels for itself."""
    whole = Module(runs.target)
    for module in (*kernels, runs):
        whole.declared |= module.declared
        whole.texts |= module.texts
    for function in (f for module in kernels for f in module.functions):
        own = copy.copy(function)
        own.linkage = "internal"
        whole.functions.append(own)
    whole.functions += runs.functions
    for function in whole.functions:
        whole.declared.pop(function.name, None)
    return whole
