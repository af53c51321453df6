"""The one form of all derivatives, ``op(f, argnums)(*xs)``, and what is said where it does not fit."""

from dataclasses import dataclass

import numpy as np
import pytest

import handgrad as hg

OPERATIONS = (hg.grad, hg.value_and_grad, hg.jacobian, hg.hessian, hg.hvp, hg.jvp)
X, Y, Z = np.array([0.4, -1.2]), np.array([1.5, 0.3]), np.array([0.2, 0.7, -0.5])


def f(x, y, z, scale=1.0):
    return np.sum(np.sin(x) * y) * np.sum(z * z) * scale + np.sum(x * y**2)


def derivatives(x, y, z, scale=1.0):
    """Value, gradients, and the blocks of the Hessian, by hand."""
    total, weight = np.sum(np.sin(x) * y), np.sum(z * z)
    g = [np.cos(x) * y * weight * scale + y**2, np.sin(x) * weight * scale + 2 * x * y, 2 * z * total * scale]
    xy = np.diag(np.cos(x) * weight * scale + 2 * y)
    xz, yz = (np.outer(d, 2 * z * scale) for d in (np.cos(x) * y, np.sin(x)))
    H = [
        [np.diag(-np.sin(x) * y * weight * scale), xy, xz],
        [xy, np.diag(2 * x), yz],
        [xz.T, yz.T, 2 * total * scale * np.eye(3)],
    ]
    return f(x, y, z, scale), g, H


def called(operation, f, argnums, *xs, **options):
    """With ones for a direction, where the operation takes one."""
    if operation in (hg.hvp, hg.jvp):
        picked = [np.ones_like(xs[i]) for i in ([argnums] if isinstance(argnums, int) else argnums)]
        xs = (*xs, picked[0] if isinstance(argnums, int) else tuple(picked))
    return operation(f, argnums)(*xs, **options)


def by_hand(operation, argnums, *xs, **options):
    value, g, H = derivatives(*xs, **options)
    places = argnums if isinstance(argnums, tuple) else (argnums,)
    gradient = tuple(g[i] for i in places)
    blocks = tuple(tuple(H[i][j] for j in places) for i in places)
    moved = tuple(sum(block @ np.ones(block.shape[1]) for block in row) for row in blocks)
    slope = sum(np.sum(d) for d in gradient)
    if not isinstance(argnums, tuple):
        gradient, blocks, moved = gradient[0], blocks[0][0], moved[0]
    return {
        hg.grad: gradient,
        hg.value_and_grad: (value, gradient),
        hg.jacobian: gradient,
        hg.hessian: blocks,
        hg.hvp: moved,
        hg.jvp: (value, slope),
    }[operation]


def assert_same(got, want):
    if isinstance(want, tuple):
        assert isinstance(got, tuple)
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            assert_same(a, b)
    else:
        assert np.shape(got) == np.shape(want)
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("argnums", [0, 1, 2, -1, -3, (0,), (1, 0), (2, 0, 1), (-1, 1)])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_every_derivative_by_every_argument(operation, argnums):
    want = by_hand(operation, argnums, X, Y, Z, scale=1.5)
    assert_same(called(operation, f, argnums, X, Y, Z, scale=1.5), want)


@dataclass
class Parameters:
    w: float = 2.0


WRONG = {
    "out-of-range": ({"argnums": 5}, f, (X, Y, Z), "argnums=5, but 3 positional arguments came"),
    "too-negative": ({"argnums": -4}, f, (X, Y, Z), "argnums=-4, but 3 positional"),
    "by-keyword": ({}, f, (), "argnums=0, but 0 positional arguments came; .*not by keyword"),
    "repeated": ({"argnums": (0, 0)}, f, (X, Y, Z), r"argnums=\(0, 0\) names an argument twice"),
    "repeated-negative": ({"argnums": (1, -2)}, f, (X, Y, Z), "names an argument twice"),
    "float": ({"argnums": 1.0}, f, (X, Y, Z), "argnums is a number of an argument or a tuple"),
    "bool": ({"argnums": True}, f, (X, Y, Z), "argnums is a number of an argument or a tuple"),
    "name": ({"argnums": "x"}, f, (X, Y, Z), "argnums is a number of an argument or a tuple"),
    "not-a-function": ({}, X, (X,), "differentiates a function, not array"),
    "a-variable": ({}, hg.variable(1.0), (X,), "differentiates a function, not Variable"),
    "string": ({}, lambda v: v, ("a",), "argument 0 is 'a', of type str; .* nested list, tuple or dict"),
    "dataclass": ({}, lambda p: p.w, (Parameters(),), r"argument 0 is Parameters\(w=2.0\), of type"),
    "none": ({}, lambda p: p, (None,), "argument 0 is None, of type NoneType"),
    "forgot-return": ({}, lambda x: None, (X,), "returned None, of type NoneType: does it lack its return"),
    "returns-string": ({}, lambda x: "a", (X,), "the function returned 'a', of type str, not arrays"),
    "returns-object": ({}, lambda x: Parameters(np.sum(x)), (X,), "of type Parameters, not arrays"),
    "complex": ({}, np.abs, (1j,), "a complex one has no gradients here"),
    "complex-array": ({}, np.abs, (X + 1j,), "a complex one has no gradients here"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "g", "xs", "said"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_misuse_is_told_in_a_sentence(operation, options, g, xs, said):
    if operation in (hg.hvp, hg.jvp) and xs:
        xs = (*xs, np.ones(2))
    elif operation in (hg.hvp, hg.jvp):
        said = rf"{operation.__name__}\(f\)\(x, v\)"
    with pytest.raises(TypeError, match=said):
        operation(g, **options)(*xs)


@pytest.mark.parametrize("operation", [hg.grad, hg.value_and_grad, hg.hessian, hg.hvp])
def test_a_gradient_is_of_one_scalar(operation):
    xs = (X, X) if operation is hg.hvp else (X,)
    with pytest.raises(TypeError, match="needs one scalar, and the function returned a tuple"):
        operation(lambda x: (np.sum(x), np.sum(x)))(*xs)
    with pytest.raises(ValueError, match=r"needs a scalar, and this output has shape \(2,\)"):
        operation(lambda x: x * x)(*xs)


def test_aux_wants_a_pair():
    gradient, aux = hg.grad(lambda x: (np.sum(x * x), {"x": x}), has_aux=True)(X)
    np.testing.assert_array_equal(gradient, 2 * X)
    np.testing.assert_array_equal(aux["x"], X)
    with pytest.raises(TypeError, match=r"grad with has_aux: the function returns \(loss, aux\), not"):
        hg.grad(np.sum, has_aux=True)(X)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_a_result_that_does_not_depend_on_its_argument_is_told(operation):
    for constant in (
        lambda x: 3.0,
        lambda x: np.sum(x.value) * 1.0,
        lambda x: np.argmax(x),
        lambda x: np.sum(X),
    ):
        with pytest.warns(hg.NoGradientWarning, match="does not depend on .* gradient is 0") as caught:
            made = called(operation, constant, 0, X)
        assert caught[0].filename == __file__
        made = made[1] if operation in (hg.value_and_grad, hg.jvp) else made
        np.testing.assert_array_equal(made, np.zeros(np.shape(made)))


def test_derivatives_that_are_constant_are_nothing_to_tell():
    assert hg.hessian(lambda x: np.sum(3 * x))(X).tolist() == [[0, 0], [0, 0]]
    assert hg.grad(hg.grad(lambda x: 3 * x))(2.0) == 0.0
    assert hg.hvp(lambda x: np.sum(3 * x))(X, X).tolist() == [0, 0]
    assert hg.grad(lambda p: np.sum(X))({}) == {}


def test_directions_have_the_structure_of_their_argument():
    net = {"W": np.eye(2), "b": [Y]}
    out, change = hg.jvp(lambda p, x: np.tanh(x @ p["W"] + p["b"][0]))(
        net, X, {"W": np.ones((2, 2)), "b": [X]}
    )
    np.testing.assert_allclose(out, np.tanh(X + Y))
    np.testing.assert_allclose(change, (1 - out**2) * (np.sum(X) + X))
    curved = hg.hvp(lambda p: np.sum(p["W"] ** 3) + np.sum(p["b"][0]))(
        net, {"W": np.full((2, 2), 2.0), "b": [X]}
    )
    np.testing.assert_array_equal(curved["W"], 12 * np.eye(2))
    np.testing.assert_array_equal(curved["b"][0], [0, 0])
    with pytest.raises(ValueError, match="parts"):
        hg.jvp(lambda p: p["W"])(net, {"W": np.eye(2)})
    with pytest.raises(ValueError, match=r"dout has shape \(3,\), but the output has \(2,\)"):
        hg.jvp(np.sin)(X, Z)


def test_stop_gradient_holds_constant_at_every_level():
    assert hg.grad(lambda x: x * hg.stop_gradient(x))(3.0) == 3.0
    assert hg.grad(hg.grad(lambda x: x * x * hg.stop_gradient(x)))(3.0) == 6.0
    assert hg.grad(lambda x: hg.stop_gradient({"a": [x, "name"]})["a"][0] * x)(3.0) == 3.0
    assert type(hg.stop_gradient(hg.variable(X))) is np.ndarray
    assert hg.stop_gradient(X) is X


def test_lists_beside_a_recorded_array_may_hold_recorded_numbers():
    got = hg.grad(lambda x: np.sum(x * [x[0], 2.0] + (x[1], 1.0) / x))(X)
    want = hg.grad(lambda x: np.sum(x * np.stack([x[0], 2.0]) + np.stack([x[1], 1.0]) / x))(X)
    np.testing.assert_array_equal(got, want)
