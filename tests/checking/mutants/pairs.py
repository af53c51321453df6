"""Two slips at once, each of which is named alone."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import slips
from tests.checking.mutants.samples import normal

NET = normal((5, 3), (3, 4), (4,), (4, 2))


def forward_of(x, W, b, V):
    z = x @ W + b
    a = np.maximum(z, 0)
    return z, a, a @ V


@slips("mask", "factor", NET)
def mask_and_sum(x, W, b, V):
    z, a, out = forward_of(x, W, b, V)

    def backward(dout):
        dz = dout @ V.T * (z < 0)  # >
        return dz @ W.T, x.T @ dz, dz.mean(axis=0), a.T @ dout  # sum

    return out, backward


@slips("mask", "transposed", normal((3, 3), (3, 3), (3,), (3, 2)))
def mask_and_transpose(x, W, b, V):
    z, a, out = forward_of(x, W, b, V)

    def backward(dout):
        dz = dout @ V.T * (z < 0)  # >
        return dz @ W, x.T @ dz, dz.sum(axis=0), a.T @ dout  # W.T

    return out, backward


@slips("local-derivative", "wrong-array", normal((5, 3), (3, 3)))
def slope_and_output(x, W):
    t = np.tanh(x @ W)

    def backward(dout):
        dz = dout * (1 - t)  # t * t
        return dz @ W.T, t[:, :3].T @ dz  # x

    return t, backward


@slips("factor", "factor", normal((4, 3)))
def factor_and_sign(x):
    n = len(x)

    def backward(dout):
        d = dout / n
        d = d * 3  # 2
        return d * np.cos(x * x) * x * -1  # no minus

    return np.sin(x * x).sum() / n, backward


@slips("wrong-axis", "factor", normal((3, 3), (3,)))
def axis_and_mean(x, b):
    def backward(dout):
        d = dout * 2 * (x + b)
        return d, d.mean(axis=1)  # sum(axis=0)

    return (x + b) ** 2, backward


@slips("transposed", "factor", normal((4, 3), (3, 3)))
def transpose_and_minus(x, W):
    y = x @ W

    def backward(dout):
        dy = -dout * np.cos(y)  # no minus
        return dy @ W, x.T @ dy  # W.T

    return np.sin(y), backward


@slips("assigned", "off-by-one", normal((2, 7), (3,)))
def assigned_and_short(x, w):
    n = x.shape[1] - 2
    out = np.stack([x[:, i : i + 3] @ w for i in range(n)], axis=1)

    def backward(dout):
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i in range(n - 1):  # n
            dx[:, i : i + 3] = dout[:, [i]] * w  # +=
            dw += dout[:, i] @ x[:, i : i + 3]
        return dx, dw

    return out, backward


@slips("missing-path", "local-derivative", normal((4, 3)))
def path_and_slope(x):
    t = np.tanh(x)

    def backward(dout):
        direct, through = dout * t, dout * x
        assert direct.shape == through.shape
        return through * (1 - t)  # t * t; + direct

    return x * t, backward


@slips("swapped", "factor", normal((4, 3), (4, 3)))
def swapped_and_half(x, y):
    def backward(dout):
        d = dout / 2  # dout
        return d * x, d * y  # y, x

    return x * y, backward


@slips("mask", "factor", normal((4, 5)))
def leaky_twice(x):
    def backward(dout):
        return np.where(x < 0, dout, 0.1 * dout * 2)  # >, no 2

    return np.where(x > 0, x, 0.1 * x), backward


@slips("wrong-array", "factor", lambda r: (r.uniform(0.2, 1, (4, 3)), r.uniform(0.2, 1, (4, 3))))
def quotient_twice(x, y):
    q = x / y

    def backward(dout):
        return dout / y, dout * x / y  # -dout * q / y

    return q, backward


@slips("local-derivative", "transposed", normal((3, 3), (3, 3)))
class DenseSigmoid:
    def __init__(self):
        self.W = np.random.default_rng(0).standard_normal((3, 3))

    def forward(self, x, c):
        self.x, self.c = x, c
        self.out = 1 / (1 + np.exp(-(x @ self.W + c)))
        return self.out

    def backward(self, dout):
        dz = dout * self.out  # * (1 - self.out)
        self.dW = dz.T @ self.x  # self.x.T @ dz
        return dz @ self.W.T, dz


@slips("factor", "broadcast", lambda r: (r.standard_normal((4, 3)), r.standard_normal(3)))
def half_and_first(x, b):
    y = x + b

    def backward(dout):
        d = dout * y  # 2
        return d, d[0]  # sum

    return y * y, backward
