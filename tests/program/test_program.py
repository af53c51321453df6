import math

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.program import Operation, Symbol, Unstable, difference, stable_trace, trace
from handgrad.tree import leaves


def loss(params, x, t):
    h = hg.relu(hg.affine(x, params["W1"], params["b1"]))
    return hg.softmax_cross_entropy(hg.affine(h, params["W2"], params["b2"]), t)


@pytest.fixture
def step():
    rng = np.random.default_rng(0)
    params = {
        "W1": rng.standard_normal((7, 5)).astype(np.float32),
        "b1": rng.standard_normal(5).astype(np.float32),
        "W2": rng.standard_normal((5, 3)).astype(np.float32),
        "b2": rng.standard_normal(3).astype(np.float32),
    }
    x = rng.standard_normal((4, 7)).astype(np.float32)
    return params, x, np.array([0, 2, 1, 1])


def test_a_whole_step_is_one_program(step):
    f = hg.value_and_grad(loss)
    program = trace(f, *step)
    value, grads = program(*step)
    expected, expected_grads = f(*step)
    assert value == expected
    assert value.dtype == np.float32
    for name, dp in expected_grads.items():
        np.testing.assert_array_equal(grads[name], dp)


def test_printed():
    program = trace(lambda x, W: hg.relu(x @ W)[1:], np.zeros((2, 3)), np.zeros((3, 4), np.float32))
    assert str(program) == (
        "program(a0: float64[2,3], a1: float32[3,4])\n"
        "  t0: float64[2,4] = matmul(a0, a1)\n"
        "  t1: float64[2,4] = maximum(t0, 0)\n"
        "  t2: float64[1,4] = getitem(t1, 1:)\n"
        "return t2"
    )


def test_second_derivatives_trace():
    def f(x):
        return hg.sum(hg.tanh(x) ** 2)

    x = np.random.default_rng(1).standard_normal(3)
    np.testing.assert_array_equal(trace(hg.hessian(f), x)(x), hg.hessian(f)(x))


def test_closed_over_arrays_are_constants():
    weights = np.arange(20.0)
    program = trace(lambda x: x * weights, np.zeros(20))
    assert "constant float64[20]" in str(program)
    np.testing.assert_array_equal(program(np.ones(20)), weights)


def test_branching_on_a_value_is_refused():
    with pytest.raises(TypeError, match="no value to branch on"):
        trace(lambda x: x if hg.sum(x) > 0 else -x, np.ones(3))


@pytest.mark.parametrize(
    "look",
    [
        np.vectorize(abs),
        lambda x: np.random.default_rng(0).normal(x, 1.0),
        lambda x: np.linalg.norm([x, x]),
        float,
        math.exp,
        int,
    ],
)
def test_looking_at_values_is_refused(look):
    with pytest.raises(TypeError):
        trace(look, np.ones(()))


def test_arrays_are_made_of_what_is_traced():
    def f(x):
        return np.array([[x[0], x[1] * 2], [1.0, 2.0]]) * np.full(2, x[2]) + np.r_[x, 1.0][2:]

    x = np.array([0.5, -1.5, 2.0])
    np.testing.assert_array_equal(trace(f, x)(x), f(x))
    np.testing.assert_array_equal(trace(hg.jacobian(f), x)(x), hg.jacobian(f)(x))


X = np.random.default_rng(3).standard_normal((4, 3))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(np.tanh(x) * np.ones(3) + np.float64(2) * x),
        lambda x: np.ones(3) ** x + np.hypot(x, 1.0),
        lambda x: (np.stack([x, x]), np.concatenate([x, x]), np.where(x > 0, x, 0)),
        lambda x: (np.sort(x, axis=1), np.argsort(x, axis=0), np.cumsum(x)),  # no operations of programs
        lambda x: np.searchsorted(np.arange(3.0), x) + np.matmul(np.ones((2, 4)), x).sum(),
        lambda x: (x.mean(axis=0), x.reshape(2, 6), x.transpose(1, 0).ravel(), x.astype(np.float32), x.mT),
        lambda x: [x.flatten().clip(0, 1), x.argmax(axis=1), x.reshape((-1,)).max(), x.cumsum(), +x],
    ],
)
def test_numpy_s_own_functions_are_traced(f):
    program = trace(f, X)
    for got, want in zip(leaves(program(X)), leaves(f(X)), strict=True):
        np.testing.assert_array_equal(got, want)
        assert np.result_type(got) == np.result_type(want)


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (np.unique, "hangs on values"),
        (np.shape, "gives tuple"),
        (lambda x: xp.compress(x[:, 0] > 0, x, axis=0), "hangs on values"),
        (lambda x: xp.cumulative_sum(x), "axis.* is required"),
    ],
)
def test_functions_of_numpy_that_a_program_cannot_have(f, said):
    with pytest.raises(TypeError, match=said):
        trace(f, X)


# Python numbers.

WEAK = [
    lambda x, lr: x - lr * x,
    lambda x, lr: x - lr / 3 * 2 * x,
    lambda x, lr: x * (1 - 0.9**lr),
    lambda x, lr: lr**0.5 - x,
    lambda x, lr: x**lr,
    lambda x, lr: lr * lr,
    lambda x, lr: -lr - abs(lr),
    lambda x, lr: xp.where(x > lr, lr, x),
    lambda x, lr: xp.clip(x, -lr, lr),
    lambda x, lr: xp.maximum(lr, x) + np.minimum(x, lr),
    lambda x, lr: hg.grad(lambda x: hg.sum(x * lr))(x),
    lambda x, lr: xp.sqrt(lr) * x,  # a NumPy number, as np.sqrt gives
    lambda x, lr: xp.astype(x > 0, x.dtype) * lr + (x > 0) * lr,
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int8, np.bool_])
@pytest.mark.parametrize("number", [0.25, 3])
@pytest.mark.parametrize("f", WEAK)
def test_a_python_number_takes_the_dtype_of_its_company(f, number, dtype):
    x = np.array([[3, 1], [2, 5]]).astype(dtype)
    try:
        wanted = f(x, number)
    except TypeError:  # what NumPy has not
        return
    got = trace(f, x, number)(x, number)
    assert np.result_type(got) == np.result_type(wanted)
    np.testing.assert_array_equal(got, wanted)


# What changes from one run to the next.

counted = []


def counting(x):
    counted.append(0)
    return x + len(counted)


def growing(x):
    counted.append(0)
    for _ in counted:
        x = hg.tanh(x)
    return x


def forgetful(x):
    counted.append(0)
    return hg.sin(x) if len(counted) % 2 else hg.cos(x)


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (lambda x: x + np.random.normal(size=3), r"add, was given \[.*\] and then"),
        (lambda x: hg.exp(x) + np.random.normal(), "add, was given -?[0-9.]+ and then"),
        (lambda x: (x, np.random.normal(size=9)), r"it returned an array \(9,\)"),
        (lambda x: x[:, np.random.permutation(50)], "getitem"),
        (counting, "and then"),
        (growing, "operations have become"),
        (forgetful, "has become"),
    ],
)
def test_what_a_second_run_does_otherwise_is_told(f, said):
    x = np.ones((3, 50)) if said == "getitem" else np.ones(3)
    with pytest.raises(Unstable, match=said):
        stable_trace(f, x)


def test_what_does_the_same_is_stable():
    """New objects, nan, and random numbers by a key among it."""

    def f(x, key):
        return hg.dropout(x, key, rate=0.5) * np.array([np.nan, 1.0, -0.0]), {
            "a": slice(1, 2),
            "b": [x, None],
        }

    program = stable_trace(f, np.ones(3), np.array([1, 2], np.uint32))
    assert difference(program, trace(f, np.ones(3), np.array([1, 2], np.uint32))) == ""


def test_an_array_kept_from_another_trace_is_refused():
    kept = []

    def f(x):
        kept.append(x)
        return x + kept[0]

    with pytest.raises(TypeError, match="of another trace"):
        stable_trace(f, np.ones(3))


def test_a_mask_that_is_traced_is_refused():
    with pytest.raises(TypeError, match="mask's values"):
        trace(lambda x, m: hg.getitem(x, m), np.ones(3), np.ones(3, bool))


def test_shapes_that_do_not_fit_name_the_rule():
    with pytest.raises(ValueError, match=r"matmul\(x \(2, 3\), y \(4, 5\)\)"):
        trace(hg.matmul, np.ones((2, 3)), np.ones((4, 5)))


@pytest.mark.parametrize("bad", [np.ones((3, 2)), np.ones((2, 3), np.float32)])
def test_arguments_must_be_those_traced(bad):
    program = trace(hg.exp, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"a0: float64\[2,3\] got"):
        program(bad)


def test_check_finds_what_is_wrong():
    program = trace(lambda x: hg.exp(x) + 1, np.ones(3))
    first, second = program.operations
    program.operations = [second, first]
    with pytest.raises(ValueError, match="used before it is defined"):
        program.check()
    program.operations = [first, first, second]
    with pytest.raises(ValueError, match="assigned twice"):
        program.check()
    liar = Symbol("t9", (4,), np.float64, program)
    program.operations = [first, Operation(liar, "add", (first.out, 1), {}), second]
    with pytest.raises(ValueError, match=r"gives float64\[3\]"):
        program.check()


def test_a_mixture_with_numpy_arrays_works_both_ways():
    x = np.arange(3.0)
    program = trace(lambda s: (x - s, s - x, x * s, x / (s + 1), x**s, 2 - s), x)
    for got, want in zip(program(x), (x - x, x - x, x * x, x / (x + 1), x**x, 2 - x), strict=True):
        np.testing.assert_array_equal(got, want)


def test_docstring_example():
    import doctest

    from handgrad.program import tracing

    assert doctest.testmod(tracing).failed == 0


def test_a_training_step_with_its_update_is_one_program(step):
    """Batch norm, dropout and Adam, with the learning rate and the number of the step as inputs."""
    from handgrad.layers import mlp
    from handgrad.optim import Adam
    from handgrad.tree import leaves

    _, x, t = step
    net, optimiser = mlp([7, 5, 3], batch_norm=True, dropout=0.3, seed=0).train(), Adam()

    def train(params, states, moments, x, t, lr, n):
        def loss(params):
            bound = net.bind(params, states)
            return hg.softmax_cross_entropy(bound(x), t), bound.states()

        (value, states), grads = hg.value_and_grad(loss, has_aux=True)(params)
        moved = {name: optimiser.update(params[name], grads[name], moments[name], lr, n) for name in params}
        return value, states, moved

    params = net.parameters()
    moments = {name: optimiser.init(p) for name, p in params.items()}
    args = [params, net.states(), moments, x, t, np.float32(0.01), np.float32(1)]
    program = trace(train, *args)
    for n in (1, 2, 3):
        args[-1] = np.float32(n)
        value, states, moved = program(*args)
        for got, want in zip(leaves((value, states, moved)), leaves(train(*args)), strict=True):
            np.testing.assert_array_equal(got, want)
            assert np.result_type(got) == np.result_type(want)
        args[0] = {name: p for name, (p, _) in moved.items()}
        args[1], args[2] = states, {name: m for name, (_, m) in moved.items()}
