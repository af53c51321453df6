import numpy as np
import pytest

import handgrad as hg
from handgrad.program import Operation, Symbol, trace


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
    "look", [np.sort, np.asarray, np.exp, lambda x: np.asarray(x, float), np.stack, float]
)
def test_numpy_s_own_functions_are_refused(look):
    """They would take a symbol for a sequence of symbols."""
    with pytest.raises(TypeError):
        trace(look, np.ones(3))


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
