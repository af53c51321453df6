"""NumPy's own functions on Variables: NumPy's values, and gradients that are those of differences."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.special

import handgrad as hg
from handgrad.tape.functions import TABLE, values
from handgrad.tape.namespace import BY_NAME

from ..rules.numerics import assert_gradient, element_directions
from . import calls
from .calls import CALLS


@pytest.mark.parametrize("name", CALLS)
def test_value_and_gradient(name):
    function, shapes, draw = CALLS[name]
    r = np.random.default_rng([*name.encode()])
    xs = [draw(r, *shape) for shape in shapes]
    variables = [hg.variable(x) for x in xs]
    out = function(*variables)
    assert isinstance(out, hg.Variable)
    np.testing.assert_allclose(out.value, function(*xs), rtol=1e-14, atol=1e-15)
    assert out.value.dtype == np.float64
    dout = np.asarray(r.normal(size=out.shape))
    out.backward(dout)
    grads = [v.grad for v in variables]
    assert_gradient(lambda xs: function(*xs), xs, dout, grads, element_directions(xs), 3e-9)


def test_every_function_of_the_table_is_called():
    source = Path(calls.__file__).read_text() + Path(calls.__file__).with_name("snippets.txt").read_text()

    def is_called(name):
        return name in CALLS or re.search(rf"np\.{name}\b", source)

    composed = {name: made for name, made in BY_NAME.items() if made not in values.TABLE.values()}
    called = {id(made) for name, made in composed.items() if is_called(name)}
    assert [name for name, made in composed.items() if id(made) not in called] == []
    linalg = [name for name, f in vars(np.linalg).items() if callable(f) and f in TABLE]
    assert [name for name in linalg if not is_called(f"linalg.{name}")] == []


def test_constant_bounds_of_clip_are_inside():
    v = hg.variable(np.array([-1.0, 0.0, 2.0]))
    for out in (np.clip(v, -1.0, 1.0), v.clip(-1.0, 1.0), hg.clip(v, -1.0, 1.0)):
        hg.sum(out).backward()
        np.testing.assert_array_equal(v.grad, [1.0, 1.0, 0.0])


def test_power_and_maximum_of_a_plain_array_first():
    for function in (np.maximum, np.power, np.subtract, np.matmul, np.hypot):
        v, plain = hg.variable(np.full((2, 2), 1.5)), np.full((2, 2), 2.0)
        np.testing.assert_array_equal(function(plain, v).value, function(plain, v.value))


WITHOUT_DERIVATIVE = [
    np.floor, np.ceil, np.rint, np.trunc, np.round, np.isfinite, np.isnan, np.signbit, np.logical_not, np.any,
    np.all, np.argmax, np.argsort, np.count_nonzero, np.ones_like, np.zeros_like, np.shape, np.ndim,
]  # fmt: skip


@pytest.mark.parametrize("function", WITHOUT_DERIVATIVE, ids=lambda function: function.__name__)
def test_what_has_no_derivative_is_a_plain_result(function):
    x = np.array([[0.4, -1.6], [2.0, 0.0]])
    got = function(hg.variable(x))
    assert not isinstance(got, hg.Variable)
    np.testing.assert_array_equal(got, function(x))


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (np.fft.fft, "np.fft.fft: it gives complex numbers"),
        (np.histogram, "np.bincount"),
        (lambda v: np.setdiff1d(v, v), r"np\.isin"),
        (lambda v: np.polyfit(v[0], v[1], 1, full=True), "full= or cov="),
        (np.linalg.eig, "np.linalg.eig"),
        (np.emath.sqrt, "np.emath.sqrt"),
        (np.i0, "np.i0"),
        (scipy.special.sici, "sici"),
        (lambda v: scipy.special.huber(2.0, v), "huber"),
        (np.frompyfunc(abs, 1, 1), "abs"),
        (np.subtract.accumulate, "np.subtract.accumulate"),
        (lambda v: np.linalg.qr(v[:, :1], "complete"), "mode='complete'"),
        (lambda v: np.linalg.svd(v[:1]), "full_matrices=False"),
        (lambda v: np.linalg.svd(v, hermitian=True), r"np\.linalg\.eigh"),
        (lambda v: np.linalg.pinv(v, hermitian=True), "hermitian="),
        (lambda v: np.pad(v, 1, constant_values=(1, 2)), "one constant value"),
        (lambda v: np.exp(v, where=[True, False]), r"np.exp of a recorded array has no where=.*np.where"),
        (lambda v: np.geomspace(v, 2.0, axis=1), "np.geomspace of a recorded array has no axis="),
        (lambda v: np.cumsum(v, 0, None, np.ones((2, 2))), "np.cumsum cannot write .* leave out= away"),
        (lambda v: np.sum(v, out=np.ones(())), "np.sum cannot write"),
        (lambda v: np.quantile(v, 0.3, method="lower"), "method='lower'"),
        (lambda v: np.var(v, mean=0.0), "mean="),
        (lambda v: np.max(v, where=v > 0), "needs initial="),
        (lambda v: np.add.at(v, [0], 1.0), "np.add.at"),
        (lambda v: np.add.at(np.ones(2), [0, 1], v[0]), "np.add.at changes .*scatter_add"),
        (lambda v: np.copyto(np.ones((2, 2)), v), r"np\.copyto .* it writes into .* np\.stack"),
        (lambda v: np.eye(2).view(np.matrix) @ v, "matrix.*np.asarray"),
        (lambda v: np.eye(2).view(np.matrix) * v, "matrix.*np.asarray"),
        (lambda v: np.ma.masked_array([1.0, 2.0], [0, 1]) * v, "plain array"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_functions_without_a_rule_are_named(call, name):
    with pytest.raises((TypeError, ValueError), match=name):
        call(hg.variable(np.eye(2)))


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_norms_of_any_order_neither_overflow_nor_vanish(size):
    x = np.array([3.0, -4.0, 1.0]) * size
    for order in (1, 1.5, 2, 3, 7.5, np.inf):
        out, backward = hg.vjp(lambda x, order=order: np.linalg.norm(x, order), x)
        np.testing.assert_allclose(out / size, np.linalg.norm(x / size, order), rtol=1e-14)
        (slope,) = hg.vjp(lambda x, order=order: np.linalg.norm(x, order), x / size)[1](1.0)
        np.testing.assert_allclose(backward(1.0)[0], slope, rtol=1e-12)
