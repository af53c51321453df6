"""Compiled programs run in memory of a kind that shows what goes wrong: see ``Fenced``."""

import ctypes
import functools
import mmap
import sys

import numpy as np
import pytest

from handgrad.engine import Code
from handgrad.engine.building import Stages
from handgrad.engine.targets import here
from handgrad.tree import leaves, tree_map

PAGE = mmap.PAGESIZE
POISON = 0x7FFF  # two bytes that make floats nan, and integers large
HAS_FENCES = sys.platform == "linux"
PROT_NONE = 0


class Fenced:
    """Arrays in pages of their own: a pattern around each, and pages on both sides that nobody may touch.

    An array ends where its last page ends, or begins where its first begins; there any access out of bounds
    faults. In the rest of its pages a write is seen by ``check``, and what is read from there is nan.
    """

    def __init__(self, at_end=True):
        self.at_end = at_end
        self.kept = []

    def empty(self, shape, dtype):
        """An array that is full of the pattern."""
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        inside = max(-(-nbytes // PAGE), 1) * PAGE
        pages = mmap.mmap(-1, inside + 2 * PAGE)
        whole = np.frombuffer(pages, np.uint8)
        whole.view(np.uint16)[:] = POISON
        fence(whole.ctypes.data)
        fence(whole.ctypes.data + PAGE + inside)
        mine = whole[PAGE : PAGE + inside]
        start = inside - nbytes if self.at_end else 0
        self.kept.append((mine, start, start + nbytes))
        return mine[start : start + nbytes].view(dtype).reshape(shape)

    def copy(self, x):
        made = self.empty(np.shape(x), np.result_type(x))
        made[...] = x
        return made

    def check(self):
        """Nothing was written around the arrays."""
        for mine, start, stop in self.kept:
            pattern = np.full(mine.size // 2, POISON, np.uint16).view(np.uint8)
            assert mine[:start].tobytes() == pattern[:start].tobytes(), "written before an array"
            assert mine[stop:].tobytes() == pattern[stop:].tobytes(), "written behind an array"


def fence(address):
    """From here on a page may not be read or written."""
    if HAS_FENCES and _libc().mprotect(ctypes.c_void_p(address), ctypes.c_size_t(PAGE), PROT_NONE):
        raise OSError("mprotect failed")


@functools.cache
def _libc():
    return ctypes.CDLL(None, use_errno=True)


def run(code, inputs, at_end=True, donated=None):
    """The outputs of ``code``, one after the other, all its memory fenced and full of nan beforehand.

    ``donated`` maps outputs to the inputs that they are written over, by number; all other inputs must stay
    as they are. Where the code raises, the memory is checked all the same.
    """
    memory = Fenced(at_end)
    donated = donated or {}
    given = [memory.copy(x) for x in inputs]
    code.work_in(memory.empty(code.arena.shape, np.uint8), [memory.copy(x) for x in code.constants])
    outs = [
        given[donated[i]] if i in donated else memory.empty(x.shape, x.dtype)
        for i, x in enumerate(outputs_of(code.program))
    ]
    try:
        code(given, outs)
    finally:
        memory.check()
        for i, (now, before) in enumerate(zip(given, inputs, strict=True)):
            assert i in donated.values() or now.tobytes() == np.asarray(before).tobytes(), (
                f"input {i} was changed"
            )
    return [out.copy() for out in outs]


def outputs_of(program):
    """The outputs that are arrays, constants among them."""
    return [x for x in leaves(program.outputs) if hasattr(x, "dtype")]


def compiled(program, threads=1, **options):
    return Code(program, workers=threads, **options)


def assembled(program, target, threads=1, donated=None):
    """The module for a computer that may be another than this one."""
    return Stages(program, donated or {}, target, threads).assembly


def same_bits(one, other):
    """Whether two lists of arrays are the same, the signs of zeros and all kinds of nan included."""
    return [x.tobytes() for x in one] == [x.tobytes() for x in other]


def assert_close(got, wanted, estimates=None, ulps=None, least=0.0):
    """Each array within some ``ulps`` of the ``wanted`` one's largest number; nan and infinities as there.

    Where ``estimates`` are given, the same in the precision of ``got`` but computed otherwise, their error
    tells what the numbers allow. ``least`` is how far they may be apart in any case.
    """
    ulps = ulps or {np.dtype(np.float64): 1000, np.dtype(np.float32): 16}
    assert len(got) == len(wanted)
    for i, (x, y) in enumerate(zip(got, wanted, strict=True)):
        y = np.asarray(y, np.float64 if x.dtype.kind == "f" else None)
        assert x.shape == y.shape, f"output {i}"
        if x.dtype.kind != "f":
            np.testing.assert_array_equal(x, y, err_msg=f"output {i}")
            continue
        info = np.finfo(x.dtype)
        for test in (np.isnan, np.isposinf, np.isneginf):
            np.testing.assert_array_equal(test(x), test(y), err_msg=f"output {i}: {test.__name__}")
        there = np.isfinite(y)
        scale = np.max(np.abs(y[there]), initial=0)
        tolerance = ulps[x.dtype] * float(info.eps) * scale + float(info.tiny) + least
        if estimates is not None:
            error = np.abs(np.asarray(estimates[i])[there] - y[there])
            tolerance += 8 * np.max(error[np.isfinite(error)], initial=0)
        np.testing.assert_allclose(x[there], y[there], rtol=0, atol=tolerance, err_msg=f"output {i}")


def arrays_in(tree):
    return [np.asarray(x) for x in leaves(tree) if hasattr(x, "dtype")]


def interpreted(program, args):
    """What NumPy makes of a program, operation by operation: its meaning."""
    with np.errstate(all="ignore"):
        return arrays_in(program(*args))


def assert_means(code, args):
    """Native code gives what its program means, up to what rounding can do to it."""
    assert_right(run(code, arrays_in(args)), code.program, args)


def assert_right(got, program, args):
    """What a program gave is what it means, up to what rounding can do to it."""
    wanted = interpreted(program, args)
    is_double = all(x.dtype != np.float32 for o in operations_of(program) for x in o.outs)
    eps = float(np.finfo(np.float64 if is_double else np.float32).eps)
    ulps = dict.fromkeys([np.dtype(np.float64), np.dtype(np.float32)], 1)
    for number, (x, y) in enumerate(zip(got, wanted, strict=True)):
        least = 1e4 * eps * np.max(np.abs(y[np.isfinite(y)]), initial=0.01)
        try:
            assert_close([x], [y], ulps=ulps, least=least)
        except AssertionError as error:
            spread = sensitivity(program, args, number, eps)
            try:
                assert_close([x], [y], ulps=ulps, least=least + 100 * spread)
            except AssertionError:
                raise AssertionError(f"output {number} of\n{program}\n{error}") from None


def operations_of(program):
    """Those of the bodies of its loops too."""
    for operation in program.operations:
        yield operation
        if "body" in operation.options:
            yield from operations_of(operation.options["body"])


def sensitivity(program, args, number, eps):
    """How far an output moves where the inputs do by some ulps."""
    rng = np.random.default_rng(0)

    def moved(x):
        if getattr(x, "dtype", np.dtype(int)).kind != "f":
            return x
        return (x * (1 + 8 * eps * rng.uniform(-1, 1, np.shape(x)))).astype(x.dtype)

    outs = [interpreted(program, tree_map(moved, args))[number] for _ in range(4)]
    apart = np.abs(np.asarray(outs) - interpreted(program, args)[number])
    return float(np.max(apart[np.isfinite(apart)], initial=0))


def over_levels(named):
    """Each of them at one level, in turns; at the others where all is run."""
    levels = here.levels()
    for n, name in enumerate(named):
        for k, level in enumerate(levels):
            marks = () if n % len(levels) == k else (pytest.mark.slow,)
            yield pytest.param(name, level, marks=marks)
