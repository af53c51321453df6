"""What a rule is: how its arguments are sorted, and what is said where its author or user errs."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.rules import elementwise, rule


@elementwise
def cubed_sum(x, y, power=3):
    """out = (x + y)³, written here to see what eight lines get."""
    s = x + y

    def backward(dout):
        d = dout * power * s ** (power - 1)
        return d, d

    return s**power, backward


def test_a_rule_of_a_few_lines_gets_everything():
    x, y = np.array([[0.5], [1.5]]), np.array([1.0, 2.0, 3.0])
    v, w = hg.variable(x), hg.variable(y)
    hg.sum(cubed_sum(v, w)).backward()
    np.testing.assert_allclose(v.grad, np.sum(3 * (x + y) ** 2, axis=1, keepdims=True))
    np.testing.assert_allclose(w.grad, np.sum(3 * (x + y) ** 2, axis=0))
    dx, dy = hg.grad(lambda x, y: hg.sum(cubed_sum(x, y)), argnums=(0, 1))(x, y)
    np.testing.assert_array_equal(dx, v.grad)
    np.testing.assert_array_equal(dy, w.grad)
    hessian = hg.hessian(lambda y: hg.sum(cubed_sum(x, y)))(y)
    np.testing.assert_allclose(hessian, np.diag(np.sum(6 * (x + y), axis=0)))
    assert hg.grad(lambda x: cubed_sum(x, 1.0, power=2))(2.0) == 6.0


def test_inputs_and_options_are_told_apart():
    assert (hg.multiply.inputs, hg.multiply.options) == (("x", "y"), ())
    assert (hg.reshape.inputs, hg.reshape.options) == (("x",), ("shape",))
    assert (hg.leaky_relu.inputs, hg.leaky_relu.options) == (("x",), ("negative_slope",))
    assert repr(hg.reshape) == "<rule reshape(x, /, shape)>"
    x = np.arange(6.0)
    for out in (hg.reshape(x, (2, 3)), hg.reshape(x, shape=(2, 3)), hg.reshape(shape=(2, 3), x=x)):
        assert out.shape == (2, 3)
    assert hg.subtract(y=1.0, x=3.0) == hg.subtract(3.0, y=1.0) == 2.0


def test_calls_that_do_not_fit():
    with pytest.raises(TypeError, match="multiply needs y too"):
        hg.multiply(1.0)
    with pytest.raises(TypeError, match="multiply takes at most 2 arguments, got 3"):
        hg.multiply(1.0, 2.0, 3.0)
    with pytest.raises(TypeError, match="axes"):
        hg.sum(np.ones(3), axes=0)


def test_errors_name_rule_inputs_and_shapes():
    with pytest.raises(ValueError, match=r"affine\(x \(5, 3\), W \(4, 2\), b \(2,\)\)$"):
        hg.affine(np.ones((5, 3)), np.ones((4, 2)), np.ones(2))
    with pytest.raises(ValueError, match=r"add\(x \(2, 3\), y \(2,\)\)$"):
        hg.variable(np.ones((2, 3))) + np.ones(2)
    with pytest.raises(IndexError, match=r"getitem\(x \(3,\), index 7\)$"):
        hg.variable(np.ones(3))[7]
    with pytest.raises(ValueError, match=r"concatenate\(arrays \[\(2,\), \(2, 3\)\]\)$"):
        hg.concatenate([np.ones(2), np.ones((2, 3))])
    with pytest.raises(ValueError, match=r"axis 2 is out of .*\n.*in sum\(x \(2, 3\)\)"):
        hg.sum(np.ones((2, 3)), axis=2)
    with pytest.raises(ValueError, match="softmax"):
        hg.grad(lambda x: hg.sum(hg.softmax(x, axis=4)))(np.ones(3))


def test_shaping_errors():
    with pytest.raises(ValueError, match="axis 0 has size 2; only an axis of size 1 can be removed"):
        hg.squeeze(np.ones((2, 1)), axis=0)
    with pytest.raises(ValueError, match="an axis of size 5 does not divide into 2 equal parts"):
        hg.split(np.ones(5), 2)
    with pytest.raises(ValueError, match="widths are 0 or more"):
        hg.pad(np.ones(3), (-1, 0))
    with pytest.raises(ValueError, match="mode is constant, edge, reflect, symmetric or wrap, not 'mean'"):
        hg.pad(np.ones(3), 1, mode="mean")


def test_an_option_cannot_be_recorded():
    for call in (
        lambda v: hg.leaky_relu(np.ones(3), negative_slope=v),
        lambda v: hg.clip(np.ones(3), v),
        lambda v: hg.clip(v, 0.0, max=v),
    ):
        with pytest.raises(TypeError, match=r"the option \w+ has no gradient.*write the operation"):
            call(hg.variable(0.1))


@rule
def wrong_shape(x, b):
    return x + b, lambda dout: (dout, dout)


@rule
def wrong_number(x, b):
    return x + b, lambda dout: dout


@rule
def too_many(x):
    return x * 2, lambda dout: (dout, dout)


@rule
def wrong_list(arrays):
    return arrays[0] + arrays[1], lambda dout: ([dout],)


@elementwise
def wrong_broadcast(x):
    return xp.sum(x, axis=0), lambda dout: dout


ONE = np.ones(3)
WRONG = [
    (wrong_shape, (np.ones((2, 3)), ONE), r"the gradient of b has shape \(2, 3\), but b has \(3,\)"),
    (wrong_number, (ONE, ONE), r"backward returned one gradient for 2 inputs, x, b"),
    (too_many, (ONE,), r"backward returned 2 gradients for 1 input, x"),
    (wrong_list, ([ONE, ONE],), r"1 gradients for the 2 arrays in arrays"),
    (wrong_broadcast, (np.ones((2, 3)),), r"the gradient of x has shape \(3,\), but x has \(2, 3\)"),
]


@pytest.mark.parametrize(("planted", "inputs", "words"), WRONG, ids=lambda value: getattr(value, "name", ""))
def test_a_backward_that_does_not_fit_its_inputs(planted, inputs, words):
    out, backward = planted.vjp(*inputs)
    with pytest.raises(ValueError, match=f"{planted.name}: {words}"):
        backward(np.ones_like(out))
    recorded = [list(map(hg.variable, x)) if isinstance(x, list) else hg.variable(x) for x in inputs]
    with pytest.raises(ValueError, match=f"{planted.name}: {words}"):
        planted(*recorded).backward(np.ones_like(out))


INTEGERS = {
    "sum": {}, "max": {"axis": 0}, "min": {"axis": 1}, "prod": {"axis": 1}, "mean": {}, "std": {"axis": 0},
    "negative": {}, "square": {}, "abs": {}, "sqrt": {}, "tanh": {}, "gelu": {}, "softmax": {},
    "logsumexp": {}, "relu": {}, "transpose": {}, "flip": {}, "reshape": {"shape": (4, 3)},
    "pad": {"width": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_have_the_gradient_of_the_same_floats(name):
    x, options = np.random.default_rng(0).integers(1, 9, (3, 4)), INTEGERS[name]
    out, backward = hg.rules.ALL[name].vjp(x, **options)
    wanted, backward_of_floats = hg.rules.ALL[name].vjp(x.astype(float), **options)
    np.testing.assert_allclose(out, wanted, rtol=1e-15)
    dout = np.random.default_rng(1).normal(size=np.shape(wanted))
    np.testing.assert_allclose(backward(dout)[0], backward_of_floats(dout)[0], rtol=1e-15)
    v = hg.variable(x)
    hg.rules.ALL[name](v, **options).backward(dout)
    np.testing.assert_allclose(v.grad, backward_of_floats(dout)[0], rtol=1e-15)


def test_rules_without_gradient_for_an_input():
    (dx, none) = hg.getitem.vjp(np.ones(3), 1)[1](2.0)
    np.testing.assert_array_equal(dx, [0.0, 2.0, 0.0])
    assert none is None


def test_aliases_are_the_rules():
    for alias, name in {
        "pow": "power",
        "asin": "arcsin",
        "concat": "concatenate",
        "permute": "transpose",
    }.items():
        assert hg.rules.ALL[alias] is hg.rules.ALL[name]


def test_a_rule_without_a_pair_and_a_backward_without_its_return_are_told():
    @rule
    def no_pair(x):
        return x * 2

    @rule
    def no_backward(x):
        return x * 2, None

    @rule
    def no_return(x, y):
        def backward(dout):
            dout * y, dout * x

        return x * y, backward

    @rule
    def labels_alone(t):
        def backward(dout):
            return None

        return t * 1.0, backward

    x = np.array([1.0, 5.0])
    for wrong, came in ((no_pair, "ndarray"), (no_backward, "tuple")):
        for call in (wrong, wrong.vjp, lambda x, wrong=wrong: wrong(hg.variable(x))):
            with pytest.raises(TypeError, match=rf"{wrong.name}: .* pair, \(out, backward\), not {came}"):
                call(x)
    with pytest.raises(TypeError, match="no_return: backward returned None; does it lack its return"):
        hg.grad(lambda x: hg.sum(no_return(x, 2.0)))(x)
    assert labels_alone.vjp(np.array([1, 2]))[1](x) == (None,)
