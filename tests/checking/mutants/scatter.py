"""Elements set, added and gathered along an axis, and reductions over segments."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal

ROWS = np.array([[0, 3, 3, 1], [2, 2, 2, 0], [1, 0, 3, 1]])  # of (3, 4), with repeats
PLACES = np.array([[2, 0], [1, 3], [3, 2]])  # of (3, 4), each once
SEGMENTS = np.array([0, 0, 1, 1, 1, 2])
STARTS, LENGTHS = np.array([0, 2, 5]), np.array([2, 3, 1])


def x_and_rows(r):
    return r.standard_normal((3, 4)), ROWS


def x_places_values(r):
    return r.standard_normal((3, 4)), PLACES, r.standard_normal((3, 2))


def x_index_values(r):
    return r.standard_normal((5, 2)), np.array([1, 3, 1, 4]), r.standard_normal((4, 2))


def x_two_values(r):
    return r.standard_normal((5, 2)), np.array([3, 1]), r.standard_normal((2, 2))


def x_and_segments(r):
    return r.standard_normal((6, 2)), SEGMENTS


def added_along(like, index, values):
    out = np.zeros_like(like)
    np.add.at(out, (np.arange(len(like))[:, None], index), values)
    return out


def segment_sum(x, index):
    out = np.zeros((3, *x.shape[1:]))
    np.add.at(out, index, x)
    return out


# Gathered along an axis: what is taken twice has both gradients.


@correct(x_and_rows)
def take_along(x, index):
    def backward(dout):
        return added_along(x, index, dout), None

    return np.take_along_axis(x, index, 1), backward


@mutant("assigned", x_and_rows)
def take_along_put(x, index):
    def backward(dout):
        dx = np.zeros_like(x)
        np.put_along_axis(dx, index, dout, 1)  # added_along
        return dx, None

    return np.take_along_axis(x, index, 1), backward


@mutant(("transposed", "wrong-array"), lambda r: (r.standard_normal((3, 4)), np.argsort(r.random((3, 4)), 1)))
def take_along_taken_again(x, order):
    def backward(dout):
        return np.take_along_axis(dout, order, 1), None  # put at order, which takes its inverse

    return np.take_along_axis(x, order, 1), backward


@mutant("off-by-one", x_and_rows)
def take_along_last_column_left_out(x, index):
    def backward(dout):
        return added_along(x, index[:, :-1], dout[:, :-1]), None

    return np.take_along_axis(x, index, 1), backward


# Put along an axis: what was there before does not count any more.


@correct(x_places_values)
def put_along(x, index, values):
    def backward(dout):
        dx = dout.copy()
        np.put_along_axis(dx, index, 0.0, 1)
        return dx, None, np.take_along_axis(dout, index, 1)

    out = x.copy()
    np.put_along_axis(out, index, values, 1)
    return out, backward


@mutant("mask", x_places_values)
def put_along_old_ones_still_count(x, index, values):
    def backward(dout):
        return dout.copy(), None, np.take_along_axis(dout, index, 1)  # 0 at index

    out = x.copy()
    np.put_along_axis(out, index, values, 1)
    return out, backward


@mutant("mask", x_places_values)
def put_along_only_new_ones_count(x, index, values):
    def backward(dout):
        dx = np.zeros_like(x)
        np.put_along_axis(dx, index, np.take_along_axis(dout, index, 1), 1)  # dout elsewhere
        return dx, None, np.take_along_axis(dout, index, 1)

    out = x.copy()
    np.put_along_axis(out, index, values, 1)
    return out, backward


@mutant("missing-gradient", x_places_values)
def put_along_values_have_none(x, index, values):
    def backward(dout):
        dx = dout.copy()
        np.put_along_axis(dx, index, 0.0, 1)
        return dx, None, np.zeros_like(values)

    out = x.copy()
    np.put_along_axis(out, index, values, 1)
    return out, backward


@mutant("upstream-ignored", x_places_values)
def put_along_first_columns(x, index, values):
    def backward(dout):
        dx = dout.copy()
        np.put_along_axis(dx, index, 0.0, 1)
        return dx, None, dout[:, : values.shape[1]]  # at index

    out = x.copy()
    np.put_along_axis(out, index, values, 1)
    return out, backward


# Updates at an index, which may name a place twice.


@correct(x_index_values)
def add_at(x, index, values):
    def backward(dout):
        return dout, None, dout[index]

    out = x.copy()
    np.add.at(out, index, values)
    return out, backward


@mutant("mask", x_index_values)
def add_at_taken_for_set(x, index, values):
    def backward(dout):
        dx = dout.copy()
        dx[index] = 0.0  # values are added to what is there
        return dx, None, dout[index]

    out = x.copy()
    np.add.at(out, index, values)
    return out, backward


@mutant("double-path", x_index_values)
def add_at_counted_twice(x, index, values):
    def backward(dout):
        dx = dout.copy()
        np.add.at(dx, index, dout[index])  # that is what values have
        return dx, None, dout[index]

    out = x.copy()
    np.add.at(out, index, values)
    return out, backward


@mutant("assigned", x_index_values)
def add_at_last_of_repeats(x, index, values):
    def backward(dout):
        last = np.array([i not in index[k + 1 :] for k, i in enumerate(index)])
        return dout, None, dout[index] * last[:, None]  # all of them are added

    out = x.copy()
    np.add.at(out, index, values)
    return out, backward


@correct(x_two_values)
def multiply_at(x, index, values):
    def backward(dout):
        dx = dout.copy()
        dx[index] *= values
        return dx, None, dout[index] * x[index]

    out = x.copy()
    out[index] *= values
    return out, backward


@mutant("local-derivative", x_two_values)
def multiply_at_without_the_factor(x, index, values):
    def backward(dout):
        return dout, None, dout[index] * x[index]  # dout·values at index

    out = x.copy()
    out[index] *= values
    return out, backward


@mutant("wrong-array", x_two_values)
def multiply_at_by_the_result(x, index, values):
    out = x.copy()
    out[index] *= values

    def backward(dout):
        dx = dout.copy()
        dx[index] *= values
        return dx, None, dout[index] * out[index]  # x[index]

    return out, backward


@mutant("off-by-one", normal((6, 2), (3, 2)))
def set_slice_one_row_early(x, rows):
    def backward(dout):
        dx = dout.copy()
        dx[1:4] = 0.0  # 2:5
        return dx, dout[2:5]

    out = x.copy()
    out[2:5] = rows
    return out, backward


# Segments.


@correct(normal((6, 2)))
def sum_of_neighbours(x):
    """Sums of 2, 3 and 1 rows that follow each other."""

    def backward(dout):
        return np.repeat(dout, LENGTHS, axis=0)

    return np.add.reduceat(x, STARTS, axis=0), backward


@mutant("off-by-one", normal((6, 2)))
def sum_of_neighbours_borders_shifted(x):
    def backward(dout):
        return np.repeat(dout, [2, 2, 2], axis=0)  # 2, 3, 1

    return np.add.reduceat(x, STARTS, axis=0), backward


@correct(x_and_segments)
def segment_max(x, index):
    out = np.array([x[index == i].max(axis=0) for i in range(3)])

    def backward(dout):
        largest = x == out[index]
        return (dout / segment_sum(largest, index))[index] * largest, None

    return out, backward


@mutant("mask", x_and_segments)
def segment_max_to_all_of_it(x, index):
    out = np.array([x[index == i].max(axis=0) for i in range(3)])

    def backward(dout):
        return dout[index], None  # where it is the largest

    return out, backward


@correct(x_and_segments)
def segment_softmax(x, index):
    y = np.exp(x - x.max())
    p = y / segment_sum(y, index)[index]

    def backward(dout):
        return p * (dout - segment_sum(p * dout, index)[index]), None

    return p, backward


@mutant("diagonal", x_and_segments)
def segment_softmax_of_each_alone(x, index):
    y = np.exp(x - x.max())
    p = y / segment_sum(y, index)[index]

    def backward(dout):
        return p * (1 - p) * dout, None

    return p, backward


@mutant("wrong-axis", x_and_segments)
def segment_softmax_over_all(x, index):
    y = np.exp(x - x.max())
    p = y / segment_sum(y, index)[index]

    def backward(dout):
        return p * (dout - np.sum(p * dout, axis=0)), None  # over its segment

    return p, backward


@mutant("wrong-array", lambda r: (r.standard_normal(6), r.uniform(0.5, 2, 6)))
def weighted_counts(x, weights):
    """Σ weights·x over each segment"""

    def backward(dout):
        d = dout[SEGMENTS]
        return d * weights, d * weights  # d * x

    return np.bincount(SEGMENTS, weights=x * weights), backward
