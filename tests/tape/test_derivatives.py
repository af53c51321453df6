"""vjp and what is made of it: structures, nesting, and the words of refusal."""

from collections import namedtuple

import numpy as np
import pytest

import handgrad as hg
from handgrad.tape import vjp_with_aux

from ..rules.numerics import assert_close, assert_gradient, derivative, random_direction, random_like

Pair = namedtuple("Pair", "W b")


def network(parameters, x):
    hidden = hg.tanh(hg.affine(x, *parameters["first"]))
    return hg.softmax(hg.affine(hidden, parameters["second"].W, parameters["second"].b))


def parameters(r):
    return {
        "first": [r.normal(size=(3, 4)), r.normal(size=4)],
        "second": Pair(r.normal(size=(4, 2)), r.normal(size=2)),
        "unused": (r.normal(size=2), 1.5),
    }


def test_gradients_have_the_structure_of_the_arguments():
    r = np.random.default_rng(0)
    given, x = parameters(r), r.normal(size=(5, 3))
    out, backward = hg.vjp(network, given, x)
    dout = random_like(r, out)
    grads, dx = backward(dout)
    assert list(grads) == ["first", "second", "unused"]
    assert type(grads["first"]) is list
    assert type(grads["second"]) is Pair
    assert grads["unused"][1] == 0.0
    np.testing.assert_array_equal(grads["unused"][0], np.zeros(2))

    flat = [*given["first"], *given["second"], x]
    got = [*grads["first"], *grads["second"], dx]

    def of_flat(xs):
        return network({"first": xs[:2], "second": Pair(*xs[2:4])}, xs[4])

    assert_gradient(of_flat, flat, dout, got, [random_direction(r, flat) for _ in range(3)], 3e-9)


def test_several_outputs_in_a_structure():
    x = np.array([0.5, 1.5])
    out, backward = hg.vjp(lambda x: {"sum": hg.sum(x), "parts": [hg.sin(x), 7.0]}, x)
    assert out["parts"][1] == 7.0
    (dx,) = backward({"sum": 2.0, "parts": [np.array([3.0, 4.0]), 0.0]})
    np.testing.assert_allclose(dx, 2.0 + np.array([3.0, 4.0]) * np.cos(x))
    with pytest.raises(ValueError, match="dout has 1 parts, but the function has 3 outputs"):
        backward([1.0])
    with pytest.raises(ValueError, match=r"dout has shape \(3,\), but the output has \(2,\)"):
        backward({"sum": 2.0, "parts": [np.ones(3), 0.0]})


def test_an_output_that_is_the_argument_or_met_twice():
    x = np.array([1.0, 2.0])
    out, backward = hg.vjp(lambda x: (x, x), x)
    np.testing.assert_array_equal(backward((x, 10 * x))[0], 11 * x)
    assert_close(out, (x, x), 0)
    _, backward = hg.vjp(lambda x, y: y, x, 2 * x)
    assert_close(backward(x), (np.zeros(2), x), 0)


def test_backward_may_be_called_again():
    x = np.array([1.0, 2.0])
    _, backward = hg.vjp(hg.sin, x)
    first = backward(np.ones(2))[0].copy()
    backward(np.full(2, 5.0))
    np.testing.assert_array_equal(backward(np.ones(2))[0], first)


def test_constants_have_zeros_for_gradient():
    for x in (2.0, np.ones(2)):
        with pytest.warns(hg.NoGradientWarning, match="grad: the result does not depend on what"):
            np.testing.assert_array_equal(hg.grad(lambda x: 3.0)(x), np.zeros(np.shape(x)))
    np.testing.assert_array_equal(hg.grad(lambda x: hg.sum(hg.sign(x)))(np.ones(2)), np.zeros(2))
    labels = np.array([0, 1])
    grads = hg.vjp(lambda x, t: hg.softmax_cross_entropy(x, t), np.eye(2), labels)[1](1.0)
    np.testing.assert_array_equal(grads[1], np.zeros(2))


def test_numbers_have_numbers_for_gradient():
    assert hg.grad(lambda x: x * x * x)(2.0) == 12.0
    assert hg.grad(lambda x: x * x)(3) == 6
    assert hg.grad(lambda x: x / 2)(3) == 0.5
    assert hg.grad(hg.sqrt)(4) == 0.25
    assert hg.grad(lambda x, y: x * y, argnums=(1, 0))(2.0, 3) == (2.0, 3)
    assert hg.grad(lambda x: x**3)(np.float32(2.0)).dtype == np.float32


def test_value_and_grad():
    def f(x, y, scale=1.0):
        return hg.sum(x * x * y) * scale

    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    value, (dy, dx) = hg.value_and_grad(f, argnums=(1, 0))(x, y, scale=2.0)
    assert value == 38.0
    assert_close((dx, dy), (4 * x * y, 2 * x * x), 0)
    value, dx = hg.value_and_grad(f)(x, y)
    assert_close((value, dx), (19.0, 2 * x * y), 0)
    with pytest.raises(ValueError, match=r"grad needs a scalar, and this output has shape \(2,\)"):
        hg.grad(lambda x: x * x)(x)


def test_aux_is_handed_on():
    def f(x):
        y = x * x
        return hg.sum(y), {"squares": y, "name": "kept", "of": [x]}

    x = np.array([1.0, 2.0])
    (value, aux), dx = hg.value_and_grad(f, has_aux=True)(x)
    assert value == 5.0
    assert_close(dx, 2 * x, 0)
    assert type(aux["squares"]) is np.ndarray
    assert aux["name"] == "kept"
    assert_close(aux["of"], [x], 0)
    out, backward, aux = vjp_with_aux(lambda x: (x * 2, 5), x)
    assert aux == 5
    assert_close((out, *backward(x)), (2 * x, 2 * x), 0)


def test_derivatives_to_the_fourth():
    f, exact = hg.sin, [np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin]
    for order in range(5):
        np.testing.assert_allclose(f(0.7), exact[order](0.7), rtol=1e-14)
        f = hg.grad(f)


@pytest.mark.parametrize(
    "f",
    [
        hg.tanh,
        hg.sigmoid,
        hg.gelu,
        hg.softplus,
        lambda x: x**3.5,
        lambda x: hg.exp(-x * x) / (1 + x),
        lambda x: hg.prod(hg.stack([x, x, 1 - x, x])),
        lambda x: hg.std(hg.stack([x, x * x, 2.0])),
        lambda x: hg.logsumexp(hg.stack([x, x * x, -x])),
        lambda x: hg.softmax_cross_entropy(hg.stack([x, x * x, -x]), np.array(1)),
    ],
)
def test_third_derivatives(f):
    second, third = hg.grad(hg.grad(f)), hg.grad(hg.grad(hg.grad(f)))
    wanted = derivative(lambda h: second(0.7 + h))
    np.testing.assert_allclose(third(0.7), float(wanted), rtol=1e-9)


def test_perturbations_are_not_confused():
    """d/dx [x · d/dy (x + y)] is 1; where levels are mixed up it is 2."""
    assert hg.grad(lambda x: x * hg.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert hg.grad(lambda x: x * hg.grad(lambda y: x * y * y)(3.0))(2.0) == 24.0
    assert hg.grad(lambda x: hg.grad(lambda y: hg.grad(lambda z: x * y * z)(1.0) * y)(2.0))(3.0) == 4.0


def test_a_backward_used_inside_another_vjp():
    _, backward = hg.vjp(hg.sin, 0.5)
    np.testing.assert_allclose(hg.grad(lambda d: backward(d * d)[0])(3.0), 6 * np.cos(0.5))


def test_an_inner_vjp_closes_over_outer_variables():
    def f(w):
        def inner(x):
            return hg.sum(hg.sin(w * x))

        value, backward = hg.vjp(inner, np.array([0.3, 0.6]))
        return value + hg.sum(hg.square(backward(w[0])[0]))

    w = np.array([0.5, 1.5])
    direction = np.array([0.7, -0.4])
    wanted = derivative(lambda h: f(w + h * direction))
    np.testing.assert_allclose(hg.grad(f)(w) @ direction, float(wanted), rtol=1e-9)


def test_users_variables_pass_through_a_vjp():
    v, x = hg.variable(np.array([0.5, 1.5])), np.array([2.0, 3.0])
    dx = hg.grad(lambda x: hg.sum(v * x * x))(x)
    assert isinstance(dx, hg.Variable)
    hg.sum(dx * dx).backward()
    np.testing.assert_allclose(v.grad, 8 * v.value * x * x)

    w = hg.variable(2.0)
    slope = hg.grad(lambda w: w * w * w)(w)
    slope.backward()
    assert (slope.value, w.grad) == (12.0, 12.0)


def test_jacobian_hessian_and_hvp_against_differences():
    r = np.random.default_rng(1)
    x, v = r.normal(size=(2, 3)), r.normal(size=(2, 3))
    A = r.normal(size=(3, 4))

    def f(x):
        return hg.tanh(x @ A) * hg.sum(x)

    def scalar(x):
        return hg.sum(hg.square(f(x)))

    jacobian, hessian = hg.jacobian(f)(x), hg.hessian(scalar)(x)
    assert jacobian.shape == (2, 4, 2, 3)
    assert hessian.shape == (2, 3, 2, 3)
    along = derivative(lambda h: np.asarray(f(x + h * v), np.longdouble).ravel() @ np.arange(8.0))
    np.testing.assert_allclose(
        np.sum(np.tensordot(jacobian, v).ravel() * np.arange(8.0)), float(along), rtol=1e-9
    )
    np.testing.assert_allclose(hessian, np.transpose(hessian, (2, 3, 0, 1)), rtol=1e-12, atol=1e-12)
    gradient = hg.grad(scalar)
    for i, j in np.ndindex(2, 3):
        wanted = derivative(lambda h, i=i, j=j: gradient(x + h * v)[i, j])
        np.testing.assert_allclose(np.tensordot(hessian, v)[i, j], float(wanted), rtol=1e-8)
    np.testing.assert_allclose(hg.hvp(scalar)(x, v), np.tensordot(hessian, v), rtol=1e-12)


def test_jacobians_of_structures_and_corners():
    x = {"a": np.array([1.0, 2.0]), "b": 3.0}
    jacobian = hg.jacobian(lambda x: [x["a"] * x["b"], hg.sum(x["a"])])(x)
    assert_close(jacobian[0]["a"], 3 * np.eye(2), 0)
    assert_close(jacobian[0]["b"], x["a"], 0)
    assert_close(jacobian[1]["a"], np.ones(2), 0)
    assert_close(jacobian[1]["b"], 0.0, 0)
    assert hg.jacobian(lambda x: x * x)(3.0) == 6.0
    assert hg.jacobian(lambda x: x[:0])(np.ones(3)).shape == (0, 3)
    assert hg.jacobian(lambda x, y: x * y, argnums=1)(2.0, np.ones(2)).tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert hg.hessian(lambda x: x * x * x)(2.0) == 12.0
    np.testing.assert_array_equal(hg.hessian(lambda x: hg.sum(3 * x))(np.ones(2)), np.zeros((2, 2)))


def test_inputs_and_dout_are_left_alone():
    x, dout = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    _, backward = hg.vjp(lambda x: x + x * x, x)
    backward(dout)
    hg.hvp(lambda x: hg.sum(x * x))(x, dout)
    assert_close((x, dout), (np.array([1.0, 2.0]), np.array([3.0, 4.0])), 0)
