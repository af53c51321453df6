"""A program as native code: what it takes, what it gives, and the call between."""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections.abc import Iterator, Sequence

import numpy as np

from handgrad.engine.assembly import BARRIER_BYTES, STATUS_WORDS, Assembly
from handgrad.engine.building import Stages, built
from handgrad.engine.kernels.fallback import FallbackKernel
from handgrad.engine.kernels.looped import LoopedKernel
from handgrad.engine.manifest import Manifest
from handgrad.engine.nodes import NotCompiled
from handgrad.engine.runtime import native
from handgrad.engine.runtime.memory import addresses, aligned
from handgrad.engine.runtime.team import Team, team
from handgrad.engine.schedule import Schedule
from handgrad.engine.targets.here import this_computer
from handgrad.engine.targets.target import Target
from handgrad.program import Program

SMALL = 2e6  # operations in a step below which one thread is quicker, in a call of many steps
SMALL_CALL = 5e6  # and in a call of one, whose threads may have to be woken


class NotCompiledWarning(UserWarning):
    """A function, or a part of one, runs on NumPy; the message says which and why.

    Examples:
        >>> issubclass(hg.engine.NotCompiledWarning, UserWarning)
        True
    """


class OutOfRange(IndexError):
    """An index was out of range for its axis.

    Examples:
        >>> issubclass(hg.engine.OutOfRange, IndexError)
        True
    """

    def __init__(self) -> None:
        super().__init__("an index is out of range for its axis")


class Code:
    """Native code for a program whose arrays have known shapes.

    Args:
        program: what to compile.
        donated: for an output (by number) the input (by number) that it is written over.
        workers: threads; as many as the process may use, or one for small programs, if not said.
        target: whose instructions to use; this computer's, if not said.
        timed: whether to count cycles: see ``cycles``.
        small: operations in a step up to which a program is small.
        bfloat16: whether products of float32 round their factors to bfloat16, and sum in float32.
        warns: whether a ``NotCompiledWarning`` says what runs on NumPy.

    What there is no native code for NumPy computes, between native parts.
    """

    def __init__(
        self,
        program: Program,
        donated: dict[int, int] | None = None,
        workers: int | None = None,
        target: Target | None = None,
        timed: bool = False,
        small: float = SMALL,
        bfloat16: bool = False,
        warns: bool = True,
    ):
        self.program = program
        self.timed = timed
        self.lock = threading.RLock()
        self.owner = 0  # the thread that is in a call
        _CODES.add(self)
        self.target = target or this_computer()
        if bfloat16 and not self.target.has_bf16:
            raise ValueError("this processor does not multiply bfloat16 (AVX512-BF16): leave bfloat16 out")
        self.stages = Stages(program, donated or {}, self.target, workers, small, timed, bfloat16)
        manifest = Manifest(self.stages)
        found = manifest.load()
        made = found or built(self.stages)
        self.native = native.Native(made.objects, self.target)
        if found is None:
            manifest.keep(made)
        self.workers, self.flops, self.clocks = made.threads, made.flops, made.clocks
        self.kernels = [self.native.address(name) for name in made.functions]
        self.functions = [self.native.address(f"run{n}") for n in range(made.runs)]
        self.team = team(self.workers) if self.workers > 1 else Team(1)
        self.fallbacks = made.fallbacks
        for message in reasons(self.fallbacks) if warns else ():
            warnings.warn(message, NotCompiledWarning, stacklevel=2)
        for kernel in self.fallbacks:
            kernel.prepare(
                lambda body, donated: Code(
                    body, donated, workers, target, timed, small, bfloat16, warns=False
                )
            )
        self.status, self.barrier = np.zeros(STATUS_WORDS, np.int64), aligned(BARRIER_BYTES)
        self.work_in(aligned(made.arena_bytes), made.constants)

    def work_in(self, arena: np.ndarray, constants: list[np.ndarray]) -> None:
        """What its memory is, and where its constants lie; they must not move."""
        self.arena, self.constants, self.held = arena, constants, addresses(constants)
        self.table: np.ndarray | None = None  # pointers to what a call is given, and to the kernels
        self.places, self.place = np.zeros(4, np.int64), 0

    def __call__(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> bool:
        """Compute ``outputs`` of ``inputs``; see ``run``."""
        return self.run([*addresses(inputs), *self.held, *addresses(outputs)])

    def run(self, pointers: list[int]) -> bool:
        """Compute, with arrays at these addresses: inputs, constants and outputs. Whether all values that
        are checked are finite.

        Raises:
            OutOfRange: an index was out of range, which is an IndexError.
            RuntimeError: called by a signal handler or a finaliser that interrupted a call of the same code.
        """
        with self.lock:  # the arena serves one call at a time
            if self.owner:
                raise RuntimeError(
                    "compiled code was called by a signal handler or a finaliser that interrupted it: "
                    "let the handler note that it was called, and compute afterwards"
                )
            try:
                self.owner = threading.get_ident()
                return all(self.parts(pointers))
            finally:
                self.owner = 0

    def parts(self, pointers: list[int]) -> Iterator[bool]:
        """One native function after the other, and what NumPy computes in between; whether each went well."""
        for number, kernel in enumerate([*self.fallbacks, None]):
            yield self.call(number, pointers)
            if kernel is not None:
                yield self.compute(kernel, pointers)

    def call(self, number: int, pointers: list[int]) -> bool:
        """One of the native functions; whether all that it checks is finite."""
        if self.table is None:
            self.table = np.array([*pointers, *self.kernels], np.int64)
            self.places[:] = addresses([self.table, self.arena, self.status, self.barrier])
            self.place = self.places.ctypes.data
        self.table[: len(pointers)] = pointers
        self.status.fill(0)
        self.team.run(self.functions[number], self.place)
        flags = self.status.tolist()
        if flags[1] or flags[3]:
            raise OutOfRange
        return not any(flags)

    @property
    def inner(self) -> list[Code]:
        """Code of steps, that Python calls."""
        return [kernel.code for kernel in self.fallbacks if isinstance(kernel, LoopedKernel)]

    def cycles(self) -> np.ndarray:
        """Of timed code, the cycles so far: (threads, kernels + 1), the last column is waiting."""
        return self._clocks[:, 0]

    def calls(self) -> np.ndarray:
        """How often each kernel was called, and a thread waited."""
        return self._clocks[:, 1]

    @property
    def _clocks(self) -> np.ndarray:
        return self.arena[self.clocks :].view(np.int64).reshape(self.workers, 2, -1)

    # What it was made of: made when it is first asked for, where the native code was found on the disk.

    @property
    def optimised(self) -> Program:
        return self.stages.optimised

    @property
    def schedule(self) -> Schedule:
        return self.stages.schedule

    @property
    def assembly(self) -> Assembly:
        return self.stages.assembly

    @property
    def ir(self) -> str:
        """All modules as one, in LLVM's language."""
        return self.assembly.text()

    def compute(self, kernel: FallbackKernel, pointers: list[int]) -> bool:
        """An operation without native code, by NumPy, on the arrays where they lie."""
        memory = self.schedule.memory
        where = {memory(n): p for n, p in zip(self.assembly.table, pointers, strict=True)}
        where |= {n: self.arena.ctypes.data + place for n, place in self.schedule.places.items()}
        return kernel.compute(lambda node: where[memory(node)])


def reasons(fallbacks: list[FallbackKernel]) -> list[str]:
    """Which operations run on NumPy: a sentence for each reason."""
    by_reason: dict[str, dict[str, None]] = {}
    for kernel in fallbacks:
        for said in kernel.whys:
            operation, _, why = said.rpartition(": ")
            by_reason.setdefault(why, {})[operation] = None
    found = []
    for why, names in by_reason.items():
        more = [f"{len(names) - 4} more"] if len(names) > 4 else []
        found.append(f"runs on NumPy: {'; '.join([*list(names)[:4], *more])}: {why}")
    return found


def check_without_numpy(schedule: Schedule, what: str) -> None:
    """That native code makes all of it, for ``what`` has no NumPy beside it.

    Raises:
        NotCompiled: it does not; the message names the operations.
    """
    fallbacks = [kernel for kernel in schedule.kernels if isinstance(kernel, FallbackKernel)]
    if fallbacks:
        needed = "; ".join(reason.removeprefix("runs on NumPy: ") for reason in reasons(fallbacks))
        raise NotCompiled(f"{what} has no NumPy, which is needed: {needed}")


_CODES: weakref.WeakSet[Code] = weakref.WeakSet()


def _forked() -> None:
    """In a forked process: no other thread is in a call any more."""
    for code in list(_CODES):
        if code.owner != threading.get_ident():
            code.lock, code.owner = threading.RLock(), 0
            code.barrier.fill(0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
