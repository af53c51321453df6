"""Variables in expressions: with whatever stands beside them, and what they refuse."""

import copy
import math
import operator
import subprocess
import sys

import numpy as np
import pytest

import handgrad as hg
from handgrad.tape import HistoryLost

from ..rules.numerics import assert_gradient, element_directions

# As who imported them by name before anything was recorded has them.
array, asarray = (getattr(f, "__wrapped__", f) for f in (np.array, np.asarray))
V = np.array([[0.5, 1.5, 2.5], [3.0, 0.25, 1.25]])
OTHERS = {
    "array": np.array([[1.0, 2.0, 0.5], [4.0, 0.1, 1.5]]),
    "row": np.array([1.0, 2.0, 0.5]),
    "strided": np.arange(1.0, 13.0).reshape(6, 2)[::2].T,
    "float64": np.float64(1.5),
    "float32": np.float32(1.5),
    "int64": np.int64(2),
    "0-d": np.array(1.5),
    "float": 1.5,
    "int": 2,
    "bool": True,
    "list": [1.0, 2.0, 0.5],
    "nested-list": [[1.0, 2.0, 0.5], [1, 2, 3]],
    "tuple": (1.0, 2.0, 0.5),
}
OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_operators_both_ways_round(op, other):
    rule = {"add": hg.add, "sub": hg.subtract, "mul": hg.multiply, "truediv": hg.divide, "pow": hg.power}
    plain = np.asarray(other) if isinstance(other, (list, tuple)) else other
    dout = np.random.default_rng(0).normal(size=(2, 3))
    for swapped in (False, True):
        v = hg.variable(V)
        pair = (plain, V) if swapped else (V, plain)
        out = op(other, v) if swapped else op(v, other)
        assert isinstance(out, hg.Variable)
        np.testing.assert_array_equal(out.value, op(*pair))
        out.backward(dout)
        _, backward = rule[op.__name__].vjp(*pair)
        np.testing.assert_array_equal(v.grad, backward(dout)[swapped])


@pytest.mark.parametrize(
    "other", [OTHERS["array"].T, OTHERS["array"].T.tolist(), np.ones(3), [1.0, 2.0, 3.0]]
)
def test_matrix_products_both_ways_round(other):
    v = hg.variable(V)
    right = v @ other
    np.testing.assert_array_equal(right.value, V @ np.asarray(other))
    left = np.asarray(other).T @ hg.variable(V.T)
    np.testing.assert_array_equal(left.value, np.asarray(other).T @ V.T)
    as_list = np.ones(2).tolist() @ v
    np.testing.assert_array_equal(as_list.value, np.ones(2) @ V)


def test_unary_operators():
    for op, slope in ((operator.neg, -1.0), (operator.pos, 1.0), (abs, np.sign(V - 1))):
        v = hg.variable(V - 1)
        out = op(v)
        np.testing.assert_array_equal(out.value, op(V - 1))
        hg.sum(out).backward()
        np.testing.assert_array_equal(v.grad, np.broadcast_to(slope, V.shape))


def test_comparisons_give_plain_arrays():
    v, w = hg.variable(V), hg.variable(V[::-1])
    for op in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        for other in (1.5, V[::-1], w):
            plain = other.value if other is w else other
            got, swapped = op(v, other), op(other, v)
            assert type(got) is type(swapped) is np.ndarray
            np.testing.assert_array_equal(got, op(V, plain))
            np.testing.assert_array_equal(swapped, op(plain, V))


def test_attributes_are_those_of_the_array():
    v = hg.variable(V)
    assert (v.shape, v.ndim, v.size, v.dtype, len(v)) == ((2, 3), 2, 6, np.float64, 2)
    np.testing.assert_array_equal(v.T.value, V.T)
    np.testing.assert_array_equal(v.mT.value, V.T)
    np.testing.assert_array_equal([row.value for row in v], V)
    assert "Variable(loss: 1.5" in repr(hg.variable(1.5, name="loss"))
    assert f"{hg.variable(1.25):.1f}" == "1.2"
    scalar = hg.variable(np.array(2.0))
    assert bool(scalar) is True
    assert list(range(3))[hg.variable(2)] == int(hg.variable(2)) == 2


METHODS = {
    "sum": lambda x: x.sum(axis=0),
    "mean": lambda x: x.mean(axis=1, keepdims=True),
    "prod": lambda x: x.prod(),
    "max": lambda x: x.max(axis=1),
    "min": lambda x: x.min(0),
    "var": lambda x: x.var(axis=0, ddof=1),
    "std": lambda x: x.std(axis=1),
    "reshape": lambda x: x.reshape(3, 2),
    "reshape-tuple": lambda x: x.reshape((3, -1)),
    "transpose": lambda x: x.transpose(),
    "transpose-axes": lambda x: x.transpose(1, 0),
    "transpose-tuple": lambda x: x.transpose((1, 0)),
    "flatten": lambda x: x.flatten(),
    "ravel": lambda x: x.ravel(),
    "squeeze": lambda x: x[:1].squeeze(0),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "take": lambda x: x.take([2, 0], axis=1),
    "repeat": lambda x: x.repeat(2, axis=0),
    "copy": lambda x: x.copy(),
    "cumsum": lambda x: x.cumsum(axis=1),
    "cumprod": lambda x: x.cumprod(),
    "trace": lambda x: x.trace(),
    "diagonal": lambda x: x.diagonal(1),
    "real": lambda x: x.real,
    "conj": lambda x: x.conj(),
    "flat": lambda x: x.flat[2],
    "reshape-F": lambda x: x.reshape(-1, order="F"),
    "clip": lambda x: x.clip(0.4, 2.0),
    "dot": lambda x: x.dot(np.ones(3)),
    "astype": lambda x: x.astype(np.float32),
    "getitem": lambda x: x[1, ::-2],
    "mask": lambda x: x[np.array([True, False])],
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_methods_are_the_arrays(method):
    v = hg.variable(V)
    out = method(v)
    np.testing.assert_array_equal(out.value, method(V))
    out.backward(np.full(out.shape, 2.0))
    assert v.grad.shape == V.shape
    assert np.any(v.grad != 0)


def test_argmax_is_a_plain_array():
    np.testing.assert_array_equal(hg.variable(V).argmax(axis=1), V.argmax(axis=1))
    np.testing.assert_array_equal(hg.variable(V).argmin(), V.argmin())


def test_writing_in_place_is_refused_with_what_to_write():
    v, plain = hg.variable(V), V.copy()
    with pytest.raises(TypeError, match=r"cannot be changed in place.*where\(mask, value, x\).*scatter_add"):
        v[0] = 1.0
    with pytest.raises(TypeError, match=r"np.add cannot write .* write x = x \+ v"):
        plain += v
    with pytest.raises(TypeError, match=r"np\.multiply cannot write"):
        plain *= v
    with pytest.raises(TypeError, match="leave out= away"):
        np.add(plain, v, out=plain)
    with pytest.raises(TypeError, match="leave out= away"):
        np.exp(v, out=plain)
    np.testing.assert_array_equal(plain, V)


def test_augmented_assignment_makes_a_new_variable():
    v = w = hg.variable(V)
    w += 1.0
    w *= V
    assert w is not v
    np.testing.assert_array_equal(v.value, V)
    np.testing.assert_array_equal(w.value, (V + 1) * V)


def _write(index, value):
    np.zeros((2, 3))[index] = value


def _accumulate(v):
    acc = np.zeros(2)
    acc[0] += v[0, 0]


TAKES_OUT = {
    "float": float,
    "int": int,
    "complex": complex,
    "index": operator.index,
    "item": lambda v: v.item(),
    "tolist": lambda v: v.tolist(),
    "math": math.sin,
    "float64": np.float64,
    "percent": lambda v: "%.2f" % v,  # noqa: UP031
    "asarray-by-name": asarray,
    "array-by-name": lambda v: array([v, 1.0]),
    "write-item": lambda v: _write((0, 1), v),
    "write-slice": lambda v: _write(slice(None), v),
    "write-list": lambda v: _write((0, slice(0, 2)), [v, v]),
    "fill": lambda v: np.zeros(2).fill(v),
    "copyto": lambda v: np.copyto(np.zeros(2), v),
    "vectorize": lambda v: np.vectorize(math.erf)(v),
    "random": lambda v: np.random.default_rng(0).normal(v, 1.0),
    "reduction-of-list": lambda v: np.linalg.norm([v, v]),
    "fromiter": lambda v: np.fromiter([v, v], float),
    "masked": lambda v: np.ma.masked_array(v, [True]),
    "view-of-list": lambda v: hg.variable([v, v]),
    "set": lambda v: v.__setitem__(0, 1.0),
}


@pytest.mark.parametrize("take", TAKES_OUT.values(), ids=TAKES_OUT)
def test_no_number_leaves_a_recording_in_silence(take):
    """At level 0 and under grad; NumPy turns what it meets in an item's assignment into a ValueError."""
    with pytest.raises((HistoryLost, ValueError)) as caught:
        take(hg.variable(0.5))
    found = caught.value if isinstance(caught.value, HistoryLost) else caught.value.__cause__
    assert isinstance(found, HistoryLost)
    for derivative in (hg.grad, hg.value_and_grad, hg.jacobian, lambda f: hg.grad(hg.grad(f))):
        with pytest.raises(HistoryLost, match=r"np\.stack|where\(mask|use it"):
            derivative(lambda x: (take(x[0]), hg.sum(x))[1])(np.ones(2))


def test_what_is_accumulated_in_an_array_is_refused_too():
    with pytest.raises(HistoryLost, match=r"for a\[i\] = v collect"):
        hg.grad(lambda x: (_accumulate(x), hg.sum(x))[1])(np.ones((1, 1)))


def test_the_way_out_is_value_and_copies_keep_the_history():
    v = hg.variable(np.array([0.5, 1.5]))
    np.testing.assert_array_equal(np.asarray(v.value), [0.5, 1.5])
    for same in (copy.copy, copy.deepcopy, lambda v: v.copy(), np.copy, np.array, np.asarray):
        hg.sum(same(v) ** 2).backward()
        np.testing.assert_array_equal(v.grad, [1.0, 3.0])
    assert (str(v), f"{v[0]:.1f}", repr(v)) == ("Variable(array([0.5, 1.5]))", "0.5", str(v))


def test_arrays_of_recorded_numbers_are_recorded_while_something_is():
    before = np.array, np.full, np.r_

    def f(x):
        rotation = np.array([[np.cos(x[0]), -np.sin(x[0])], [np.sin(x[0]), 1.0]])
        return np.sum(rotation @ np.r_[x, 0.5][1:] * np.full(2, x[1]))

    x = np.array([0.4, -1.2])
    assert_gradient(lambda xs: f(*xs), [x], np.float64(1), [hg.grad(f)(x)], element_directions([x]), 3e-9)
    assert (np.array, np.full, np.r_) == before
    np.testing.assert_array_equal(np.array([[1, 2]], dtype=np.float32, ndmin=3).shape, (1, 1, 2))


def test_numpy_is_its_own_after_a_derivative():
    code = """
import numpy as np, handgrad as hg
own = np.array, np.concatenate, np.r_
print(hg.grad(lambda x: np.sum(np.array([x, x * own[0](2.0)]) * (np.array is not own[0])))(1.5))
try:
    hg.grad(lambda x: 1 / 0)(1.5)
except ZeroDivisionError:
    print(own == (np.array, np.concatenate, np.r_))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["3.0", "True"]


def test_operators_of_whole_numbers():
    v, plain = hg.variable(np.array([6, 3])), np.array([6, 3])
    for op in (operator.and_, operator.or_, operator.xor, operator.floordiv, operator.mod):
        np.testing.assert_array_equal(getattr(op(v, 2), "value", op(v, 2)), op(plain, 2))
        np.testing.assert_array_equal(getattr(op(7, v), "value", op(7, v)), op(7, plain))
    np.testing.assert_array_equal(~v, ~plain)
    np.testing.assert_array_equal(hg.variable(V) // 0.4, V // 0.4)
    assert round(hg.variable(1.26), 1) == 1.3
    assert round(hg.variable(1.26)) == 1
    quotient, rest = divmod(hg.variable(5.5), 2)
    assert (quotient, rest.value) == (2.0, 1.5)
    quotient, rest = divmod(7, hg.variable(2.0))
    rest.backward()
    assert (quotient, rest.value) == (3.0, 1.0)


def test_whole_numbers_are_a_plain_array():
    got = hg.variable(V).astype(int)
    assert type(got) is np.ndarray
    np.testing.assert_array_equal(hg.grad(lambda x: hg.sum(x.astype(int) * 2.0 + x))(V), np.ones_like(V))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * 1j,
        lambda x: x + np.array([1j, 0]),
        lambda x: hg.exp(1j * x),
        lambda x: np.array([x[0], 1j]),
        lambda x: np.where(x > 0, x, 1j),
        lambda x: x.astype(complex),
        lambda x: hg.stack([x[0], 2j]),
    ],
)
def test_complex_numbers_on_the_way_are_refused_where_they_come(f):
    with pytest.raises(TypeError, match=r"complex.* has no gradients here: compute with two real arrays"):
        hg.grad(lambda x: np.sum(np.abs(f(x))))(np.ones(2))
    with pytest.raises(TypeError, match="real numbers; a complex one has no gradients here"):
        hg.grad(lambda x: np.abs(x))(1j)
    with pytest.raises(TypeError, match="complex"):
        hg.vjp(hg.sin, 1.0)[1](1j)


def test_variables_hold_real_numbers():
    assert hg.variable([[1.0, 2.0]]).shape == (1, 2)
    for wrong in (np.array(["a"]), np.array([1j]), ["a"], np.array([None]), "abc", None, {}, sum):
        with pytest.raises(TypeError, match=r"real numbers|an array, a number or nested lists"):
            hg.variable(wrong)


def test_backward_sets_and_does_not_add():
    v = hg.variable(V)
    out = hg.sum(v * v)
    for _ in range(3):
        out.backward()
        np.testing.assert_array_equal(v.grad, 2 * V)
    assert out.grad == 1.0


def test_a_second_graph_has_its_own_gradients():
    v = hg.variable(V)
    first, second = hg.sum(v * 2.0), hg.sum(v * 3.0)
    first.backward()
    second.backward()
    np.testing.assert_array_equal(v.grad, np.full_like(V, 3.0))
    first.backward()
    np.testing.assert_array_equal(v.grad, np.full_like(V, 2.0))


def test_intermediate_variables_get_gradients_too():
    v = hg.variable(V)
    middle = v * v
    hg.sum(hg.sin(middle)).backward()
    np.testing.assert_array_equal(middle.grad, np.cos(V * V))


def test_fan_out_adds_all_paths():
    v = hg.variable(3.0)
    (v * v + v * v * v + v).backward()
    assert v.grad == 6.0 + 27.0 + 1.0
    v = hg.variable(np.array([1.0, 2.0]))
    hg.sum(hg.stack([v, v, 2 * v])).backward()
    np.testing.assert_array_equal(v.grad, [4.0, 4.0])
    v = hg.variable(2.0)
    (v + v).backward()
    assert v.grad == 2.0


def test_backward_wants_a_dout_that_fits():
    out = hg.variable(V) * 2
    with pytest.raises(ValueError, match=r"needs a scalar, and this output has shape \(2, 3\).*dout"):
        out.backward()
    with pytest.raises(ValueError, match=r"dout has shape \(3,\), but the output has \(2, 3\)"):
        out.backward(np.ones(3))
    out.backward([[1.0] * 3] * 2)


def test_a_part_of_several_outputs():
    v = hg.variable(np.arange(6.0))
    _, middle, _ = hg.split(v, 3)
    hg.sum(middle * middle).backward()
    np.testing.assert_array_equal(v.grad, [0, 0, 4, 6, 0, 0])


def test_python_numbers_keep_their_kind():
    v = hg.variable(3)
    (v * v).backward()
    assert v.grad == 6
    v = hg.variable(2.0)
    (1 / v).backward()
    assert v.grad == -0.25


def test_gradients_may_be_written_into():
    """Rules hand dout on, to several inputs and as views; what is kept is nobody else's."""
    x, y, z = (hg.variable(np.arange(3.0)) for _ in range(3))
    dout = np.array([1.0, 2.0, 3.0])
    out = x + y + hg.broadcast_to(hg.sum(z), (3,))
    out.backward(dout)
    for v in (x, y, z):
        v.grad *= 100
    assert dout.tolist() == [1, 2, 3]
    assert x.grad.tolist() == y.grad.tolist() == [100, 200, 300]
    assert z.grad.tolist() == [600, 600, 600]
    dx, dy = hg.vjp(lambda x, y: x + y, x.value, y.value)[1](dout)
    dx *= 100
    assert dy.tolist() == dout.tolist() == [1, 2, 3]
    flat = hg.grad(hg.sum)(np.ones((2, 3)))
    flat += 1
    assert flat.tolist() == [[2, 2, 2], [2, 2, 2]]
