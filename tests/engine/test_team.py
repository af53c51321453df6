"""Everyone has ended when a run has, however it ends."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

from handgrad.engine.runtime import team as module
from handgrad.engine.runtime.team import Team, team


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_each_index_once(size):
    crew = Team(size)
    for _ in range(100):
        seen = []
        crew.run(seen.append)
        assert sorted(seen) == list(range(size))


def test_who_calls():
    idents = {}
    crew = Team(3)
    for _ in range(2):
        crew.run(lambda index: idents.setdefault(index, set()).add(threading.get_ident()))
    assert idents[0] == {threading.get_ident()}
    assert len(idents[0] | idents[1] | idents[2]) == 3
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("handgrad-"))


def test_they_run_at_the_same_time():
    meeting = threading.Barrier(4)
    crew = Team(4)
    for _ in range(20):
        crew.run(lambda index: meeting.wait() and None)


def test_many_runs():
    totals = [0, 0]

    def call(index):
        totals[index] += 1

    crew = Team(2)
    for expected in range(1, 5001):
        crew.run(call)
        assert totals == [expected, expected]


def test_shared_by_size():
    assert team(2) is team(2)
    assert team(2) is not team(3)
    assert team(3).size == 3


@pytest.mark.parametrize("size", [0, -1])
def test_no_team(size):
    with pytest.raises(ValueError, match="at least 1 thread"):
        Team(size)


@pytest.mark.parametrize("failing", [{0}, {1}, {2}, {0, 2}, {1, 2}, {0, 1, 2}])
@pytest.mark.parametrize("kind", [ZeroDivisionError, SystemExit])
def test_what_is_raised(failing, kind):
    ended = []

    def call(index):
        if index not in failing:
            time.sleep(0.005)
        ended.append(index)
        if index in failing:
            raise kind(index)

    crew = Team(3)
    for _ in range(2):
        ended.clear()
        with pytest.raises(kind) as caught:
            crew.run(call)
        assert caught.value.args == (min(failing),)
        assert sorted(ended) == [0, 1, 2]
    ended.clear()
    failing = set()
    crew.run(call)
    assert sorted(ended) == [0, 1, 2]


class Held:
    """What a call holds."""


@pytest.mark.parametrize("failing", [None, 0, 1])
def test_nothing_is_kept_of_a_call(failing):
    """Not even until the garbage is collected."""
    held = Held()
    seen = weakref.ref(held)

    def call(index, held=held):
        if index == failing:
            raise ZeroDivisionError

    crew = Team(2)
    gc.disable()
    try:
        try:
            crew.run(call)
        except ZeroDivisionError:
            assert failing is not None
        del call, held
        assert seen() is None
    finally:
        gc.enable()


def test_threads_take_turns():
    crew = Team(3)
    inside = set()
    mixed = []

    def runs(name):
        def call(index):
            inside.add((name, index))
            time.sleep(0.0005)
            mixed.extend(other for other, _ in inside if other != name)
            inside.discard((name, index))

        for _ in range(20):
            crew.run(call)

    callers = [threading.Thread(target=runs, args=(name,)) for name in "abcd"]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not mixed
    assert not inside


@pytest.mark.parametrize("index", [0, 1])
def test_a_run_within_a_run_is_refused(index):
    crew = Team(2)

    def call(own):
        if own == index:
            crew.run(lambda _: None)

    with pytest.raises(RuntimeError, match="from within a run of the same team"):
        crew.run(call)
    crew.run(lambda _: None)


def test_a_run_of_another_team_within_a_run():
    outer, inner = Team(2), Team(2)
    seen = []
    outer.run(lambda own: inner.run(lambda index: seen.append((own, index))))
    assert sorted(seen) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_workers_end_with_their_team():
    crew = Team(4)
    crew.run(lambda _: None)
    threads = [worker.thread for worker in crew._crew]
    assert all(thread.is_alive() for thread in threads)
    del crew
    gc.collect()
    for thread in threads:
        thread.join()
    assert not any(thread.is_alive() for thread in threads)


def test_a_worker_that_holds_its_team_last():
    crew = Team(2)
    box = []

    def call(index):
        if index == 1:
            box.clear()

    crew.run(call)
    worker = crew._crew[0]
    box.append(crew)
    del crew
    worker.wait()
    worker.ask(call)
    worker.thread.join()
    assert not worker.thread.is_alive()


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
        crew.run(seen.append)
    assert not seen
    monkeypatch.undo()
    crew.run(seen.append)
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

    def call(index):
        if index == 1:
            for _ in range(3):
                time.sleep(0.01)
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.05)
        ended.append(index)

    with pytest.raises(KeyboardInterrupt):
        crew.run(call)
    assert ended == [0, 1]
    crew.run(lambda _: None)


@needs_posix
def test_an_interrupt_comes_before_an_error(interruptible):
    def call(index):
        if index == 0:
            raise ZeroDivisionError
        time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.01)
        raise OverflowError

    with pytest.raises(KeyboardInterrupt):
        Team(2).run(call)


def script(text: str) -> str:
    """What it prints, in a process of its own."""
    start = "import os, signal, sys, threading, time\nfrom handgrad.engine.runtime.team import Team, team\n"
    done = subprocess.run([sys.executable, "-c", start + text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@needs_posix
def test_interrupts_at_any_time():
    """Between any two lines of a run: all that began has ended, and the next run is whole."""
    assert (
        script("""
import random
armed, active, cut, whole = False, set(), 0, 0

def interrupt(*_):
    if armed:
        raise KeyboardInterrupt

def call(index):
    active.add(index)
    time.sleep(0.0001)
    active.discard(index)

signal.signal(signal.SIGALRM, interrupt)
crew = Team(3)
crew.run(call)
for _ in range(1000):
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 6e-4))
        crew.run(call)
        armed = False
        whole += 1
    except KeyboardInterrupt:
        armed = False
        cut += 1
    assert not active - {0}, active
    active.clear()
    seen = []
    crew.run(seen.append)
    assert sorted(seen) == [0, 1, 2], seen
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
crew.run(lambda _: None)
other = Team(3)
other.run(lambda _: None)
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
    crew.run(seen.append)
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
assert fork() == 7
check(team(3)), check(other)

# another thread is in the middle of a run, and holds the turn
entered, leave = threading.Event(), threading.Event()
busy = threading.Thread(target=other.run, args=(lambda _: (entered.set(), leave.wait()),))
busy.start()
entered.wait()
assert fork() == 7
leave.set()
busy.join()
check(other)

# the fork is in the middle of a run
def call(index):
    if index == 0:
        status.append(os.fork())
    else:
        time.sleep(0.05)

status = []
try:
    other.run(call)
except RuntimeError as error:
    assert "forked in the middle" in str(error)
    check(other)
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(status[0], 0)[1]) == 7
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
