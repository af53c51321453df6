"""Loops as native code: what they give, with any number of threads, and whether steps wait for each other."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.engine import NotCompiledWarning
from handgrad.engine.explaining import explain
from handgrad.engine.targets.here import at_level, levels
from handgrad.program import trace
from tests.engine.support import arrays_in, assert_close, assert_means, compiled, interpreted, run, same_bits

rng = np.random.default_rng(0)


def cell(p):
    def step(carry, x):
        h, c = carry
        i, f, g, o = hg.split(x @ p["W"] + h @ p["U"] + p["b"], 4, axis=1)
        c = hg.sigmoid(f) * c + hg.sigmoid(i) * hg.tanh(g)
        return (hg.sigmoid(o) * hg.tanh(c), c), c

    return step


def network(T, N, D, H, dtype=np.float64):
    shapes = {"W": (D, 4 * H), "U": (H, 4 * H), "b": (4 * H,)}
    p = {name: rng.normal(size=shape).astype(dtype) / 2 for name, shape in shapes.items()}
    return p, *(rng.normal(size=shape).astype(dtype) for shape in ((N, H), (N, H), (T, N, D)))


def lstm(p, h, c, xs):
    return hg.scan(cell(p), (h, c), xs)


def lstm_gradients(p, h, c, xs):
    def loss(p, h, c, xs):
        (h, c), ys = lstm(p, h, c, xs)
        return hg.mean(ys * ys) + hg.sum(h * c)

    return hg.value_and_grad(loss, argnums=(0, 1, 2, 3))(p, h, c, xs)


def nested(W, xs):
    """For each row of rows a loop over them, which the next one goes on from."""

    def outer(h, rows):
        h, ys = hg.scan(lambda h, x: ((h := hg.tanh(h @ W + x)), hg.sum(h)), h, rows)
        return h, (ys, h[::-1])

    return hg.scan(outer, xs[0, 0] * 0, xs)


def mixed_rows(h, W, xs):
    """Each step reads all rows of the one before."""

    def step(h, x):
        h = hg.tanh(W @ h + x - hg.mean(h, axis=0))
        return h, hg.sum(h, axis=0)

    return hg.scan(step, h, xs)


def several_kinds(n, found, key, xs):
    """Integers, truths and keys are carried, and places are values."""

    def step(carry, x):
        n, found, key = carry
        key = xp.fold_in(key, 1)
        y = xp.random_uniform(x, key) * x + xp.take(x, n % 3, axis=0)
        return (n + 1, xp.logical_or(found, xp.greater(x, 1)), key), y

    return xp.scan(step, (n, found, key), xs)


def nothing_read(h, xs):
    """A carry that stays, one that swaps with another, a constant that is written."""

    def step(carry, x):
        a, b, c = carry
        return (b, a, c), (np.arange(3.0), a + x)

    return hg.scan(step, (h, 2 * h, h - 1), xs)


def nothing_to_do(h, xs):
    """A step without a kernel of its own."""
    return hg.scan(lambda h, x: (h, ()), h, xs)


def backwards(h, xs):
    return hg.scan(lambda h, x: ((h := h * 0.5 + x), h), h, xs, reverse=True)


def apart(W, xs):
    """Nothing is carried; a step sums over all that it has, loops itself, and writes what nobody reads."""

    def step(nothing, x):
        y = hg.softmax(x @ W, axis=0)
        _, inner = hg.scan(lambda h, row: ((h := h + row @ y.T), hg.tanh(h)), hg.sum(x @ y.T, axis=0), x @ W)
        return nothing, (inner @ inner.T, hg.sum(y), x - 1)

    return hg.scan(step, (), xs)[1][:2]


def apart_gradients(W, xs):
    return hg.grad(lambda W, xs: hg.sum(apart(W, xs)[0] ** 2), (0, 1))(W, xs)


def apart_backwards(W, xs):
    return hg.scan(lambda c, x: (c, (x @ W, hg.max(x, axis=0))), (), xs, reverse=True)


def cumulative(W, h, xs):
    _, ys = hg.scan(lambda h, x: (hg.tanh(h @ W) + x, h), h, xs)
    _, zs = hg.scan(lambda h, x: (h * x, (x, h)), hg.sum(ys, axis=0), ys[::-1])
    return zs


def recurrent(h, W, xs):
    return hg.scan(lambda h, x: ((h := hg.tanh(h @ W + x)), h * 2), h, xs)


def turned(h, W, xs):
    """A weight as it is, and transposed, in the same step."""
    return hg.scan(lambda h, x: ((h := hg.tanh((h @ W + x) @ W.T)), h), h, xs)


def square(N, rows, dtype=np.float64, steps=4):
    sizes = [(*rows, N), (N, N), (steps, *rows, N)]
    h, W, xs = (rng.normal(size=size).astype(dtype) for size in sizes)
    return h, W / N**0.5, xs


H4 = rng.normal(size=(3, 4))
PACKED = {
    "whole vectors": (recurrent, square(32, (5,))),
    "odd columns": (recurrent, square(21, (7,), np.float32)),
    "more vectors than a tile": (recurrent, square(100, (3,), np.float32)),
    "many columns": (recurrent, square(520, (4,), np.float32)),
    "a long sum": (recurrent, square(1100, (4,), np.float32, steps=2)),
    "rows of rows": (recurrent, square(20, (2, 3))),
    "a weight and its transpose": (turned, square(40, (6,), np.float32)),
}
CASES = {
    "lstm": (lstm, network(5, 3, 4, 2)),
    "lstm, float32, wide": (lstm, network(3, 33, 5, 17, np.float32)),
    "lstm's gradients": (lstm_gradients, network(5, 3, 4, 2)),
    "lstm's gradients, wide": (lstm_gradients, network(4, 40, 3, 9)),
    "one step": (lstm_gradients, network(1, 3, 4, 2)),
    "no step": (lstm, network(0, 3, 4, 2)),
    "a batch of one": (lstm_gradients, network(3, 1, 2, 1)),
    **PACKED,
    "nested, wide": (nested, (rng.normal(size=(18, 18)) / 4, rng.normal(size=(3, 2, 5, 18)))),
    "nested": (nested, (rng.normal(size=(4, 4)) / 2, rng.normal(size=(3, 2, 5, 4)))),
    "nothing to do": (nothing_to_do, (H4, rng.normal(size=(4, 3, 4)))),
    "nothing carried": (apart, (rng.normal(size=(4, 4)), rng.normal(size=(13, 5, 4)))),
    "nothing carried, gradients": (apart_gradients, (rng.normal(size=(4, 4)), rng.normal(size=(13, 5, 4)))),
    "nothing carried, wide": (apart, square(40, (9,), np.float32, steps=17)[1:]),
    "nothing carried, backwards": (apart_backwards, (rng.normal(size=(4, 3)), rng.normal(size=(9, 5, 4)))),
    "mixed rows": (
        mixed_rows,
        (rng.normal(size=(6, 4)), rng.normal(size=(6, 6)) / 3, rng.normal(size=(5, 6, 4))),
    ),
    "several kinds": (
        several_kinds,
        (np.arange(4), np.zeros(4, bool), np.array([1, 2], np.uint32), rng.normal(size=(4, 4))),
    ),
    "nothing read": (nothing_read, (H4, rng.normal(size=(3, 3, 4)))),
    "backwards": (backwards, (H4, rng.normal(size=(4, 3, 4)))),
    "one after the other": (cumulative, (rng.normal(size=(4, 4)) / 2, H4, rng.normal(size=(3, 3, 4)))),
}


@pytest.mark.parametrize("name", CASES)
def test_a_loop_means_what_its_program_does(name):
    f, args = CASES[name]
    program = trace(f, *args)
    code = compiled(program)
    assert_means(code, args)
    one = run(code, arrays_in(args))
    for threads in (2, 3):
        assert same_bits(run(compiled(program, threads), arrays_in(args)), one)
    assert same_bits(run(code, arrays_in(args), at_end=False), one)


def loop_of(f, args, threads):
    code = compiled(trace(f, *args), threads)
    return next(k for k in code.schedule.kernels if k.name == "scan")


def test_steps_do_not_wait_where_rows_do_not_mix():
    f, args = CASES["lstm"]
    assert not loop_of(f, args, 2).waits
    f, args = CASES["mixed rows"]
    assert loop_of(f, args, 2).waits
    assert not loop_of(f, args, 1).waits


def test_threads_divide_steps_that_carry_nothing():
    """Of products and a softmax over rows, no thread waits for another; two have a room of their own each."""
    f, args = CASES["nothing carried"]
    one, two = (loop_of(f, args, threads) for threads in (1, 2))
    assert (one.sharers, two.sharers) == (1, 2)
    assert not two.waits
    assert two.inner.threads == 1
    assert two.room.nbytes <= 2 * one.room.nbytes
    assert loop_of(lambda W, xs: apart(W, xs[:7]), args, 2).sharers == 1  # too few to be worth it


@pytest.mark.parametrize("threads", [2, 3])
def test_a_loop_in_steps_that_threads_divide_keeps_what_it_was_given(threads):
    """The inner loop's gradient reads what was carried before each of its steps, the first among them."""
    W, xs = rng.normal(size=(4, 4)) / 2, rng.normal(size=(13, 5, 3, 4))

    def loss(W, x):
        _, ys = hg.scan(lambda h, row: (n := hg.tanh(h @ W + row), n), x[0] / 2, x)
        return hg.sum(hg.square(ys))

    program = trace(lambda W, xs: hg.scan(lambda carry, x: (carry, hg.grad(loss)(W, x)), (), xs)[1], W, xs)
    code = compiled(program, threads)
    assert any(k.sharers == threads for k in code.schedule.kernels if k.inside)
    one = run(compiled(program), [W, xs])
    assert_close(one, interpreted(program, [W, xs]))
    assert same_bits(run(code, [W, xs]), one)


@pytest.mark.parametrize("reverse", [False, True])
def test_what_is_carried_is_kept_without_a_copy(reverse):
    """Before each step, twice, and beside a carry that only swaps."""

    def f(h, W, xs):
        def step(carry, x):
            h, a, b = carry
            return (hg.tanh(h @ W + x), b, a), (h, h * 1, a)

        return hg.scan(step, (h, h + 1, h - 1), xs, reverse=reverse)

    for steps in (1, 2, 5):
        args = square(17, (5,), steps=steps)
        program = trace(f, *args)
        code = compiled(program)
        assert_means(code, args)
        assert same_bits(run(compiled(program, 3), arrays_in(args)), run(code, arrays_in(args)))
    (scan,) = (kernel for kernel in code.schedule.kernels if kernel.name == "scan")
    assert len(scan.node.body.kept) == 2


def test_a_step_is_compiled_once():
    f, _ = CASES["lstm's gradients"]
    sizes = [len(compiled(trace(f, *network(T, 3, 4, 2))).assembly.modules) for T in (3, 30)]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("name", PACKED)
def test_weights_are_packed_once(name, level):
    f, args = PACKED[name]
    program = trace(f, *args)
    code = compiled(program, target=at_level(level))
    assert_means(code, args)
    assert same_bits(
        run(compiled(program, 3, target=at_level(level)), arrays_in(args)), run(code, arrays_in(args))
    )
    kernels = [kernel.name for kernel in code.schedule.kernels]
    assert kernels.count("panels") == (2 if f is turned else 1)
    assert "y packed once" in explain(code)
    assert loop_of(f, args, 2).waits == (name in ("many columns", "a long sum"))  # which threads divide


def test_weights_of_a_loop_in_a_loop_are_packed_before_both():
    f, args = CASES["nested, wide"]
    code = compiled(trace(f, *args))
    assert [kernel.name for kernel in code.schedule.kernels].count("panels") == 1
    outer = loop_of(f, args, 1)
    assert not [kernel for kernel in outer.inside.kernels if kernel.name == "panels"]


def test_few_rows_and_few_columns_are_not_packed():
    for rows, N in ((2, 32), (5, 15)):
        code = compiled(trace(recurrent, *square(N, (rows,))))
        assert not [kernel for kernel in code.schedule.kernels if kernel.name == "panels"]


def test_what_a_body_needs_numpy_for_numpy_computes():
    def f(h, xs):
        return hg.scan(lambda h, x: (np.sort(h, axis=1) * 0.5 + x, h), h * 2, xs * 3)

    args = H4, rng.normal(size=(4, 3, 4))
    with pytest.warns(NotCompiledWarning, match="runs on NumPy: argsort"):
        code = compiled(trace(f, *args))
    assert_means(code, args)


def test_an_index_out_of_range_in_a_loop_is_told():
    f = hg.compile(lambda i, xs: xp.scan(lambda n, x: (n + 1, xp.take(x, n, axis=0)), i, xs))
    xs = rng.normal(size=(3, 4))
    np.testing.assert_array_equal(f(np.array([0]), xs)[1][:, 0], [xs[0, 0], xs[1, 1], xs[2, 2]])
    with pytest.raises(IndexError):
        f(np.array([2]), xs)
