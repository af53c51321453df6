"""Differential equations whose solutions are known, or PyTorch-free: SciPy's."""

import numpy as np
import pytest

import handgrad as hg

TIMES = np.linspace(0.0, 3.0, 7)


def oscillator(y, t):
    return np.stack([y[1], -4 * y[0]])


def exact(times):
    return np.stack([np.cos(2 * times), -2 * np.sin(2 * times)], axis=1)


@pytest.mark.parametrize(("options", "error"), [({}, 3e-5), ({"rtol": 1e-10, "atol": 1e-12}, 3e-9)])
def test_an_oscillator(options, error):
    found = hg.odeint(oscillator, np.array([1.0, 0.0]), TIMES, **options)
    assert found.shape == (7, 2)
    np.testing.assert_allclose(found, exact(TIMES), atol=error)


def test_the_order_of_runge_and_kutta():
    """Half the step, a sixteenth of the error."""
    errors = [
        np.abs(hg.odeint(oscillator, np.array([1.0, 0.0]), TIMES, "rk4", substeps=n) - exact(TIMES)).max()
        for n in (5, 10, 20)
    ]
    assert 14 < errors[0] / errors[1] < 18
    assert 14 < errors[1] / errors[2] < 18


def test_backwards_in_time_and_uneven_times():
    times = np.array([2.0, 1.5, 1.49, 0.3, -0.2])
    found = hg.odeint(lambda y, t: y * np.cos(t), np.exp(np.sin(2.0)), times, rtol=1e-9)
    np.testing.assert_allclose(found, np.exp(np.sin(times)), rtol=1e-7)


@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_gradients_are_those_of_the_numbers_that_come_out(method):
    """By parameters that f closes over, the beginning, and the times; against differences at held steps."""
    dout = np.random.default_rng(0).normal(size=(4, 2))
    times = np.array([0.0, 0.4, 0.9, 1.0])

    def loss(a, y, times):
        f = lambda y, t: np.stack([y[1] * a, np.sin(y[0]) + t])  # noqa: E731
        return hg.sum(dout * hg.odeint(f, y, times, method, rtol=1e-9, atol=1e-12, substeps=3))

    at = (np.array(0.7), np.array([0.2, -0.4]), times)
    grads = hg.grad(loss, (0, 1, 2))(*at)
    tolerance = 1e-6 if method == "rk4" else 1e-5
    for i, (x, dx) in enumerate(zip(at, grads, strict=True)):
        for place in np.ndindex(x.shape):
            moved = [[*at], [*at]]
            for side, sign in zip(moved, (1, -1), strict=True):
                side[i] = x.copy()
                side[i][place] += sign * 1e-5
            wanted = (loss(*moved[0]) - loss(*moved[1])) / 2e-5
            np.testing.assert_allclose(dx[place], wanted, rtol=tolerance, atol=tolerance)


def test_a_tree_in_native_code():
    def end(w, y):
        f = lambda y, t: {"x": y["v"], "v": -w * y["x"]}  # noqa: E731
        return hg.odeint(f, y, TIMES, "rk4", substeps=20)["x"][-1]

    y = {"x": np.array(1.0), "v": np.array(0.0)}
    compiled = hg.compile(lambda w, y: hg.value_and_grad(end)(w, y))
    value, slope = compiled(np.array(4.0), y)
    np.testing.assert_allclose(value, np.cos(6.0), atol=1e-5)
    np.testing.assert_allclose(slope, -np.sin(6.0) * 3 / 4, atol=1e-4)


def test_one_time_is_where_it_begins():
    np.testing.assert_array_equal(hg.odeint(oscillator, np.ones(2), np.zeros(1)), np.ones((1, 2)))


@pytest.mark.parametrize(
    ("f", "times", "options", "error", "said"),
    [
        (lambda y, t: y, [0.0, 1.0, 1.0], {}, ValueError, "ascend or descend"),
        (lambda y, t: y, [[0.0]], {}, ValueError, "one axis"),
        (lambda y, t: y, [0.0, 1.0], {"method": "euler"}, ValueError, "'rk4' or 'dopri5', not 'euler'"),
        (lambda y, t: -1e9 * (y - np.cos(t)), [0.0, 1.0], {"max_steps": 100}, ArithmeticError, "stiff"),
        (lambda y, t: y * y, [0.0, 2.0], {}, ArithmeticError, "steps came to t = 1|not finite at t = 1"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_cannot_be_solved(f, times, options, error, said):
    with pytest.raises(error, match=said):
        hg.odeint(f, np.ones(2), np.array(times), **options)


def test_a_program_has_no_values_to_choose_steps_by():
    from handgrad.program import trace

    with pytest.raises(TypeError, match="method='rk4'"):
        trace(lambda y: hg.odeint(oscillator, y, TIMES), np.ones(2))
