"""L-BFGS on functions whose least value is known."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.optim import lbfgs


def rosenbrock(x):
    return hg.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("n", [2, 3, 10, 60])
@pytest.mark.parametrize("history", [1, 5, 20])
def test_rosenbrocks_valley(n, history):
    """Where steepest descent takes tens of thousands of steps."""
    found = lbfgs(
        hg.value_and_grad(rosenbrock), np.full(n, -1.2), steps=2000, history=history, tolerance=1e-8
    )
    assert found.has_converged
    assert found.evaluations <= 2.5 * found.steps + 20
    if history > 1:
        assert found.steps < 60 + 12 * n
    assert found.value < 1e-12 or n > 3  # there is another valley beyond three numbers
    value, grad = hg.value_and_grad(rosenbrock)(found.x)
    assert (found.value, found.gradient_norm) == (value, np.max(np.abs(grad)))


def test_least_squares_in_a_dict():
    r = np.random.default_rng(0)
    A, t = r.normal(size=(40, 6)), r.normal(size=40)
    loss = lambda p: hg.sum((A @ p["w"] + p["b"] - t) ** 2)  # noqa: E731
    found = lbfgs(hg.value_and_grad(loss), {"w": np.zeros(6), "b": np.zeros(())}, tolerance=1e-9)
    wanted = np.linalg.lstsq(np.c_[A, np.ones(40)], t, rcond=None)[0]
    np.testing.assert_allclose(np.r_[found.x["w"], found.x["b"]], wanted, rtol=1e-8)
    assert found.has_converged


def test_a_parabola_takes_as_many_steps_as_it_has_axes():
    r = np.random.default_rng(1)
    A = r.normal(size=(5, 5))
    A = A @ A.T + np.eye(5)
    found = lbfgs(hg.value_and_grad(lambda x: x @ A @ x / 2 - hg.sum(x)), np.zeros(5), tolerance=1e-9)
    np.testing.assert_allclose(found.x, np.linalg.solve(A, np.ones(5)), rtol=1e-7)
    assert found.steps <= 20


def test_float32_ends_where_rounding_does():
    found = lbfgs(hg.value_and_grad(lambda x: hg.sum((x - 3) ** 4)), np.zeros(3, np.float32), tolerance=0.0)
    assert found.x.dtype == np.float32
    np.testing.assert_allclose(found.x, 3, atol=0.05)


def test_a_value_that_overflows_on_the_way():
    found = lbfgs(hg.value_and_grad(lambda x: hg.sum(hg.exp(x * x) - x)), np.full(3, 8.0))
    assert found.has_converged


def test_nothing_to_do():
    found = lbfgs(hg.value_and_grad(lambda x: hg.sum(x * x)), np.zeros(3))
    assert (found.steps, found.has_converged, found.evaluations) == (0, True, 1)
    assert lbfgs(hg.value_and_grad(lambda x: hg.sum(x * x)), np.ones(3), steps=0).has_converged is False


def test_where_it_cannot_begin():
    with pytest.raises(ValueError, match="begins where the value is nan"):
        lbfgs(hg.value_and_grad(lambda x: hg.sum(x * np.nan)), np.ones(2))
