"""``hg.compile``: functions as native code, and what has none run on NumPy in between."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.engine import Code, NotCompiledWarning, compile
from handgrad.program import check_finite, repeated, trace
from tests.engine.support import arrays_in, assert_close, assert_means, compiled, run

rng = np.random.default_rng(0)
X = rng.standard_normal((4, 6))


def test_a_function_with_its_derivatives():
    def loss(W, x):
        return hg.sum(hg.tanh(x @ W)), {"mean": hg.mean(x)}

    f = hg.value_and_grad(loss, has_aux=True)
    W = rng.standard_normal((6, 3))
    got, wanted = compile(f)(W, X), f(W, X)
    assert_close(arrays_in(got), arrays_in(wanted))
    assert got[0][1].keys() == {"mean"}


@pytest.mark.filterwarnings("ignore:grad. the result does not depend")
def test_outputs_that_hang_on_nothing():
    """Gradients of what was not used, zeros, and constants are arrays of the caller's own."""
    table = np.arange(3.0)
    f = compile(
        lambda x, y: (hg.grad(lambda y: hg.sum(x))(y), xp.zeros_like(x), table, table, 7, np.float32(2))
    )
    first, second = f(X, X), f(X, X)
    for got in (first, second):
        for a, b in zip(got, (np.zeros_like(X), np.zeros_like(X), table, table, 7, 2), strict=True):
            np.testing.assert_array_equal(a, b)
    first[2][:] = 5
    assert table[1] == second[2][1] == f(X, X)[2][1] == first[3][1] == 1


def test_outputs_that_are_inputs_are_copies():
    f = compile(lambda x: (x, x, hg.reshape(x, (24,)), hg.transpose(x)))
    given = X.copy()
    outs = f(given)
    for out in outs:
        assert not np.shares_memory(out, given)
        out[...] = 0
    np.testing.assert_array_equal(given, X)
    np.testing.assert_array_equal(f(X)[3], X.T)


def test_arrays_may_lie_in_any_way():
    f = compile(lambda x, y: x @ y)
    x, y = rng.standard_normal((6, 8)), rng.standard_normal((9, 6))
    np.testing.assert_allclose(f(x.T[::2, ::-1], y.T[::-1, 1:4]), x.T[::2, ::-1] @ y.T[::-1, 1:4], rtol=1e-13)


def test_each_kind_of_arguments_has_its_code():
    f = compile(lambda x, n=2: x * n)
    for args in (
        (X,),
        (X[0],),
        (X.astype(np.float32),),
        (X, 3),
        (X, 3.0),
        (np.float64(2), 2),
        ([1] and X, 3),
    ):
        got, wanted = f(*args), f.f(*args)
        assert np.result_type(got) == np.result_type(wanted)
        np.testing.assert_array_equal(got, wanted)
    assert len(f.codes) == 6


def test_an_index_out_of_range_is_an_error():
    f = compile(lambda x, i: hg.take(x, i, axis=1))
    np.testing.assert_array_equal(f(X, np.array([0, -6, 5])), X[:, [0, -6, 5]])
    for bad in (6, -7, 2**62, -(2**63)):
        with pytest.raises(IndexError, match=rf"index {bad} is out of bounds for axis 1.*\nin take"):
            f(X, np.array([0, bad, 5]))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_index_out_of_range_touches_nothing_else(threads):
    """Neither in reading nor in adding up."""

    def f(x, i):
        return x[:, i], xp.scatter_add(x, (slice(None), i), (4, 6))

    program = trace(f, X, np.arange(6))
    assert_means(compiled(program, threads), [X, np.array([5, 4, -1, -6, 0, 0])])
    for bad in (6, -7, 10**6, -(10**12)):
        with pytest.raises(IndexError):
            run(compiled(program, threads), [X, np.array([5, 4, bad, 2, 1, 0])])


def test_callers_in_several_threads_do_not_meet():
    f = compile(lambda x: hg.softmax(hg.tanh(x @ hg.transpose(x))) @ x, threads=2)
    xs = [rng.standard_normal((30, 20)) for _ in range(8)]
    wanted = [f(x).tobytes() for x in xs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            assert [y.tobytes() for y in pool.map(f, xs)] == wanted


# What NumPy computes in between.


def between(x, k):
    """Powers of whole numbers have no native code."""
    h = hg.exp(x)
    powers = xp.astype(k**3, np.float64)
    more = xp.sum(h * powers) * h
    return more @ xp.permute_dims(h, (1, 0)), (k + 1) ** 4


@pytest.mark.parametrize("threads", [1, 2])
def test_numpy_in_between(threads):
    k = rng.integers(-5, 5, (4, 6))
    with pytest.warns(NotCompiledWarning, match="power"):
        code = compiled(trace(between, X, k), threads)
    assert_means(code, [X, k])
    assert len(code.functions) == 3


def test_numpy_in_between_in_place_for_several_steps():
    k = rng.integers(-2, 3, (4, 6))
    program = trace(lambda x, k: (hg.tanh(x) + xp.astype(k**2, np.float64), k - k**3), X, k)
    with pytest.warns(NotCompiledWarning):
        code = Code(repeated(program, 2), donated={0: 0, 1: 1})
    x, n, made = X.copy(), k.copy(), np.array(0)
    assert code([x, n, np.array(3)], [x, n, made])
    assert made == 3
    wanted = (X, k)
    for _ in range(3):
        wanted = program(*wanted)
    assert_close([x, n], wanted)


def test_what_cannot_be_traced_runs_as_it_is():
    f = compile(lambda x: x * float(x[0, 0]))
    with pytest.warns(NotCompiledWarning, match="<lambda> runs on NumPy"):
        np.testing.assert_array_equal(f(X), X * X[0, 0])
    np.testing.assert_array_equal(f(X), X * X[0, 0])


@hg.rule
def in_order(x):
    """Sorted along the last axis, dx = dout where each came from."""
    order = xp.argsort(x, axis=-1)
    places = xp.cumulative_sum(xp.ones_like(order), axis=-1) - 1

    def backward(dout):
        back = xp.argsort(xp.take_along_axis(order, places, axis=-1), axis=-1)
        return xp.take_along_axis(dout, back, axis=-1)

    return xp.take_along_axis(x, order, axis=-1), backward


def test_a_function_that_only_numpy_has_is_computed_in_between():
    """In a rule, forward and backward: the rest stays native."""

    def f(x):
        return hg.sum(hg.tanh(in_order(x)) * np.arange(6.0))

    with pytest.warns(NotCompiledWarning, match=r"runs on NumPy: (argsort|cumulative_sum), in .*in_order"):
        code = compiled(trace(hg.value_and_grad(f), X))
    assert_means(code, [X])
    _, dx = run(code, [X])
    np.testing.assert_allclose(dx, hg.grad(f)(X), rtol=1e-12)
    assert len(code.functions) > 1


def test_the_same_program_is_the_same_code():
    """Whatever the addresses of its parts: so that it is found on the disk."""

    def f(x):
        return hg.value_and_grad(lambda x: hg.sum(hg.softmax(hg.gelu(x) @ hg.transpose(x))[0]))(x)

    assert len({Code(trace(f, X), workers=2).ir for _ in range(4)}) == 1


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("bad", [0, 1, 6, 7, 9, 10])
def test_steps_are_made_until_one_is_not_finite(bad, threads):
    """In place of the flagged step nothing is promised; its number is."""
    program = trace(lambda total, x: check_finite(total + x), X, X)
    code = compiled(repeated(program, 1, moving=1, length=10), threads, donated={0: 0})
    rows = np.ones((10, 4, 6))
    rows[bad:, 3, 5] = np.inf
    total, made = X.copy(), np.array(-1)
    assert code([total, rows, np.array(10)], [total, made]) == (bad == 10)
    assert made == bad
    if bad == 10:
        np.testing.assert_allclose(total, X + 10)


def test_linear_algebra_is_numpys_and_said_once():
    """A Gaussian process: NumPy's factor and solution between native kernels, inside a loop too."""
    r = np.random.default_rng(0)
    x, y = r.normal(size=(7, 2)), r.normal(size=(3, 7))

    def loss(theta):
        K = hg.exp(-0.5 * theta[0] ** 2 * hg.cdist(x, x) ** 2) + np.eye(7) * (0.1 + theta[1] ** 2)
        L = hg.cholesky(K)

        def step(total, y):
            a = hg.solve_triangular(L, y, lower=True)
            return total + hg.sum(a * a), hg.eigh(K)[0]

        total, w = hg.scan(step, 0.0, y)
        return total + hg.sum(hg.log(hg.diagonal(L))) + hg.sum(hg.log(w))

    theta = np.array([0.7, 0.3])
    with pytest.warns(NotCompiledWarning) as told:
        value, dtheta = hg.compile(hg.value_and_grad(loss))(theta)
    wanted, own = hg.value_and_grad(loss)(theta)
    np.testing.assert_allclose(value, wanted, rtol=1e-11)
    np.testing.assert_allclose(dtheta, own, rtol=1e-11)
    (message,) = {str(warning.message) for warning in told}
    for name in ("cholesky", "solve_triangular", "factors, in eigh"):
        assert name in message
