"""Compiled code where processes fork, signals come in the middle, and memory runs out: no hang, no crash."""

import faulthandler
import mmap
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine import compile
from handgrad.engine.runtime import native
from handgrad.engine.runtime.memory import aligned

X = np.random.default_rng(0).standard_normal((300, 300))

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork"),
    pytest.mark.filterwarnings(r"ignore:os.fork\(\) was called:RuntimeWarning"),  # JAX's, where it is loaded
    pytest.mark.filterwarnings("ignore:Exception ignored in. .*_at_fork"),
]


def in_a_child(work):
    """Whether ``work`` came to its end in a forked process, which a timer ends if it hangs."""
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(60, exit=True)
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(3)
    return os.waitpid(pid, 0)[1] == 0


@pytest.fixture
def beside():
    """Runs something over and over in another thread."""
    stop, threads = threading.Event(), []

    def begin(work):
        began = threading.Event()

        def loop():
            while not stop.is_set():
                began.set()
                work()

        threads.append(threading.Thread(target=loop))
        threads[-1].start()
        began.wait()

    yield begin
    stop.set()
    for thread in threads:
        thread.join()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_child_forked_in_the_middle_of_a_call_calls_it_too(beside, threads):
    f = compile(lambda x: hg.sum(hg.tanh(x @ x)), threads=threads)
    wanted = f(X)
    beside(lambda: f(X))

    def work():
        assert f(X) == wanted

    assert all(in_a_child(work) for _ in range(5))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_forked_while_another_thread_compiles_compiles_too(beside, monkeypatch):
    monkeypatch.setenv("HANDGRAD_CACHE", "off")
    beside(lambda: compile(lambda x: hg.tanh(x) + 1)(X[0]))
    x = np.ones(4)

    def work():
        np.testing.assert_allclose(compile(lambda x: hg.sin(x) * 2)(x), 2 * np.sin(x))

    assert all(in_a_child(work) for _ in range(4))


def test_a_signal_handler_that_calls_what_it_interrupted_is_told():
    """In a process of its own; the signal comes while the lock is held, however the threads are scheduled."""
    code = """
import os, signal, numpy as np, handgrad as hg
f = hg.compile(lambda x: hg.sum(hg.tanh(x)), threads=1)
x = np.ones(1000)
wanted = f(x)
(made,) = f.codes.values()
code, parts, said = made.code, made.code.parts, []

def handler(number, frame):
    try:
        said.append(f(x))
    except RuntimeError as error:
        said.append(str(error))

def interrupted(*args):
    os.kill(os.getpid(), signal.SIGUSR1)
    return parts(*args)

signal.signal(signal.SIGUSR1, handler)
code.parts = interrupted
assert f(x) == wanted
assert "signal handler" in said[0], said
code.parts = parts
assert f(x) == wanted
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_system_without_room_for_code_is_a_memory_error(monkeypatch):
    """Where LLVM would end the process."""
    f = compile(lambda x: hg.tanh(x) * 3)

    class Full:
        def __getattr__(self, name):
            return getattr(mmap, name)

        def mmap(self, *args, **options):
            raise OSError(12, "Cannot allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr(native, "mmap", Full())
        with pytest.raises(MemoryError, match=r"no room for .* bytes of machine code"):
            f(np.ones(7))
    np.testing.assert_allclose(f(np.ones(7)), 3 * np.tanh(1))


def test_threads_that_cannot_start_are_an_error_and_no_hang(monkeypatch):
    f = compile(lambda x: hg.sum(hg.tanh(x)), threads=13)

    def refuse(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="can't start"):
                f(np.ones(5))
    np.testing.assert_allclose(f(np.ones(5)), 5 * np.tanh(1))


@pytest.mark.parametrize("nbytes", [1000, 10**6, 10**7])
def test_memory_is_each_process_s_own(nbytes):
    mine = aligned(nbytes)

    def work():
        mine[:] = 7

    assert in_a_child(work)
    assert not mine.any()


COMPILING = r"""
from handgrad.engine.runtime import native
from handgrad.engine.targets.here import this_computer

IR = "define void @f(ptr %a) {\n  store float 1.0, ptr %a\n  ret void\n}\n"

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def compile(times):
    for _ in range(times):
        native.object_code(IR, this_computer())
    native.give_back()

compile(30)
before = resident()
compile(200)
print((resident() - before) // 200)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc to read the memory in use from")
def test_compiling_keeps_no_memory():
    """llvmlite kept 50 kB of each module."""
    told = subprocess.run(
        [sys.executable, "-c", COMPILING], capture_output=True, text=True, check=True
    ).stdout
    assert int(told) < 10_000
