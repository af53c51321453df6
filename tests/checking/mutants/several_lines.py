"""One slip made on every line of its kind, as copying does."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal

XOR = normal((2, 2), (2,), (2,))


def sig(a):
    return 1 / (1 + np.exp(-a))


def hidden(w0, x):
    return sig(w0[0, 0] * x[0] + w0[1, 0] * x[1]), sig(w0[0, 1] * x[0] + w0[1, 1] * x[1])


@correct(XOR)
def by_scalars(w0, w1, x):
    h0, h1 = hidden(w0, x)
    y = sig(w1[0] * h0 + w1[1] * h1)

    def backward(dout):
        e = dout * (y - 1)
        dw0, dw1, dx = np.zeros((2, 2)), np.zeros(2), np.zeros(2)
        d0 = e * y * (1 - y) * w1[0] * h0 * (1 - h0)
        d1 = e * y * (1 - y) * w1[1] * h1 * (1 - h1)
        dw0[0, 0] = d0 * x[0]
        dw0[0, 1] = d1 * x[0]
        dw0[1, 0] = d0 * x[1]
        dw0[1, 1] = d1 * x[1]
        dw1[0] = e * y * (1 - y) * h0
        dw1[1] = e * y * (1 - y) * h1
        dx[0] = d0 * w0[0, 0] + d1 * w0[0, 1]
        dx[1] = d0 * w0[1, 0] + d1 * w0[1, 1]
        return dw0, dw1, dx

    return 0.5 * (y - 1) ** 2, backward


@mutant("local-derivative", XOR)
def output_slope_on_two_lines(w0, w1, x):
    h0, h1 = hidden(w0, x)
    y = sig(w1[0] * h0 + w1[1] * h1)

    def backward(dout):
        e = dout * (y - 1)
        dw0, dw1, dx = np.zeros((2, 2)), np.zeros(2), np.zeros(2)
        d0 = e * y * (1 - y) * w1[0] * h0 * (1 - h0)
        d1 = e * y * (1 - y) * w1[1] * h1 * (1 - h1)
        dw0[0, 0] = d0 * x[0]
        dw0[0, 1] = d1 * x[0]
        dw0[1, 0] = d0 * x[1]
        dw0[1, 1] = d1 * x[1]
        dw1[0] = e * h0  # * y * (1 - y)
        dw1[1] = e * h1  # * y * (1 - y)
        dx[0] = d0 * w0[0, 0] + d1 * w0[0, 1]
        dx[1] = d0 * w0[1, 0] + d1 * w0[1, 1]
        return dw0, dw1, dx

    return 0.5 * (y - 1) ** 2, backward


PARTS = normal((4, 3), (3, 2), (3, 2))


@mutant(("local-derivative", "factor"), PARTS)
def slope_on_each_column(x, W, V):
    a, b = np.tanh(x @ W), np.tanh(x @ V)

    def backward(dout):
        da, db = dout * b, dout * a  # * (1 - a * a), * (1 - b * b)
        dW, dV = np.zeros_like(W), np.zeros_like(V)
        dW[:, 0] = x.T @ da[:, 0]
        dW[:, 1] = x.T @ da[:, 1]
        ga, gb = da * (1 - a * a), db * (1 - b * b)
        dV[:, 0] = x.T @ gb[:, 0]
        dV[:, 1] = x.T @ gb[:, 1]
        return ga @ W.T + gb @ V.T, dW, dV

    return a * b, backward


@mutant("factor", normal((4, 3)))
def mean_on_each_row(x):
    n = len(x)

    def backward(dout):
        dx = np.zeros_like(x)
        dx[0] = dout * 2 * x[0]  # / n
        dx[1] = dout * 2 * x[1]
        dx[2] = dout * 2 * x[2]
        dx[3] = dout * 2 * x[3]
        return dx

    return (x * x).sum() / n, backward


@mutant("transposed", normal((3, 3), (3, 3), (3, 3)))
def no_transpose_on_two_lines(x, W, V):
    def backward(dout):
        dx = dout @ W  # W.T
        dx = dx + dout @ V  # V.T
        return dx, x.T @ dout, x.T @ dout

    return x @ W + x @ V, backward


@mutant("assigned", normal((5,), (3, 5), (3, 5)))
def assigned_on_two_lines(x, a, b):
    def backward(dout):
        dx = np.zeros_like(x)
        da, db = np.zeros_like(a), np.zeros_like(b)
        for i in range(3):
            da[i], db[i] = dout[i] * x, dout[i] * x * x
            dx = dout[i] * a[i]  # +=
            dx = dx + dout[i] * b[i] * 2 * x
        return dx, da, db

    return np.stack([a[i] * x + b[i] * x * x for i in range(3)]), backward


@mutant("wrong-axis", normal((3, 3), (3,), (3,)))
def axis_on_two_lines(x, a, b):
    def backward(dout):
        da = (dout * x).sum(axis=1)  # 0
        db = dout.sum(axis=1)  # 0
        return dout * a, da, db

    return x * a + b, backward


@mutant("mask", normal((4, 3), (3, 2), (3, 2)))
def masks_on_two_lines(x, W, V):
    a, b = x @ W, x @ V

    def backward(dout):
        da = dout * (a < 0)  # >
        db = dout * (b < 0)  # >
        return da @ W.T + db @ V.T, x.T @ da, x.T @ db

    return np.maximum(a, 0) + np.maximum(b, 0), backward
