"""Softmax and its logarithm over the last axis."""

from __future__ import annotations

import numpy as np

from handgrad import rule
from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal

X = normal((3, 4))


def probabilities(x, axis=-1):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_probabilities(x):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


@correct(X)
@rule
def softmax(x):
    p = probabilities(x)

    def backward(dout):
        return p * (dout - np.sum(dout * p, axis=-1, keepdims=True))

    return p, backward


@mutant("diagonal", X)
@rule
def softmax_diagonal(x):
    p = probabilities(x)

    def backward(dout):
        return dout * p * (1 - p)  # and the rest of the Jacobian

    return p, backward


@mutant("missing-path", X)
@rule
def softmax_numerator_only(x):
    p = probabilities(x)

    def backward(dout):
        return dout * p  # - p Σ dout p

    return p, backward


@mutant("wrong-axis", normal((4, 4)))
@rule
def softmax_sum_down_columns(x):
    p = probabilities(x)

    def backward(dout):
        return p * (dout - np.sum(dout * p, axis=0, keepdims=True))  # axis=-1

    return p, backward


@mutant("wrong-axis", X)
def softmax_sum_of_all(x):
    p = probabilities(x)

    def backward(dout):
        return p * (dout - np.sum(dout * p))  # axis=-1, keepdims=True

    return p, backward


@mutant("wrong-array", X)
def softmax_of_x(x):
    p = probabilities(x)

    def backward(dout):
        return p * (dout - np.sum(dout * x, axis=-1, keepdims=True))  # dout * p

    return p, backward


@mutant("unstable", X)
def softmax_unshifted_backward(x):
    p = probabilities(x)

    def backward(dout):
        e = np.exp(x)  # p
        q = e / np.sum(e, axis=-1, keepdims=True)
        return q * (dout - np.sum(dout * q, axis=-1, keepdims=True))

    return p, backward


@mutant("missing-gradient", X)
def softmax_constant(x):
    def backward(dout):
        return np.zeros_like(x)  # its rows sum to one, but dout is no constant

    return probabilities(x), backward


@mutant("upstream-ignored", X)
def softmax_first_of_dout(x):
    p = probabilities(x)

    def backward(dout):
        first = dout[:, :1] * np.eye(x.shape[1])[0]  # dout
        return p * (first - np.sum(first * p, axis=-1, keepdims=True))

    return p, backward


@correct(normal((2, 5), ()))
def softmax_at_temperature(x, T):
    """out = softmax(x / T²)"""
    p = probabilities(x / T**2)

    def backward(dout):
        dz = p * (dout - np.sum(dout * p, axis=-1, keepdims=True))
        return dz / T**2, np.sum(dz * x) * -2 / T**3

    return p, backward


@mutant("factor", normal((2, 5)))
def softmax_temperature_forgotten(x, T=2.5):
    p = probabilities(x / T)

    def backward(dout):
        return p * (dout - np.sum(dout * p, axis=-1, keepdims=True))  # / T

    return p, backward


@mutant("stale-cache", X)
def softmax_shared_buffer(x, buffer=np.empty((3, 4))):  # noqa: B008
    """One array holds the output of every use."""
    buffer[:] = probabilities(x)

    def backward(dout):
        return buffer * (dout - np.sum(dout * buffer, axis=-1, keepdims=True))

    return buffer.copy(), backward


@correct(X)
def log_softmax(x):
    out = log_probabilities(x)

    def backward(dout):
        return dout - np.exp(out) * np.sum(dout, axis=-1, keepdims=True)

    return out, backward


@mutant("missing-path", X)
def log_softmax_shift_only(x):
    def backward(dout):
        return dout * 1.0  # - p Σ dout

    return log_probabilities(x), backward


@mutant("diagonal", X)
def log_softmax_diagonal(x):
    out = log_probabilities(x)

    def backward(dout):
        return dout * (1 - np.exp(out))  # dout - p Σ dout

    return out, backward


@mutant("wrong-array", X)
def log_softmax_out_for_probability(x):
    out = log_probabilities(x)

    def backward(dout):
        return dout - out * np.sum(dout, axis=-1, keepdims=True)  # np.exp(out)

    return out, backward


@mutant("wrong-axis", normal((4, 4)))
def log_softmax_sum_down_columns(x):
    out = log_probabilities(x)

    def backward(dout):
        return dout - np.exp(out) * np.sum(dout, axis=0, keepdims=True)  # axis=-1

    return out, backward


@mutant("unstable", X)
def log_softmax_unshifted_backward(x):
    def backward(dout):
        e = np.exp(x)
        return dout - e / e.sum(axis=-1, keepdims=True) * np.sum(dout, axis=-1, keepdims=True)

    return log_probabilities(x), backward


@correct(lambda r: (r.standard_normal((3, 4)), np.tri(3, 4, 1, dtype=int)))
def masked_softmax(x, mask):
    """Where the mask is 0 the probability is; the mask has no gradient."""
    p = probabilities(np.where(mask > 0, x, -1e30))

    def backward(dout):
        return p * (dout - np.sum(dout * p, axis=-1, keepdims=True)), None

    return p, backward
