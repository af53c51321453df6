"""Slips of copying and pasting: another key, another function, another input; a line indented too far."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal

GATES = normal((4, 3), (3, 2), (3, 2), (2,), (2,))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slope(s):
    return s * (1 - s)


# The forward's own: its backward is that of the forward which was meant.


def gate_back(x, g, c, Wg, Wc, dout):
    dg, dc = dout * c * slope(g), dout * g * (1 - c * c)
    return dg @ Wg.T + dc @ Wc.T, x.T @ dg, x.T @ dc, dg.sum(axis=0), dc.sum(axis=0)


@correct(GATES)
def gated(x, Wg, Wc, bg, bc):
    g, c = sigmoid(x @ Wg + bg), np.tanh(x @ Wc + bc)
    return g * c, lambda dout: gate_back(x, g, c, Wg, Wc, dout)


@mutant("wrong-array", GATES)
def gated_by_the_other_bias(x, Wg, Wc, bg, bc):
    g, c = sigmoid(x @ Wg + bg), np.tanh(x @ Wc + bg)  # bc
    return g * c, lambda dout: gate_back(x, g, c, Wg, Wc, dout)


@mutant("wrong-array", normal((5, 3)))
class ThreeGains:
    def __init__(self):
        self.gain, self.slope, self.shift = np.array([1.0, 2.0, 0.5]), np.ones(3), np.zeros(3)

    def forward(self, x):
        self.x, self.t = x, np.tanh(self.gain * x)
        return self.gain * self.t + self.gain * x  # slope * t + shift * x

    def backward(self, dout):
        dt = dout * self.gain * (1 - self.t**2)
        self.dgain = np.sum(dt * self.x, axis=0)
        self.dslope = np.sum(dout * self.t, axis=0)
        self.dshift = np.sum(dout * self.x, axis=0)
        return dt * self.gain + dout * self.gain


# Another key.


class Gates:
    def __init__(self):
        rng = np.random.default_rng(2)
        self.params = {
            f"{kind}{k}": rng.standard_normal(n) for k in "fio" for kind, n in (("W", (3, 2)), ("b", 2))
        }
        self.grads = {}

    def forward(self, x):
        self.x = x
        self.gates = {k: sigmoid(x @ self.params["W" + k] + self.params["b" + k]) for k in "fio"}
        return self.gates["f"] * self.gates["i"] + self.gates["o"]

    def deltas(self, dout):
        others = {"f": self.gates["i"], "i": self.gates["f"], "o": 1.0}
        return {k: dout * others[k] * slope(self.gates[k]) for k in "fio"}

    def backward(self, dout):
        delta = self.deltas(dout)
        self.grads = {"W" + k: self.x.T @ delta[k] for k in "fio"}
        self.grads["bf"] = delta["f"].sum(axis=0)
        self.grads["bi"] = delta["i"].sum(axis=0)
        self.grads["bo"] = delta["o"].sum(axis=0)
        return sum(delta[k] @ self.params["W" + k].T for k in "fio")


correct(normal((4, 3)))(Gates)


@mutant(("wrong-array", "swapped"), normal((4, 3)))
class BiasOfAnotherGate(Gates):
    def backward(self, dout):
        delta = self.deltas(dout)
        self.grads = {"W" + k: self.x.T @ delta[k] for k in "fio"}
        self.grads["bf"] = delta["f"].sum(axis=0)
        self.grads["bi"] = delta["f"].sum(axis=0)  # i
        self.grads["bo"] = delta["o"].sum(axis=0)
        return sum(delta[k] @ self.params["W" + k].T for k in "fio")


@mutant("wrong-array", normal((4, 3)))
class WeightsOfAnotherGate(Gates):
    def backward(self, dout):
        delta = self.deltas(dout)
        self.grads = {"W" + k: self.x.T @ delta[k] for k in "fio"}
        self.grads |= {"b" + k: delta[k].sum(axis=0) for k in "fio"}
        dx = delta["f"] @ self.params["Wf"].T + delta["i"] @ self.params["Wf"].T  # Wi
        return dx + delta["o"] @ self.params["Wo"].T


# Another function.


@mutant("local-derivative", normal((4, 3), (3, 2), (3, 2)))
def sigmoid_for_its_slope(x, W, V):
    f, o = sigmoid(x @ W), sigmoid(x @ V)

    def backward(dout):
        df = dout * o * sigmoid(f)  # slope(f)
        do = dout * f * slope(o)
        return df @ W.T + do @ V.T, x.T @ df, x.T @ do

    return f * o, backward


def slope_of_tanh(t):
    return 1 - t * t


@mutant("local-derivative", normal((4, 3), (3, 2), (2, 2), (2, 2)))
def slope_of_tanh_for_that_of_sigmoid(x, W, V, U):
    s = sigmoid(x @ W)
    t = np.tanh(s @ V)
    out = sigmoid(t @ U)

    def backward(dout):
        dz = dout * slope(out)
        dt = (dz @ U.T) * slope_of_tanh(t)
        ds = (dt @ V.T) * slope_of_tanh(s)  # slope(s)
        return ds @ W.T, x.T @ ds, s.T @ dt, t.T @ dz

    return out, backward


# A return that is indented too far.


@correct(normal((6, 3)))
def windows(x):
    def backward(dout):
        dx = np.zeros_like(x)
        for i in range(len(dout)):
            dx[i : i + 3] += dout[i]
        return dx

    return np.stack([x[i : i + 3].sum(axis=0) for i in range(len(x) - 2)]), backward


@mutant(("assigned", "off-by-one"), normal((6, 3)))
def windows_left_early(x):
    def backward(dout):
        dx = np.zeros_like(x)
        for i in range(len(dout)):
            dx[i : i + 3] += dout[i]
            return dx
        return dx

    return np.stack([x[i : i + 3].sum(axis=0) for i in range(len(x) - 2)]), backward


@mutant(("assigned", "off-by-one"), normal((4, 3, 2)))
class MaxOverWindows:
    def forward(self, x):
        self.x = x
        return np.stack([x[i : i + 2].max(axis=0) for i in range(0, len(x), 2)])

    def backward(self, dout):
        dx = np.zeros(self.x.shape)
        for i in range(len(dout)):
            part = self.x[2 * i : 2 * i + 2]
            dx[2 * i : 2 * i + 2] = (part == part.max(axis=0)) * dout[i]
            return dx
