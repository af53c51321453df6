"""Recurrences: weights that every step uses, and states that run from step to step."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.elementwise import logistic
from tests.checking.mutants.samples import normal

RNN = normal((4, 2, 3), (3, 3), (3, 3))


def states_of(x, Wx, Wh):
    """(T, N, D) -> (T + 1, N, H), the zero state first; hₜ = tanh(xₜ Wx + hₜ₋₁ Wh)"""
    h = np.zeros((len(x) + 1, x.shape[1], Wh.shape[0]))
    for t in range(len(x)):
        h[t + 1] = np.tanh(x[t] @ Wx + h[t] @ Wh)
    return h


@correct(RNN)
def rnn(x, Wx, Wh):
    """(T, N, D), (D, H), (H, H) -> (T, N, H)"""
    h = states_of(x, Wx, Wh)

    def backward(dout):
        dx, dWx, dWh = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh)
        dh = np.zeros_like(h[0])
        for t in reversed(range(len(x))):
            dz = (dout[t] + dh) * (1 - h[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h[t].T @ dz
            dh = dz @ Wh.T
        return dx, dWx, dWh

    return h[1:], backward


def walk(h, x, Wx, Wh, dout, carry=lambda dz, Wh: dz @ Wh.T, slope=lambda h: 1 - h**2):
    """The steps of a backward, last first: for each the step, and the gradient before the tanh"""
    dh = np.zeros_like(h[0])
    for t in reversed(range(len(x))):
        dz = (dout[t] + dh) * slope(h[t + 1])
        yield t, dz
        dh = carry(dz, Wh)


def gradients(h, x, Wx, steps):
    """dx, dWx and dWh of these steps"""
    dx, dWx, dWh = np.zeros_like(x), np.zeros_like(Wx), np.zeros((h.shape[2], h.shape[2]))
    for t, dz in steps:
        dx[t] = dz @ Wx.T
        dWx += x[t].T @ dz
        dWh += h[t].T @ dz
    return dx, dWx, dWh


@mutant(("carry", "missing-path"), RNN)
def rnn_state_not_carried(x, Wx, Wh):
    h = states_of(x, Wx, Wh)

    def backward(dout):
        steps = walk(h, x, Wx, Wh, dout, carry=lambda dz, Wh: 0)  # dz @ Wh.T
        return gradients(h, x, Wx, steps)

    return h[1:], backward


@mutant("missing-path", normal((2, 3), (3, 3)))
def rnn_two_steps_last_only(x, W):
    """out = tanh(tanh(x W) W)"""
    first = np.tanh(x @ W)
    out = np.tanh(first @ W)

    def backward(dout):
        dz = dout * (1 - out * out)
        dfirst = dz @ W.T * (1 - first * first)
        return dfirst @ W.T, first.T @ dz  # + x.T @ dfirst

    return out, backward


@mutant("transposed", RNN)
def rnn_carried_by_Wh(x, Wx, Wh):
    h = states_of(x, Wx, Wh)

    def backward(dout):
        steps = walk(h, x, Wx, Wh, dout, carry=lambda dz, Wh: dz @ Wh)  # Wh.T
        return gradients(h, x, Wx, steps)

    return h[1:], backward


@mutant("local-derivative", RNN)
def rnn_tanh_forgotten(x, Wx, Wh):
    h = states_of(x, Wx, Wh)

    def backward(dout):
        steps = walk(h, x, Wx, Wh, dout, slope=lambda h: 1)  # 1 - h²
        return gradients(h, x, Wx, steps)

    return h[1:], backward


@mutant(("assigned", "missing-path"), RNN)  # what is left is one of the steps' paths
def rnn_weight_gradient_of_first_step(x, Wx, Wh):
    h = states_of(x, Wx, Wh)

    def backward(dout):
        dx, dWx, dWh = gradients(h, x, Wx, walk(h, x, Wx, Wh, dout))
        for t, dz in walk(h, x, Wx, Wh, dout):
            dWx = x[t].T @ dz  # +=
        return dx, dWx, dWh

    return h[1:], backward


@mutant("missing-path", RNN)
def rnn_weight_gradient_of_last_step(x, Wx, Wh):
    h = states_of(x, Wx, Wh)

    def backward(dout):
        dx, dWx, _ = gradients(h, x, Wx, walk(h, x, Wx, Wh, dout))
        t, dz = next(walk(h, x, Wx, Wh, dout))  # and all before
        return dx, dWx, h[t].T @ dz

    return h[1:], backward


@mutant("off-by-one", RNN)
def rnn_first_step_left_out(x, Wx, Wh):
    h = states_of(x, Wx, Wh)

    def backward(dout):
        steps = ((t, dz) for t, dz in walk(h, x, Wx, Wh, dout) if t > 0)  # >= 0
        return gradients(h, x, Wx, steps)

    return h[1:], backward


@mutant("off-by-one", RNN)
def rnn_state_after_for_before(x, Wx, Wh):
    h = states_of(x, Wx, Wh)

    def backward(dout):
        dx, dWx, _ = gradients(h, x, Wx, walk(h, x, Wx, Wh, dout))
        dWh = sum(h[t + 1].T @ dz for t, dz in walk(h, x, Wx, Wh, dout))  # h[t]
        return dx, dWx, dWh

    return h[1:], backward


@mutant("off-by-one", RNN)
def rnn_dout_shifted(x, Wx, Wh):
    h = states_of(x, Wx, Wh)

    def backward(dout):
        return gradients(h, x, Wx, walk(h, x, Wx, Wh, np.roll(dout, 1, axis=0)))  # dout

    return h[1:], backward


@mutant("upstream-ignored", RNN)
def rnn_last_output_only(x, Wx, Wh):
    h = states_of(x, Wx, Wh)

    def backward(dout):
        last = np.zeros_like(dout)
        last[-1] = dout[-1]  # and of all the others
        return gradients(h, x, Wx, walk(h, x, Wx, Wh, last))

    return h[1:], backward


@mutant("flipped", RNN)
def rnn_steps_from_the_first(x, Wx, Wh):
    h = states_of(x, Wx, Wh)

    def backward(dout):
        dh, steps = np.zeros_like(h[0]), []
        for t in range(len(x)):  # reversed
            dz = (dout[t] + dh) * (1 - h[t + 1] ** 2)
            steps.append((t, dz))
            dh = dz @ Wh.T
        return gradients(h, x, Wx, steps)

    return h[1:], backward


@mutant("stale-cache", RNN)
def rnn_one_state_saved_many_times(x, Wx, Wh):
    h, saved = np.zeros((x.shape[1], Wh.shape[0])), []
    out = []
    for row in x:
        saved.append(h)
        h[:] = np.tanh(row @ Wx + h @ Wh)  # in all that was saved
        out.append(h.copy())
    seen = np.stack([*saved, h])

    def backward(dout):
        return gradients(seen, x, Wx, walk(seen, x, Wx, Wh, dout))

    return np.stack(out), backward


@mutant("updated-weights", RNN)
def rnn_steps_while_it_walks(x, Wx, Wh):
    h = states_of(x, Wx, Wh)

    def backward(dout):
        W, dh = Wh, np.zeros_like(h[0])
        dx, dWx, dWh = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh)
        for t in reversed(range(len(x))):
            dz = (dout[t] + dh) * (1 - h[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += h[t].T @ dz
            W = W - 0.02 * h[t].T @ dz  # after the last step, not between
            dh = dz @ W.T
        return dx, dWx, dWh

    return h[1:], backward


MEMORY = {"h": None}


@mutant("state", normal((2, 3), (3, 3)))
def rnn_remembers_the_last_call(x, Wh):
    before = np.zeros((len(x), len(Wh))) if MEMORY["h"] is None else MEMORY["h"]
    h = np.tanh(x + before @ Wh)
    MEMORY["h"] = h  # so that the next call is another function

    def backward(dout):
        dz = dout * (1 - h * h)
        return dz, before.T @ dz

    return h.copy(), backward


LSTM = normal((2, 12), (2, 3))


def gates(z, c):
    """(N, 4H), (N, H): input, forget and output gate, candidate, new cell and its tanh"""
    i, f, o, g = np.split(z, 4, axis=1)
    i, f, o, g = logistic(i), logistic(f), logistic(o), np.tanh(g)
    cell = f * c + i * g
    return i, f, o, g, cell, np.tanh(cell)


def gate_gradients(di, df, do, dg, i, f, o, g):
    return np.concatenate([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g * g)], axis=1)


@correct(LSTM)
def lstm_cell(z, c):
    """Gates' scores and cell -> (h, cell)"""
    i, f, o, g, cell, t = gates(z, c)

    def backward(dout):
        dh, dcell = dout
        dcell = dcell + dh * o * (1 - t * t)
        return gate_gradients(dcell * g, dcell * c, dh * t, dcell * i, i, f, o, g), dcell * f

    return (o * t, cell), backward


@mutant("missing-path", LSTM)
def lstm_cell_gradient_of_h_only(z, c):
    i, f, o, g, cell, t = gates(z, c)

    def backward(dout):
        dh, _ = dout
        dcell = dh * o * (1 - t * t)  # + the cell's own
        return gate_gradients(dcell * g, dcell * c, dh * t, dcell * i, i, f, o, g), dcell * f

    return (o * t, cell), backward


@mutant("missing-path", LSTM)
def lstm_cell_gradient_of_cell_only(z, c):
    i, f, o, g, cell, t = gates(z, c)

    def backward(dout):
        dh, dcell = dout  # dcell + dh o (1 - t²)
        return gate_gradients(dcell * g, dcell * c, dh * t, dcell * i, i, f, o, g), dcell * f

    return (o * t, cell), backward


@mutant("wrong-array", LSTM)
def lstm_cell_new_for_old(z, c):
    i, f, o, g, cell, t = gates(z, c)

    def backward(dout):
        dh, dcell = dout
        dcell = dcell + dh * o * (1 - t * t)
        return gate_gradients(dcell * g, dcell * cell, dh * t, dcell * i, i, f, o, g), dcell * f  # c

    return (o * t, cell), backward


@mutant("swapped", LSTM)
def lstm_cell_input_and_candidate(z, c):
    i, f, o, g, cell, t = gates(z, c)

    def backward(dout):
        dh, dcell = dout
        dcell = dcell + dh * o * (1 - t * t)
        return gate_gradients(dcell * i, dcell * c, dh * t, dcell * g, i, f, o, g), dcell * f  # g, i

    return (o * t, cell), backward


@mutant("local-derivative", LSTM)
def lstm_cell_tanh_of_cell_forgotten(z, c):
    i, f, o, g, cell, t = gates(z, c)

    def backward(dout):
        dh, dcell = dout
        dcell = dcell + dh * o  # (1 - t²)
        return gate_gradients(dcell * g, dcell * c, dh * t, dcell * i, i, f, o, g), dcell * f

    return (o * t, cell), backward


@mutant("swapped", LSTM)
def lstm_cell_gates_in_another_order(z, c):
    i, f, o, g, cell, t = gates(z, c)

    def backward(dout):
        dh, dcell = dout
        dcell = dcell + dh * o * (1 - t * t)
        dz = gate_gradients(dcell * g, dcell * c, dh * t, dcell * i, i, f, o, g)
        di, df, do, dg = np.split(dz, 4, axis=1)
        return np.concatenate([di, df, dg, do], axis=1), dcell * f  # do, dg

    return (o * t, cell), backward


@correct(normal((2, 3), (2, 3), (3, 3)))
def gated_unit(x, h, W):
    """out = (1 - z) h + z tanh(x + (z h) W) with z = logistic(x)"""
    z = logistic(x)
    c = np.tanh(x + (z * h) @ W)

    def backward(dout):
        dpre = dout * z * (1 - c * c)
        dzh = dpre @ W.T
        dz = dout * (c - h) + dzh * h
        return dpre + dz * z * (1 - z), dout * (1 - z) + dzh * z, (z * h).T @ dpre

    return (1 - z) * h + z * c, backward


@mutant("missing-path", normal((2, 3), (2, 3), (3, 3)))
def gated_unit_gate_used_once(x, h, W):
    z = logistic(x)
    c = np.tanh(x + (z * h) @ W)

    def backward(dout):
        dpre = dout * z * (1 - c * c)
        dzh = dpre @ W.T
        dz = dout * (c - h)  # + dzh * h
        return dpre + dz * z * (1 - z), dout * (1 - z) + dzh * z, (z * h).T @ dpre

    return (1 - z) * h + z * c, backward


@mutant("swapped", normal((2, 3), (2, 3), (3, 3)))
def gated_unit_gate_wrong_way(x, h, W):
    z = logistic(x)
    c = np.tanh(x + (z * h) @ W)

    def backward(dout):
        dpre = dout * (1 - z) * (1 - c * c)  # z
        dzh = dpre @ W.T
        dz = dout * (c - h) + dzh * h
        return dpre + dz * z * (1 - z), dout * z + dzh * z, (z * h).T @ dpre  # 1 - z

    return (1 - z) * h + z * c, backward


@correct(normal((5, 2), (2,)))
def decay(x, a):
    """hₜ = a hₜ₋₁ + xₜ, and h₀ = x₀"""
    h = [x[0]]
    for row in x[1:]:
        h.append(a * h[-1] + row)

    def backward(dout):
        dx, da, dh = np.zeros_like(x), np.zeros_like(a), np.zeros_like(a)
        for t in reversed(range(len(x))):
            dx[t] = dh = dout[t] + a * dh
            da += dh * h[t - 1] if t else 0
        return dx, da

    return np.stack(h), backward


@mutant("off-by-one", normal((5, 2), (2,)))
def decay_wraps_around(x, a):
    h = [x[0]]
    for row in x[1:]:
        h.append(a * h[-1] + row)

    def backward(dout):
        dx, da, dh = np.zeros_like(x), np.zeros_like(a), np.zeros_like(a)
        for t in reversed(range(len(x))):
            dx[t] = dh = dout[t] + a * dh
            da += dh * h[t - 1]  # for t = 0 the last state
        return dx, da

    return np.stack(h), backward
