"""Where no derivative exists, or a formula has a hole: what is returned there is said in the docstrings."""

import numpy as np
import pytest

import handgrad as hg


def gradients(rule, *inputs, dout=None, **options):
    out, backward = rule.vjp(*inputs, **options)
    return backward(np.full(np.shape(out), 3.0) if dout is None else dout)


def test_ties_of_two_are_shared_by_halves():
    x, y = np.array([1.0, 2.0, 0.0]), np.array([1.0, 5.0, -0.0])
    for rule, at_two in ((hg.maximum, (0.0, 3.0)), (hg.minimum, (3.0, 0.0))):
        dx, dy = gradients(rule, x, y)
        np.testing.assert_array_equal(dx, [1.5, at_two[0], 1.5])
        np.testing.assert_array_equal(dy, [1.5, at_two[1], 1.5])


@pytest.mark.parametrize("rule", [hg.max, hg.min])
def test_ties_over_an_axis_are_shared_equally(rule):
    x = np.array([[2.0, 2.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0]])
    (dx,) = gradients(rule, x, axis=1)
    np.testing.assert_array_equal(dx, np.full((2, 4), 0.75))
    (dx,) = gradients(rule, np.array([3.0, 1.0, 3.0, 1.0]), dout=np.array(6.0))
    np.testing.assert_array_equal(dx, [3.0, 0.0, 3.0, 0.0] if rule is hg.max else [0.0, 3.0, 0.0, 3.0])


@pytest.mark.parametrize("rule", [hg.abs, hg.relu, hg.sign])
def test_zero_at_the_kink(rule):
    np.testing.assert_array_equal(gradients(rule, np.array([0.0, -0.0]))[0], [0.0, 0.0])


def test_below_the_kink_counts_at_the_kink():
    """leaky_relu and elu are one-sided at 0, as their docstrings say: x > 0, else."""
    np.testing.assert_allclose(gradients(hg.leaky_relu, np.zeros(1))[0], [0.03])
    np.testing.assert_allclose(gradients(hg.elu, np.zeros(1), alpha=0.5)[0], [1.5])


def test_the_bounds_of_clip_are_inside():
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    np.testing.assert_array_equal(gradients(hg.clip, x, min=-1.0, max=1.0)[0], [0, 3, 3, 3, 0])
    np.testing.assert_array_equal(gradients(hg.clip, x, max=-1)[0], [3, 3, 0, 0, 0])


def test_the_deviation_of_equal_elements_has_gradient_zero():
    for axis, dout in ((None, np.array(3.0)), (1, np.full(2, 3.0))):
        x = np.full((2, 3), 1.5)
        (dx,) = gradients(hg.std, x, axis=axis, dout=dout)
        np.testing.assert_array_equal(dx, np.zeros((2, 3)))
        assert np.all(hg.std(x, axis=axis) == 0)
    (second,) = gradients(hg.std, np.array([1.0]))
    np.testing.assert_array_equal(second, [0.0])


def test_power_at_zero():
    x, y = np.array([0.0, 0.0, 0.0, 2.0]), np.array([0.0, 1.0, 2.0, 0.0])
    out, backward = hg.power.vjp(x, y)
    np.testing.assert_array_equal(out, [1.0, 0.0, 0.0, 1.0])
    dx, dy = backward(np.full(4, 3.0))
    np.testing.assert_array_equal(dx, [0.0, 3.0, 0.0, 0.0])
    np.testing.assert_allclose(dy, [0.0, 0.0, 0.0, 3 * np.log(2)])


def test_power_of_a_negative_number():
    dx, dy = gradients(hg.power, np.array([-2.0, -3.0]), np.array([3.0, 0.0]))
    np.testing.assert_array_equal(dx, [36.0, 0.0])
    assert np.all(np.isnan(dy))


def test_second_derivative_of_a_square_at_zero():
    for x in (np.zeros(3), np.array([-1.0, 0.0, 2.0])):
        hessian = hg.hessian(lambda x: hg.sum(hg.power(x, 2)))(x)
        np.testing.assert_array_equal(hessian, 2 * np.eye(3))


def test_two_zeros_leave_a_product_no_gradient():
    np.testing.assert_array_equal(gradients(hg.prod, np.array([0.0, 2.0, 0.0]))[0], np.zeros(3))
    np.testing.assert_array_equal(gradients(hg.prod, np.array([0.0, 2.0, 5.0]))[0], [30.0, 0.0, 0.0])


def test_a_place_picked_twice_collects_both_gradients():
    dout = np.array([1.0, 10.0, 100.0])
    for rule, place in ((hg.getitem, np.array([1, 1, 0])), (hg.take, np.array([1, 1, 0]))):
        np.testing.assert_array_equal(gradients(rule, np.zeros(2), place, dout=dout)[0], [100.0, 11.0])


def test_errors_at_residual_zero():
    y = np.array([1.0, 2.0])
    for rule in (hg.mean_absolute_error, hg.huber, hg.mean_squared_error):
        for grad in gradients(rule, y, y.copy()):
            np.testing.assert_array_equal(grad, np.zeros(2))


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_knows_its_approximations(approximate):
    hg.gelu(1.0, approximate=approximate)
    with pytest.raises(ValueError, match="'none' or 'tanh', not 'sigmoid'"):
        hg.gelu(1.0, approximate="sigmoid")


def test_dropout_keeps_or_drops_as_its_key_says():
    x, key = np.ones(10_000), np.array([3, 4], np.uint32)
    out, backward = hg.dropout.vjp(x, key, rate=0.25)
    (dx, _) = backward(np.full(10_000, 3.0))
    np.testing.assert_array_equal(dx, 3 * out)
    assert set(np.unique(out)) == {0.0, 1 / 0.75}
    assert abs(out.mean() - 1) < 0.02
    assert not np.array_equal(out, hg.dropout(x, np.array([3, 5], np.uint32), rate=0.25))
    for rate in (1.0, -0.1):
        with pytest.raises(ValueError, match="share to drop"):
            hg.dropout(x, key, rate=rate)


def test_std_of_equal_elements_has_no_curvature_either():
    x = np.full(4, 2.5)
    np.testing.assert_array_equal(hg.hessian(hg.std)(x), np.zeros((4, 4)))
