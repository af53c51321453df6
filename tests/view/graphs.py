"""Graphs to draw."""

import numpy as np

import handgrad as hg
from handgrad.layers import Affine, Layer, mlp
from handgrad.view.recording import record


def apples(x1, x2, x3):
    return x1 * x2 + x3


class Residual(Layer):
    """The same affine map twice, and around both the input."""

    def __init__(self):
        self.inner = Affine(4, 4, seed=0)

    def forward(self, x):
        return x + self.inner(hg.relu(self.inner(x)))


def of_apples():
    return record(apples, 100, 2, 300)


def of_fan_out():
    x = hg.variable(0.3, name="x")
    return record(x * x + hg.sin(x) ** 2 + 1 - x / 2)


def of_network():
    x, t = np.random.default_rng(0).standard_normal((5, 4)), np.array([0, 1, 1, 0, 1])
    return record(mlp([4, 3, 2], seed=0), x, loss=hg.softmax_cross_entropy, t=t)


def of_residual():
    return record(Residual(), np.random.default_rng(0).standard_normal((3, 4)))


def of_training():
    net = mlp([64, 20, 10], batch_norm=True, dropout=0.5, seed=0).train()
    x, t = np.random.default_rng(0).random((6, 8, 8)), np.arange(6)
    return record(net, x, loss=hg.softmax_cross_entropy, t=t)


def of_many(n):
    def deep(x):
        for _ in range(n):
            x = hg.sin(x)
        return x

    return record(deep, 0.5)


EACH = [of_apples, of_fan_out, of_network, of_residual, of_training]
