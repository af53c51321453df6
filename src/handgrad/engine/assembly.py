"""A schedule as modules of IR: one for each kernel, and one with ``run0``, which makes many steps.

Kernels that are the same up to what their pointers point to are one function: where in an array a kernel
begins to read travels in the pointer. Where NumPy must compute something in the middle, there is another run
for what comes after, and so on.

``run0(table, strides, arena, status, barrier, steps, thread, yield)``. The table holds a pointer to each
input, constant and output; ``strides`` say by how many bytes each moves from step to step. The status is six
words: two flags (not finite, index out of range) for even and two for odd steps, and the number of steps that
were finished before a flag was raised.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
from collections.abc import Hashable, Iterator, Sequence

from handgrad.engine.emit.ir import I64, PTR, Function, Module, Value, i64
from handgrad.engine.emit.point import STATUS
from handgrad.engine.kernels.kernel import Kernel, Site
from handgrad.engine.lowering import walk
from handgrad.engine.nodes import Constant, Node
from handgrad.engine.schedule import Schedule, slices
from handgrad.engine.targets.target import Target

STATUS_WORDS = 6
DONE = 4
BARRIER_BYTES = 256
KERNEL = "kernel"  # what a kernel's function is called until its name is known

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
"""


def segments(kernels: list[Kernel]) -> list[list[Kernel]]:
    """The kernels in runs between those that NumPy computes."""
    runs: list[list[Kernel]] = [[]]
    for kernel in kernels:
        if kernel.is_native:
            runs[-1].append(kernel)
        else:
            runs.append([])
    return runs


@dataclasses.dataclass(frozen=True)
class Call:
    """A kernel's function, and what it is given: arrays, each from a byte on."""

    function: str
    arrays: tuple[tuple[Node, int], ...]


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
        self.target = target
        self.bfloat16 = bfloat16  # whether products round their factors
        self.timed = timed  # whether each thread adds up the cycles of each kernel, and of waiting
        constants = {a for k in schedule.kernels for a in k.arrays if isinstance(a, Constant)}
        self.table = [*inputs, *sorted(constants, key=lambda n: n.number), *outputs]
        self.scratch = 0
        self.functions: dict[Hashable, str] = {}
        self.modules: dict[str, Module] = {}
        self.segments = [
            [(kernel, self.call(kernel)) for kernel in kernels] for kernels in segments(schedule.kernels)
        ]

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
        """Where in the arena each thread's cycles are: by kernel, the last for waiting."""
        return self.schedule.size + self.scratch * self.schedule.threads

    @property
    def clock_bytes(self) -> int:
        return 8 * (len(self.schedule.kernels) + 1)

    # One kernel.

    def call(self, kernel: Kernel) -> Call:
        """A kernel's function, written if there is none yet that does the same."""
        memory = self.schedule.memory
        stored = sorted(kernel.stores, key=lambda node: node.number)
        arrays = list(dict.fromkeys(map(memory, (*kernel.arrays, *stored))))
        starts = self.starts(kernel)
        kernel.rebase(lambda array: starts.get(memory(array), 0))
        numbers = {array: n for n, array in enumerate(arrays)}
        signature = kernel.signature(lambda node: numbers[memory(node)])
        if signature not in self.functions:
            self.functions[signature] = self.write(kernel, arrays)
        given = tuple((array, starts.get(array, 0) * array.dtype.itemsize) for array in arrays)
        return Call(self.functions[signature], given)

    def starts(self, kernel: Kernel) -> dict[Node, int]:
        """The element of each memory that a kernel begins to read at; of what it writes the first."""
        found: dict[Node, int] = {}
        for load in kernel.reads:
            memory = self.schedule.memory(load.array)
            found[memory] = min(found.get(memory, load.offset.start), load.offset.start)
        return found | {self.schedule.memory(node): 0 for node in kernel.stores}

    def write(self, kernel: Kernel, arrays: list[Node]) -> str:
        """The function of a kernel, in a module of its own, named by what it does."""
        module = Module(self.target)
        parameters = [(f"a{n}", PTR, "noalias") for n in range(len(arrays))]
        parameters += [("scratch", PTR, "noalias"), (STATUS[1:], PTR, ""), ("thread", I64, "")]
        f = module.function(KERNEL, parameters, attributes="noinline")
        where = dict(zip(arrays, f.args, strict=False))
        pointers = {a: where[self.schedule.memory(a)] for a in (*kernel.arrays, *kernel.stores)}
        checks = any(getattr(e, "op", None) == "watch" for e in walk(kernel.expressions))
        finite = f.variable(I64, i64(0)) if checks else i64(0)
        scratch, status, thread = f.args[-3:]
        parts = []
        if kernel.partition is not None:
            parts = slices(kernel.space[kernel.partition], self.schedule.threads)
        site = Site(f, pointers, self.target, parts, thread, scratch, finite, self.bfloat16)
        self.scratch = max(self.scratch, kernel.scratch(site))
        if self.schedule.threads > 1 and kernel.partition is None:
            with f.when(f.compare("icmp eq", thread, i64(0))):
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
    """The module that calls the kernels, step after step."""

    def __init__(self, assembly: Assembly, by_address: bool):
        self.assembly = assembly
        self.schedule = assembly.schedule
        self.target = assembly.target
        self.timed = assembly.timed
        self.by_address = by_address
        self.module = Module(self.target)
        if self.schedule.threads > 1:
            self.module.add(BARRIER.replace("PAUSE", self.target.pause(self.module)))
        for n, calls in enumerate(assembly.segments):
            self.run(f"run{n}", calls)

    def run(self, title: str, calls: list[tuple[Kernel, Call]]) -> None:
        names = ("table", "strides", "arena", "status", "barrier")
        parameters = [(n, PTR, "") for n in names] + [
            ("steps", I64, ""),
            ("thread", I64, ""),
            ("yield", PTR, ""),
        ]
        f = self.module.function(title, parameters)
        table, strides, arena, status, barrier, steps, thread, _ = f.args
        assembly = self.assembly
        saved = self.target.flush(f)
        number = {kernel: n for n, kernel in enumerate(self.schedule.kernels)}
        stopped = f.variable(I64, i64(0))
        own = f.binary("add", i64(self.schedule.size), f.binary("mul", thread, i64(assembly.scratch)))
        scratch = f.offset(arena, own, "i8")
        times = f.binary("add", i64(assembly.clocks), f.binary("mul", thread, i64(assembly.clock_bytes)))
        self.times = f.offset(arena, times, "i8")
        bases = [f.load(f.offset(table, i64(n), "ptr"), PTR) for n in range(len(assembly.table))]
        moves = [f.load(f.offset(strides, i64(n), "i64"), I64) for n in range(len(assembly.table))]
        functions: dict[str, str] = {}
        for n, name in enumerate(assembly.modules if self.by_address else ()):
            functions[name] = f.load(f.offset(table, i64(len(assembly.table) + n), "ptr"), PTR).text
        with f.loop(i64(0), steps) as step, f.when(f.compare("icmp eq", f.load(stopped, I64), i64(0))):
            slot = f.offset(status, f.binary("shl", f.binary("and", step, i64(1)), i64(1)), "i64")
            where = {
                node: f.offset(base, f.binary("mul", step, move), "i8")
                for node, base, move in zip(assembly.table, bases, moves, strict=True)
            }
            places = self.schedule.places
            where |= {node: f.offset(arena, i64(place), "i8") for node, place in places.items()}
            phase = calls[0][0].phase if calls else 0
            for kernel, call in calls:
                if kernel.phase > phase:
                    self.wait(f, barrier)
                    phase = kernel.phase
                arrays = [f.offset(where[a], i64(n), "i8") if n else where[a] for a, n in call.arrays]
                given = [*arrays, scratch, slot, thread]
                with self.clocked(f, number[kernel]):
                    function = functions.get(call.function, f"@{call.function}")
                    f.do(f"call void {function}({', '.join(f'{x.type} {x.text}' for x in given)})")
            self.wait(f, barrier)
            raised = f.binary("or", f.load(slot, I64), f.load(f.offset(slot, i64(1), "i64"), I64))
            is_first = f.compare("icmp eq", thread, i64(0))
            fine = f.compare("icmp eq", raised, i64(0))
            f.store(f.select(fine, i64(0), i64(1)), stopped)
            with f.when(f.binary("and", is_first, fine)):
                f.store(f.binary("add", step, i64(1)), f.offset(status, i64(DONE), "i64"))
        if saved is not None:
            self.target.restore(f, saved)

    def wait(self, f: Function, barrier: Value) -> None:
        if self.schedule.threads > 1:
            with self.clocked(f, len(self.schedule.kernels)):
                f.do(f"call void @barrier(ptr {barrier.text}, i64 {self.schedule.threads}, ptr %yield)")

    @contextlib.contextmanager
    def clocked(self, f: Function, number: int) -> Iterator[None]:
        """Add the cycles that something takes to a thread's clock of that number."""
        if not self.timed:
            yield
            return
        began = f.call("llvm.readcyclecounter", I64)
        yield
        spent = f.binary("sub", f.call("llvm.readcyclecounter", I64), began)
        clock = f.offset(self.times, i64(number), "i64")
        f.store(f.binary("add", f.load(clock, I64), spent), clock)


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
