"""What is laid side by side, among zeros, or added at places that are values: the bits that NumPy gives."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.arrays.windowing import windowing
from handgrad.engine.targets import here
from handgrad.program import trace
from tests.engine.support import compiled, interpreted, run, same_bits

THREADS = [1, 2, 3]


def some(*shape, dtype=np.float64):
    x = np.random.default_rng(sum(shape)).integers(-9, 9, shape) / 4
    return np.where(x == 0, -0.0, x).astype(dtype) if np.dtype(dtype).kind == "f" else x.astype(dtype)


def assert_numpys_bits(f, args, threads=THREADS, **options):
    program = trace(f, *args)
    wanted = interpreted(program, args)
    for n in threads:
        for at_end in (True, False):
            got = run(compiled(program, n, **options), args, at_end)
            assert [x.dtype for x in got] == [x.dtype for x in wanted]
            assert same_bits(got, wanted), f"{n} threads: {got}, not {wanted}"


JOINED = [
    ([(5,), (3,)], 0),
    ([(1,), (40,), (0,), (1,)], 0),
    ([(0, 3), (0, 3)], 0),
    ([(4, 3, 5), (4, 3, 5)], 0),
    ([(4, 3, 5), (4, 1, 5), (4, 2, 5)], 1),
    ([(4, 3, 17), (4, 3, 1), (4, 3, 9)], -1),
    ([(1, 1), (1, 1)], 1),
    ([(2, 0, 3), (2, 4, 3)], 1),
    ([(1, 70, 2), (1, 33, 2)], 1),
    ([(6, 2)], 0),
]


@pytest.mark.parametrize("dtype", [np.float32, np.bool_])
@pytest.mark.parametrize(("shapes", "axis"), JOINED, ids=str)
def test_concatenate(shapes, axis, dtype):
    parts = [some(*shape, dtype=dtype) for shape in shapes]
    assert_numpys_bits(lambda *parts: xp.concat(list(parts), axis=axis), parts)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (8, 17), (0, 2)], ids=str)
def test_stack(shape, axis):
    assert_numpys_bits(lambda x, y: xp.stack([x, y, x], axis=axis), [some(*shape), some(*shape) + 1])


def test_parts_are_computed_where_they_are_laid():
    def f(x, y, i):
        return xp.concat([x.T * 2, y[1:4], hg.flip(x.T, axis=1), xp.take(y, i, axis=0)], axis=0)

    args = [some(7, 5), some(6, 7), np.array([3, -1, 0])]
    assert_numpys_bits(f, args)
    assert [k.name for k in compiled(trace(f, *args)).schedule.kernels] == ["concatenate"]


@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_joined_was_made_and_is_read_by_other_threads(axis):
    """Parts of the same array, at other places than they come from; and what reads the result elsewhere."""

    def f(x):
        x = hg.tanh(x)
        parts = [x[:3], x[1:4], x[-1:]] if axis == 0 else [x[:, :3], x[:, 1:4], x[:, -1:]]
        joined = xp.concat(parts, axis=axis)
        return joined, joined[::-1] * 1.5, joined[:, ::-1] * 0.5, xp.sum(joined, axis=axis)

    x = some(20, 20)
    one = run(compiled(trace(f, x)), [x])
    for got, wanted in zip(one, f(x), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-14, atol=1e-14)
    for threads in (2, 3, 5):
        assert same_bits(run(compiled(trace(f, x), threads), [x]), one)


AMONG_ZEROS = [
    ((9,), (slice(2, 7),)),
    ((40,), (slice(1, None),)),
    ((40,), (slice(None, None, 3),)),
    ((40,), (slice(38, 1, -5),)),
    ((5, 6), (slice(1, 4), slice(2, 5))),
    ((5, 6), (slice(None), 2)),
    ((5, 6), (-1,)),
    ((5, 6), (..., slice(1, None, 2))),
    ((5, 6), (slice(None, None, 2), slice(None, None, -2))),
    ((5, 6), (None, slice(0, 2), None)),
    ((3, 4, 20), (slice(None), slice(1, 3), slice(1, 19))),
    ((3, 4, 20), (slice(1, 2), slice(None), slice(None))),
    ((3, 4, 20), (slice(None), slice(3, None, -2), slice(None, None, 7))),
    ((3, 4, 20), (1, 2, 3)),
    ((3, 4), (slice(2, 2),)),
    ((0, 4), (slice(None), slice(1, 2))),
    ((1, 1), (slice(None), 0)),
    ((4,), (slice(1, 2, 5),)),
]


@pytest.mark.parametrize("dtype", [np.float64, np.int8])
@pytest.mark.parametrize(("shape", "index"), AMONG_ZEROS, ids=str)
def test_among_zeros(shape, index, dtype):
    x = some(*np.zeros(shape)[index].shape, dtype=dtype)
    assert_numpys_bits(lambda x: xp.scatter_add(x, index, shape), [x])


@pytest.mark.parametrize("level", here.levels())
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.bool_])
def test_places_at_every_level(dtype, level):
    def f(x, y, i):
        inner = (slice(None), slice(1, -1), slice(2, 35))
        return (
            xp.concat([x, y], axis=1),
            xp.scatter_add(x, inner, (3, 7, 40)),
            xp.scatter_add(y, (slice(None, None, 2), slice(1, None, 5)), (5, 6, 33)),
            xp.scatter_add(y[:, 0], i, (4, 33)),
        )

    args = [some(3, 5, 33, dtype=dtype), some(3, 1, 33, dtype=dtype), np.array([2, 0, 2])]
    assert_numpys_bits(f, args, (1, 3), target=here.at_level(level))


def places(n, *shape):
    return np.random.default_rng(n).integers(-n, n, shape)


# name: shape, index of arrays and slices
ADDED = {
    "rows": ((7, 33), (places(7, 20),)),
    "few-columns": ((7, 3), (places(7, 20),)),
    "single-numbers": ((5,), (places(5, 60),)),
    "one-row": ((1, 40), (places(1, 9),)),
    "many-columns": ((4, 300), (places(4, 9),)),
    "some-columns": ((4, 600), (places(4, 9), slice(7, 599, 2))),
    "columns-backwards": ((4, 300), (places(4, 9), slice(None, None, -1))),
    "indices-of-two-axes": ((5, 18), (places(5, 3, 4),)),
    "two-axes-behind": ((5, 3, 6), (places(5, 8),)),
    "columns": ((6, 9), (slice(None), places(9, 20))),
    "some-rows": ((20, 9), (slice(1, 17, 3), places(9, 4))),
    "rows-backwards": ((20, 9), (slice(None, None, -1), places(9, 4))),
    "middle": ((4, 5, 17), (slice(None), places(5, 7))),
    "both": ((6, 8), (places(6, 30), places(8, 30))),
    "apart": ((6, 3, 8), (places(6, 9), slice(None), places(8, 9))),
    "with-a-number": ((6, 3, 8), (places(6, 9), 1)),
    "with-none": ((6, 8), (places(6, 9), None, slice(2, 5))),
    "broadcast": ((6, 8), (places(6, 4, 1), places(8, 1, 3))),
    "one-place": ((6, 8), (np.array(2),)),
    "nothing": ((6, 8), (places(6, 0),)),
    "into-nothing": ((6, 0), (places(6, 3),)),
}


@pytest.mark.parametrize("name", ADDED)
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_scatter_add(name, dtype):
    """Sums of numbers that round, so that their order shows."""
    shape, index = ADDED[name]
    landed = np.zeros(shape)[index].shape
    x = np.random.default_rng(0).standard_normal(landed)
    x = (x * 1.7).astype(dtype) if np.dtype(dtype).kind == "f" else (x * 9).astype(dtype)
    given = [i for i in index if isinstance(i, np.ndarray)]

    def f(x, *given):
        left = iter(given)
        spot = tuple(next(left) if isinstance(i, np.ndarray) else i for i in index)
        return xp.scatter_add(x, spot, shape)

    assert_numpys_bits(f, [x, *given])


def test_what_is_added_is_computed_there_and_read_elsewhere():
    def f(table, x, i):
        rows = hg.tanh(table)[i] * x
        added = xp.scatter_add(rows * rows, i, (9, 20))
        return added - xp.sum(added, axis=0), added.T @ rows[:9]

    args = [some(9, 20), some(30, 20), places(9, 30)]
    one, *others = (run(compiled(trace(f, *args), threads), args) for threads in (1, 2, 3, 5))
    for got, wanted in zip(one, f(*args), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)
    assert all(same_bits(other, one) for other in others)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("shape", [(5, 40), (5, 2), (5,)], ids=str)
def test_places_out_of_range_are_noted_and_nothing_is_written_there(shape, threads):
    i = np.array([0, 5, 3])
    x = np.ones((3, *shape[1:]))
    code = compiled(trace(lambda x, i: xp.scatter_add(x, i, shape), x, i), threads)
    with pytest.raises(IndexError, match="out of range"):
        run(code, [x, i])


# shape, size, stride, dilation, axes
OVERLAPPING = [
    ((30,), 3, 1, 1, None),
    ((30,), 1, 4, 1, None),
    ((31,), 4, 3, 2, None),
    ((3, 7, 21), (2, 3), (1, 1), (1, 1), None),
    ((3, 8, 20), (2, 2), (2, 2), (1, 1), None),
    ((2, 9, 11, 5), (3, 2), (2, 1), (1, 3), (1, 2)),
    ((9, 4, 18), 9, 1, 1, 0),
    ((9, 4, 18), (3, 2), (3, 5), (2, 1), (0, 2)),
    ((1, 5, 5), (5, 5), 1, 1, (1, 2)),
    ((0, 4), 2, 1, 1, 1),
    ((6, 9), (3, 2), 1, 2, (1, 0)),
]


@pytest.mark.parametrize("dtype", [np.float64, np.bool_])
@pytest.mark.parametrize("how", OVERLAPPING, ids=str)
def test_unwindows(how, dtype):
    shape, size, *rest = how
    count = 1 if isinstance(size, int) else len(size)
    stride, dilation = (v if isinstance(v, tuple) else (v,) * count for v in rest[:2])
    windows = np.zeros(windowing(shape, size, stride, dilation, rest[2]).result)
    x = np.random.default_rng(0).standard_normal(windows.shape)
    x = (x * 1.7).astype(dtype) if dtype != np.bool_ else x > 0.9
    assert_numpys_bits(lambda x: xp.unwindows(x * x, shape, stride, dilation, rest[2]), [x])


def test_overlapping_windows_at_every_level():
    x = np.random.default_rng(0).standard_normal((3, 8, 31, 3, 3)).astype(np.float32)
    for level in here.levels():
        assert_numpys_bits(lambda x: xp.unwindows(x, (3, 10, 33)), [x], (1, 3), target=here.at_level(level))


def test_windows_are_added_up_by_those_who_made_them():
    """No barrier comes before it: each thread reads what it made itself."""

    def f(x):
        windows = hg.windows(x, (3, 3), (2, 2))
        return xp.unwindows(xp.where(windows == xp.max(windows, axis=(-1, -2), keepdims=True), windows, 0),
                            x.shape, (2, 2), (1, 1), (2, 3))  # fmt: skip

    x = np.random.default_rng(0).standard_normal((8, 3, 7, 41))
    code = compiled(trace(f, x), 2)
    assert code.schedule.kernels[-1].name == "unwindows"
    assert code.schedule.phases == 1
    assert_numpys_bits(f, [x])


def gates(z):
    """The gradients of four slices fill an array."""
    i, f, o, g = (z[:, k : k + 5] for k in range(0, 20, 5))
    return hg.sum(hg.sigmoid(i) * hg.sigmoid(f) + hg.sigmoid(o) * hg.tanh(g))


def corners(z):
    """Here they leave something out, and lie in several ways."""
    return hg.sum(hg.tanh(z[:2, 1:3]) * hg.sin(z[3:5, 15:17])) + hg.sum(hg.cos(z[:, 7])) + hg.tanh(z[-1, -1])


@pytest.mark.parametrize("f", [gates, corners])
def test_gradients_of_slices_that_lie_apart_are_laid_into_one_array(f):
    z = np.random.default_rng(0).standard_normal((7, 20))
    program = trace(hg.grad(f), z)
    one, *others = (run(compiled(program, threads), [z]) for threads in (1, 2, 3))
    np.testing.assert_allclose(one[0], hg.grad(f)(z), rtol=1e-12, atol=1e-15)
    assert all(same_bits(other, one) for other in others)
    assert [k.name for k in compiled(program).schedule.kernels].count("concatenate") == 1


def test_zeros_are_added_as_numpy_adds_them():
    x, y = np.array([-0.0, 1.0]), np.array([2.0, -0.0])
    assert_numpys_bits(
        lambda x, y: xp.scatter_add(x, slice(0, 2), (5,)) + xp.scatter_add(y, slice(3, 5), (5,)), [x, y]
    )


def test_gradients_of_slices_that_overlap_are_added():
    z = np.random.default_rng(0).standard_normal((4, 9))

    def f(z):
        return hg.sum(hg.tanh(z[:, :5]) * z[:, 4:]) + hg.sum(z[::2, ::3] ** 2) + hg.sum(z[1] ** 3)

    program = trace(hg.grad(f), z)
    for threads in THREADS:
        got = run(compiled(program, threads), [z])
        np.testing.assert_allclose(got[0], hg.grad(f)(z), rtol=1e-12, atol=1e-14)


def test_places_in_a_row_are_no_places_to_look_up():
    """So each thread picks from its own rows, and adds to them, without a barrier."""

    def f(x, t):
        rows = np.arange(len(x))
        x = xp.exp(x)
        picked = x[rows, t] * 1.5
        return xp.scatter_add(picked, (rows, t), x.shape) * x, x[rows[::-1], t]

    x, t = np.random.default_rng(0).integers(-3, 3, (20, 7)) / 2, places(7, 20)
    code = compiled(trace(lambda x, t: f(x, t)[0], x, t), 2)
    assert code.schedule.phases == 1
    for threads in THREADS:
        for got, wanted in zip(run(compiled(trace(f, x, t), threads), [x, t]), f(x, t), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-14)


CONSTANT = {
    "row": ((9,), (np.arange(2, 7),)),
    "steps": ((9, 40), (np.arange(1, 9, 3),)),
    "backwards": ((9, 40), (np.arange(7, 2, -1),)),
    "diagonal": ((9, 9), (np.arange(9), np.arange(9))),
    "again-and-again": ((9, 3), (np.array([4, 4, 4]),)),
    "negative": ((9, 3), (np.arange(-3, 2),)),
    "columns": ((4, 9), (slice(None), np.arange(3, 8))),
    "grid": ((5, 6), (np.arange(5)[:, None], np.arange(1, 4))),
    "one": ((5, 6), (np.array([[3]]),)),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_constant_places(name):
    shape, index = CONSTANT[name]
    x = np.random.default_rng(0).standard_normal(np.zeros(shape)[index].shape)
    assert_numpys_bits(lambda x, y: (xp.scatter_add(x, index, shape), y[index]), [x, some(*shape)])
