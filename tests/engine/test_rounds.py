"""Kernels that threads make together, part by part."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.engine import explain
from handgrad.program import repeated, trace
from tests.engine.support import arrays_in, assert_close, compiled, interpreted, run, same_bits
from tests.engine.test_scans import CASES
from tests.engine.thresholds import having

rng = np.random.default_rng(0)
ROUNDS = "handgrad.engine.schedule.rounds"
SMALL = {ROUNDS: {"NEAR": 256, "NARROW": 1, "WORTH": 0}}
SMALLER = {ROUNDS: {"NEAR": 16, "NARROW": 1, "WORTH": 0}}


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("HANDGRAD_CACHE", "off")  # plans are no longer what their programs say


def groups(code):
    """The kernels that are made together."""
    return [group for group in code.schedule.groups if group[0].rounds > 1]


def network(x, W, V, scale):
    """A loss of two convolutions with a norm over the batch between them, and its gradients."""

    def loss(x, W, V, scale):
        y = hg.conv2d(x, W, padding=1)
        centred = y - hg.mean(y, axis=(0, 2, 3), keepdims=True)
        h = hg.relu(
            centred * scale / hg.sqrt(hg.mean(centred * centred, axis=(0, 2, 3), keepdims=True) + 1e-5)
        )
        return hg.mean(hg.square(hg.conv2d(h, V, padding=1)))

    return hg.value_and_grad(loss, argnums=(0, 1, 2, 3))(x, W, V, scale)


def arrays_of(batch):
    x = rng.standard_normal((batch, 3, 6, 6))
    W, V = rng.standard_normal((4, 3, 3, 3)), rng.standard_normal((5, 4, 3, 3))
    return [x, W, V, rng.standard_normal((4, 1, 1))]


@pytest.mark.parametrize("batch", [1, 7, 12, 13])
def test_the_same_bits_for_any_rounds_and_threads(batch):
    arrays = arrays_of(batch)
    program = trace(network, *arrays)
    whole = compiled(program)
    assert not groups(whole)
    one = run(whole, arrays)
    assert_close(one, interpreted(program, arrays))
    for threads in (1, 2, 3, 5):
        with having(SMALL):
            code = compiled(program, threads)
        assert groups(code) or threads == 1 or batch <= threads
        for _ in range(3):
            assert same_bits(run(code, arrays), one)


def test_a_convolution_is_taken_with_what_it_reads_and_what_reads_it():
    with having(SMALL):
        found = groups(compiled(trace(network, *arrays_of(12)), 2))
    assert any([k.name for k in group[:2]] == ["concatenate", "product"] for group in found)
    assert all(k.rounds * 2 in (4, 6, 12) for group in found for k in group)


def test_what_fits_into_the_near_cache_is_not_cut():
    assert not groups(compiled(trace(network, *arrays_of(12)), 2))


def test_large_arrays_are_taken_by_images_of_few_channels():
    """Which leave the near cache between two kernels; where a filter is large, by several images."""

    def f(x, W):
        return xp.sum(hg.relu(hg.conv2d(hg.relu(x), W, padding=1)), axis=(2, 3))

    few, many = (
        rng.standard_normal(shape).astype(np.float32) for shape in [(32, 16, 32, 32), (32, 64, 8, 8)]
    )
    for x, least, most in ((few, 16, 16), (many, 1, 2)):
        W = np.zeros((x.shape[1], x.shape[1], 3, 3), np.float32)
        code = compiled(trace(f, x, W), 2)
        assert least <= max(k.rounds for k in code.schedule.kernels) <= most
        if x is few:
            (group,) = groups(code)
            assert [k.name for k in group] == ["concatenate", "product", "reduce"]


def test_the_next_part_is_taken_by_whoever_is_free_where_no_slice_is_read_again():
    """In the second function a slice is read by a kernel of other turns, which is made after the group."""

    def apart(x):
        s = xp.sum(x, axis=1, keepdims=True)
        return s, x / s

    def again(x):
        y = hg.relu(x)
        z = xp.reshape(y, (3, 20)) * 2  # 3 turns for 12
        return y, xp.sum(y, axis=1), z, xp.sum(z, axis=1)

    x = rng.standard_normal((12, 5)) + 7
    for f, dynamic in ((apart, True), (again, False)):
        program = trace(f, x)
        with having(SMALLER):
            code = compiled(program, 3)
        assert groups(code)
        assert all(k.is_dynamic == dynamic for group in groups(code) for k in group)
        assert_close(run(code, [x]), interpreted(program, [x]))


def test_more_groups_between_two_meetings_than_there_are_counters():
    xs = [rng.standard_normal((n, 6)) + 9 for n in range(12, 36, 2)]

    def f(*xs):
        return [(s := xp.sum(x, axis=1, keepdims=True), x / s) for x in xs]

    program = trace(f, *xs)
    with having(SMALL):
        code = compiled(program, 2)
    assert sum(group[0].is_dynamic for group in groups(code)) == len(xs) > 8
    for _ in range(3):
        assert_close(run(code, xs), interpreted(program, xs))


@pytest.mark.parametrize("threads", [2, 3])
def test_what_is_written_over_is_read_before(threads):
    """By the same turn, or else the rounds are others'."""

    def same_rows(a, b):
        s = xp.sum(a, axis=1, keepdims=True)
        return a * s + b, s

    def other_rows(a, b):
        s = xp.sum(a, axis=1, keepdims=True)
        return b * s, xp.flip(a, axis=0) + s

    a, b = rng.standard_normal((2, 12, 8))
    for f in (same_rows, other_rows):
        program = trace(f, a, b)
        with having(SMALL):
            code = compiled(program, threads, donated={0: 0})
        assert groups(code)
        assert_close(run(code, [a, b], donated={0: 0}), interpreted(program, [a, b]))


@pytest.mark.parametrize("threads", [2, 3])
def test_steps_of_a_loop_take_their_parts_anew(threads):
    """Each of 50 steps, whose threads meet at their end."""
    x, W, V, scale = arrays_of(12)

    def step(W, V, x, scale):
        _, (_, dW, dV, _) = network(x, W, V, scale)
        return W - 0.1 * dW, V - 0.1 * dV

    program = repeated(trace(step, W, V, x, scale), 2)
    arrays, over = [W, V, x, scale, np.array(50)], {0: 0, 1: 1}
    with having(SMALL):
        code = compiled(program, threads, donated=over)
    (loop,) = code.schedule.kernels
    assert any(group[0].rounds > 1 for group in loop.inside.groups)
    one = run(compiled(program, donated=over), arrays, donated=over)
    assert same_bits(run(code, arrays, donated=over), one)


@pytest.mark.parametrize("name", CASES)
def test_in_the_steps_of_a_scan(name):
    """Where threads divide each step, and where each makes steps of its own."""
    f, args = CASES[name]
    program = trace(f, *args)
    with having(SMALLER):
        code = compiled(program, 3)
    assert same_bits(run(code, arrays_in(args)), run(compiled(program), arrays_in(args)))


def test_steps_that_do_not_wait_are_made_by_the_same_threads():
    """Rows of a state from step to step: a thread goes on with its own."""

    def step(h, x):
        s = xp.sum(h, axis=1, keepdims=True)
        return h / (s * s + 1) + x, s

    def waiting(h, x):
        h, s = step(h, x)
        return h, s - xp.max(s)

    h, xs = rng.standard_normal((12, 5)), rng.standard_normal((6, 12, 5))
    for body, waits in ((step, False), (waiting, True)):
        program = trace(lambda h, xs, body=body: hg.scan(body, h, xs), h, xs)
        with having(SMALLER):
            code = compiled(program, 3)
        (loop,) = (k for k in code.schedule.kernels if k.inside)
        together = [group for group in loop.inside.groups if group[0].rounds > 1]
        assert together
        assert loop.waits == waits
        assert waits or not any(k.is_dynamic for group in together for k in group)
        assert same_bits(run(code, [h, xs]), run(compiled(program), [h, xs]))


def test_one_thread_uses_memory_again_kernel_by_kernel():
    def f(x, W):
        for _ in range(20):
            x = hg.tanh(hg.conv2d(x, W, padding=1))
        return x

    program = trace(f, rng.standard_normal((12, 4, 6, 6)), rng.standard_normal((4, 4, 3, 3)))
    whole = compiled(program).schedule.size
    with having(SMALL):
        code = compiled(program)
    assert code.schedule.size == whole < 4 * 12 * 4 * 8 * 8 * 8


def test_a_product_that_no_part_is_worth_is_made_beside_those_that_are():
    """A dense layer behind convolutions, whose factor each part would read."""

    def f(x, W, dense):
        h = hg.relu(hg.conv2d(hg.relu(x), W, padding=1))
        return xp.reshape(h, (len(x), -1)) @ dense

    x, W, dense = (np.zeros(shape, np.float32) for shape in [(64, 16, 16, 16), (16, 16, 3, 3), (4096, 64)])
    found = groups(compiled(trace(f, x, W, dense), 2))
    assert [[k.name for k in group].count("product") for group in found] == [1]


def test_a_sum_of_columns_is_not_cut_into_pieces_of_lines():
    """Nor is a scatter whose parts would each look at all that is added."""
    x, i = rng.standard_normal((40, 256)), rng.integers(0, 40, 4000)

    def columns(x):
        return (s := xp.sum(x, axis=0)), x / s

    def scattered(x, i):
        return (s := xp.scatter_add(xp.take(x, i, axis=0) * 2, i, x.shape)), xp.sum(s * x, axis=1)

    for f, args in ((columns, [x]), (scattered, [x, i])):
        program = trace(f, *args)
        with having({ROUNDS: {"NEAR": 256, "WORTH": 0}}):
            code = compiled(program, 2)
        assert_close(run(code, args), interpreted(program, args))
        assert all(k.rounds == 1 for k in code.schedule.kernels if k.name in ("scatter", "reduce"))


def test_they_are_explained():
    program = trace(network, *arrays_of(12))
    assert "together" not in explain(compiled(program, 2))
    with having(SMALL):
        text = explain(compiled(program, 2))
    assert "together, in 12 parts, each by a thread that is free" in text
