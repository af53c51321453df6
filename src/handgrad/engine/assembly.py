"""A schedule as one module of IR: a function for each kernel, and ``run0``, which makes many steps.

Where NumPy must compute something in the middle, there is another run for what comes after, and so on.

``run0(table, strides, arena, status, barrier, steps, thread, yield)``. The table holds a pointer to each
input, constant and output; ``strides`` say by how many bytes each moves from step to step. The status is six
words: two flags (not finite, index out of range) for even and two for odd steps, and the number of steps that
were finished before a flag was raised.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from handgrad.engine.emit.ir import I64, PTR, Function, Module, Value, i64
from handgrad.engine.emit.point import STATUS
from handgrad.engine.fusion import Kernel
from handgrad.engine.graph import Node
from handgrad.engine.kernels import special
from handgrad.engine.kernels.loop import LoopKernel, ReduceKernel
from handgrad.engine.kernels.product.product import Product
from handgrad.engine.lowering import walk
from handgrad.engine.schedule import Schedule, slices
from handgrad.engine.targets.target import Target

STATUS_WORDS = 6
DONE = 4
BARRIER_BYTES = 256

BARRIER = """
define internal void @meet(ptr %barrier, i64 %threads, ptr %yield) noinline nounwind {
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


def between_foreign(kernels: list[Kernel]) -> list[list[Kernel]]:
    """The kernels in runs between those that NumPy computes."""
    runs: list[list[Kernel]] = [[]]
    for kernel in kernels:
        if kernel.kind == "foreign":
            runs.append([])
        else:
            runs[-1].append(kernel)
    return runs


class Assembly:
    """The module of a schedule for a target."""

    def __init__(
        self,
        schedule: Schedule,
        inputs: list[Node],
        outputs: list[Node],
        target: Target,
        timed: bool = False,
        bfloat16: bool = False,
    ):
        self.schedule = schedule
        self.target = target
        self.bfloat16 = bfloat16  # whether products round their factors
        self.timed = timed  # whether each thread adds up the cycles of each kernel, and of waiting
        constants = {a for k in schedule.kernels for a in k.arrays if a.op == "constant"}
        self.table = [*inputs, *sorted(constants, key=lambda n: n.number), *outputs]
        self.products = {
            k: Product(k, self.parts(k), target, bfloat16) for k in schedule.kernels if k.kind == "product"
        }
        self.scratch = max((p.scratch_bytes for p in self.products.values()), default=0)
        self.module = Module(target)
        self.functions = {
            k: self.kernel(i, k).name for i, k in enumerate(schedule.kernels) if k.kind != "foreign"
        }
        if schedule.threads > 1:
            self.barrier()
        self.segments = between_foreign(schedule.kernels)
        for n, kernels in enumerate(self.segments):
            self.run(f"run{n}", kernels)

    def text(self) -> str:
        """The IR. The module is let go: its lines, one by one, take several times the memory."""
        module, self.module = self.module, Module(self.target)
        return str(module)

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

    def memory(self, node: Node) -> Node:
        return self.schedule.over.get(node, node)

    def arrays(self, kernel: Kernel) -> list[Node]:
        """The arrays that a kernel is given, each memory once."""
        nodes = sorted({*kernel.arrays, *kernel.stores}, key=lambda n: n.number)
        return list(dict.fromkeys(map(self.memory, nodes)))

    # One kernel.

    def kernel(self, i: int, kernel: Kernel) -> Function:
        arrays = self.arrays(kernel)
        parameters = [(f"a{n}", PTR, "noalias") for n in range(len(arrays))]
        parameters += [("scratch", PTR, "noalias"), (STATUS[1:], PTR, ""), ("thread", I64, "")]
        f = self.module.function(f"k{i}.{kernel.kind}", parameters, "internal", "noinline")
        where = dict(zip(arrays, f.args, strict=False))
        pointers = {a: where[self.memory(a)] for a in (*kernel.arrays, *kernel.stores)}
        watches = any(getattr(e, "op", None) == "watch" for e in walk([e for _, e in kernel.values]))
        watching = f.variable(I64, i64(0)) if watches else i64(0)
        thread = f.args[-1]
        if self.schedule.threads > 1 and kernel.partition is None:
            with f.when(f.compare("icmp eq", thread, i64(0))):
                self.body(f, kernel, pointers, None, watching)
        else:
            self.body(f, kernel, pointers, thread, watching)
        if watches:
            seen = f.load(watching, I64)
            with f.when(f.compare("icmp ne", seen, i64(0))):
                f.store(i64(1), f.args[-2])
        return f

    def body(
        self, f: Function, kernel: Kernel, pointers: dict[Node, Value], thread: Value | None, watching: Value
    ) -> None:
        bounds = None
        if kernel.partition is not None and thread is not None:
            n = kernel.space[kernel.partition]
            parts = self.parts(kernel)
            start = f.intrinsic("umin", f.binary("mul", thread, i64(parts[0][1])), i64(n))
            bounds = (start, f.intrinsic("umin", f.binary("add", start, i64(parts[0][1])), i64(n)))
        if kernel.kind == "loop":
            LoopKernel(f, kernel, pointers, self.target.vector_bytes).emit(bounds, watching)
        elif kernel.kind == "reduce":
            ReduceKernel(f, kernel, pointers, self.target.vector_bytes).emit(bounds, watching)
        elif kernel.kind == "product":
            given = pointers, f.args[-3], thread or i64(0), watching
            self.products[kernel].emit(f, *given)
        else:
            special.emit(f, kernel, pointers, bounds)

    def parts(self, kernel: Kernel) -> list[tuple[int, int]]:
        """Each thread's slice of the loop that is divided."""
        if kernel.partition is None:
            return []
        return slices(kernel.space[kernel.partition], self.schedule.threads)

    # The whole.

    def run(self, title: str, kernels: list[Kernel]) -> None:
        names = ("table", "strides", "arena", "status", "barrier")
        parameters = [(n, PTR, "") for n in names] + [
            ("steps", I64, ""),
            ("thread", I64, ""),
            ("yield", PTR, ""),
        ]
        f = self.module.function(title, parameters)
        table, strides, arena, status, barrier, steps, thread, _ = f.args
        saved = self.target.flush(f)
        stopped = f.variable(I64, i64(0))
        own = f.binary("add", i64(self.schedule.size), f.binary("mul", thread, i64(self.scratch)))
        scratch = f.offset(arena, own, "i8")
        times = f.binary("add", i64(self.clocks), f.binary("mul", thread, i64(self.clock_bytes)))
        self.times = f.offset(arena, times, "i8")
        bases = [f.load(f.offset(table, i64(n), "ptr"), PTR) for n in range(len(self.table))]
        moves = [f.load(f.offset(strides, i64(n), "i64"), I64) for n in range(len(self.table))]
        with f.loop(i64(0), steps) as step, f.when(f.compare("icmp eq", f.load(stopped, I64), i64(0))):
            slot = f.offset(status, f.binary("shl", f.binary("and", step, i64(1)), i64(1)), "i64")
            where = {
                node: f.offset(base, f.binary("mul", step, move), "i8")
                for node, base, move in zip(self.table, bases, moves, strict=True)
            }
            places = self.schedule.places
            where |= {node: f.offset(arena, i64(place), "i8") for node, place in places.items()}
            phase = kernels[0].phase if kernels else 0
            for kernel in kernels:
                name = self.functions[kernel]
                if kernel.phase > phase:
                    self.meet(f, barrier)
                    phase = kernel.phase
                given = [where[a] for a in self.arrays(kernel)] + [scratch, slot, thread]
                with self.clocked(f, self.schedule.kernels.index(kernel)):
                    f.do(f"call void @{name}({', '.join(f'{x.type} {x.text}' for x in given)})")
            self.meet(f, barrier)
            raised = f.binary("or", f.load(slot, I64), f.load(f.offset(slot, i64(1), "i64"), I64))
            is_first = f.compare("icmp eq", thread, i64(0))
            fine = f.compare("icmp eq", raised, i64(0))
            f.store(f.select(fine, i64(0), i64(1)), stopped)
            with f.when(f.binary("and", is_first, fine)):
                f.store(f.binary("add", step, i64(1)), f.offset(status, i64(DONE), "i64"))
        if saved is not None:
            self.target.restore(f, saved)

    def barrier(self) -> None:
        """The function by which threads wait for each other."""
        self.module.texts.append(BARRIER.replace("PAUSE", self.target.pause(self.module)))

    def meet(self, f: Function, barrier: Value) -> None:
        if self.schedule.threads > 1:
            with self.clocked(f, len(self.schedule.kernels)):
                f.do(f"call void @meet(ptr {barrier.text}, i64 {self.schedule.threads}, ptr %yield)")

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
