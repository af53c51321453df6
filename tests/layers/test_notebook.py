"""The notebook's layers: its numbers, to the last digit printed, and none of its faults."""

import builtins
import subprocess
import sys
import textwrap
from fractions import Fraction

import numpy as np
import pytest

import handgrad as hg
from handgrad import AddLayer, MulLayer, SoftmaxWithLoss, cross_entropy_error
from handgrad.layers.history import LIMIT

A = np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 1.0]])
ONE_HOT = np.array([[1, 0, 0], [0, 1, 0]])
INDICES = np.array([0, 1])

CELLS = """
from handgrad import *
import numpy as np

arrays = np.array([100, 101, 102]), np.array([2, 3, 4]), np.array([300, 301, 302])
for x1, x2, x3 in [(100, 2, 300), arrays]:
    mul_layer, add_layer = MulLayer(), AddLayer()
    a = mul_layer.forward(x1, x2)
    print(add_layer.forward(a, x3))
    da, dx3 = add_layer.backward(1)
    dx1, dx2 = mul_layer.backward(da)
    print(dx1, dx2, dx3)

layer = SoftmaxWithLoss()
loss = layer.forward(np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 1.0]]), np.array([[1, 0, 0], [0, 1, 0]]))
da = layer.backward()
print("Softmax Result:\\n", layer.y)
print("Cross Entropy Loss:", loss)
print("Gradient:\\n", da)
"""

PRINTED = """\
500
2 100 1
[500 604 710]
[2 3 4] [100 101 102] 1
Softmax Result:
 [[0.2312239  0.62853172 0.14024438]
 [0.1553624  0.4223188  0.4223188 ]]
Cross Entropy Loss: 1.1631814594485623
Gradient:
 [[-0.38438805  0.31426586  0.07012219]
 [ 0.0776812  -0.2888406   0.2111594 ]]
"""


def test_the_notebook_prints_what_it_printed():
    ran = subprocess.run([sys.executable, "-c", CELLS], capture_output=True, text=True, check=True)
    assert ran.stdout == PRINTED


def test_python_integers_stay_python_integers():
    mul = MulLayer()
    assert type(mul.forward(100, 2)) is int
    assert [type(g) for g in mul.backward(3)] == [int, int]


def test_lists_are_arrays():
    assert AddLayer().forward([1, 2], [3, 4]).tolist() == [4, 6]


def test_star_import_hides_no_builtin():
    assert not set(hg.__all__) & set(dir(builtins))
    assert len(set(hg.__all__)) == len(hg.__all__)
    assert all(hasattr(hg, name) for name in hg.__all__)
    assert hg.sum is hg.rules.sum


@pytest.mark.parametrize("labels", [ONE_HOT, INDICES, ONE_HOT.astype(float), ONE_HOT.astype(bool)])
def test_all_kinds_of_labels_agree(labels):
    layer = SoftmaxWithLoss()
    assert layer.forward(A, labels) == 1.1631814594485623
    assert layer.loss == 1.1631814594485623
    assert layer.t.tolist() == labels.tolist()
    np.testing.assert_allclose(layer.backward(), (layer.y - ONE_HOT) / 2, rtol=1e-15)


def test_backward_scales_by_dout():
    layer = SoftmaxWithLoss()
    layer.forward(A, INDICES)
    np.testing.assert_allclose(layer.backward(-2.5), -2.5 * layer.backward(), rtol=1e-15)


def test_one_dimensional_input():
    layer = SoftmaxWithLoss()
    loss = layer.forward(A[0], 0)
    np.testing.assert_allclose(loss, -np.log(hg.softmax(A[0])[0] + 1e-7), rtol=1e-15)
    np.testing.assert_allclose(layer.backward(), hg.softmax(A[0]) - ONE_HOT[0], rtol=1e-15)
    layer.forward(A[0], ONE_HOT[0])
    np.testing.assert_allclose(layer.backward(), hg.softmax(A[0]) - ONE_HOT[0], rtol=1e-15)
    assert cross_entropy_error(hg.softmax(A[0]), 0) == loss


def test_integer_scores():
    layer = SoftmaxWithLoss()
    layer.forward(np.array([[1, 2, 3]]), np.array([[0.5, 0.25, 0.25]]))
    np.testing.assert_allclose(layer.backward(), hg.softmax([1.0, 2, 3]) - [[0.5, 0.25, 0.25]], rtol=1e-14)


@pytest.mark.parametrize(
    ("x_shape", "y_shape"), [((3, 1), (1, 4)), ((4,), (3, 4)), ((), (3,)), ((2, 3), ()), ((1,), (5,))]
)
@pytest.mark.parametrize("kind", [AddLayer, MulLayer])
def test_broadcast_inputs_get_gradients_of_their_own_shape(kind, x_shape, y_shape):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(x_shape), rng.standard_normal(y_shape)
    layer = kind()
    dout = rng.standard_normal(layer.forward(x, y).shape)
    dx, dy = layer.backward(dout)
    rule = {AddLayer: hg.add, MulLayer: hg.multiply}[kind]
    expected = rule.vjp(x, y)[1](dout)
    for got, want, shape in zip((dx, dy), expected, (x_shape, y_shape), strict=True):
        assert np.shape(got) == shape
        np.testing.assert_allclose(got, want, rtol=1e-15)


def test_a_number_for_dout_counts_for_each_element():
    layer = AddLayer()
    layer.forward(np.zeros((2, 3)), np.zeros(3))
    dx, dy = layer.backward(5.0)
    np.testing.assert_array_equal(dx, np.full((2, 3), 5.0))
    np.testing.assert_array_equal(dy, np.full(3, 10.0))


def test_dout_that_does_not_fit():
    layer = MulLayer()
    layer.forward(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match=r"MulLayer: dout has shape \(2,\), the output \(3,\)"):
        layer.backward(np.ones(2))


@pytest.mark.parametrize(
    ("t", "error", "said"),
    [
        ([0, 3], ValueError, "label 3 is out of range: there are 3 classes"),
        ([-1, 0], ValueError, "label -1 is out of range"),
        ([0, 1, 2], ValueError, r"labels of shape \(3,\) do not fit outputs of shape \(2, 3\)"),
        ([[1, 0], [0, 1]], ValueError, r"labels of shape \(2, 2\)"),
        ([0.0, 1.0], TypeError, "class indices are integers, not float64"),
    ],
)
def test_labels_that_do_not_fit(t, error, said):
    with pytest.raises(error, match=said):
        SoftmaxWithLoss().forward(A, np.array(t))
    with pytest.raises(error, match=said):
        cross_entropy_error(hg.softmax(A), np.array(t))


def test_nothing_passed_in_is_mutated_or_shared():
    x, y, dout = np.ones(3), np.full(3, 2.0), np.full(3, 3.0)
    for layer in (AddLayer(), MulLayer()):
        layer.forward(x, y)
        dx, dy = layer.backward(dout)
        dx *= 100
        dy *= 100
        assert (x.tolist(), y.tolist(), dout.tolist()) == ([1] * 3, [2] * 3, [3] * 3)
        assert dx is not dy


def test_writing_into_an_input_after_forward_does_not_change_the_backward():
    x, y = np.array([2.0]), np.array([5.0])
    layer = MulLayer()
    layer.forward(x, y)
    x[:] = y[:] = 0
    assert [g.tolist() for g in layer.backward(1.0)] == [[5.0], [2.0]]


def test_a_layer_used_twice_answers_last_first_and_then_repeats():
    layer = MulLayer()
    layer.forward(2, 3)
    layer.forward(5, 7)
    assert layer.backward(1) == (7, 5)
    assert layer.backward(1) == (3, 2)
    assert layer.backward(1) == (3, 2)
    layer.forward(11, 13)
    assert layer.backward(1) == (13, 11)


def test_forwards_alone_keep_a_bounded_number():
    layer = AddLayer()
    for i in range(LIMIT):
        layer.forward(i, i)
    with pytest.warns(UserWarning, match=f"AddLayer: {LIMIT + 1} forwards wait for their backward"):
        layer.forward(0, 0)
    for i in range(9):
        layer.forward(i, i)
    assert len(layer.history.kept) == LIMIT
    for _ in range(LIMIT):
        layer.backward(1)
    with pytest.raises(RuntimeError, match=r"AddLayer: this backward answers a forward .* since 10 waited"):
        layer.backward(1)


@pytest.mark.parametrize("kind", [AddLayer, MulLayer])
def test_what_is_no_number_is_refused(kind):
    for x in ("a", None, ["a", "b"], {}):
        with pytest.raises(TypeError, match="take numbers, arrays and lists of numbers"):
            kind().forward(x, 2)
    with pytest.raises(TypeError, match=rf"{kind.__name__}\.forward\(\) missing .* 'y'"):
        kind().forward(2)
    assert kind().forward(Fraction(1, 2), 2) == {AddLayer: Fraction(5, 2), MulLayer: 1}[kind]


def test_backward_before_forward():
    for layer in (AddLayer(), MulLayer(), SoftmaxWithLoss()):
        with pytest.raises(RuntimeError, match="before any forward"):
            layer.backward(1)


def test_the_reported_loss_has_the_epsilon_and_the_gradient_does_not():
    a = np.array([[0.0, 40.0]])
    layer = SoftmaxWithLoss()
    assert layer.forward(a, np.array([0])) == pytest.approx(-np.log(1e-7), rel=1e-6)
    np.testing.assert_allclose(layer.backward(), [[-1.0, 1.0]])


def test_docstring_example():
    import doctest

    from handgrad.layers import notebook

    assert doctest.testmod(notebook, extraglobs={"hg": hg, "np": np}).failed == 0
    assert textwrap.dedent(notebook.__doc__).count(">>>") >= 3
