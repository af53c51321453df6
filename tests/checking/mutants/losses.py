"""Losses: cross-entropies, squared and absolute errors, divergences, and their reductions."""

from __future__ import annotations

import numpy as np

from handgrad import rule
from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.elementwise import logistic
from tests.checking.mutants.samples import normal, positive, uniform
from tests.checking.mutants.softmax import log_probabilities, probabilities


def scores_and_labels(r):
    return r.standard_normal((5, 3)), r.integers(0, 3, 5)


def scores_and_one_hot(r):
    return r.standard_normal((4, 3)), np.eye(3, dtype=int)[r.integers(0, 3, 4)]


def label_loss(x, t):
    return -np.mean(log_probabilities(x)[np.arange(len(x)), t])


@correct(scores_and_labels)
@rule
def cross_entropy(x, t):
    """Mean over the rows of -log softmax(x)[t], with t the numbers of the classes"""
    N, C = x.shape

    def backward(dout):
        return dout * (probabilities(x) - np.eye(C)[t]) / N, None

    return label_loss(x, t), backward


@mutant("factor", scores_and_labels)
@rule
def cross_entropy_without_n(x, t):
    def backward(dout):
        return dout * (probabilities(x) - np.eye(x.shape[1])[t]), None  # / N

    return label_loss(x, t), backward


@mutant("factor", scores_and_labels)
def cross_entropy_n_twice(x, t):
    N, C = x.shape

    def backward(dout):
        dscores = (probabilities(x) - np.eye(C)[t]) / N
        return dout * dscores / N, None

    return label_loss(x, t), backward


@mutant("factor", scores_and_labels)
def cross_entropy_over_all_elements(x, t):
    def backward(dout):
        return dout * (probabilities(x) - np.eye(x.shape[1])[t]) / x.size, None  # len(x)

    return label_loss(x, t), backward


@mutant("upstream-ignored", scores_and_labels)
def cross_entropy_last_in_the_network(x, t):
    N, C = x.shape

    def backward(dout):
        return (probabilities(x) - np.eye(C)[t]) / N, None  # dout *

    return label_loss(x, t), backward


@mutant("upstream-twice", scores_and_labels)
def cross_entropy_dout_twice(x, t):
    N, C = x.shape

    def backward(dout):
        dx = dout * (probabilities(x) - np.eye(C)[t])
        return dx * dout / N, None

    return label_loss(x, t), backward


@mutant("missing-path", scores_and_labels)
def cross_entropy_target_not_subtracted(x, t):
    def backward(dout):
        return dout * probabilities(x) / len(x), None  # - one-hot

    return label_loss(x, t), backward


@mutant("factor", scores_and_labels)
def cross_entropy_sign(x, t):
    N, C = x.shape

    def backward(dout):
        return dout * (np.eye(C)[t] - probabilities(x)) / N, None

    return label_loss(x, t), backward


@mutant("off-by-one", scores_and_labels)
def cross_entropy_labels_from_one(x, t):
    N, C = x.shape

    def backward(dout):
        return dout * (probabilities(x) - np.eye(C)[t - 1]) / N, None  # t

    return label_loss(x, t), backward


@mutant("assigned", scores_and_labels)
def cross_entropy_minus_one_assigned(x, t):
    N = len(x)

    def backward(dout):
        d = probabilities(x)
        d[np.arange(N), t] = -1  # -= 1
        return dout * d / N, None

    return label_loss(x, t), backward


@mutant("wrong-array", scores_and_labels)
def cross_entropy_scores_for_probabilities(x, t):
    N, C = x.shape

    def backward(dout):
        return dout * (x - np.eye(C)[t]) / N, None  # probabilities(x)

    return label_loss(x, t), backward


@mutant("wrong-axis", lambda r: (r.standard_normal((4, 4)), r.integers(0, 4, 4)))
def cross_entropy_probabilities_of_columns(x, t):
    N, C = x.shape

    def backward(dout):
        return dout * (probabilities(x, axis=0) - np.eye(C)[t]) / N, None  # axis=1

    return label_loss(x, t), backward


@mutant("stale-cache", scores_and_labels)
def cross_entropy_attributes(x, t):
    this = cross_entropy_attributes
    this.p, this.t = probabilities(x), t

    def backward(dout):
        N, C = this.p.shape
        return dout * (this.p - np.eye(C)[this.t]) / N, None

    return label_loss(x, t), backward


@mutant(("integer", "missing-gradient"), scores_and_one_hot)  # between -1 and 1 all is truncated to zero
def cross_entropy_like_the_labels(x, t):
    dscores = np.zeros_like(t)  # of integers
    dscores[:] = probabilities(x) - t

    def backward(dout):
        return dout * dscores / len(x), None

    return -np.sum(t * log_probabilities(x)) / len(x), backward


@mutant("missing-path", lambda r: (r.standard_normal((5, 3)), r.integers(0, 3, 5), positive((3,))(r)[0]))
def cross_entropy_weights_normalised(x, t, w):
    """Mean weighted by class, out = Σ wₜ loss / Σ wₜ"""
    rows = np.arange(len(x))
    total = np.sum(w[t])
    loss = -log_probabilities(x)[rows, t]

    def backward(dout):
        dx = dout * w[t][:, None] * (probabilities(x) - np.eye(x.shape[1])[t]) / total
        dw = np.bincount(t, dout * loss / total, minlength=len(w))  # loss - out
        return dx, None, dw

    return np.sum(w[t] * loss) / total, backward


@correct(lambda r: (r.standard_normal((4, 3)), probabilities(r.standard_normal((4, 3)))))
def soft_cross_entropy(x, t):
    """Sum of -t log softmax(x), where t has a gradient too"""

    def backward(dout):
        logp = log_probabilities(x)
        return dout * (np.exp(logp) * np.sum(t, axis=1, keepdims=True) - t), -dout * logp

    return -np.sum(t * log_probabilities(x)), backward


@mutant("missing-gradient", lambda r: (r.standard_normal((4, 3)), probabilities(r.standard_normal((4, 3)))))
def soft_cross_entropy_targets_constant(x, t):
    def backward(dout):
        return dout * (probabilities(x) - t), None

    return -np.sum(t * log_probabilities(x)), backward


@mutant("diagonal", scores_and_one_hot)
def soft_cross_entropy_of_diagonal(x, t):
    p = probabilities(x)

    def backward(dout):
        dp = -dout * t / p
        return dp * p * (1 - p), None  # p (dp - Σ dp p)

    return -np.sum(t * np.log(p)), backward


@mutant("epsilon", lambda r: (np.array([[1e-6, 0.3, 0.7], [0.4, 0.6, 1e-4]]), np.eye(3, dtype=int)[[0, 2]]))
def log_loss_epsilon_in_forward(p, t):
    """For hopeless predictions it matters."""

    def backward(dout):
        return -dout * t / p, None  # p + 1e-7

    return -np.sum(t * np.log(p + 1e-7)), backward


@mutant("epsilon", uniform(0.02, 0.9, (5,)))
def log_loss_epsilon_in_backward(p):
    def backward(dout):
        return -dout / (p + 1e-3) / len(p)  # p

    return -np.mean(np.log(p)), backward


@mutant("mask", lambda r: (np.array([0.001, 0.3, 0.9995, 0.8]),))
def log_loss_clipped_in_forward(p):
    def backward(dout):
        return -dout / np.clip(p, 0.01, 0.99) / len(p)  # and zero where it is clipped

    return -np.mean(np.log(np.clip(p, 0.01, 0.99))), backward


@correct(normal((4, 3), (4, 3)))
def squared_error(y, t):
    """out = mean (y - t)²"""

    def backward(dout):
        d = 2 / y.size * dout * (y - t)
        return d, -d

    return np.mean((y - t) ** 2), backward


@mutant("factor", normal((4, 3), (4, 3)))
def squared_error_by_rows(y, t):
    def backward(dout):
        d = 2 / len(y) * dout * (y - t)  # y.size
        return d, -d

    return np.mean((y - t) ** 2), backward


@mutant("factor", normal((4, 3), (4, 3)))
def squared_error_as_if_halved(y, t):
    def backward(dout):
        d = dout * (y - t) / y.size  # 2
        return d, -d

    return np.mean((y - t) ** 2), backward


@mutant("factor", normal((4, 3), (4, 3)))
def squared_error_target_same_sign(y, t):
    def backward(dout):
        d = 2 / y.size * dout * (y - t)
        return d, d  # -d

    return np.mean((y - t) ** 2), backward


@mutant("upstream-ignored", normal((4, 3), (4, 3)))
def squared_error_without_dout(y, t):
    def backward(dout):
        d = 2 / y.size * (y - t)
        return d, -d

    return np.mean((y - t) ** 2), backward


# y itself is moved, towards t, which makes the gradient smaller by a constant.
@mutant(("mutates", "updated-weights", "factor"), normal((4, 3), (4, 3)))
def squared_error_steps(y, t):
    def backward(dout):
        y[:] -= 0.05 * (y - t)
        d = 2 / y.size * dout * (y - t)
        return d, -d

    return np.mean((y - t) ** 2), backward


@mutant("broadcast", normal((4, 1), (4, 3)))
def squared_error_broadcast_sliced(y, t):
    def backward(dout):
        d = 2 / t.size * dout * (y - t)
        return d[:, :1], -d  # np.sum(d, axis=1, keepdims=True)

    return np.mean((y - t) ** 2), backward


@mutant("wrong-axis", normal((3, 3), (3, 3), (3,)))
def squared_error_weights_of_columns(y, t, w):
    """out = Σᵢ wᵢ Σⱼ (yᵢⱼ - tᵢⱼ)²"""

    def backward(dout):
        d = 2 * dout * w * (y - t)  # w[:, None]
        return d, -d, dout * np.sum((y - t) ** 2, axis=1)

    return np.sum(w[:, None] * (y - t) ** 2), backward


@correct(lambda r: (3 * r.standard_normal((6,)), r.standard_normal((6,))))
def huber(y, t, delta=1.0):
    """d²/2 where |d| <= δ, else δ (|d| - δ/2)"""
    d = y - t
    small = np.abs(d) <= delta

    def backward(dout):
        dy = dout * np.where(small, d, delta * np.sign(d)) / d.size
        return dy, -dy

    return np.mean(np.where(small, d * d / 2, delta * (np.abs(d) - delta / 2))), backward


def huber_loss(d, delta):
    return np.mean(np.where(np.abs(d) <= delta, d * d / 2, delta * (np.abs(d) - delta / 2)))


FAR = normal((12,), (12,))


@mutant("mask", FAR)
def huber_branches_exchanged(y, t, delta=1.0):
    d = y - t

    def backward(dout):
        dy = dout * np.where(np.abs(d) > delta, d, delta * np.sign(d)) / d.size  # <=
        return dy, -dy

    return huber_loss(d, delta), backward


@mutant("mask", FAR)
def huber_sign_forgotten(y, t, delta=1.0):
    d = y - t

    def backward(dout):
        dy = dout * np.minimum(d, delta) / d.size  # np.clip(d, -delta, delta)
        return dy, -dy

    return huber_loss(d, delta), backward


@mutant("mask", FAR)
def huber_threshold_of_one(y, t, delta=0.5):
    d = y - t

    def backward(dout):
        dy = dout * np.where(np.abs(d) <= 1, d, delta * np.sign(d)) / d.size  # delta
        return dy, -dy

    return huber_loss(d, delta), backward


@correct(lambda r: (3 * r.standard_normal((5,)), r.uniform(0, 1, (5,))))
def logistic_loss(x, t):
    """Binary cross-entropy of scores, max(x, 0) - x t + log(1 + e⁻|ˣ|)"""

    def backward(dout):
        return dout * (logistic(x) - t) / x.size, -dout * x / x.size

    return np.mean(np.logaddexp(0, x) - x * t), backward


@mutant("local-derivative", lambda r: (3 * r.standard_normal((5,)), r.integers(0, 2, 5)))
def logistic_loss_sigmoid_twice(x, t):
    p = logistic(x)

    def backward(dout):
        return dout * (p - t) * p * (1 - p) / x.size, None  # p - t has it already

    return np.mean(np.logaddexp(0, x) - x * t), backward


@mutant("unstable", lambda r: (3 * r.standard_normal((5,)), r.integers(0, 2, 5)))
def logistic_loss_by_probabilities(x, t):
    def backward(dout):
        p = np.exp(x) / (1 + np.exp(x))
        return dout * (p - t) / x.size, None

    return np.mean(np.logaddexp(0, x) - x * t), backward


@mutant("wrong-array", lambda r: (3 * r.standard_normal((5,)), r.uniform(0, 1, (5,))))
def logistic_loss_target_by_probability(x, t):
    def backward(dout):
        p = logistic(x)
        return dout * (p - t) / x.size, -dout * p / x.size  # x

    return np.mean(np.logaddexp(0, x) - x * t), backward


@mutant("missing-path", uniform(0.1, 0.9, (6,), (6,)))
def binary_cross_entropy_positive_only(p, t):
    """out = -mean t log p + (1 - t) log(1 - p)"""

    def backward(dout):
        dp = -dout * t / p / p.size  # + (1 - t) / (1 - p)
        return dp, -dout * (np.log(p) - np.log(1 - p)) / p.size

    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p)), backward


@mutant("swapped", uniform(0.1, 0.9, (6,), (6,)))
def binary_cross_entropy_targets_for_predictions(p, t):
    def backward(dout):
        dp = dout * (p - t) / (p * (1 - p)) / p.size
        dt = -dout * (np.log(p) - np.log(1 - p)) / p.size
        return dt, dp

    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p)), backward


@correct(positive((3, 4), (3, 4)))
def divergence(p, q):
    """out = Σ p log(p / q)"""

    def backward(dout):
        return dout * (np.log(p / q) + 1), -dout * p / q

    return np.sum(p * np.log(p / q)), backward


@mutant("missing-path", positive((3, 4), (3, 4)))
def divergence_without_one(p, q):
    def backward(dout):
        return dout * np.log(p / q), -dout * p / q  # + 1

    return np.sum(p * np.log(p / q)), backward


@mutant("swapped", positive((3, 4), (3, 4)))
def divergence_ratio_inverted(p, q):
    def backward(dout):
        return dout * (np.log(p / q) + 1), -dout * q / p  # p / q

    return np.sum(p * np.log(p / q)), backward


@correct(normal((4, 3), (4, 3), (4, 3)))
def triplet(a, p, n):
    """out = Σ max(|a - p|² - |a - n|² + 1, 0)"""
    margin = np.sum((a - p) ** 2, axis=1) - np.sum((a - n) ** 2, axis=1) + 1

    def backward(dout):
        active = 2 * dout * (margin > 0)[:, None]
        return active * (n - p), active * (p - a), active * (a - n)

    return np.sum(np.maximum(margin, 0)), backward


@mutant("mask", normal((6, 3), (6, 3), (6, 3)))
def triplet_always_active(a, p, n):
    margin = np.sum((a - p) ** 2, axis=1) - np.sum((a - n) ** 2, axis=1) + 1

    def backward(dout):
        return 2 * dout * (n - p), 2 * dout * (p - a), 2 * dout * (a - n)  # margin > 0

    return np.sum(np.maximum(margin, 0)), backward


@mutant("missing-path", lambda r: (r.standard_normal((5, 3)) / 5, r.standard_normal((5, 3)), np.ones((5, 3))))
def triplet_anchor_of_positive_only(a, p, n):
    margin = np.sum((a - p) ** 2, axis=1) - np.sum((a - n) ** 2, axis=1) + 1

    def backward(dout):
        active = 2 * dout * (margin > 0)[:, None]
        return active * (a - p), active * (p - a), active * (a - n)  # - (a - n)

    return np.sum(np.maximum(margin, 0)), backward


@correct(lambda r: (r.standard_normal((5, 3)), r.integers(0, 3, 5)))
def hinge(x, t):
    """Many classes: Σ over the wrong ones of max(0, x - xₜ + 1)"""
    rows = np.arange(len(x))
    margin = np.maximum(0, x - x[rows, t][:, None] + 1)
    margin[rows, t] = 0

    def backward(dout):
        d = (margin > 0) * 1.0
        d[rows, t] = -np.sum(d, axis=1)
        return dout * d, None

    return np.sum(margin), backward


@mutant("factor", lambda r: (r.standard_normal((5, 2)), r.integers(0, 2, 5)))
def hinge_averaged_in_forward_only(x, t):
    out, right = hinge(x, t)

    def backward(dout):
        return right(dout)[0], None  # / len(x)

    return out / len(x), backward


@mutant("missing-path", lambda r: (r.standard_normal((5, 4)), r.integers(0, 4, 5)))
def hinge_true_class_once(x, t):
    rows = np.arange(len(x))
    margin = np.maximum(0, x - x[rows, t][:, None] + 1)
    margin[rows, t] = 0

    def backward(dout):
        d = (margin > 0) * 1.0
        d[rows, t] = -1.0  # as many as there are margins
        return dout * d, None

    return np.sum(margin), backward
