"""Embedding, gather, scatter, and what repeated indices do to them."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal


def table_and_repeats(r):
    return r.standard_normal((5, 3)), np.array([0, 3, 3, 1, 3, 4])


def table_and_single(r):
    return r.standard_normal((5, 3)), np.array([4, 0, 2])


def scatter_add(like, index, values):
    out = np.zeros_like(like)
    np.add.at(out, index, values)
    return out


@correct(table_and_repeats)
def embedding(W, index):
    def backward(dout):
        return scatter_add(W, index, dout), None

    return W[index], backward


@mutant("assigned", table_and_repeats)
def embedding_assigned(W, index):
    def backward(dout):
        dW = np.zeros_like(W)
        dW[index] = dout  # np.add.at
        return dW, None

    return W[index], backward


@mutant("assigned", table_and_repeats)
def embedding_buffered_addition(W, index):
    def backward(dout):
        dW = np.zeros_like(W)
        dW[index] += dout  # each row once: np.add.at
        return dW, None

    return W[index], backward


@mutant("off-by-one", table_and_repeats)
def embedding_index_from_one(W, index):
    def backward(dout):
        return scatter_add(W, index - 1, dout), None  # index

    return W[index], backward


@mutant("off-by-one", table_and_single)
def embedding_last_word_left_out(W, index):
    def backward(dout):
        return scatter_add(W, index[:-1], dout[:-1]), None

    return W[index], backward


@mutant("factor", table_and_repeats)
def embedding_averaged_over_words(W, index):
    def backward(dout):
        return scatter_add(W, index, dout) / len(index), None  # a sum

    return W[index], backward


@mutant("shape", table_and_single)
def embedding_rows_only(W, index):
    def backward(dout):
        return dout * 1.0, None  # scattered to the rows of W

    return W[index], backward


@mutant("mask", lambda r: (r.standard_normal((4, 3)), np.array([0, 2, 0, 3, 1])))
def embedding_zero_taken_for_padding(W, index):
    def backward(dout):
        return scatter_add(W, index, dout * (index > 0)[:, None]), None  # the forward has no padding

    return W[index], backward


@mutant("accumulates", table_and_repeats)
def embedding_gradient_kept(W, index):
    dW = np.zeros_like(W)

    def backward(dout):
        np.add.at(dW, index, dout)  # into what the last backward left
        return dW.copy(), None

    return W[index], backward


@mutant("dtype", lambda r: (r.standard_normal((4, 2)), np.array([1, 1, 3])))
def embedding_extended_precision(W, index):
    def backward(dout):
        return scatter_add(W.astype(np.longdouble), index, dout), None

    return W[index], backward


@correct(lambda r: (r.standard_normal((4, 3)), r.integers(0, 3, 4)))
def pick(x, t):
    """out = x[i, tᵢ]"""

    def backward(dout):
        return dout[:, None] * (np.arange(x.shape[1]) == t[:, None]), None

    return x[np.arange(len(x)), t], backward


# With the two indices exchanged it is the transpose.
@mutant(("wrong-axis", "transposed"), lambda r: (r.standard_normal((4, 4)), np.array([1, 0, 1, 3])))
def pick_axes_exchanged(x, t):
    def backward(dout):
        dx = np.zeros_like(x)
        dx[t, np.arange(len(x))] = dout  # np.arange, t
        return dx, None

    return x[np.arange(len(x)), t], backward


@mutant("broadcast", lambda r: (r.standard_normal((4, 3)), r.integers(0, 3, 4)))
def pick_all_of_the_row(x, t):
    def backward(dout):
        return np.repeat(dout[:, None], x.shape[1], axis=1), None  # at t only

    return x[np.arange(len(x)), t], backward


@correct(lambda r: (r.standard_normal((6, 2)), np.array([2, 0, 2, 1, 0, 2])))
def scatter_sum(x, index):
    """Rows of x summed by index, out (3, 2)"""

    def backward(dout):
        return dout[index], None

    return scatter_add(np.zeros((3, 2)), index, x), backward


@mutant("upstream-ignored", lambda r: (r.standard_normal((6, 2)), np.array([2, 0, 2, 1, 0, 2])))
def scatter_sum_first_bin(x, index):
    def backward(dout):
        return np.repeat(dout[:1], len(index), axis=0), None  # dout[index]

    return scatter_add(np.zeros((3, 2)), index, x), backward


@mutant("factor", lambda r: (r.standard_normal((6, 2)), np.array([2, 0, 2, 1, 1, 0])))
def segment_mean_without_counts(x, index):
    """Means of the rows by index, two in each"""

    def backward(dout):
        return dout[index], None  # / counts

    counts = np.bincount(index)[:, None]
    return scatter_add(np.zeros((3, 2)), index, x) / counts, backward


@mutant("wrong-array", lambda r: (r.standard_normal((6, 2)), np.array([2, 0, 2, 1, 0, 2])))
def segment_mean_counts_of_others(x, index):
    """Means of the rows by index"""
    counts = np.bincount(index)[:, None]

    def backward(dout):
        return (dout / counts[::-1])[index], None  # counts

    return scatter_add(np.zeros((3, 2)), index, x) / counts, backward


@correct(lambda r: (r.standard_normal((5, 2)), np.array([1, 3]), r.standard_normal((2, 2))))
def set_rows(x, index, rows):
    """x with the rows at index replaced"""
    kept = np.isin(np.arange(len(x)), index, invert=True)[:, None]

    def backward(dout):
        return dout * kept, None, dout[index]

    out = x.copy()
    out[index] = rows
    return out, backward


@mutant("mask", lambda r: (r.standard_normal((5, 2)), np.array([1, 3]), r.standard_normal((2, 2))))
def set_rows_old_ones_still_count(x, index, rows):
    def backward(dout):
        return dout * 1.0, None, dout[index]  # zero where they are replaced

    out = x.copy()
    out[index] = rows
    return out, backward


@mutant("mutates", lambda r: (r.standard_normal((5, 2)), np.array([1, 3]), r.standard_normal((2, 2))))
def set_rows_in_dout(x, index, rows):
    def backward(dout):
        drows = dout[index]
        dout[index] = 0  # of the caller
        return dout, None, drows

    out = x.copy()
    out[index] = rows
    return out, backward


@mutant("transposed", lambda r: (r.standard_normal((5, 2)), np.array([2, 0, 1, 4, 3])))
def permuted_rows_once_more(x, order):
    def backward(dout):
        return dout[order], None  # dout[np.argsort(order)]

    return x[order], backward


@correct(normal((6,)))
def moving_pairs(x):
    """out = xᵢ xᵢ₊₁"""

    def backward(dout):
        dx = np.zeros_like(x)
        dx[:-1] += dout * x[1:]
        dx[1:] += dout * x[:-1]
        return dx

    return x[:-1] * x[1:], backward


@mutant("assigned", normal((6,)))
def moving_pairs_assigned(x):
    def backward(dout):
        dx = np.zeros_like(x)
        dx[:-1] = dout * x[1:]
        dx[1:] = dout * x[:-1]  # +=
        return dx

    return x[:-1] * x[1:], backward


@mutant("missing-path", normal((6,)))
def moving_pairs_left_factor_only(x):
    def backward(dout):
        return np.append(dout * x[1:], 0.0)  # + the right factor's

    return x[:-1] * x[1:], backward


@mutant("off-by-one", normal((6,)))
def moving_pairs_shifted(x):
    def backward(dout):
        dx = np.zeros_like(x)
        dx[:-1] += dout * x[1:]
        dx[:-1] += dout * x[:-1]  # dx[1:]
        return dx

    return x[:-1] * x[1:], backward
