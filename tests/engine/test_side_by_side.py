"""Windows that fill an array and do not overlap: their gradient is read as it lies, two by two."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine import Code
from handgrad.engine.targets import here
from handgrad.program import optimise, trace
from tests.engine.support import assert_close, run, same_bits

LEVELS = here.levels()


def pooled(size, axes):
    """The largest number of each window of relu(x), and what comes back from it."""

    def step(x, dout):
        def f(x):
            windows = hg.windows(hg.relu(x), size, size, 1, axes)
            return hg.max(windows, axis=tuple(range(-len(axes), 0)))

        out, backward = hg.vjp(f, x)
        return out, backward(dout)[0]

    return step


def compared(step, arrays, level="native", kernels=()):
    program = optimise(trace(step, *arrays))
    wanted, first = program(*arrays), None
    for threads in (1, 2, 3):
        code = Code(program, workers=threads, small=0, target=here.at_level(level))
        assert {kernel.name for kernel in code.schedule.kernels}.isdisjoint(kernels)
        got = run(code, arrays)
        assert_close(got, wanted)
        first = first or got
        assert same_bits(got, first)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_width_of_a_plane(level, dtype):
    rng = np.random.default_rng(0)
    for width in (1, 3, 4, 7, 14, 31):
        x = rng.normal(size=(2, 3, 4, 2 * width)).astype(dtype)
        dout = rng.normal(size=(2, 3, 2, width)).astype(dtype)
        compared(pooled((2, 2), (2, 3)), [x, dout], level, {"unwindows"})


@pytest.mark.parametrize(
    ("shape", "size", "axes"),
    [
        ((3, 12), (2,), (1,)),
        ((12, 3), (2,), (0,)),  # windows beside another axis
        ((2, 6, 10, 17), (2, 2), (1, 2)),  # channels last
        ((2, 3, 4, 6, 20), (2, 3, 2), (2, 3, 4)),
        ((3, 27), (3,), (1,)),  # three by three
        ((2, 5, 18), (9,), (2,)),
        ((20,), (2,), (0,)),
        ((4, 8), (1, 2), (0, 1)),
    ],
)
def test_windows_over_any_axes(shape, size, axes):
    rng = np.random.default_rng(1)
    out = [n // size[axes.index(a)] if a in axes else n for a, n in enumerate(shape)]
    compared(pooled(size, axes), [rng.normal(size=shape), rng.normal(size=out)])


def test_what_follows_reads_arrays_that_are_repeated():
    """A row and a column beside the windows, in the axes of these."""
    rng = np.random.default_rng(2)
    row, column, w = rng.normal(size=18), rng.normal(size=(6, 1)), rng.normal(size=(3, 9, 2, 2))

    def step(row, column, w):
        x = hg.unwindows(w, (6, 18), (2, 2), 1, (0, 1))
        return (x * row + column) / (2 + hg.sin(x)), hg.where(x > 0, x, column), hg.sum(x * row, axis=0)

    compared(step, [row, column, w], kernels={"unwindows"})


def test_heads_that_are_put_together():
    """Reshape of a transpose, with an elementwise operation after it."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 4, 5, 16)), rng.normal(size=(2, 5, 64))

    def step(x, y):
        merged = hg.reshape(hg.transpose(x, (0, 2, 1, 3)), (2, 5, 64))
        return hg.tanh(merged) + y, merged * merged

    compared(step, [x, y])


def test_another_shape_of_what_was_put_together():
    """Shapes of shapes, of an array that is stored by its finer axes."""
    rng = np.random.default_rng(5)
    w, y = rng.normal(size=(1, 16, 2, 1, 2, 2)), rng.normal(size=(16, 4, 2))

    def step(w, y):
        x = hg.tanh(hg.unwindows(w, (1, 16, 4, 2), (2, 2), 1, (2, 3)))
        z = hg.reshape(hg.reshape(x, (16, 8)), (16, 4, 2))
        return hg.sum(z * y, axis=(1, 2)), hg.mean(hg.reshape(x, (1, 4, 4, 8)), axis=(0, 2, 3))

    compared(step, [w, y])


def test_windows_with_a_rest_are_added_as_before():
    rng = np.random.default_rng(4)
    x, dout = rng.normal(size=(2, 3, 5, 7)), rng.normal(size=(2, 3, 2, 3))
    compared(pooled((2, 2), (2, 3)), [x, dout])


def test_what_is_not_finite_is_seen_in_pairs():
    """Checked values of an array whose last axis is two, in whole vectors and what is left over."""
    from handgrad.program import check_finite

    w = np.ones((3, 13, 2, 2))
    program = trace(lambda w: check_finite(2 * hg.unwindows(w, (6, 26), (2, 2), 1, (0, 1))), w)
    code, out = Code(program, workers=1), np.empty((6, 26))
    assert code([w], [out])
    for place in [(0, 0, 0, 0), (2, 12, 1, 1), (1, 8, 0, 1)]:
        bad = w.copy()
        bad[place] = np.nan
        assert not code([bad], [out])
