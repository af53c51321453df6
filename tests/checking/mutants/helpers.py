"""Slips in functions that the backward calls: the call is right, what is called is not."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal, positive

ROWS = normal((4, 3), (3, 5))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slope_of_tanh(t):
    return 1 - t * t


@correct(ROWS)
def through_tanh(x, W):
    out = np.tanh(x @ W)

    def backward(dout):
        dz = dout * slope_of_tanh(out)
        return dz @ W.T, x.T @ dz

    return out, backward


def slope_not_squared(t):
    return 1 - t  # t * t


@mutant("local-derivative", ROWS)
def tanh_slope_not_squared(x, W):
    out = np.tanh(x @ W)

    def backward(dout):
        dz = dout * slope_not_squared(out)
        return dz @ W.T, x.T @ dz

    return out, backward


def slope_of_sum(t):
    return 1 + t * t  # -


@mutant(("factor", "local-derivative"), ROWS)
def tanh_slope_sign(x, W):
    out = np.tanh(x @ W)

    def backward(dout):
        dz = dout * slope_of_sum(out)
        return dz @ W.T, x.T @ dz

    return out, backward


def sigmoid_prime(x):
    return sigmoid(x) * (1 - sigmoid(x))


@mutant(("wrong-array", "local-derivative"), ROWS)
def sigmoid_prime_of_the_output(x, W):
    out = sigmoid(x @ W)

    def backward(dout):
        dz = dout * sigmoid_prime(out)  # of x @ W; or sigmoid_prime in terms of the output
        return dz @ W.T, x.T @ dz

    return out, backward


@mutant(("wrong-array", "local-derivative"), normal((5, 3)))
class TwoLayers:
    """The same in a network, where the slope is asked for twice."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.weights = [rng.standard_normal((3, 4)), rng.standard_normal((4, 2))]

    def forward(self, x):
        self.a = [x]
        for W in self.weights:
            self.a.append(sigmoid(self.a[-1] @ W))
        return self.a[-1]

    def backward(self, dout):
        delta = dout * sigmoid_prime(self.a[-1])
        self.grads = [None, None]
        for n in (1, 0):
            self.grads[n] = self.a[n].T @ delta
            delta = delta @ self.weights[n].T
            if n:
                delta = delta * sigmoid_prime(self.a[n])
        return delta


def mask_below(a):
    return (a < 0) * 1.0  # >


@mutant("mask", ROWS)
def relu_mask_below(x, W):
    z = x @ W

    def backward(dout):
        dz = dout * mask_below(z)
        return dz @ W.T, x.T @ dz

    return np.maximum(z, 0), backward


def dense_back(dout, x, W):
    return dout @ W.T, dout.T @ x, dout.sum(axis=0)  # x.T @ dout


@mutant("transposed", normal((4, 3), (3, 3), (3,)))
def dense_back_turned(x, W, b):
    def backward(dout):
        dx, dW, db = dense_back(dout, x, W)
        return dx, dW, db

    return x @ W + b, backward


def bias_back(dout):
    return dout.mean(axis=0)  # sum


@mutant("factor", normal((4, 3), (3, 3), (3,)))
def bias_back_averaged(x, W, b):
    def backward(dout):
        return dout @ W.T, x.T @ dout, bias_back(dout)

    return x @ W + b, backward


def summed_to(g, shape):
    """What broadcasting repeated"""
    lead = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(lead)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1)
    return g.mean(axis=axes, keepdims=True)  # sum


@mutant("factor", normal((2, 4, 3), (4, 1)))
def product_of_broadcast(x, y):
    def backward(dout):
        return dout * y, summed_to(dout * x, y.shape)

    return x * y, backward


def columns_back(dcols, n):
    dx = np.zeros((dcols.shape[0], n))
    for i in range(dcols.shape[1]):
        dx[:, i : i + 2] = dcols[:, i]  # +=
    return dx


@mutant("assigned", normal((3, 6), (2, 4)))
def windows_back_assigned(x, W):
    cols = np.stack([x[:, i : i + 2] for i in range(x.shape[1] - 1)], axis=1)

    def backward(dout):
        dW = np.einsum("nik,nij->kj", cols, dout)
        return columns_back(dout @ W.T, x.shape[1]), dW

    return cols @ W, backward


def softmax_back(p, d):
    return p * (d - d.sum(axis=-1, keepdims=True))  # (d * p).sum


@mutant(("local-derivative", "missing-path", "wrong-array", "diagonal"), normal((4, 3)))
def softmax_back_unweighted(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p, lambda dout: softmax_back(p, dout)


def softmax_back_over(p, d):
    return p * (d - (d * p).sum(axis=0, keepdims=True))  # -1


@mutant("wrong-axis", normal((4, 3)))
def softmax_back_over_examples(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p, lambda dout: softmax_back_over(p, dout)


def normal_back(d, xhat, std):
    return (d - d.mean(axis=0)) / std  # - xhat * (d * xhat).mean(axis=0)


@mutant(("variance-term", "missing-path"), normal((5, 3)))
def normal_back_without_variance(x):
    std = x.std(axis=0)
    xhat = (x - x.mean(axis=0)) / std
    return xhat, lambda dout: normal_back(dout, xhat, std)


def root_back(d, y):
    return d / y  # 2 * y


@mutant("factor", positive((4, 3)))
def root_back_without_two(x):
    out = np.sqrt(x)
    return out, lambda dout: root_back(dout, out)


def dropped_back(d, keep, p):
    return d * keep / p  # 1 - p


@mutant(("factor", "swapped"), lambda r: (r.standard_normal((4, 5)), r.random((4, 5)) < 0.7))
def dropout_scaled_by_the_rest(x, keep):
    return x * keep / (1 - 0.3), lambda dout: dropped_back(dout, keep, 0.3)


def chained(f, g):
    """The helper is handed to another helper."""
    return lambda d: g(f(d))


def last_step(d):
    return d * 2


@mutant(("factor", "local-derivative"), normal((3, 4)))
def cube_in_two_steps(x):
    back = chained(last_step, lambda d: d * x * x)  # 3
    return x**3, lambda dout: back(dout)
