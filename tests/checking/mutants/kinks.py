"""Right backward passes at the kinks themselves, by one valid convention or another, and steps."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct
from tests.checking.mutants.samples import normal


def with_zeros(r):
    x = r.standard_normal((3, 4))
    x[0, 1] = x[2, 2] = 0.0
    return (x,)


def whole(r):
    """Whole numbers between -2 and 2: many are equal."""
    return (r.integers(-2, 3, (4, 5)).astype(float),)


def halves(r):
    """Between two whole numbers, where rounding is flat"""
    return (r.integers(-3, 3, (3, 4)) + r.uniform(0.2, 0.4, (3, 4)),)


@correct(with_zeros)
def relu_zero_takes_nothing(x):
    def backward(dout):
        return dout * (x > 0)

    return np.maximum(x, 0), backward


@correct(with_zeros)
def relu_zero_takes_all(x):
    def backward(dout):
        return dout * (x >= 0)

    return np.maximum(x, 0), backward


@correct(with_zeros)
def relu_zero_takes_half(x):
    def backward(dout):
        return dout * (np.sign(x) + 1) / 2

    return np.maximum(x, 0), backward


@correct(with_zeros)
def leaky_relu_at_zero(x):
    def backward(dout):
        return dout * np.where(x > 0, 1, 0.2)

    return np.where(x > 0, x, 0.2 * x), backward


@correct(with_zeros)
def absolute_takes_one_at_zero(x):
    def backward(dout):
        return np.where(x >= 0, dout, -dout)

    return np.abs(x), backward


@correct(lambda r: (np.array([-1.0, 1.0, 0.5, 2.0, -3.0]),))
def clip_nothing_at_borders(x):
    def backward(dout):
        return dout * ((x > -1) & (x < 1))

    return np.clip(x, -1, 1), backward


@correct(whole)
def largest_last_of_equal(x):
    at = x.shape[1] - 1 - np.argmax(x[:, ::-1], axis=1)

    def backward(dout):
        return dout[:, None] * (np.arange(x.shape[1]) == at[:, None])

    return np.max(x, axis=1), backward


@correct(lambda r: (np.full((2, 3), 1.5),))
def smallest_of_all_equal(x):
    def backward(dout):
        smallest = x == np.min(x)
        return dout * smallest / np.sum(smallest)

    return np.min(x), backward


@correct(whole)
def sorted_with_equal(x):
    order = np.argsort(x, axis=1, kind="stable")

    def backward(dout):
        return np.take_along_axis(dout, np.argsort(order, axis=1), axis=1)

    return np.take_along_axis(x, order, axis=1), backward


@correct(lambda r: (np.array([1.0, 2.0, 2.0, 2.0, 5.0]),))
def median_with_equal(x):
    at = np.argsort(x, kind="stable")[len(x) // 2]

    def backward(dout):
        return dout * (np.arange(len(x)) == at)

    return np.median(x), backward


@correct(lambda r: (np.array([0.5, 1.0, -1.0, 0.0]), np.array([0.5, 2.0, -1.0, -3.0])))
def maximum_equal_to_the_first(x, y):
    def backward(dout):
        return dout * (x >= y), dout * (x < y)

    return np.maximum(x, y), backward


@correct(lambda r: (np.array([0.0, 2.0, -1.0, 1.0]), np.array([1, 1, -1, 1])))
def hinge_at_margin(x, t):
    """max(0, 1 - t x), whose margin two of these meet exactly"""

    def backward(dout):
        return -dout * t * (t * x < 1), None

    return np.maximum(0, 1 - t * x), backward


@correct(lambda r: (np.array([1.0, -1.0, 0.25, 3.0]),))
def huber_at_threshold(d):
    """No kink: both branches have the slope 1 there."""

    def backward(dout):
        return dout * np.clip(d, -1, 1)

    return np.where(np.abs(d) < 1, d * d / 2, np.abs(d) - 0.5), backward


@correct(normal((3, 4)))
def sign(x):
    def backward(dout):
        return np.zeros_like(dout)

    return np.sign(x), backward


@correct(halves)
def rounded(x):
    def backward(dout):
        return np.zeros_like(x)

    return np.round(x), backward


@correct(halves)
def rounded_by_none(x):
    """Flat where it is asked: there is no gradient."""

    def backward(dout):
        return (None,)

    return np.floor(x), backward


@correct(halves)
def fraction(x):
    """What is behind the point, in steps of slope one"""

    def backward(dout):
        return dout

    return x - np.floor(x), backward


@correct(lambda r: (np.array([0.0, 0.4, 1.0, 2.5]),))
def entropy_with_zero(p):
    """-p log p, which is 0 at 0, where the slope is not finite and is taken for 0"""
    safe = np.where(p > 0, p, 1)

    def backward(dout):
        return np.where(p > 0, -dout * (np.log(safe) + 1), 0)

    return -p * np.log(safe), backward


@correct(lambda r: (np.array([0.0, 1e-4, 0.5, -2.0]),))
def sinc(x):
    """sin x / x, by its series near 0"""
    near = np.abs(x) < 1e-2
    safe = np.where(near, 1, x)

    def backward(dout):
        far = (np.cos(safe) - np.sin(safe) / safe) / safe
        return dout * np.where(near, -x / 3 + x**3 / 30, far)

    return np.where(near, 1 - x * x / 6 + x**4 / 120, np.sin(safe) / safe), backward


@correct(lambda r: (np.concatenate([np.zeros((1, 3)), r.standard_normal((2, 3))]),))
def length_with_zero_row(x):
    """Of a zero row the gradient is taken for zero."""
    out = np.sqrt(np.sum(x * x, axis=1))

    def backward(dout):
        return x * (dout / np.where(out > 0, out, 1))[:, None]

    return out, backward


@correct(lambda r: (np.array([[1.0, 1.0], [2.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])))
def nearest(x, y):
    """Squared distance to the nearest row of y; where two are equally near, the first"""
    apart = x[:, None] - y[None]
    best = np.argmin(np.sum(apart**2, axis=2), axis=1)

    def backward(dout):
        d = 2 * dout[:, None] * apart[np.arange(len(x)), best]
        dy = np.zeros_like(y)
        np.add.at(dy, best, -d)
        return d, dy

    return np.min(np.sum(apart**2, axis=2), axis=1), backward
