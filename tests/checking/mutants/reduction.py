"""Sums, means, extremes, moments, norms and running sums over axes."""

from __future__ import annotations

import numpy as np

from handgrad import rule
from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal, positive

X = normal((4, 3))


def tied(r):
    """The largest of a row once, twice, three times and five times"""
    x = r.standard_normal((4, 5))
    x[0, 2] = x[1, 1] = x[1, 3] = 3
    x[2, 1:4] = x[3] = 2.5
    return (x,)


@correct(X)
def sum_rows(x):
    def backward(dout):
        return np.broadcast_to(dout[:, None], x.shape)

    return np.sum(x, axis=1), backward


@mutant(("wrong-axis", "transposed"), normal((4, 4)))  # what is spread over the other axis is the transpose
def sum_rows_spread_over_columns(x):
    def backward(dout):
        return np.broadcast_to(dout, x.shape)  # dout[:, None]

    return np.sum(x, axis=1), backward


@mutant("shape", X)
def sum_keeps_the_axis(x):
    def backward(dout):
        return dout[:, None]  # np.broadcast_to(..., x.shape)

    return np.sum(x, axis=1), backward


@mutant("upstream-ignored", X)
def sum_of_ones(x):
    def backward(dout):
        return np.ones_like(x)  # dout

    return np.sum(x), backward


@mutant("integer", X)
def sum_as_integer(x):
    def backward(dout):
        return np.full(x.shape, dout, dtype=int) * 1.0  # truncated

    return np.sum(x), backward


@mutant("layout", normal((2, 3, 4)))
def sum_leading_by_memory(x):
    def backward(dout):
        dx = np.empty_like(x)  # of the memory order of x
        flat = dx.ravel(order="K")
        flat[:] = np.broadcast_to(dout, x.shape).ravel()
        return flat.reshape(x.shape)

    out = x.ravel(order="K").reshape(x.shape[0], -1).sum(axis=0).reshape(x.shape[1:])
    return out, backward


@correct(X)
def mean(x):
    n = len(x)

    def backward(dout):
        return np.broadcast_to(dout / n, x.shape)

    return np.mean(x, axis=0), backward


@mutant("factor", X)
@rule
def mean_without_n(x):
    def backward(dout):
        return np.broadcast_to(dout, x.shape)  # / n

    return np.mean(x, axis=0), backward


@mutant("factor", X)
@rule
def mean_by_n_twice(x):
    n = len(x)

    def backward(dout):
        dout = dout / n
        return np.broadcast_to(dout / n, x.shape)

    return np.mean(x, axis=0), backward


@mutant("factor", X)
def mean_by_size_of_all(x):
    def backward(dout):
        return np.broadcast_to(dout / x.size, x.shape)  # len(x)

    return np.mean(x, axis=0), backward


@mutant("factor", normal((5, 2)))
def mean_by_the_other_axis(x):
    def backward(dout):
        return np.broadcast_to(dout / x.shape[1], x.shape)  # x.shape[0]

    return np.mean(x, axis=0), backward


@mutant(("wrong-axis", "transposed"), normal((3, 3)))  # likewise
def mean_spread_over_rows(x):
    def backward(dout):
        return np.broadcast_to(dout[:, None] / len(x), x.shape)  # dout[None]

    return np.mean(x, axis=0), backward


@correct(normal((4, 3), (3,)))
def weighted_mean(x, w):
    """out = Σⱼ xᵢⱼ wⱼ / Σⱼ wⱼ"""
    total = np.sum(w)
    out = x @ w / total

    def backward(dout):
        return np.outer(dout, w) / total, dout @ (x - out[:, None]) / total

    return out, backward


@mutant("missing-path", positive((4, 3), (3,)))
def weighted_mean_total_constant(x, w):
    total = np.sum(w)

    def backward(dout):
        return np.outer(dout, w) / total, dout @ x / total  # x - out

    return x @ w / total, backward


@correct(tied)
def largest(x):
    """Those that tie share."""
    out = np.max(x, axis=1, keepdims=True)
    hit = x == out

    def backward(dout):
        return dout[:, None] * hit / np.sum(hit, axis=1, keepdims=True)

    return out[:, 0], backward


@correct(tied)
def largest_first(x):
    """The first of those that tie has it all."""
    first = np.argmax(x, axis=1)

    def backward(dout):
        dx = np.zeros_like(x)
        dx[np.arange(len(x)), first] = dout
        return dx

    return np.max(x, axis=1), backward


@mutant("ties", tied)
def largest_each_in_full(x):
    hit = x == np.max(x, axis=1, keepdims=True)

    def backward(dout):
        return dout[:, None] * hit  # / np.sum(hit, axis=1, keepdims=True)

    return np.max(x, axis=1), backward


@mutant("ties", normal((3, 6)))
def largest_each_in_full_without_ties(x):
    hit = x == np.max(x, axis=1, keepdims=True)

    def backward(dout):
        return dout[:, None] * hit  # right until two are equal

    return np.max(x, axis=1), backward


@mutant("ties", tied)
def largest_none_where_tied(x):
    top = np.sort(x, axis=1)

    def backward(dout):
        alone = top[:, -1:] > top[:, -2:-1]
        return dout[:, None] * ((x == top[:, -1:]) & alone)

    return top[:, -1], backward


@mutant("off-by-one", normal((3, 5)))
def largest_index_shifted(x):
    def backward(dout):
        dx = np.zeros_like(x)
        dx[np.arange(len(x)), (np.argmax(x, axis=1) + 1) % x.shape[1]] = dout  # without + 1
        return dx

    return np.max(x, axis=1), backward


@correct(normal((6,)))
def median(x):
    """Of an even number: the middle two, halved."""
    order = np.argsort(x)
    half = len(x) // 2

    def backward(dout):
        dx = np.zeros_like(x)
        dx[order[half - 1 : half + 1]] = dout / 2
        return dx

    return np.mean(x[order[half - 1 : half + 1]]), backward


@mutant("off-by-one", normal((6,)))
def median_upper_middle(x):
    order = np.argsort(x)
    half = len(x) // 2

    def backward(dout):
        dx = np.zeros_like(x)
        dx[order[half : half + 2]] = dout / 2  # half - 1 : half + 1
        return dx

    return np.mean(x[order[half - 1 : half + 1]]), backward


@correct(normal((4, 3)))
def variance(x):
    deviation = x - np.mean(x, axis=0)

    def backward(dout):
        return 2 / len(x) * deviation * dout

    return np.mean(deviation**2, axis=0), backward


@mutant("factor", X)
def variance_without_two(x):
    deviation = x - np.mean(x, axis=0)

    def backward(dout):
        return deviation * dout / len(x)  # 2

    return np.mean(deviation**2, axis=0), backward


@mutant("factor", X)
def variance_correction_forgotten(x):
    """Unbiased: divided by n - 1."""
    deviation = x - np.mean(x, axis=0)

    def backward(dout):
        return 2 * deviation * dout / len(x)  # len(x) - 1

    return np.sum(deviation**2, axis=0) / (len(x) - 1), backward


@mutant("wrong-array", X)
def variance_of_x(x):
    deviation = x - np.mean(x, axis=0)

    def backward(dout):
        return 2 / len(x) * x * dout  # deviation

    return np.mean(deviation**2, axis=0), backward


@mutant(("mean-term", "missing-path"), normal((5, 3)))  # the mean is the other path
def third_moment_mean_constant(x):
    deviation = x - np.mean(x, axis=0)

    def backward(dout):
        return 3 * deviation**2 * dout / len(x)  # less its mean

    return np.mean(deviation**3, axis=0), backward


@correct(normal((4, 3)))
def deviation(x):
    """Standard deviation of each row"""
    centred = x - np.mean(x, axis=1, keepdims=True)
    out = np.sqrt(np.mean(centred**2, axis=1))

    def backward(dout):
        return centred * (dout / out)[:, None] / x.shape[1]

    return out, backward


@mutant("local-derivative", normal((4, 3)))
def deviation_of_variance(x):
    centred = x - np.mean(x, axis=1, keepdims=True)

    def backward(dout):
        return 2 * centred * dout[:, None] / x.shape[1]  # / (2 out)

    return np.sqrt(np.mean(centred**2, axis=1)), backward


@mutant("epsilon", lambda r: (0.02 * r.standard_normal((4, 3)),))
def deviation_epsilon_forgotten(x, eps=1e-4):
    centred = x - np.mean(x, axis=1, keepdims=True)

    def backward(dout):
        out = np.sqrt(np.mean(centred**2, axis=1))  # + eps
        return centred * (dout / out)[:, None] / x.shape[1]

    return np.sqrt(np.mean(centred**2, axis=1) + eps), backward


@correct(normal((3, 4)))
def norm(x):
    """Length of each row"""
    out = np.sqrt(np.sum(x * x, axis=1))

    def backward(dout):
        return x * (dout / out)[:, None]

    return out, backward


@mutant("factor", normal((3, 4)))
def norm_twice(x):
    out = np.sqrt(np.sum(x * x, axis=1))

    def backward(dout):
        return 2 * x * (dout / out)[:, None]  # the 2 cancels

    return out, backward


@mutant("local-derivative", normal((3, 4)))
def norm_of_squared_norm(x):
    out = np.sqrt(np.sum(x * x, axis=1))

    def backward(dout):
        return x * (dout / out**2)[:, None]  # / out

    return out, backward


@correct(normal((3, 4)))
def normalise(x):
    """Rows of length one"""
    length = np.sqrt(np.sum(x * x, axis=1, keepdims=True))
    out = x / length

    def backward(dout):
        return (dout - out * np.sum(dout * out, axis=1, keepdims=True)) / length

    return out, backward


# There is no mean: the length is the only statistic.
@mutant(("missing-path", "statistics-constant", "variance-term"), normal((3, 4)))
def normalise_length_constant(x):
    length = np.sqrt(np.sum(x * x, axis=1, keepdims=True))

    def backward(dout):
        return dout / length  # - out Σ dout out / length

    return x / length, backward


@mutant("diagonal", normal((3, 4)))
def normalise_diagonal(x):
    length = np.sqrt(np.sum(x * x, axis=1, keepdims=True))
    out = x / length

    def backward(dout):
        return dout * (1 - out * out) / length

    return out, backward


@mutant("wrong-axis", normal((4, 4)))
def normalise_projection_over_columns(x):
    length = np.sqrt(np.sum(x * x, axis=1, keepdims=True))
    out = x / length

    def backward(dout):
        return (dout - out * np.sum(dout * out, axis=0, keepdims=True)) / length  # axis=1

    return out, backward


@mutant("epsilon", lambda r: (0.05 * r.standard_normal((3, 4)),))
def normalise_epsilon_forgotten(x, eps=1e-3):
    length = np.sqrt(np.sum(x * x, axis=1, keepdims=True) + eps)

    def backward(dout):
        bare = np.sqrt(np.sum(x * x, axis=1, keepdims=True))  # + eps
        out = x / bare
        return (dout - out * np.sum(dout * out, axis=1, keepdims=True)) / bare

    return x / length, backward


@correct(lambda r: (np.array([[1.5, 0.0, 2.0], [-1.0, 3.0, 0.5]]),))
def product(x):
    """Of each row, a zero among them"""

    def backward(dout):
        others = np.stack([np.prod(np.delete(x, j, axis=1), axis=1) for j in range(x.shape[1])], axis=1)
        return dout[:, None] * others

    return np.prod(x, axis=1), backward


@mutant("unstable", lambda r: (np.array([[1.5, 0.0, 2.0], [-1.0, 3.0, 0.5]]),))
def product_by_division(x):
    """With a zero, 0 / 0"""

    def backward(dout):
        with np.errstate(invalid="ignore"):
            return (dout * np.prod(x, axis=1))[:, None] / x

    return np.prod(x, axis=1), backward


@correct(normal((3, 5)))
def running_sum(x):
    def backward(dout):
        return np.cumsum(dout[:, ::-1], axis=1)[:, ::-1]

    return np.cumsum(x, axis=1), backward


@mutant(("flipped", "transposed"), normal((3, 5)))  # forwards is the Jacobian, backwards its transpose
def running_sum_forwards(x):
    def backward(dout):
        return np.cumsum(dout, axis=1)

    return np.cumsum(x, axis=1), backward


@mutant("flipped", normal((3, 5)))
def running_sum_not_turned_back(x):
    def backward(dout):
        return np.cumsum(dout[:, ::-1], axis=1)  # [:, ::-1]

    return np.cumsum(x, axis=1), backward


@mutant("off-by-one", normal((3, 5)))
def running_sum_exclusive(x):
    def backward(dout):
        return np.cumsum(dout[:, ::-1], axis=1)[:, ::-1] - dout  # with it

    return np.cumsum(x, axis=1), backward


@mutant("wrong-axis", normal((4, 4)))
def running_sum_down_the_columns(x):
    def backward(dout):
        return np.cumsum(dout[::-1], axis=0)[::-1]  # axis=1

    return np.cumsum(x, axis=1), backward


@correct(positive((2, 4)))
def running_product(x):
    """No division by x, so that it is right at zeros too."""
    D = x.shape[1]

    def backward(dout):
        dx = np.zeros_like(x)
        for i in range(D):
            for j in range(i, D):
                dx[:, i] += dout[:, j] * np.prod(np.delete(x[:, : j + 1], i, axis=1), axis=1)
        return dx

    return np.cumprod(x, axis=1), backward


@mutant("flipped", positive((2, 4)))
def running_product_forwards(x):
    out = np.cumprod(x, axis=1)

    def backward(dout):
        return np.cumsum(dout * out, axis=1) / x  # from the end

    return out, backward


@mutant("diagonal", positive((2, 4)))
def running_product_own_place(x):
    out = np.cumprod(x, axis=1)

    def backward(dout):
        return dout * out / x  # and all places after

    return out, backward


@correct(normal((3, 5)))
def logsumexp(x):
    peak = np.max(x, axis=1, keepdims=True)
    e = np.exp(x - peak)
    total = np.sum(e, axis=1, keepdims=True)

    def backward(dout):
        return dout[:, None] * e / total

    return (peak + np.log(total))[:, 0], backward


@mutant("unstable", normal((3, 5)))
def logsumexp_unshifted(x):
    peak = np.max(x, axis=1, keepdims=True)
    out = peak + np.log(np.sum(np.exp(x - peak), axis=1, keepdims=True))

    def backward(dout):
        e = np.exp(x)  # x - peak
        return dout[:, None] * e / np.sum(e, axis=1, keepdims=True)

    return out[:, 0], backward


@mutant("wrong-axis", normal((4, 4)))
def logsumexp_softmax_of_columns(x):
    def backward(dout):
        e = np.exp(x - np.max(x))
        return dout[:, None] * e / np.sum(e, axis=0, keepdims=True)  # axis=1

    return np.log(np.sum(np.exp(x), axis=1)), backward


@correct(normal((7,)))
def sort(x):
    order = np.argsort(x)

    def backward(dout):
        dx = np.zeros_like(x)
        dx[order] = dout
        return dx

    return x[order], backward


@mutant("transposed", normal((7,)))
def sort_permuted_again(x):
    order = np.argsort(x)

    def backward(dout):
        return dout[order]  # dx[order] = dout

    return x[order], backward


@mutant("local-derivative", normal((7,)))
def sort_passed_through(x):
    def backward(dout):
        return dout * 1.0  # in the order of x

    return np.sort(x), backward


@correct(normal((3, 6)))
def top_two(x):
    best = np.argsort(-x, axis=1)[:, :2]

    def backward(dout):
        dx = np.zeros_like(x)
        np.put_along_axis(dx, best, dout, axis=1)
        return dx

    return np.take_along_axis(x, best, axis=1), backward


@mutant("flipped", normal((3, 6)))
def top_two_in_ascending_order(x):
    best = np.argsort(-x, axis=1)[:, :2]

    def backward(dout):
        dx = np.zeros_like(x)
        np.put_along_axis(dx, best[:, ::-1], dout, axis=1)  # best
        return dx

    return np.take_along_axis(x, best, axis=1), backward


@mutant("ties", lambda r: (np.array([[3.0, 1.0, 2.0, 2.0, 0.0], [1.0, 4.0, 0.0, 4.0, 4.0]]),))
def top_two_sum_by_threshold(x):
    """out = the sum of the two largest of each row"""
    second = np.sort(x, axis=1)[:, -2:-1]

    def backward(dout):
        return dout[:, None] * (x >= second)  # three of them, where the second and third tie

    return np.sum(np.sort(x, axis=1)[:, -2:], axis=1), backward
