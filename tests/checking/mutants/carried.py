"""More of what runs from step to step: gated units, running sums, a state that is the only output."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal
from tests.checking.mutants.through_time import sigmoid

GRU = normal((3, 2, 3), (3, 6), (2, 4), (2, 2))


def gated(x, Wx, Wh, Wn):
    """(T, N, D) -> states (T + 1, N, H), and the gates: hₜ₊₁ = u hₜ + (1 - u) tanh(xₜ Wx + (r hₜ) Wn)"""
    h, gates = [np.zeros((x.shape[1], 2))], []
    for xt in x:
        a = xt @ Wx
        ur = sigmoid(a[:, :4] + h[-1] @ Wh)
        u, r = ur[:, :2], ur[:, 2:]
        n = np.tanh(a[:, 4:] + (r * h[-1]) @ Wn)
        gates.append((u, r, n))
        h.append(u * h[-1] + (1 - u) * n)
    return np.stack(h), gates


@correct(GRU)
def gru(x, Wx, Wh, Wn):
    h, gates = gated(x, Wx, Wh, Wn)

    def backward(dout):
        dx, dWx, dWh, dWn = (np.zeros_like(p) for p in (x, Wx, Wh, Wn))
        dh = np.zeros_like(h[0])
        for t in reversed(range(len(x))):
            u, r, n = gates[t]
            d = dout[t] + dh
            dn = d * (1 - u) * (1 - n * n)
            drh = dn @ Wn.T
            dur = np.hstack([d * (h[t] - n) * u * (1 - u), drh * h[t] * r * (1 - r)])
            da = np.hstack([dur, dn])
            dx[t] = da @ Wx.T
            dWx += x[t].T @ da
            dWh += h[t].T @ dur
            dWn += (r * h[t]).T @ dn
            dh = d * u + drh * r + dur @ Wh.T
        return dx, dWx, dWh, dWn

    return h[1:], backward


@mutant(("carry", "missing-path"), GRU)
def gru_without_the_leak(x, Wx, Wh, Wn):
    h, gates = gated(x, Wx, Wh, Wn)

    def backward(dout):
        dx, dWx, dWh, dWn = (np.zeros_like(p) for p in (x, Wx, Wh, Wn))
        dh = np.zeros_like(h[0])
        for t in reversed(range(len(x))):
            u, r, n = gates[t]
            d = dout[t] + dh
            dn = d * (1 - u) * (1 - n * n)
            drh = dn @ Wn.T
            dur = np.hstack([d * (h[t] - n) * u * (1 - u), drh * h[t] * r * (1 - r)])
            da = np.hstack([dur, dn])
            dx[t] = da @ Wx.T
            dWx += x[t].T @ da
            dWh += h[t].T @ dur
            dWn += (r * h[t]).T @ dn
            dh = drh * r + dur @ Wh.T  # d * u +
        return dx, dWx, dWh, dWn

    return h[1:], backward


@mutant(("carry", "missing-path"), GRU)
def gru_without_the_gates(x, Wx, Wh, Wn):
    h, gates = gated(x, Wx, Wh, Wn)

    def backward(dout):
        dx, dWx, dWh, dWn = (np.zeros_like(p) for p in (x, Wx, Wh, Wn))
        dh = np.zeros_like(h[0])
        for t in reversed(range(len(x))):
            u, r, n = gates[t]
            d = dout[t] + dh
            dn = d * (1 - u) * (1 - n * n)
            drh = dn @ Wn.T
            dur = np.hstack([d * (h[t] - n) * u * (1 - u), drh * h[t] * r * (1 - r)])
            da = np.hstack([dur, dn])
            dx[t] = da @ Wx.T
            dWx += x[t].T @ da
            dWh += h[t].T @ dur
            dWn += (r * h[t]).T @ dn
            dh = d * u + drh * r  # + dur @ Wh.T
        return dx, dWx, dWh, dWn

    return h[1:], backward


@mutant(("local-derivative", "missing-path", "carry"), GRU)
def gru_reset_not_applied_back(x, Wx, Wh, Wn):
    h, gates = gated(x, Wx, Wh, Wn)

    def backward(dout):
        dx, dWx, dWh, dWn = (np.zeros_like(p) for p in (x, Wx, Wh, Wn))
        dh = np.zeros_like(h[0])
        for t in reversed(range(len(x))):
            u, r, n = gates[t]
            d = dout[t] + dh
            dn = d * (1 - u) * (1 - n * n)
            drh = dn @ Wn.T
            dur = np.hstack([d * (h[t] - n) * u * (1 - u), drh * h[t] * r * (1 - r)])
            da = np.hstack([dur, dn])
            dx[t] = da @ Wx.T
            dWx += x[t].T @ da
            dWh += h[t].T @ dur
            dWn += (r * h[t]).T @ dn
            dh = d * u + drh + dur @ Wh.T  # drh * r
        return dx, dWx, dWh, dWn

    return h[1:], backward


@mutant(("swapped", "wrong-array"), GRU)
def gru_gates_swapped(x, Wx, Wh, Wn):
    h, gates = gated(x, Wx, Wh, Wn)

    def backward(dout):
        dx, dWx, dWh, dWn = (np.zeros_like(p) for p in (x, Wx, Wh, Wn))
        dh = np.zeros_like(h[0])
        for t in reversed(range(len(x))):
            r, u, n = gates[t]  # u, r, n
            d = dout[t] + dh
            dn = d * (1 - u) * (1 - n * n)
            drh = dn @ Wn.T
            dur = np.hstack([d * (h[t] - n) * u * (1 - u), drh * h[t] * r * (1 - r)])
            da = np.hstack([dur, dn])
            dx[t] = da @ Wx.T
            dWx += x[t].T @ da
            dWh += h[t].T @ dur
            dWn += (r * h[t]).T @ dn
            dh = d * u + drh * r + dur @ Wh.T
        return dx, dWx, dWh, dWn

    return h[1:], backward


@mutant(("off-by-one", "wrong-array"), GRU)
def gru_state_after(x, Wx, Wh, Wn):
    h, gates = gated(x, Wx, Wh, Wn)

    def backward(dout):
        dx, dWx, dWh, dWn = (np.zeros_like(p) for p in (x, Wx, Wh, Wn))
        dh = np.zeros_like(h[0])
        for t in reversed(range(len(x))):
            u, r, n = gates[t]
            d = dout[t] + dh
            dn = d * (1 - u) * (1 - n * n)
            drh = dn @ Wn.T
            dur = np.hstack([d * (h[t] - n) * u * (1 - u), drh * h[t] * r * (1 - r)])
            da = np.hstack([dur, dn])
            dx[t] = da @ Wx.T
            dWx += x[t].T @ da
            dWh += h[t + 1].T @ dur  # h[t]
            dWn += (r * h[t]).T @ dn
            dh = d * u + drh * r + dur @ Wh.T
        return dx, dWx, dWh, dWn

    return h[1:], backward


LEAK = normal((5, 3), (3,))


def leaking(x, a):
    """hₜ₊₁ = a hₜ + xₜ, from nothing"""
    h = np.zeros((len(x) + 1, *x.shape[1:]))
    for t in range(len(x)):
        h[t + 1] = a * h[t] + x[t]
    return h


@correct(LEAK)
def leak(x, a):
    h = leaking(x, a)

    def backward(dout):
        dx, da, dh = np.zeros_like(x), np.zeros_like(a), 0
        for t in reversed(range(len(x))):
            dh = dh + dout[t]
            dx[t] = dh
            da += dh * h[t]
            dh = a * dh
        return dx, da

    return h[1:], backward


@mutant(("carry", "missing-path"), LEAK)
def leak_nothing_back(x, a):
    h = leaking(x, a)

    def backward(dout):
        dx, da = np.zeros_like(x), np.zeros_like(a)
        for t in reversed(range(len(x))):
            dh = dout[t]
            dx[t] = dh
            da += dh * h[t]
        return dx, da

    return h[1:], backward


@mutant(("carry", "local-derivative", "missing-path", "wrong-array"), LEAK)
def leak_forgotten(x, a):
    h = leaking(x, a)

    def backward(dout):
        dx, da, dh = np.zeros_like(x), np.zeros_like(a), 0
        for t in reversed(range(len(x))):
            dh = dh + dout[t]  # and a * dh after it
            dx[t] = dh
            da += dh * h[t]
        return dx, da

    return h[1:], backward


@mutant(("off-by-one", "wrong-array"), LEAK)
def leak_state_after(x, a):
    h = leaking(x, a)

    def backward(dout):
        dx, da, dh = np.zeros_like(x), np.zeros_like(a), 0
        for t in reversed(range(len(x))):
            dh = dh + dout[t]
            dx[t] = dh
            da += dh * h[t + 1]  # h[t]
            dh = a * dh
        return dx, da

    return h[1:], backward


@mutant(("carry", "assigned", "missing-path"), LEAK)
def leak_last_dout_only(x, a):
    h = leaking(x, a)

    def backward(dout):
        dx, da, dh = np.zeros_like(x), np.zeros_like(a), dout[-1]
        for t in reversed(range(len(x))):
            dx[t] = dh
            da += dh * h[t]
            dh = a * dh  # + dout[t - 1]
        return dx, da

    return h[1:], backward


FINAL = normal((2, 4, 3), (3, 3), (3, 3))


@correct(FINAL)
def final_state(x, Wx, Wh):
    """(N, T, D) -> (N, H): the last state alone"""
    h = [np.zeros_like(x[:, 0])]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] @ Wx + h[-1] @ Wh))

    def backward(dout):
        dx, dWx, dWh, dh = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), dout
        for t in reversed(range(x.shape[1])):
            dz = dh * (1 - h[t + 1] ** 2)
            dx[:, t] = dz @ Wx.T
            dWx += x[:, t].T @ dz
            dWh += h[t].T @ dz
            dh = dz @ Wh.T
        return dx, dWx, dWh

    return h[-1], backward


@mutant(("carry", "missing-path"), FINAL)
def final_state_one_step_back(x, Wx, Wh):
    h = [np.zeros_like(x[:, 0])]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] @ Wx + h[-1] @ Wh))

    def backward(dout):
        dx, dWx, dWh = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh)
        t = x.shape[1] - 1
        dz = dout * (1 - h[t + 1] ** 2)  # and so on to the first
        dx[:, t] = dz @ Wx.T
        dWx += x[:, t].T @ dz
        dWh += h[t].T @ dz
        return dx, dWx, dWh

    return h[-1], backward


@mutant(("carry", "missing-path", "upstream-ignored", "double-path"), FINAL)
def final_state_same_dout_at_each(x, Wx, Wh):
    h = [np.zeros_like(x[:, 0])]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] @ Wx + h[-1] @ Wh))

    def backward(dout):
        dx, dWx, dWh = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh)
        for t in reversed(range(x.shape[1])):
            dz = dout * (1 - h[t + 1] ** 2)  # what the step after hands back
            dx[:, t] = dz @ Wx.T
            dWx += x[:, t].T @ dz
            dWh += h[t].T @ dz
        return dx, dWx, dWh

    return h[-1], backward


@mutant(("off-by-one", "missing-path", "carry"), FINAL)
def final_state_first_step_left_out(x, Wx, Wh):
    h = [np.zeros_like(x[:, 0])]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] @ Wx + h[-1] @ Wh))

    def backward(dout):
        dx, dWx, dWh, dh = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), dout
        for t in range(x.shape[1] - 1, 0, -1):  # -1, -1
            dz = dh * (1 - h[t + 1] ** 2)
            dx[:, t] = dz @ Wx.T
            dWx += x[:, t].T @ dz
            dWh += h[t].T @ dz
            dh = dz @ Wh.T
        return dx, dWx, dWh

    return h[-1], backward
