"""Gradients that are not derivatives, on purpose."""

import numpy as np
import pytest

import handgrad as hg


def test_learning_through_rounding():
    x = np.array([0.3, 1.7, -2.4])
    grad = hg.grad(lambda x: hg.sum(hg.straight_through(x, np.round(x)) * np.array([1.0, 2.0, 3.0])))(x)
    np.testing.assert_array_equal(grad, [1, 2, 3])
    np.testing.assert_array_equal(hg.straight_through(x, np.round(x)), np.round(x))


def test_what_does_not_stand_in():
    with pytest.raises(ValueError, match=r"\(2,\) stands in for x of shape \(3,\)"):
        hg.straight_through(np.zeros(3), np.zeros(2))


def test_clipped():
    dout = np.array([3.0, -4.0, 0.1])
    _, backward = hg.clip_gradient.vjp(np.ones(3), limit=1.0)
    np.testing.assert_array_equal(backward(dout)[0], [1, -1, 0.1])
    _, backward = hg.clip_gradient.vjp(np.ones(3), max_norm=2.0)
    np.testing.assert_allclose(backward(dout)[0], dout * 2 / np.linalg.norm(dout))
    np.testing.assert_array_equal(backward(np.zeros(3))[0], 0)
    np.testing.assert_array_equal(backward(dout / 100)[0], dout / 100)


@pytest.mark.parametrize("bounds", [{}, {"limit": 1.0, "max_norm": 1.0}, {"limit": 0.0}, {"max_norm": -1.0}])
def test_bounds_that_say_nothing(bounds):
    with pytest.raises(ValueError, match="give limit or max_norm"):
        hg.clip_gradient(np.ones(2), **bounds)


def test_turned_round():
    assert hg.grad(lambda x: hg.reverse_gradient(x, scale=0.5) ** 2)(3.0) == -3.0


def test_a_hard_choice_learns_by_the_soft_one():
    x, key = np.random.default_rng(0).normal(size=(5, 4)), np.array([1, 2], np.uint32)
    hard, hard_back = hg.gumbel_softmax.vjp(x, key, hard=True)
    soft, soft_back = hg.gumbel_softmax.vjp(x, key)
    np.testing.assert_array_equal(hard, np.eye(4)[np.argmax(soft, axis=1)])
    dout = np.random.default_rng(1).normal(size=(5, 4))
    np.testing.assert_array_equal(hard_back(dout)[0], soft_back(dout)[0])


def test_draws_are_those_of_the_distribution():
    x = np.log(np.tile([0.1, 0.2, 0.7], (20_000, 1)))
    drawn = hg.gumbel_softmax(x, np.array([5, 6], np.uint32), hard=True)
    np.testing.assert_allclose(drawn.mean(axis=0), [0.1, 0.2, 0.7], atol=0.015)
