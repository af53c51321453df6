"""What a recurrence carries: from step to step, forward in time, and back."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal

RNN = normal((3, 2, 3), (2, 4), (3, 4), (4, 4), (4,))


def states(x, h0, Wx, Wh, b):
    """(T, N, D), (N, H) -> (T + 1, N, H), hₜ₊₁ = tanh(xₜ Wx + hₜ Wh + b)"""
    h = [h0]
    for t in range(len(x)):
        h.append(np.tanh(x[t] @ Wx + h[t] @ Wh + b))
    return np.stack(h)


@correct(RNN)
def plain(x, h0, Wx, Wh, b):
    h = states(x, h0, Wx, Wh, b)

    def backward(dout):
        dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
        dnext = np.zeros_like(h0)
        for t in reversed(range(len(x))):
            dz = (dout[t] + dnext) * (1 - h[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h[t].T @ dz
            db += dz.sum(axis=0)
            dnext = dz @ Wh.T
        return dx, dnext, dWx, dWh, db

    return h[1:], backward


@mutant(("carry", "missing-path"), RNN)
def carry_never_updated(x, h0, Wx, Wh, b):
    h = states(x, h0, Wx, Wh, b)

    def backward(dout):
        dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
        dnext = np.zeros_like(h0)
        for t in reversed(range(len(x))):
            dz = (dout[t] + dnext) * (1 - h[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h[t].T @ dz
            db += dz.sum(axis=0)
            dprev = dz @ Wh.T  # dnext = dprev
        return dx, dprev, dWx, dWh, db

    return h[1:], backward


@mutant(("carry", "missing-path"), normal((3, 2, 3), (3, 4), (4, 4)))
def carry_not_there(x, Wx, Wh):
    h = states(x, np.zeros((x.shape[1], 4)), Wx, Wh, 0.0)

    def backward(dout):
        dx, dWx, dWh = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh)
        for t in reversed(range(len(x))):
            dz = dout[t] * (1 - h[t + 1] ** 2)  # + what comes from the step after
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h[t].T @ dz
        return dx, dWx, dWh

    return h[1:], backward


@mutant(("off-by-one", "wrong-array"), RNN)
def state_after_for_state_before(x, h0, Wx, Wh, b):
    h = states(x, h0, Wx, Wh, b)

    def backward(dout):
        dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
        dnext = np.zeros_like(h0)
        for t in reversed(range(len(x))):
            dz = (dout[t] + dnext) * (1 - h[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h[t + 1].T @ dz  # h[t]
            db += dz.sum(axis=0)
            dnext = dz @ Wh.T
        return dx, dnext, dWx, dWh, db

    return h[1:], backward


@mutant(("off-by-one", "wrong-array", "local-derivative"), RNN)
def slope_at_the_state_before(x, h0, Wx, Wh, b):
    h = states(x, h0, Wx, Wh, b)

    def backward(dout):
        dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
        dnext = np.zeros_like(h0)
        for t in reversed(range(len(x))):
            dz = (dout[t] + dnext) * (1 - h[t] ** 2)  # h[t + 1]
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h[t].T @ dz
            db += dz.sum(axis=0)
            dnext = dz @ Wh.T
        return dx, dnext, dWx, dWh, db

    return h[1:], backward


@mutant(("carry", "missing-path", "local-derivative"), RNN)
def carry_past_the_slope(x, h0, Wx, Wh, b):
    h = states(x, h0, Wx, Wh, b)

    def backward(dout):
        dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
        dnext = np.zeros_like(h0)
        for t in reversed(range(len(x))):
            dz = dout[t] * (1 - h[t + 1] ** 2) + dnext  # inside the brackets
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h[t].T @ dz
            db += dz.sum(axis=0)
            dnext = dz @ Wh.T
        return dx, dnext, dWx, dWh, db

    return h[1:], backward


@mutant(("wrong-array", "missing-gradient"), RNN)
def state_of_the_start_throughout(x, h0, Wx, Wh, b):
    h = states(x, h0, Wx, Wh, b)

    def backward(dout):
        dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
        dnext = np.zeros_like(h0)
        for t in reversed(range(len(x))):
            dz = (dout[t] + dnext) * (1 - h[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h0.T @ dz  # h[t]
            db += dz.sum(axis=0)
            dnext = dz @ Wh.T
        return dx, dnext, dWx, dWh, db

    return h[1:], backward


@mutant(("carry", "missing-path", "assigned"), RNN)
def carry_without_its_own_dout(x, h0, Wx, Wh, b):
    h = states(x, h0, Wx, Wh, b)

    def backward(dout):
        dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
        dh = dout[-1]
        for t in reversed(range(len(x))):
            dz = dh * (1 - h[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h[t].T @ dz
            db += dz.sum(axis=0)
            dh = dz @ Wh.T  # + dout[t - 1]
        return dx, dh, dWx, dWh, db

    return h[1:], backward


@mutant(("carry", "missing-path", "off-by-one"), RNN)
def truncated_after_two_steps(x, h0, Wx, Wh, b):
    h = states(x, h0, Wx, Wh, b)

    def backward(dout):
        dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
        dh0 = np.zeros_like(h0)
        for last in range(len(x)):
            d = dout[last]
            for t in range(last, max(last - 2, -1), -1):  # -1
                dz = d * (1 - h[t + 1] ** 2)
                dx[t] += dz @ Wx.T
                dWx += x[t].T @ dz
                dWh += h[t].T @ dz
                db += dz.sum(axis=0)
                d = dz @ Wh.T
            dh0 = dh0 + (d if last < 2 else 0)
        return dx, dh0, dWx, dWh, db

    return h[1:], backward


@mutant("assigned", RNN)
def last_step_only(x, h0, Wx, Wh, b):
    h = states(x, h0, Wx, Wh, b)

    def backward(dout):
        dx = np.zeros_like(x)
        dnext = np.zeros_like(h0)
        for t in reversed(range(len(x))):
            dz = (dout[t] + dnext) * (1 - h[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx, dWh, db = x[t].T @ dz, h[t].T @ dz, dz.sum(axis=0)  # +=
            dnext = dz @ Wh.T
        return dx, dnext, dWx, dWh, db

    return h[1:], backward


@mutant(("flipped", "off-by-one"), RNN)
def steps_forwards(x, h0, Wx, Wh, b):
    h = states(x, h0, Wx, Wh, b)

    def backward(dout):
        dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
        dnext = np.zeros_like(h0)
        for t in range(len(x)):  # reversed
            dz = (dout[t] + dnext) * (1 - h[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h[t].T @ dz
            db += dz.sum(axis=0)
            dnext = dz @ Wh.T
        return dx, dnext, dWx, dWh, db

    return h[1:], backward


@mutant(("carry", "missing-path", "missing-gradient"), RNN)
def start_gets_nothing(x, h0, Wx, Wh, b):
    h = states(x, h0, Wx, Wh, b)

    def backward(dout):
        dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
        dnext = np.zeros_like(h0)
        for t in reversed(range(len(x))):
            dz = (dout[t] + dnext) * (1 - h[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h[t].T @ dz
            db += dz.sum(axis=0)
            dnext = dz @ Wh.T
        return dx, np.zeros_like(h0), dWx, dWh, db  # dnext

    return h[1:], backward


@mutant("transposed", RNN)
def carry_by_the_wrong_side(x, h0, Wx, Wh, b):
    h = states(x, h0, Wx, Wh, b)

    def backward(dout):
        dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
        dnext = np.zeros_like(h0)
        for t in reversed(range(len(x))):
            dz = (dout[t] + dnext) * (1 - h[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h[t].T @ dz
            db += dz.sum(axis=0)
            dnext = dz @ Wh  # Wh.T
        return dx, dnext, dWx, dWh, db

    return h[1:], backward


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


LONG = normal((3, 2, 3))


@correct(LONG)
class LSTM:
    """x (T, N, D) -> (T, N, H): gates i, f, o, g beside one another in W (H + D, 4H)"""

    def __init__(self):
        r = np.random.default_rng(8)
        self.W, self.b = r.standard_normal((5, 8)), r.standard_normal(8)

    def forward(self, x):
        h = c = np.zeros((x.shape[1], 2))
        self.x, self.steps = x, []
        outs = []
        for xt in x:
            z = np.concatenate([h, xt], axis=1)
            a = z @ self.W + self.b
            i, f, o, g = sigmoid(a[:, :2]), sigmoid(a[:, 2:4]), sigmoid(a[:, 4:6]), np.tanh(a[:, 6:])
            before, c = c, f * c + i * g
            h = o * np.tanh(c)
            self.steps.append((z, i, f, o, g, before, c))
            outs.append(h)
        return np.stack(outs)

    def backward(self, dout):
        dx, self.dW, self.db = np.zeros_like(self.x), np.zeros_like(self.W), np.zeros_like(self.b)
        dh = dc = np.zeros_like(dout[0])
        for t in reversed(range(len(dout))):
            da, dc = self.cell(t, dout[t] + dh, dc)
            self.dW += self.steps[t][0].T @ da
            self.db += da.sum(axis=0)
            dz = da @ self.W.T
            dh, dx[t] = dz[:, :2], dz[:, 2:]
        return dx

    def cell(self, t, dh, dc):
        _, i, f, o, g, before, c = self.steps[t]
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        do = dh * np.tanh(c) * o * (1 - o)
        di, df, dg = dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g**2)
        return np.concatenate([di, df, do, dg], axis=1), dc * f


@mutant(("carry", "missing-path"), LONG)
class LSTMNothingBack(LSTM):
    def backward(self, dout):
        dx, self.dW, self.db = np.zeros_like(self.x), np.zeros_like(self.W), np.zeros_like(self.b)
        dh_next = dc_next = np.zeros_like(dout[0])
        for t in reversed(range(len(dout))):
            da, dc_prev = self.cell(t, dout[t] + dh_next, dc_next)
            self.dW += self.steps[t][0].T @ da
            self.db += da.sum(axis=0)
            dz = da @ self.W.T
            dh_prev, dx[t] = dz[:, :2], dz[:, 2:]
            self.unused = dh_prev, dc_prev  # dh_next, dc_next
        return dx


@mutant(("carry", "missing-path"), LONG)
class LSTMNoStateBack(LSTM):
    def backward(self, dout):
        dx, self.dW, self.db = np.zeros_like(self.x), np.zeros_like(self.W), np.zeros_like(self.b)
        dh = dc = np.zeros_like(dout[0])
        for t in reversed(range(len(dout))):
            da, _ = self.cell(t, dout[t] + dh, dc)  # dc
            self.dW += self.steps[t][0].T @ da
            self.db += da.sum(axis=0)
            dz = da @ self.W.T
            dh, dx[t] = dz[:, :2], dz[:, 2:]
        return dx


@mutant(("carry", "missing-path"), LONG)
class LSTMNoOutputBack(LSTM):
    def backward(self, dout):
        dx, self.dW, self.db = np.zeros_like(self.x), np.zeros_like(self.W), np.zeros_like(self.b)
        dc = np.zeros_like(dout[0])
        for t in reversed(range(len(dout))):
            da, dc = self.cell(t, dout[t], dc)  # + dh
            self.dW += self.steps[t][0].T @ da
            self.db += da.sum(axis=0)
            dx[t] = (da @ self.W.T)[:, 2:]
        return dx


@mutant(("carry", "missing-path", "local-derivative"), LONG)
class LSTMStateNotForgotten(LSTM):
    def cell(self, t, dh, dc):
        _, i, f, o, g, before, c = self.steps[t]
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        do = dh * np.tanh(c) * o * (1 - o)
        di, df, dg = dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g**2)
        return np.concatenate([di, df, do, dg], axis=1), dc  # dc * f


@mutant(("off-by-one", "wrong-array", "stale-cache"), LONG)
class LSTMStateAfter(LSTM):
    def cell(self, t, dh, dc):
        _, i, f, o, g, _before, c = self.steps[t]
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        do = dh * np.tanh(c) * o * (1 - o)
        di, df, dg = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2)  # before
        return np.concatenate([di, df, do, dg], axis=1), dc * f


@mutant("swapped", LONG)
class LSTMGatesSwapped(LSTM):
    def cell(self, t, dh, dc):
        _, i, f, o, g, before, c = self.steps[t]
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        do = dh * np.tanh(c) * o * (1 - o)
        di, df, dg = dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g**2)
        return np.concatenate([df, di, do, dg], axis=1), dc * f  # di, df


@mutant(("swapped", "wrong-array"), LONG)
class LSTMOutputGateForInput(LSTM):
    def cell(self, t, dh, dc):
        _, i, f, o, g, before, c = self.steps[t]
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        do = dh * np.tanh(c) * i * (1 - i)  # o
        di, df, dg = dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g**2)
        return np.concatenate([di, df, do, dg], axis=1), dc * f


@mutant(("local-derivative", "wrong-array"), LONG)
class LSTMSigmoidTwice(LSTM):
    def cell(self, t, dh, dc):
        _, i, f, o, g, before, c = self.steps[t]
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        do = dh * np.tanh(c) * o * (1 - o)
        di, df, dg = dc * g * i * (1 - i), dc * before * sigmoid(f), dc * i * (1 - g**2)  # f * (1 - f)
        return np.concatenate([di, df, do, dg], axis=1), dc * f


@mutant(("missing-path", "carry"), LONG)
class LSTMStateLosesItsOwn(LSTM):
    def cell(self, t, dh, dc):
        _, i, f, o, g, before, c = self.steps[t]
        dc = dh * o * (1 - np.tanh(c) ** 2)  # dc +
        do = dh * np.tanh(c) * o * (1 - o)
        di, df, dg = dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g**2)
        return np.concatenate([di, df, do, dg], axis=1), dc * f


@mutant(("swapped", "off-by-one", "wrong-array"), LONG)
class LSTMInputForState(LSTM):
    def backward(self, dout):
        dx, self.dW, self.db = np.zeros_like(self.x), np.zeros_like(self.W), np.zeros_like(self.b)
        dh = dc = np.zeros_like(dout[0])
        for t in reversed(range(len(dout))):
            da, dc = self.cell(t, dout[t] + dh, dc)
            self.dW += self.steps[t][0].T @ da
            self.db += da.sum(axis=0)
            dz = da @ self.W.T
            dh, dx[t] = dz[:, 3:], dz[:, :3]  # :2, 2:
        return dx
