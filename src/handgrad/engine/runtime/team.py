"""A team of threads, for native calls that let go of the interpreter while they run.

A worker sleeps on a lock that its team opens, and opens one when it has ended. Both locks say no more than
"look again": what was asked and what has ended is counted, so an interrupt between two lines loses no round.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable

Call = Callable[[int], None]


def _open(lock: threading.Lock) -> None:
    """A lock is closed by one thread and opened by one other, so none opens it between these two lines."""
    if lock.locked():
        lock.release()


class _Worker:
    """One thread's desk: what it was asked, and how far it is."""

    def __init__(self, index: int):
        self.index = index
        self.call: Call | None = None
        self.error: BaseException | None = None
        self.asked = 0
        self.ended = 0
        self.go = threading.Lock()
        self.done = threading.Lock()
        self.go.acquire()
        self.done.acquire()
        self.thread = threading.Thread(target=self.work, name=f"handgrad-{index}", daemon=True)

    def work(self) -> None:
        while True:
            self.go.acquire()
            if self.ended == self.asked:
                continue
            asked = self.asked
            call, self.call = self.call, None
            if call is None:
                return
            try:
                call(self.index)
            except BaseException as error:
                self.error = error
            del call  # what it holds is the caller's again
            self.ended = asked
            _open(self.done)

    def ask(self, call: Call | None) -> None:
        """Begin a round; with None, the last."""
        self.call = call
        self.asked += 1
        _open(self.go)

    def wait(self) -> None:
        """Until all that was asked has ended."""
        while self.ended != self.asked:
            _open(self.go)  # an interrupt may have come before it was opened
            self.done.acquire()

    def take_error(self) -> list[BaseException]:
        error, self.error = self.error, None
        return [] if error is None else [error]

    def lose(self) -> None:
        """In a forked process: the thread is not there."""
        if self.ended != self.asked:
            self.error = RuntimeError("the process was forked in the middle of a team's run")
            self.ended = self.asked


def _dismiss(crew: list[_Worker]) -> None:
    for worker in crew:
        worker.ask(None)


class Team:
    """``size`` threads: the caller's own, and daemons that start with the first run and end with the team."""

    def __init__(self, size: int):
        if size < 1:
            raise ValueError(f"a team has at least 1 thread, not {size}")
        self.size = size
        self._crew: list[_Worker] = []
        self._turn = threading.Lock()
        self._owner = 0
        weakref.finalize(self, _dismiss, self._crew).atexit = False
        _TEAMS.add(self)

    def run(self, call: Call) -> None:
        """``call(0)`` here, ``call(1)`` .. ``call(size - 1)`` on the workers; returns when all have ended.

        Other threads that call this wait for their turn.

        Raises:
            RuntimeError: called from within a run of the same team.
            BaseException: an interrupt that came while waiting, else what ``call(0)`` raised, else what the
                first worker raised; in each case only after all have ended.
        """
        self._refuse_nested()
        with self._turn:
            try:
                self._owner = threading.get_ident()
                errors = self._round(call)
            finally:
                self._owner = 0
        if errors:
            del errors[1:]
            raise errors.pop()  # no name holds it: its traceback holds this frame

    def _round(self, call: Call) -> list[BaseException]:
        """One call by each; what was raised, the most urgent first."""
        crew = self._called_up()
        errors: list[BaseException] = []
        begun = False
        while True:
            try:
                if not begun:
                    begun = True
                    for worker in crew:
                        worker.ask(call)
                    call(0)
                for worker in crew:
                    worker.wait()
                break
            except BaseException as error:
                errors.insert(0, error)
        for worker in crew:
            errors += worker.take_error()
        return errors

    def _called_up(self) -> list[_Worker]:
        """The workers, none of them busy; those that are missing are started."""
        while len(self._crew) < self.size - 1:
            worker = _Worker(len(self._crew) + 1)
            worker.thread.start()
            self._crew.append(worker)
        for worker in self._crew:
            worker.wait()  # interrupts upon interrupts may have cut the last wait short
        return list(self._crew)

    def _refuse_nested(self) -> None:
        if not self._turn.locked():
            return
        me = threading.get_ident()
        if me == self._owner or any(me == worker.thread.ident for worker in self._crew):
            raise RuntimeError(
                "Team.run was called from within a run of the same team, which would wait for itself"
            )

    def _begin_anew(self) -> None:
        for worker in self._crew:
            worker.lose()
        self._crew.clear()
        self._turn = threading.Lock()
        self._owner = 0


_TEAMS: weakref.WeakSet[Team] = weakref.WeakSet()


def _forked() -> None:
    for each in list(_TEAMS):
        each._begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


@functools.cache
def team(size: int) -> Team:
    """The team of this size that the whole process shares."""
    return Team(size)
