"""Everyone has ended when a run has, whatever comes in between."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from handgrad.engine.runtime import team as module
from handgrad.engine.runtime.team import PATIENCE, POINTER, WORD, Team, address_of, team

NOTHING = np.zeros(4, np.int64)
FUNCTION = ctypes.CFUNCTYPE(None, *[POINTER] * 4, WORD, POINTER)


def run(crew, call, arguments=NOTHING):
    """A run whose native function calls one of Python's with the number of the thread."""
    function = FUNCTION(lambda *given: call(given[4]))
    crew.run(address_of(function), arguments.ctypes.data)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_each_number_once(size):
    crew = Team(size)
    for _ in range(100):
        seen = []
        run(crew, seen.append)
        assert sorted(seen) == list(range(size))


def test_what_a_function_is_given():
    seen, arguments = [], np.array([3, 5, 8, 13])
    function = FUNCTION(lambda *given: seen.append(given))
    Team(2).run(address_of(function), arguments.ctypes.data)
    assert sorted(number for *_, number, _ in seen) == [0, 1]
    assert all(pointers == [3, 5, 8, 13] and give_way for *pointers, _, give_way in seen)


def test_who_calls():
    idents = {}
    crew = Team(3)
    for _ in range(2):
        run(crew, lambda number: idents.setdefault(number, set()).add(threading.get_ident()))
    assert idents[0] == {threading.get_ident()}
    assert len(idents[0] | idents[1] | idents[2]) == 3
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("handgrad-"))


def test_they_run_at_the_same_time():
    meeting = threading.Barrier(4)
    crew = Team(4)
    for _ in range(20):
        run(crew, lambda number: meeting.wait() and None)


@pytest.mark.parametrize("patience", [0, 3, 300, 20_000])
def test_many_runs(patience):
    """Of workers that sleep at once, that are about to, and that are awake."""
    totals = [0, 0, 0]

    def call(number):
        totals[number] += 1

    crew = patient(3, patience)
    function = FUNCTION(lambda *given: call(given[4]))
    for expected in range(1, 3001):
        crew.run(address_of(function), NOTHING.ctypes.data)
        assert totals == [expected] * 3


def patient(size, looks):
    """A team whose workers look so many times before they sleep."""
    crew = Team(size)
    before = module.LOOKS
    module.LOOKS = looks
    try:
        run(crew, lambda _: None)
    finally:
        module.LOOKS = before
    assert all(worker.desk[PATIENCE] == looks for worker in crew._crew)
    return crew


def test_shared_by_size():
    assert team(2) is team(2)
    assert team(2) is not team(3)
    assert team(3).size == 3


@pytest.mark.parametrize("size", [0, -1])
def test_no_team(size):
    with pytest.raises(ValueError, match="at least 1 thread"):
        Team(size)


def test_threads_take_turns():
    crew = Team(3)
    inside = set()
    mixed = []

    def runs(name):
        def call(number):
            inside.add((name, number))
            time.sleep(0.0005)
            mixed.extend(other for other, _ in inside if other != name)
            inside.discard((name, number))

        for _ in range(20):
            run(crew, call)

    callers = [threading.Thread(target=runs, args=(name,)) for name in "abcd"]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not mixed
    assert not inside


def test_a_run_within_a_run_is_refused():
    crew, refused = Team(2), []

    def call(number):
        if number == 0:
            with pytest.raises(RuntimeError, match="from within a run of the same team") as error:
                run(crew, lambda _: None)
            refused.append(error)

    run(crew, call)
    assert refused
    run(crew, lambda _: None)


def test_a_run_of_another_team_within_a_run():
    outer, inner = Team(2), Team(2)
    seen = []
    run(outer, lambda own: run(inner, lambda number: seen.append((own, number))))
    assert sorted(seen) == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize("asleep", [False, True])
def test_workers_end_with_their_team(asleep):
    crew = patient(4, 0 if asleep else 10**9)
    threads = [worker.thread for worker in crew._crew]
    time.sleep(0.01)
    assert all(thread.is_alive() for thread in threads)
    del crew
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


def test_a_thread_that_cannot_be_started(monkeypatch):
    crew = Team(3)
    start = threading.Thread.start

    def full(thread):
        if thread.name == "handgrad-2":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", full)
    seen = []
    with pytest.raises(RuntimeError, match="can't start"):
        run(crew, seen.append)
    assert not seen
    monkeypatch.undo()
    run(crew, seen.append)
    assert sorted(seen) == [0, 1, 2]


needs_posix = pytest.mark.skipif(os.name != "posix", reason="signals to a thread and forks are POSIX's")


@pytest.fixture
def interruptible():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@needs_posix
def test_an_interrupt_while_waiting(interruptible):
    crew = Team(2)
    ended = []

    def call(number):
        if number == 1:
            for _ in range(3):
                time.sleep(0.01)
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.05)
        ended.append(number)

    with pytest.raises(KeyboardInterrupt):
        run(crew, call)
    assert ended == [0, 1]
    run(crew, lambda _: None)


def script(text: str) -> str:
    """What it prints, in a process of its own."""
    start = "import os, signal, sys, threading, time\nfrom tests.engine.test_team import Team, run, team\n"
    done = subprocess.run([sys.executable, "-c", start + text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@needs_posix
def test_interrupts_at_any_time():
    """Before, in and after the native part of a run: all that began has ended, and the next run is whole."""
    assert (
        script("""
import random
import numpy as np
import handgrad as hg
from handgrad.engine.code import Code
from handgrad.program import trace
armed, cut, whole = False, 0, 0

def interrupt(*_):
    if armed:
        raise KeyboardInterrupt

x = np.arange(3000.0).reshape(100, 30)
code = Code(trace(lambda x: hg.sum(hg.exp(-x)) * x, x), workers=3, small=0)
out, wanted = np.zeros_like(x), np.sum(np.exp(-x)) * x
code([x], [out])
signal.signal(signal.SIGALRM, interrupt)
for _ in range(1000):
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 3e-4))
        code([x], [out])
        armed = False
        whole += 1
    except KeyboardInterrupt:
        armed = False
        cut += 1
    out[:] = 0
    code([x], [out])
    assert np.allclose(out, wanted)
signal.setitimer(signal.ITIMER_REAL, 0)
assert cut, (cut, whole)
print("fine")
""")
        == "fine\n"
    )


def test_the_process_ends():
    assert (
        script("""
crew = team(4)
run(crew, lambda _: None)
other = Team(3)
run(other, lambda _: None)
print("fine")
""")
        == "fine\n"
    )


@needs_posix
def test_after_a_fork():
    assert (
        script("""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # forks of processes with threads

def check(crew):
    seen = []
    run(crew, seen.append)
    assert sorted(seen) == list(range(crew.size)), seen

def fork():
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        signal.alarm(20)
        check(team(3))
        check(other)
        os._exit(7)
    finally:
        os._exit(1)

other = Team(2)
assert fork() == 7  # before any run
check(team(3)), check(other)
assert fork() == 7  # of workers that look
time.sleep(0.05)
assert fork() == 7  # of workers that sleep
check(team(3)), check(other)

# another thread is in the middle of a run, and holds the turn
entered, leave = threading.Event(), threading.Event()
busy = threading.Thread(target=run, args=(other, lambda _: (entered.set(), leave.wait())))
busy.start()
entered.wait()
assert fork() == 7
leave.set()
busy.join()
check(other)
print("fine")
""")
        == "fine\n"
    )


def test_teams_are_not_kept_by_the_module():
    crew = Team(2)
    assert crew in module._TEAMS
    gone = weakref.ref(crew)
    del crew
    assert gone() is None
