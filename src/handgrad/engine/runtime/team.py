"""A team of threads that run native code together, without the interpreter.

Each worker has a desk, a piece of memory: its leader writes there which function is asked for and with what,
and counts what was asked; the worker counts what has ended. Between two runs a worker looks at its desk for
a while, so that calls that follow each other find it awake and on a processor of its own; then it sleeps on
a lock, which its leader opens. All of that is native, ``serve`` for the workers, ``lead`` for their leader,
in team.ll: no interrupt comes between two steps of it, and nobody waits for the interpreter.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import weakref
from collections.abc import Callable
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from handgrad.engine.emit.ir import Module
from handgrad.engine.runtime import cache, native
from handgrad.engine.runtime.memory import addresses, aligned
from handgrad.engine.targets.here import this_computer

WORDS = 32  # of a desk; these are its numbers in team.ll
ASKED, YIELD, ACQUIRE, RELEASE, LOCK, PATIENCE, ENDED = 0, 6, 7, 8, 9, 10, 16
LOOKS = 20_000  # at a desk, with a pause after each, before one sleeps: some half of a millisecond

WORD, POINTER = ctypes.c_int64, ctypes.c_void_p


class Calls(NamedTuple):
    """The functions of team.ll, and what they are in."""

    serve: Callable[..., None]
    ask: Callable[..., None]
    lead: Callable[..., None]
    code: native.Native


@functools.cache
def calls() -> Calls:
    target = this_computer()
    module = Module(target)
    text = (resources.files("handgrad.engine.runtime") / "team.ll").read_text("utf-8")
    module.add(text.replace("PAUSE", target.pause(module)))
    ir = str(module)
    made = cache.cached([ir, *native.key(target, native.SPEED)], lambda: native.object_code(ir, target))
    code = native.Native([made], target)
    return Calls(
        ctypes.CFUNCTYPE(None, POINTER, WORD)(code.address("serve")),
        ctypes.CFUNCTYPE(None, POINTER, POINTER, POINTER)(code.address("ask")),
        ctypes.CFUNCTYPE(None, POINTER, WORD, POINTER, POINTER)(code.address("lead")),
        code,
    )


def address_of(function: Any) -> int:
    return ctypes.cast(function, POINTER).value or 0


@functools.cache
def yield_address() -> int:
    """The C function by which a thread lets others run."""
    if os.name == "nt":
        return address_of(ctypes.CDLL("kernel32").SwitchToThread)
    return address_of(ctypes.CDLL(None).sched_yield)


def closed_lock() -> int:
    """A lock of Python's, whose functions need no interpreter; it is never freed, as it may yet be opened."""
    allocate = ctypes.pythonapi.PyThread_allocate_lock
    allocate.restype = POINTER
    lock = allocate()
    if not lock:
        raise MemoryError("the system has no lock left for a thread")
    ctypes.pythonapi.PyThread_acquire_lock(POINTER(lock), 1)
    return lock


def new_desk() -> np.ndarray:
    """A leader's own, who never sleeps at it."""
    desk = aligned(WORDS * 8).view(np.int64)
    desk[YIELD] = yield_address()
    return desk


def with_a_lock(desk: np.ndarray) -> np.ndarray:
    """A worker's, who sleeps on a lock."""
    desk[PATIENCE], desk[LOCK] = LOOKS, closed_lock()
    desk[ACQUIRE] = address_of(ctypes.pythonapi.PyThread_acquire_lock)
    desk[RELEASE] = address_of(ctypes.pythonapi.PyThread_release_lock)
    return desk


class Worker:
    """A thread at its desk."""

    def __init__(self, number: int):
        self.desk = desk = with_a_lock(new_desk())
        serve = calls().serve
        self.thread = threading.Thread(
            target=lambda: serve(desk.ctypes.data, number), name=f"handgrad-{number}", daemon=True
        )
        self.thread.start()


def _dismiss(crew: list[Worker]) -> None:
    for worker in crew:
        desk = worker.desk.ctypes.data
        calls().ask(desk, None, desk)


class Team:
    """``size`` threads: the caller's own, and daemons that start with the first run and end with the team."""

    def __init__(self, size: int):
        if size < 1:
            raise ValueError(f"a team has at least 1 thread, not {size}")
        self.size = size
        self._own = new_desk()
        self._lead = calls().lead
        self._owner = 0
        self._begin_anew()
        _TEAMS.add(self)

    def run(self, function: int, arguments: int) -> None:
        """Call the native function at that address on each thread, and return when all have ended.

        It is called as ``function(*arguments, number, yield)``: at the address ``arguments`` lie four
        pointers, ``number`` is that of the thread, 0 for the caller's own, and ``yield`` a function that lets
        others run. Other threads that call this wait for their turn.

        Raises:
            RuntimeError: called by a signal handler or a finaliser that interrupted a run of the same team.
        """
        me = threading.get_ident()
        if self._owner == me:
            raise RuntimeError(
                "Team.run was called from within a run of the same team, which would wait for itself"
            )
        with self._turn:
            try:
                self._owner = me
                if len(self._crew) < self.size - 1:
                    self._call_up()
                self._lead(self._place, self.size, function, arguments)
            finally:
                self._owner = 0

    def _call_up(self) -> None:
        """Start the workers that are missing."""
        while len(self._crew) < self.size - 1:
            self._crew.append(Worker(len(self._crew) + 1))
            self._set_up()

    def _set_up(self) -> None:
        """Where the desks are, as ``lead`` takes it."""
        self._desks = np.array(addresses([self._own, *(worker.desk for worker in self._crew)]))
        self._place = self._desks.ctypes.data

    def _begin_anew(self) -> None:
        self._crew: list[Worker] = []
        self._set_up()
        self._turn = threading.Lock()
        self._owner = 0
        weakref.finalize(self, _dismiss, self._crew).atexit = False


_TEAMS: weakref.WeakSet[Team] = weakref.WeakSet()


def _forked() -> None:
    """In a forked process: the workers are not there."""
    for each in list(_TEAMS):
        each._begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


@functools.cache
def team(size: int) -> Team:
    """The team of this size that the whole process shares."""
    return Team(size)
