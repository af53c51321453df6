"""Layers over time and over sets: recurrent cells, attention, sums, and several outputs."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.draws import normal


def sigmoid(x):
    return (1 + np.tanh(x / 2)) / 2


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


# --- recurrent ---


@correct(normal((2, 3), (2, 4)))
class RNN:
    """One step, h = tanh(h_prev Wh + x Wx + b)."""

    def __init__(self):
        rng = np.random.default_rng(31)
        self.Wx = rng.standard_normal((3, 4)) / 2
        self.Wh = rng.standard_normal((4, 4)) / 2
        self.b = rng.standard_normal(4)

    def forward(self, x, h_prev):
        self.x, self.h_prev = x, h_prev
        self.h = np.tanh(h_prev @ self.Wh + x @ self.Wx + self.b)
        return self.h

    def backward(self, dh):
        dt = dh * (1 - self.h**2)
        self.db = np.sum(dt, axis=0)
        self.dWh = self.h_prev.T @ dt
        self.dWx = self.x.T @ dt
        return dt @ self.Wx.T, dt @ self.Wh.T


@mutant("transposed", normal((2, 3), (2, 4)))
class RNNStateNoTranspose(RNN):
    def backward(self, dh):
        dx, _ = super().backward(dh)
        dt = dh * (1 - self.h**2)
        return dx, dt @ self.Wh  # Wh.T


@mutant("wrong-array", normal((2, 3), (2, 4)))
class RNNNextState(RNN):
    def backward(self, dh):
        dx, dh_prev = super().backward(dh)
        self.dWh = self.h.T @ (dh * (1 - self.h**2))  # h_prev
        return dx, dh_prev


@correct(normal((2, 4, 3)))
class TimeRNN:
    """All steps, xs (N, T, D) -> hs (N, T, H), from a state of zeros."""

    def __init__(self):
        rng = np.random.default_rng(32)
        self.Wx = rng.standard_normal((3, 2)) / 2
        self.Wh = rng.standard_normal((2, 2)) / 2
        self.b = rng.standard_normal(2)

    def forward(self, xs):
        N, T, _ = xs.shape
        self.xs = xs
        self.hs = np.zeros((N, T + 1, 2), dtype=xs.dtype)
        for t in range(T):
            self.hs[:, t + 1] = np.tanh(self.hs[:, t] @ self.Wh + xs[:, t] @ self.Wx + self.b)
        return self.hs[:, 1:] * 1

    def steps(self):
        return reversed(range(self.xs.shape[1]))

    def backward(self, dhs):
        dxs = np.zeros_like(self.xs)
        self.dWx, self.dWh, self.db = (np.zeros_like(W) for W in (self.Wx, self.Wh, self.b))
        dh_next = 0
        for t in self.steps():
            dt = (dhs[:, t] + dh_next) * (1 - self.hs[:, t + 1] ** 2)
            self.dWx += self.xs[:, t].T @ dt
            self.dWh += self.hs[:, t].T @ dt
            self.db += np.sum(dt, axis=0)
            dxs[:, t] = dt @ self.Wx.T
            dh_next = dt @ self.Wh.T
        return dxs


@mutant("off-by-one", normal((2, 4, 3)))
class TimeRNNFirstStepLeftOut(TimeRNN):
    def steps(self):
        return range(self.xs.shape[1] - 1, 0, -1)  # down to 0


@mutant(("carry", "missing-path"), normal((2, 4, 3)))
class TimeRNNNoNext(TimeRNN):
    def backward(self, dhs):
        dt = dhs * (1 - self.hs[:, 1:] ** 2)  # dhs + what comes from the next step
        self.dWx = np.einsum("ntd,nth->dh", self.xs, dt)
        self.dWh = np.einsum("ntg,nth->gh", self.hs[:, :-1], dt)
        self.db = np.sum(dt, axis=(0, 1))
        return dt @ self.Wx.T


@mutant("assigned", normal((2, 4, 3)))
class TimeRNNLastGradient(TimeRNN):
    def backward(self, dhs):
        dxs = np.zeros_like(self.xs)
        dh_next = 0
        for t in self.steps():
            dt = (dhs[:, t] + dh_next) * (1 - self.hs[:, t + 1] ** 2)
            self.dWx = self.xs[:, t].T @ dt  # +=
            self.dWh = self.hs[:, t].T @ dt  # +=
            self.db = np.sum(dt, axis=0)  # +=
            dxs[:, t] = dt @ self.Wx.T
            dh_next = dt @ self.Wh.T
        return dxs


@mutant("flipped", normal((2, 4, 3)))
class TimeRNNReversed(TimeRNN):
    def backward(self, dhs):
        return super().backward(dhs)[:, ::-1]  # in order


@correct(normal((2, 3), (2, 2), (2, 2)))
class LSTM:
    """One step: x, h_prev, c_prev to h_next, c_next."""

    def __init__(self):
        rng = np.random.default_rng(33)
        self.Wx = rng.standard_normal((3, 8)) / 2
        self.Wh = rng.standard_normal((2, 8)) / 2
        self.b = rng.standard_normal(8)

    def forward(self, x, h_prev, c_prev):
        A = x @ self.Wx + h_prev @ self.Wh + self.b
        f, g, i, o = sigmoid(A[:, :2]), np.tanh(A[:, 2:4]), sigmoid(A[:, 4:6]), sigmoid(A[:, 6:])
        c_next = f * c_prev + g * i
        h_next = o * np.tanh(c_next)
        self.cache = x, h_prev, c_prev, i, f, g, o, c_next
        return h_next, c_next

    def backward(self, dout):
        dh_next, dc_next = dout
        x, h_prev, c_prev, i, f, g, o, c_next = self.cache
        tanh_c = np.tanh(c_next)
        ds = dc_next + dh_next * o * (1 - tanh_c**2)
        df = ds * c_prev * f * (1 - f)
        dg = ds * i * (1 - g**2)
        di = ds * g * i * (1 - i)
        do = dh_next * tanh_c * o * (1 - o)
        dA = np.hstack((df, dg, di, do))
        self.dWx = x.T @ dA
        self.dWh = h_prev.T @ dA
        self.db = np.sum(dA, axis=0)
        return dA @ self.Wx.T, dA @ self.Wh.T, ds * f


@mutant("missing-path", normal((2, 3), (2, 2), (2, 2)))
class LSTMCellThroughOutput(LSTM):
    def backward(self, dout):
        dh_next, dc_next = dout
        return super().backward((dh_next, np.zeros_like(dc_next)))  # dc_next


@mutant("swapped", normal((2, 3), (2, 2), (2, 2)))
class LSTMStatesSwapped(LSTM):
    def backward(self, dout):
        dx, dh_prev, dc_prev = super().backward(dout)
        return dx, dc_prev, dh_prev  # dx, dh_prev, dc_prev


@mutant("local-derivative", normal((2, 3), (2, 2), (2, 2)))
class LSTMNoForgetDerivative(LSTM):
    def backward(self, dout):
        dx, dh_prev, dc_prev = super().backward(dout)
        x, h_prev, c_prev, _, f, *_ = self.cache
        df = dc_prev / f * c_prev  # * f·(1 - f)
        self.dWx[:, :2] = x.T @ df
        self.dWh[:, :2] = h_prev.T @ df
        self.db[:2] = np.sum(df, axis=0)
        return dx, dh_prev, dc_prev


# --- attention ---


@correct(normal((3, 2), (4, 2), (4, 3)))
class Attention:
    """softmax(q·kᵀ/√D)·v"""

    def forward(self, q, k, v):
        self.q, self.k, self.v = q, k, v
        self.scale = 1 / np.sqrt(q.shape[1])
        self.a = softmax(q @ k.T * self.scale)
        return self.a @ v

    def backward(self, dout):
        dv = self.a.T @ dout
        ds = self.of_softmax(dout @ self.v.T) * self.scale
        return ds @ self.k, ds.T @ self.q, dv

    def of_softmax(self, da):
        return self.a * (da - np.sum(da * self.a, axis=1, keepdims=True))


@mutant("diagonal", normal((3, 2), (4, 2), (4, 3)))
class AttentionDiagonal(Attention):
    def of_softmax(self, da):
        return self.a * (1 - self.a) * da  # - a_i a_j


@mutant("wrong-axis", normal((4, 2), (4, 2), (4, 3)))
class AttentionOverQueries(Attention):
    def of_softmax(self, da):
        return self.a * (da - np.sum(da * self.a, axis=0, keepdims=True))  # axis=1


@mutant("factor", normal((3, 2), (4, 2), (4, 3)))
class AttentionUnscaled(Attention):
    def backward(self, dout):
        dv = self.a.T @ dout
        ds = self.of_softmax(dout @ self.v.T)  # * scale
        return ds @ self.k, ds.T @ self.q, dv


@mutant("transposed", normal((4, 2), (4, 2), (4, 3)))
class AttentionKeysNoTranspose(Attention):
    def backward(self, dout):
        dq, _, dv = super().backward(dout)
        ds = self.of_softmax(dout @ self.v.T) * self.scale
        return dq, ds @ self.q, dv  # ds.T


@correct(normal((4, 3)))
class SelfAttention:
    """Query, key and value are all x."""

    def __init__(self):
        self.attention = Attention()

    def forward(self, x):
        return self.attention.forward(x, x, x)

    def backward(self, dout):
        dq, dk, dv = self.attention.backward(dout)
        return dq + dk + dv


@mutant("missing-path", normal((4, 3)))
class SelfAttentionNoKey(SelfAttention):
    def backward(self, dout):
        dq, _, dv = self.attention.backward(dout)
        return dq + dv  # + dk


@mutant("double-path", normal((4, 3)))
class SelfAttentionValueTwice(SelfAttention):
    def backward(self, dout):
        dq, dk, dv = self.attention.backward(dout)
        dx = dq + dk + dv
        dx += dv  # once
        return dx


# --- sums and copies ---


@correct(normal((5, 3)))
class Cumsum:
    def forward(self, x):
        return np.cumsum(x, axis=0)

    def backward(self, dout):
        return np.cumsum(dout[::-1], axis=0)[::-1]


# the sums from the other end are the transposed Jacobian
@mutant(("transposed", "flipped"), normal((5, 3)))
class CumsumForwards(Cumsum):
    def backward(self, dout):
        return np.cumsum(dout, axis=0)  # from the last to the first: the transpose


@correct(normal((1, 3)))
class Repeat:
    def forward(self, x):
        return np.repeat(x, 4, axis=0)

    def backward(self, dout):
        return np.sum(dout, axis=0, keepdims=True)


@mutant("broadcast", normal((1, 3)))
class RepeatFirst(Repeat):
    def backward(self, dout):
        return dout[:1] * 1  # np.sum(dout, axis=0, keepdims=True)


@correct(normal((4, 3)))
class Mean:
    def forward(self, x):
        self.shape = x.shape
        return np.mean(x, axis=0)

    def backward(self, dout):
        return np.broadcast_to(dout / self.shape[0], self.shape) * 1


# 1 // N is 0, so nothing but zeros comes back
@mutant(("integer", "missing-gradient"), normal((4, 3)))
class MeanInteger(Mean):
    def backward(self, dout):
        return np.broadcast_to(dout * (1 // self.shape[0]), self.shape) * 1  # 1 / N


@mutant("upstream-ignored", normal((4, 3)))
class MeanOfTotal(Mean):
    def backward(self, dout):
        return np.full(self.shape, np.sum(dout) / self.shape[0] / dout.size)  # dout, by columns


@correct(normal((3, 4)))
class Split:
    """Two outputs of unequal size."""

    def forward(self, x):
        return x[:, :1] * 1, x[:, 1:] * 1

    def backward(self, dout):
        return np.concatenate(dout, axis=1)


@mutant("swapped", normal((3, 4)))
class SplitSwapped(Split):
    def forward(self, x):
        return x[:, :2] * 1, x[:, 2:] * 1

    def backward(self, dout):
        return np.concatenate(dout[::-1], axis=1)  # the first is on the left


@correct(normal((4, 3)))
class SumAndMean:
    """Two outputs of the same x."""

    def forward(self, x):
        self.shape = x.shape
        return np.sum(x, axis=0), np.mean(x, axis=1)

    def backward(self, dout):
        dsum, dmean = dout
        return dsum + dmean[:, None] / self.shape[1] + np.zeros(self.shape, dtype=dsum.dtype)


@mutant("missing-path", normal((4, 3)))
class SumAndMeanOfSum(SumAndMean):
    def backward(self, dout):
        return super().backward((dout[0], np.zeros_like(dout[1])))  # dout[1]


@mutant("double-path", normal((4, 3)))
class SumAndMeanTwice(SumAndMean):
    def backward(self, dout):
        return super().backward(dout) + dout[0]  # counted already


@correct(normal((2, 3), (2, 2)))
class Concat:
    def forward(self, x, y):
        self.at = x.shape[1]
        return np.concatenate((x, y), axis=1)

    def backward(self, dout):
        return dout[:, : self.at] * 1, dout[:, self.at :] * 1


@mutant("swapped", normal((2, 3), (2, 3)))
class ConcatSwapped(Concat):
    def backward(self, dout):
        return dout[:, self.at :] * 1, dout[:, : self.at] * 1  # the first is x


# --- reordering, spectra ---


@correct(normal((7,)))
class Sort:
    def forward(self, x):
        self.order = np.argsort(x)
        return x[self.order]

    def backward(self, dout):
        dx = np.zeros_like(dout)
        dx[self.order] = dout
        return dx


@mutant("transposed", lambda r: (np.roll(np.sort(r.standard_normal(7)), 2),))
class SortAgain(Sort):
    def backward(self, dout):
        return dout[self.order]  # dx[order] = dout: the inverse permutation


@correct(normal((6,)))
class SmoothSpectrum:
    """Circular smoothing, by way of the spectrum."""

    def __init__(self):
        kernel = np.array([0.5, 0.3, 0.1, 0.0, 0.0, 0.1])
        self.response = np.fft.fft(kernel)

    def forward(self, x):
        return np.fft.ifft(np.fft.fft(x) * self.response).real

    def backward(self, dout):
        return np.fft.ifft(np.fft.fft(dout) * np.conj(self.response)).real


@mutant("dtype", normal((6,)))
class SmoothSpectrumComplex(SmoothSpectrum):
    def backward(self, dout):
        return np.fft.ifft(np.fft.fft(dout) * np.conj(self.response))  # .real


# convolving with the kernel the other way round is the transposed Jacobian
@mutant(("flipped", "transposed"), normal((6,)))
class SmoothSpectrumForwards(SmoothSpectrum):
    def backward(self, dout):
        return self.forward(dout)  # conj(response): the kernel the other way round


@mutant("dtype", lambda r: (r.standard_normal((4, 3)).astype(np.float32),))
class CumsumInFloat64(Cumsum):
    def backward(self, dout):
        dx = np.zeros(dout.shape)  # of dout's dtype
        dx[...] = super().backward(dout)
        return dx
