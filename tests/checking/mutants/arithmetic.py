"""Sums, products, quotients and powers, and the broadcasting that goes with them."""

from __future__ import annotations

import numpy as np

from handgrad import elementwise
from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal, positive

SAME = normal((3, 4), (3, 4))
ROW = normal((5, 3), (3,))
COLUMN = normal((4, 3), (4, 1))


@correct(ROW)
def add(x, b):
    def backward(dout):
        return dout, np.sum(dout, axis=0)

    return x + b, backward


@mutant("broadcast", ROW)
def add_row_unsummed(x, b):
    def backward(dout):
        return dout, dout  # db sums over the rows

    return x + b, backward


@mutant("broadcast", ROW)
def add_row_sliced(x, b):
    def backward(dout):
        return dout, dout[0]  # np.sum(dout, axis=0)

    return x + b, backward


@mutant(("broadcast", "factor"), ROW)  # the mean of the repeats is their sum by a constant
def add_row_averaged(x, b):
    def backward(dout):
        return dout, np.mean(dout, axis=0)

    return x + b, backward


@mutant("broadcast", COLUMN)
def add_column_summed_over_rows_too(x, b):
    def backward(dout):
        return dout, np.broadcast_to(np.sum(dout), b.shape)  # only over axis 1

    return x + b, backward


@mutant("broadcast", normal((2, 3, 4), (4,)))
def add_half_summed(x, b):
    def backward(dout):
        return dout, np.sum(dout, axis=0)[0]  # the axis of three is summed too

    return x + b, backward


@mutant("broadcast", normal((2, 3, 4), (3, 1)))
def add_inner_axis_unsummed(x, b):
    def backward(dout):
        return dout, np.sum(dout, axis=0)  # (3, 4): the last axis is summed too, and kept

    return x + b, backward


@correct(SAME)
@elementwise
def subtract(x, y):
    def backward(dout):
        return dout, -dout

    return x - y, backward


@mutant("factor", SAME)
@elementwise
def subtract_same_sign(x, y):
    def backward(dout):
        return dout, dout  # -dout

    return x - y, backward


@mutant(("swapped", "factor"), SAME)  # dx and dy differ by their sign alone
@elementwise
def subtract_wrong_way(x, y):
    def backward(dout):
        return -dout, dout

    return x - y, backward


@correct(COLUMN)
@elementwise
def multiply(x, y):
    def backward(dout):
        return dout * y, dout * x

    return x * y, backward


@mutant("upstream-ignored", SAME)
@elementwise
def multiply_without_dout(x, y):
    def backward(dout):
        return y, x

    return x * y, backward


@mutant("upstream-twice", SAME)
@elementwise
def multiply_by_dout_twice(x, y):
    def backward(dout):
        dx = dout * y
        return dx * dout, dout * x

    return x * y, backward


@mutant("swapped", SAME)
@elementwise
def multiply_swapped(x, y):
    def backward(dout):
        return dout * x, dout * y  # dout * y, dout * x

    return x * y, backward


@mutant("missing-gradient", ROW)
@elementwise
def multiply_scale_frozen(x, y):
    def backward(dout):
        return dout * y, None

    return x * y, backward


@mutant("swapped", normal((4,), (4,)))
def multiply_returned_in_the_wrong_order(x, y):
    def backward(dout):
        dx, dy = dout * y, dout * x
        return dy, dx

    return x * y, backward


@correct(positive((3, 2), (3, 2)))
def divide(x, y):
    out = x / y

    def backward(dout):
        return dout / y, -dout * out / y

    return out, backward


@mutant("factor", positive((3, 2), (3, 2)))
def divide_sign(x, y):
    def backward(dout):
        return dout / y, dout * x / (y * y)  # -

    return x / y, backward


@mutant(("wrong-array", "local-derivative"), positive((3, 2), (3, 2)))  # x for out is one 1/y too few
def divide_by_y_once(x, y):
    def backward(dout):
        return dout / y, -dout * x / y  # out / y

    return x / y, backward


@mutant("missing-gradient", positive((5,), (5,)))
def divide_denominator_zero(x, y):
    def backward(dout):
        return dout / y, np.zeros_like(y)  # -dout x / y²

    return x / y, backward


@correct(normal((3, 5)))
def square(x):
    def backward(dout):
        return 2 * x * dout

    return x * x, backward


@mutant(("missing-path", "factor"), normal((3, 5)))  # of two equal paths one is a half
def square_one_path(x):
    def backward(dout):
        return x * dout  # and once more

    return x * x, backward


@mutant("wrong-array", normal((3, 5)))
def square_of_out(x):
    out = x * x

    def backward(dout):
        return 2 * out * dout  # x

    return out, backward


@mutant("upstream-twice", normal((3, 5)))
def square_with_dout_squared(x):
    def backward(dout):
        return 2 * x * dout**2

    return x * x, backward


@correct(positive((4, 3), (3,)))
@elementwise
def power(x, p):
    out = x**p

    def backward(dout):
        return dout * p * x ** (p - 1), dout * out * np.log(x)

    return out, backward


@mutant("factor", normal((4, 3)))
def cube_without_three(x):
    def backward(dout):
        return x**2 * dout  # 3

    return x**3, backward


@mutant("swapped", positive((4, 3), (4, 3)))
def power_base_and_exponent(x, p):
    out = x**p

    def backward(dout):
        return dout * out * np.log(x), dout * p * x ** (p - 1)  # the other way round

    return out, backward


@mutant("integer", positive((4, 3)))
def root_by_integer_power(x):
    def backward(dout):
        exponent = np.array([0.5 - 1]).astype(int)  # -0.5 becomes 0
        return 0.5 * x**exponent * dout

    return x**0.5, backward


@correct(normal((2, 6), (2, 6), (2, 6)))
def multiply_three(x, y, z):
    def backward(dout):
        return dout * y * z, dout * x * z, dout * x * y

    return x * y * z, backward


@mutant("missing-path", normal((2, 6), (2, 6)))
def product_rule_one_term(x, y):
    """out = x (x + y)"""

    def backward(dout):
        return dout * (x + y), dout * x  # dx: + dout x

    return x * (x + y), backward


@mutant("double-path", normal((2, 6), (2, 6)))
def product_rule_term_twice(x, y):
    """out = x (x + y)"""

    def backward(dout):
        dsum = dout * x
        return dout * (x + y) + 2 * dsum, dsum  # + dsum

    return x * (x + y), backward


@mutant("missing-path", positive((3, 4), (3, 4)))
def quotient_rule_one_term(x, y):
    """out = x / (x + y)"""
    total = x + y

    def backward(dout):
        dtotal = -dout * x / total**2
        return dout / total, dtotal  # dx: + dtotal

    return x / total, backward


@mutant("wrong-array", normal((2, 6), (2, 6), (2, 6)))
def multiply_three_with_own_factor(x, y, z):
    def backward(dout):
        return dout * y * z, dout * y * z, dout * x * y  # dy = dout x z

    return x * y * z, backward


@correct(normal((3, 4), (3, 4), ()))
def lerp(x, y, w):
    """out = x + w (y - x), with a scalar w"""

    def backward(dout):
        return dout * (1 - w), dout * w, np.sum(dout * (y - x))

    return x + w * (y - x), backward


@mutant(("swapped", "factor"), normal((3, 4), (3, 4), ()))  # with one w, w for 1 - w is a constant
def lerp_ends_swapped(x, y, w):
    def backward(dout):
        return dout * w, dout * (1 - w), np.sum(dout * (y - x))  # 1 - w, w

    return x + w * (y - x), backward


@mutant(("broadcast", "factor"), normal((3, 4), (3, 4), ()))  # the mean is the sum by a constant
def lerp_weight_averaged(x, y, w):
    def backward(dout):
        return dout * (1 - w), dout * w, np.mean(dout * (y - x))  # np.sum

    return x + w * (y - x), backward


@mutant("upstream-ignored", normal((3, 4), (3, 4), ()))
def lerp_weight_without_dout(x, y, w):
    def backward(dout):
        return dout * (1 - w), dout * w, np.sum(y - x)  # dout *

    return x + w * (y - x), backward


@mutant("mutates", normal((3, 4), (3, 4), ()))
def lerp_in_dout(x, y, w):
    def backward(dout):
        dw = np.sum(dout * (y - x))
        dx = (1 - w) * dout
        dout *= w
        return dx, dout, dw

    return x + w * (y - x), backward


@mutant("mutates", SAME)
def add_into_x(x, y):
    def backward(dout):
        return dout, dout

    x += y  # of the caller
    return x * 1.0, backward


@correct(SAME)
def arctan2(y, x):
    def backward(dout):
        squared = x * x + y * y
        return dout * x / squared, -dout * y / squared

    return np.arctan2(y, x), backward


@mutant("swapped", SAME)
def arctan2_swapped(y, x):
    def backward(dout):
        squared = x * x + y * y
        return -dout * y / squared, dout * x / squared  # dy, dx

    return np.arctan2(y, x), backward


@mutant("local-derivative", SAME)
def arctan2_rooted(y, x):
    def backward(dout):
        squared = np.hypot(x, y)  # without the root
        return dout * x / squared, -dout * y / squared

    return np.arctan2(y, x), backward


@mutant("unstable", lambda r: (1e155 * r.standard_normal((3, 4)), 1e155 * r.standard_normal((3, 4))))
def hypot_squares_overflow(x, y):
    def backward(dout):
        out = np.sqrt(x * x + y * y)  # np.hypot
        return dout * x / out, dout * y / out

    return np.hypot(x, y), backward


@correct(
    lambda r: (np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 4.0]]), np.array([[1.0, 3.0, 2.0], [0.5, 0.0, 4.0]]))
)
def maximum(x, y):
    """Where they are equal, each takes a half."""

    def backward(dout):
        to_x = np.where(x > y, 1.0, np.where(x == y, 0.5, 0.0))
        return dout * to_x, dout * (1 - to_x)

    return np.maximum(x, y), backward


def EQUAL(r):
    return np.round(r.standard_normal((4, 5))), np.round(r.standard_normal((4, 5)))


@mutant("ties", EQUAL)
def maximum_both_where_equal(x, y):
    def backward(dout):
        return dout * (x >= y), dout * (y >= x)

    return np.maximum(x, y), backward


@mutant("ties", EQUAL)
def maximum_neither_where_equal(x, y):
    def backward(dout):
        return dout * (x > y), dout * (y > x)

    return np.maximum(x, y), backward


@mutant(("mask", "swapped"), SAME)  # the inverted mask is the other input's
def maximum_of_the_smaller(x, y):
    def backward(dout):
        return dout * (x < y), dout * (x >= y)

    return np.maximum(x, y), backward


@mutant("missing-gradient", SAME)
def minimum_of_x_only(x, y):
    def backward(dout):
        return dout * (x < y), None

    return np.minimum(x, y), backward
