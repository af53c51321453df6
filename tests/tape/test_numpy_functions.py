"""NumPy's own functions on Variables: NumPy's values, and gradients that are those of differences."""

import inspect

import numpy as np
import pytest

import handgrad as hg
from handgrad.tape.numpy_functions import ADAPTED

from ..rules.draws import apart, normal, within
from ..rules.numerics import assert_gradient, element_directions

positive = within(0.5, 2.0)

ONE = """
    negative square sqrt exp expm1 log log1p log2 log10 exp2 sin cos arctan sinh cosh tanh reciprocal sum mean
    prod var std max min amax amin transpose squeeze flip copy ravel diag diagonal trace diff rot90 atleast_1d
    atleast_2d positive absolute fabs abs
"""
TWO = """
    add subtract multiply divide true_divide power float_power maximum minimum hypot logaddexp inner dot
    matmul
"""

# name: (function, shapes of the inputs, where they are drawn from)
CALLS = {name: (getattr(np, name), [(3, 3)], positive) for name in ONE.split()}
CALLS |= {
    name: (getattr(np, name), [(3, 3), (3, 3)], apart) for name in "maximum minimum subtract add".split()
}
CALLS |= {name: (getattr(np, name), [(3, 3), (3, 3)], positive) for name in TWO.split()}
CALLS |= {
    "tan": (np.tan, [(4,)], within(-1.2, 1.2)),
    "arcsin": (np.arcsin, [(4,)], within(-0.7, 0.7)),
    "arccos": (np.arccos, [(4,)], within(-0.7, 0.7)),
    "max-axis": (lambda x: np.max(x, axis=0, keepdims=True), [(3, 4)], apart),
    "amin-axis": (lambda x: np.amin(x, axis=(0, 1)), [(3, 4)], apart),
    "sum-keyword": (lambda x: np.sum(x, axis=-1, keepdims=True), [(2, 3)], normal),
    "add.reduce": (np.add.reduce, [(3, 4)], normal),
    "multiply.reduce": (lambda x: np.multiply.reduce(x, axis=1), [(3, 4)], normal),
    "maximum.reduce": (np.maximum.reduce, [(3, 4)], apart),
    "minimum.reduce": (lambda x: np.minimum.reduce(x, axis=None), [(3, 4)], apart),
    "var-ddof": (lambda x: np.var(x, axis=0, ddof=1), [(4, 2)], normal),
    "std-correction": (lambda x: np.std(x, correction=1, keepdims=True), [(4, 2)], normal),
    "clip": (lambda x: np.clip(x, -0.7, 0.7), [(7,)], apart),
    "clip-one": (lambda x: np.clip(x, None, 0.7), [(7,)], apart),
    "clip-keywords": (lambda x: np.clip(x, min=-0.7, max=0.9), [(7,)], apart),
    "clip-array": (lambda x, low: np.clip(x, low, None), [(7,), (7,)], apart),
    "where": (lambda x, y: np.where(np.array([True, False, True]), x, y), [(2, 3), (3,)], normal),
    "concatenate": (lambda x, y: np.concatenate([x, y], axis=1), [(2, 3), (2, 1)], normal),
    "concatenate-plain": (lambda x: np.concatenate([np.ones(2), x]), [(3,)], normal),
    "stack": (lambda x, y: np.stack((x, y), axis=-1), [(2, 3), (2, 3)], normal),
    "vstack": (lambda x, y: np.vstack([x, y]), [(3,), (2, 3)], normal),
    "hstack": (lambda x, y: np.hstack([x, y]), [(2, 3), (2, 1)], normal),
    "hstack-flat": (lambda x, y: np.hstack([x, y]), [(3,), ()], normal),
    "split": (lambda x: np.split(x, 2, axis=1)[1], [(2, 4)], normal),
    "split-places": (lambda x: np.split(x, [1, 3])[1], [(4, 2)], normal),
    "reshape": (lambda x: np.reshape(x, (3, -1)), [(2, 6)], normal),
    "transpose-axes": (lambda x: np.transpose(x, (1, 2, 0)), [(2, 3, 4)], normal),
    "permute_dims": (lambda x: np.permute_dims(x, (1, 0)), [(2, 3)], normal),
    "moveaxis": (lambda x: np.moveaxis(x, 0, -1), [(2, 3, 4)], normal),
    "moveaxis-same-sizes": (lambda x: np.moveaxis(x, [0, 2], [1, 0]), [(2, 2, 2)], normal),
    "swapaxes": (lambda x: np.swapaxes(x, 0, -1), [(2, 3, 4)], normal),
    "expand_dims": (lambda x: np.expand_dims(x, 1), [(2, 3)], normal),
    "squeeze-axis": (lambda x: np.squeeze(x, axis=0), [(1, 3)], normal),
    "broadcast_to": (lambda x: np.broadcast_to(x, (2, 3)), [(3,)], normal),
    "flip-axis": (lambda x: np.flip(x, 1), [(2, 3)], normal),
    "roll": (lambda x: np.roll(x, 2), [(2, 3)], normal),
    "roll-axis": (lambda x: np.roll(x, -1, axis=1), [(2, 3)], normal),
    "rot90-axes": (lambda x: np.rot90(x, 3, (1, 2)), [(2, 3, 2)], normal),
    "tile": (lambda x: np.tile(x, (2, 2)), [(2, 3)], normal),
    "repeat": (lambda x: np.repeat(x, 2), [(2, 3)], normal),
    "repeat-axis": (lambda x: np.repeat(x, [1, 2, 0], axis=1), [(2, 3)], normal),
    "diag-of-vector-offset": (lambda x: np.diagonal(x, 1), [(3, 3)], normal),
    "diag-vector": (np.diag, [(3,)], normal),
    "diff-axis": (lambda x: np.diff(x, axis=1), [(3, 4)], normal),
    "diff-twice": (lambda x: np.diff(x, n=2), [(5,)], normal),
    "diag-below": (lambda x: np.diag(x, -2), [(3,)], normal),
    "diag-above": (lambda x: np.diag(x, k=1), [(2,)], normal),
    "diag-of-matrix": (lambda x: np.diag(x, -1), [(3, 2)], normal),
    "trace-of-many": (np.trace, [(3, 3, 2)], normal),
    "norm-fro": (lambda x: np.linalg.norm(x, "fro"), [(3, 2)], normal),
    "clip-growing": (lambda x: np.clip(x, np.array([-0.7, 0.1]), None), [()], apart),
    "trace-offset": (lambda x: np.trace(x, offset=1), [(3, 3)], normal),
    "take": (lambda x: np.take(x, [[0, 2], [2, 1]], axis=1), [(2, 3)], normal),
    "take_along_axis": (lambda x: np.take_along_axis(x, np.array([[0], [2]]), axis=1), [(2, 3)], normal),
    "pad": (lambda x: np.pad(x, 1), [(2, 3)], normal),
    "pad-value": (lambda x: np.pad(x, ((0, 1), (2, 0)), constant_values=1.5), [(2, 3)], normal),
    "pad-edge": (lambda x: np.pad(x, 2, mode="edge"), [(2, 3)], normal),
    "outer": (np.outer, [(3,), (2, 2)], normal),
    "vdot": (np.vdot, [(2, 3), (2, 3)], normal),
    "dot-numbers": (np.dot, [(), (2, 3)], normal),
    "dot-vectors": (np.dot, [(3,), (3,)], normal),
    "inner-vector": (np.inner, [(2, 3), (3,)], normal),
    "norm": (np.linalg.norm, [(3, 2)], normal),
    "norm-axis": (lambda x: np.linalg.norm(x, axis=1, keepdims=True), [(3, 2)], normal),
    "norm-two": (lambda x: np.linalg.norm(x, 2), [(3,)], normal),
}  # fmt: skip


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


def test_every_adapted_function_is_called():
    source = inspect.getsource(inspect.getmodule(test_every_adapted_function_is_called))
    called = {name for name in ADAPTED if name in CALLS or f"np.{name}(" in source or f"np.{name}," in source}
    assert called | {"norm"} == set(ADAPTED)


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


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (np.cbrt, "cbrt"),
        (np.fft.fft, "fft"),
        (np.sort, "sort"),
        (np.cumsum, "cumsum"),
        (np.linalg.inv, "inv"),
        (np.add.accumulate, "add.accumulate"),
        (lambda v: np.add.outer(v, v), "add.outer"),
        (lambda v: np.linalg.norm(v, 1), "norm with ord=1"),
        (lambda v: np.linalg.norm(v, 2, axis=(0, 1)), "norm with ord=2"),
        (lambda v: np.pad(v, 1, constant_values=(1, 2)), "one constant value"),
        (lambda v: np.add.at(v, [0], 1.0), "add.at"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_functions_without_a_rule_are_named(call, name):
    with pytest.raises(TypeError, match=name.replace(".", r"\.")):
        call(hg.variable(np.eye(2)))
