"""Written apart from the other files, over other operations: the checker was not tuned on these."""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.draws import normal


def sigmoid(a):
    return 0.5 + 0.5 * np.tanh(a / 2)


def softmax(s, axis=-1):
    e = np.exp(s - s.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


# --- gated units and residuals ---


def gelu_and_slope(a):
    c = np.sqrt(2 / np.pi)
    t = np.tanh(c * (a + 0.044715 * a**3))
    return 0.5 * a * (1 + t), 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * c * (1 + 3 * 0.044715 * a * a)


@correct(normal((3, 4), (4, 5), (4, 5)))
def geglu(x, V, W):
    gate, up = x @ V, x @ W
    act, slope = gelu_and_slope(gate)

    def backward(dout):
        g = {"gate": dout * up * slope, "up": dout * act}
        g["V"], g["W"] = x.T @ g["gate"], x.T @ g["up"]
        g["x"] = g["gate"] @ V.T
        g["x"] += g["up"] @ W.T
        return g["x"], g["V"], g["W"]

    return act * up, backward


# what the first path left is lost: as if that path had not been there
@mutant(("assigned", "missing-path"), normal((3, 4), (4, 5), (4, 5)))
def geglu_input_assigned(x, V, W):
    gate, up = x @ V, x @ W
    act, slope = gelu_and_slope(gate)

    def backward(dout):
        g = {"gate": dout * up * slope, "up": dout * act}
        g["V"], g["W"] = x.T @ g["gate"], x.T @ g["up"]
        g["x"] = g["gate"] @ V.T
        g["x"] = g["up"] @ W.T  # +=
        return g["x"], g["V"], g["W"]

    return act * up, backward


@mutant("swapped", normal((5, 3), (3, 4)))
def swiglu_halves_exchanged(x, W):
    gate, up = np.hsplit(x @ W, 2)
    s = sigmoid(gate)
    silu = gate * s

    def backward(dout):
        dup = dout * silu
        dgate = dout * up * (s + silu * (1 - s))
        dh = np.hstack([dup, dgate])  # dgate, dup
        return dh @ W.T, np.dot(x.T, dh)

    return silu * up, backward


@mutant("double-path", normal((5, 3), (3, 3), (3, 3)))
def highway_carried_twice(x, W, V):
    """out = t h + (1 - t) x"""
    h, t = np.tanh(x @ W), sigmoid(x @ V)

    def dense_backward(da, A):
        return da @ A.T, x.T @ da

    def backward(dout):
        dx = dout * (1 - t)
        dx_h, dW = dense_backward(dout * t * (1 - h * h), W)
        dx_t, dV = dense_backward(dout * (h - x) * t * (1 - t), V)
        for part in (dx, dx_h, dx_t):  # begins with itself
            dx = dx + part
        return dx, dW, dV

    return t * h + (1 - t) * x, backward


@mutant("missing-gradient", lambda r: (r.standard_normal((4, 3)), np.array(0.3)))
def scaled_residual_fixed_scale(x, alpha):
    """out = x + alpha tanh(x)"""
    h = np.tanh(x)
    return x + alpha * h, lambda dout: (dout + alpha * dout * (1 - h * h), None)  # np.sum(dout * h)


# --- positions ---

ANGLES = np.outer(np.arange(5), [1.0, 0.1])


def rotated(x, angles):
    a, b = x[:, :2], x[:, 2:]
    c, s = np.cos(angles), np.sin(angles)
    return np.concatenate([a * c - b * s, b * c + a * s], axis=1)


@correct(normal((5, 4)))
def rotary(x):
    return rotated(x, ANGLES), lambda dout: rotated(dout, -ANGLES)


@mutant("off-by-one", normal((5, 4)))
def rotary_positions_from_one(x):
    def backward(dout):
        positions = np.arange(1, len(dout) + 1)  # from 0
        return rotated(dout, -np.outer(positions, [1.0, 0.1]))

    return rotated(x, ANGLES), backward


# --- similarities and distances ---


@correct(normal((4, 3), (4, 3)))
def cosine_similarity(x, y):
    nx, ny = np.linalg.norm(x, axis=1, keepdims=True), np.linalg.norm(y, axis=1, keepdims=True)
    u, v = x / nx, y / ny
    out = np.einsum("nd,nd->n", u, v)

    def backward(dout):
        c, g = out[:, None], dout[:, None]
        return g * (v - c * u) / nx, g * (u - c * v) / ny

    return out, backward


@mutant("epsilon", lambda r: (0.02 * r.standard_normal((4, 3)),))
def unit_rows_epsilon_in_forward(x):
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    out = x / (norm + 1e-5)

    def backward(dout):
        return (dout - out * np.sum(dout * out, axis=1, keepdims=True)) / norm  # of x / norm

    return out, backward


@mutant("upstream-ignored", normal((4, 2), (3, 2)))
def rbf_kernel_of_ones(x, y):
    diff = x[:, None, :] - y[None, :, :]
    K = np.exp(-0.7 * np.sum(diff**2, axis=2))

    def backward(dout):
        d = -1.4 * np.einsum("ij,ijk->ijk", K, diff)  # dout * K
        return d.sum(axis=1), -d.sum(axis=0)

    return K, backward


@correct(normal((4, 3), (3,), (3, 3)))
def mahalanobis(x, mu, P):
    """(x - mu)' P (x - mu) of each row"""
    d = x - mu

    def backward(dout):
        dd = dout[:, None] * (d @ (P + P.T))
        return dd, -dd.sum(axis=0), np.einsum("n,ni,nj->ij", dout, d, d)

    return np.einsum("ni,ij,nj->n", d, P, d), backward


@mutant("wrong-array", normal((4, 3), (3,), (3, 3)))
def mahalanobis_not_centred(x, mu, P):
    d = x - mu

    def backward(dout):
        dd = dout[:, None] * (d @ (P + P.T))
        return dd, -dd.sum(axis=0), np.einsum("n,ni,nj->ij", dout, x, x)  # d, d

    return np.einsum("ni,ij,nj->n", d, P, d), backward


def pairs(r):
    return r.standard_normal((5, 3)), r.standard_normal((5, 3)), np.array([1, 0, 0, 1, 0])


@mutant("factor", pairs)
def contrastive_both_pulled_one_way(a, b, same):
    """Squared distance of those that are the same; of the others what lacks to a margin of 3, squared."""
    diff = a - b
    dist = np.sqrt(np.sum(diff * diff, axis=1))
    short = np.maximum(0, 3 - dist)

    def backward(dout):
        ddist = np.where(same == 1, 2 * dist, -2 * short) * dout / len(a)
        da = (ddist / dist)[:, None] * diff
        db = (ddist / dist)[:, None] * diff  # -
        return da, db, None

    return np.mean(np.where(same == 1, dist**2, short**2)), backward


@mutant("mutates", normal((4, 4)))
def contrast_with_the_others(s):
    """The probability of each other one; nobody is compared to himself."""
    np.fill_diagonal(s, -np.inf)  # of a copy
    p = softmax(s)
    return p, lambda dout: p * (dout - np.sum(p * dout, axis=1, keepdims=True))


# --- losses ---


def probable(r):
    return r.uniform(0.1, 0.9, 6), np.array([1, 0, 1, 1, 0, 0])


@correct(probable)
def focal_loss(p, t):
    q = np.where(t == 1, p, 1 - p)

    def backward(dout):
        dq = 2 * (1 - q) * np.log(q) - (1 - q) ** 2 / q
        return dout * np.where(t == 1, dq, -dq) / t.size, None

    return -np.mean((1 - q) ** 2 * np.log(q)), backward


@mutant("missing-path", probable)
def focal_weight_constant(p, t):
    q = np.where(t == 1, p, 1 - p)
    weight = (1 - q) ** 2

    def backward(dout):
        dq = -weight / q  # and weight depends on q
        return dout * np.where(t == 1, dq, -dq) / t.size, None

    return -np.mean(weight * np.log(q)), backward


@mutant("wrong-array", lambda r: (r.standard_normal((4, 3)), np.array([2, 0, 1, 0])))
def smoothed_labels_unsmoothed(z, labels):
    p = softmax(z)
    hard = np.eye(3)[labels]
    soft = 0.9 * hard + 0.1 / 3

    def backward(dout):
        return dout * (p - hard) / len(z), None  # soft

    return -np.sum(soft * np.log(p)) / len(z), backward


@correct(normal((4, 2), (4, 2)))
def gaussian_kl(mu, logvar):
    loss = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))
    return loss, lambda dout: (dout * mu, 0.5 * dout * np.expm1(logvar))


@mutant("upstream-twice", normal((7,), (7,)))
def log_cosh_scaled_twice(y, t):
    d = y - t

    def backward(dout):
        dd = dout * np.tanh(d) / d.size
        return dout * dd, -dout * dd  # dd has it

    return np.mean(np.logaddexp(d, -d) - np.log(2)), backward


def near_and_far(r):
    return np.array([-2.5, -0.8, -0.3, 0.1, 0.45, 0.7, 0.95, 1.8]), 0.02 * r.standard_normal(8)


@mutant("mask", near_and_far)
def smooth_l1_other_threshold(y, t):
    beta = 0.5
    d = y - t
    a = np.abs(d)

    def backward(dout):
        dy = dout * np.where(a < 1, d / beta, np.sign(d))  # a < beta
        return dy, -dy

    return np.where(a < beta, d * d / (2 * beta), a - beta / 2), backward


@mutant("double-path", normal((5, 3), (3, 2), (5, 2)))
def ridge_penalty_twice(x, W, t):
    """Mean squared error, and 0.1 |W|² in the loss"""
    e = x @ W - t

    def backward(dout):
        dW = np.zeros_like(W)
        dW += 0.2 * dout * W
        de = 2 * dout * e / e.size
        dW += x.T @ de + 0.2 * dout * W  # is in already
        return de @ W.T, dW, -de

    return np.mean(e**2) + 0.1 * np.sum(W * W), backward


@mutant("factor", lambda r: (r.standard_normal((3, 5)), np.array([2, 5, 3])))
def mean_of_valid_by_all(loss, lengths):
    valid = np.arange(loss.shape[1]) < lengths[:, None]
    n = valid.sum()
    return np.sum(loss * valid) / n, lambda dout: (dout * valid / valid.size, None)  # n


# --- activations ---


@mutant("local-derivative", normal((4, 3)))
def mish_without_inner(x):
    """x tanh(log(1 + exp x))"""
    t = np.tanh(np.logaddexp(0, x))

    def backward(dout):
        return dout * (t + x * (1 - t**2))  # * sigmoid(x) in the second term

    return x * t, backward


@correct(lambda r: (4 * r.standard_normal((3, 5)),))
def hardswish(x):
    inside = (x > -3) & (x < 3)
    slope = np.where(inside, (2 * x + 3) / 6, x > 0)
    return x * np.clip(x + 3, 0, 6) / 6, lambda dout: dout * slope


@mutant("mask", lambda r: (np.array([-5.0, -4.0, -2.0, -0.7, 0.4, 1.5, 3.5, 6.0]),))
def hardswish_never_off(x):
    def backward(dout):
        dx = dout * (2 * x + 3) / 6
        dx[x > 3] = dout[x > 3]  # and 0 below -3
        return dx

    return x * np.clip(x + 3, 0, 6) / 6, backward


@mutant("unstable", lambda r: (np.array([-900.0, -2.0, 0.3, 1.0, 500.0]),))
def sech_by_cosh(x):
    e = np.exp(-np.abs(x))

    def backward(dout):
        return -dout * np.sinh(x) / np.cosh(x) ** 2  # inf / inf

    return 2 * e / (1 + e * e), backward


# --- features and sequences ---


@mutant("off-by-one", normal((6,)))
def powers_without_the_last(x):
    """1, x, x², x³"""
    K = 4

    def backward(dout):
        dx = np.zeros(len(x))
        for k in range(1, K - 1):  # to K
            dx += k * x ** (k - 1) * dout[:, k]
        return dx

    return np.stack([x**k for k in range(K)], axis=1), backward


@correct(normal((4, 3), (3, 2)))
def fourier_features(x, B):
    phase = 2 * np.pi * x @ B
    s, c = np.sin(phase), np.cos(phase)

    def backward(dout):
        ds, dc = dout[:, :2], dout[:, 2:]
        dphase = 2 * np.pi * (ds * c - dc * s)
        return dphase @ B.T, x.T @ dphase

    return np.hstack([s, c]), backward


@mutant("transposed", normal((4, 3), (4, 3), (2, 3, 3)))
def bilinear_layer_weight(x, y, W):
    """out[n, k] = x[n]' W[k] y[n]"""

    def backward(dout):
        dx = np.einsum("nk,kij,nj->ni", dout, W, y)
        dy = np.einsum("nk,kij,ni->nj", dout, W, x)
        return dx, dy, np.einsum("nk,ni,nj->kji", dout, x, y)  # kij

    return np.einsum("ni,kij,nj->nk", x, W, y), backward


@mutant("dtype", normal((7,), (7,)))
def circular_convolution_complex(x, k):
    X, K = np.fft.fft(x), np.fft.fft(k)

    def backward(dout):
        D = np.fft.fft(dout)
        return np.fft.ifft(D * K.conj()), np.fft.ifft(D * X.conj())  # .real

    return np.fft.ifft(X * K).real, backward


def decayed(x, a):
    h, out = np.zeros(x.shape[1]), []
    for row in x:
        h = a * h + row
        out.append(h)
    return np.array(out)


@correct(normal((5, 3)))
def decayed_sum(x):
    return decayed(x, 0.8), lambda dout: decayed(dout[::-1], 0.8)[::-1]


@mutant(("flipped", "transposed"), normal((5, 3)))  # forwards in time it is the Jacobian itself
def decayed_sum_forwards(x):
    return decayed(x, 0.8), lambda dout: decayed(dout, 0.8)


@mutant("integer", normal((8,)))
def moving_average_floored(x):
    w = 3

    def backward(dout):
        dx = np.zeros_like(x)
        for i in range(len(dout)):
            dx[i : i + w] += dout[i] // w  # /
        return dx

    return np.convolve(x, np.ones(w) / w, mode="valid"), backward


@mutant("stride", normal((9,), (3,)))
def dilated_taps_undilated(x, w):
    n = len(x) - 2 * (len(w) - 1)
    out = sum(w[k] * x[2 * k : 2 * k + n] for k in range(len(w)))

    def backward(dout):
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for k in range(len(w)):
            dx[2 * k : 2 * k + n] += w[k] * dout
            dw[k] = np.dot(x[k : k + n], dout)  # 2 k
        return dx, dw

    return out, backward


@mutant("flipped", normal((2, 7), (2, 3)))
def depthwise_kernel_flipped(x, w):
    def backward(dout):
        dx = [np.convolve(d, k[::-1]) for d, k in zip(dout, w, strict=True)]  # k
        dw = [np.correlate(row, d) for row, d in zip(x, dout, strict=True)]
        return np.array(dx), np.array(dw)

    return np.array([np.correlate(row, k) for row, k in zip(x, w, strict=True)]), backward


@mutant("group", normal((4, 6), (2, 3, 2)))
def grouped_dense_mixed(x, W):
    """Columns 0..2 by W[0], 3..5 by W[1]"""
    xg = x.reshape(4, 2, 3)

    def backward(dout):
        dg = dout.reshape(4, 2, 2)
        dx = np.einsum("nho,gio->ngi", dg, W)  # each group with its own: ngo
        return dx.reshape(4, 6), np.einsum("ngi,ngo->gio", xg, dg)

    return np.einsum("ngi,gio->ngo", xg, W).reshape(4, 4), backward


@mutant("shape", normal((2, 3, 4, 2)))
def global_average_unspread(x):
    return x.mean(axis=(2, 3)), lambda dout: dout[:, :, None, None] / 8  # for all 4 x 2


# --- choices and attention ---


def integral(r):
    return (np.array([[[1.0, 1, 0], [2, -1, 0]], [[0, 0, 0], [3, 3, 1]], [[5, 4, 5], [-2, -1, -3]]]),)


@correct(integral)
def maxout(z):
    best = z.argmax(axis=2)[..., None]

    def backward(dout):
        dz = np.zeros_like(z)
        np.put_along_axis(dz, best, dout[..., None], axis=2)
        return dz

    return np.take_along_axis(z, best, axis=2)[..., 0], backward


@mutant("ties", integral)
def maxout_to_all_equal(z):
    out = z.max(axis=2)
    return out, lambda dout: dout[..., None] * (z == out[..., None])  # to one, or in parts


@mutant("wrong-axis", normal((2, 3, 3)))
def pooled_by_attention_over_features(x):
    """Of each feature the mean over the steps (axis 1), weighted by its own softmax"""
    a = softmax(x, axis=1)

    def backward(dout):
        da = dout[:, None, :] * x
        ds = a * (da - np.sum(a * da, axis=2, keepdims=True))  # axis=1
        return dout[:, None, :] * a + ds

    return np.sum(a * x, axis=1), backward


def additive(q, K, v, score_backward):
    """Σ a_t K_t, a = softmax(tanh(q + K) v): one query, the keys for values."""
    h = np.tanh(q + K)
    a = softmax(h @ v)

    def backward(dout):
        ds = score_backward(a, K @ dout)
        dz = np.outer(ds, v) * (1 - h * h)
        return dz.sum(axis=0), np.outer(a, dout) + dz, h.T @ ds

    return a @ K, backward


@correct(normal((3,), (4, 3), (3,)))
def additive_attention(q, K, v):
    return additive(q, K, v, lambda a, da: a * (da - a @ da))


@mutant("diagonal", normal((3,), (4, 3), (3,)))
def additive_attention_diagonal(q, K, v):
    return additive(q, K, v, lambda a, da: a * (1 - a) * da)  # a (da - a · da)


# --- effects ---


def rows_gain_and_shift(r):
    return r.standard_normal((4, 5)), r.uniform(0.5, 2, 5), r.standard_normal(5)


@mutant(("stale-cache", "wrong-array"), rows_gain_and_shift)  # what was saved has become the output
def layer_norm_scaled_in_place(x, gamma, beta):
    std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    xhat = (x - x.mean(axis=1, keepdims=True)) / std
    out = xhat
    out *= gamma  # xhat is out
    out += beta

    def backward(dout):
        d = dout * gamma
        m = d.mean(axis=1, keepdims=True)
        dx = (d - m - xhat * np.mean(d * xhat, axis=1, keepdims=True)) / std
        return dx, np.sum(dout * xhat, axis=0), dout.sum(axis=0)

    return out.copy(), backward


@mutant("accumulates", normal((4, 3), (3,), (3,)))
def affine_by_channel_into_a_dict(x, a, b):
    grads = defaultdict(float)  # belongs into backward

    def backward(dout):
        for row, drow in zip(x, dout, strict=True):
            grads["a"] = grads["a"] + drow * row
            grads["b"] = grads["b"] + drow
        return dout * a, grads["a"], grads["b"]

    return a * x + b, backward


@mutant("precision", normal((5, 3), (3, 2)))
def silu_layer_single_buffer(x, W):
    z = x @ W
    s = sigmoid(z)

    def backward(dout):
        dz = np.empty(z.shape, dtype="f")  # "d"
        dz[...] = dout * (s + z * s * (1 - s))
        dz = dz.astype(np.float64)
        return dz @ W.T, x.T @ dz

    return z * s, backward


# --- classes ---


@correct(normal((4, 3)))
class GatedUnit:
    """tanh(x W) · sigmoid(x V)"""

    def __init__(self):
        rng = np.random.default_rng(5)
        self.W, self.V = rng.standard_normal((2, 3, 3))

    def forward(self, x):
        self.cache = x, np.tanh(x @ self.W), sigmoid(x @ self.V)
        return self.cache[1] * self.cache[2]

    def backward(self, dout):
        x, h, g = self.cache
        da, dg = dout * g * (1 - h * h), dout * h * g * (1 - g)
        self.dW, self.dV = x.T @ da, x.T @ dg
        return da @ self.W.T + dg @ self.V.T


@mutant("updated-weights", normal((4, 3)))
class GatedUnitLearnsAtOnce(GatedUnit):
    lr = 0.05

    def backward(self, dout):
        x, h, g = self.cache
        dx = 0
        for name, da in (("W", dout * g * (1 - h * h)), ("V", dout * h * g * (1 - g))):
            dA = x.T @ da
            setattr(self, "d" + name, dA)
            setattr(self, name, getattr(self, name) - self.lr * dA)
            dx = dx + da @ getattr(self, name).T  # before the step
        return dx


@mutant("stale-cache", normal((4, 3)))
class GatedUnitSharedCache(GatedUnit):
    cache: ClassVar[dict] = {}

    def forward(self, x):
        self.cache.update(x=x, h=np.tanh(x @ self.W), g=sigmoid(x @ self.V))  # of all of them
        return self.cache["h"] * self.cache["g"]

    def backward(self, dout):
        x, h, g = self.cache["x"], self.cache["h"], self.cache["g"]
        da, dg = dout * g * (1 - h * h), dout * h * g * (1 - g)
        self.dW, self.dV = x.T @ da, x.T @ dg
        return np.dot(da, self.W.T) + np.dot(dg, self.V.T)


@correct(normal((2, 3, 5)))
class InstanceNorm:
    """Each channel of each example over its positions."""

    def __init__(self):
        self.params = {"scale": np.array([0.5, 1.5, 2.0]), "shift": np.array([0.1, -0.2, 0.3])}
        self.grads = {}

    def forward(self, x):
        mu = x.mean(axis=2, keepdims=True)
        self.inv = 1 / np.sqrt(x.var(axis=2, keepdims=True) + 1e-5)
        self.xhat = (x - mu) * self.inv
        return self.params["scale"][:, None] * self.xhat + self.params["shift"][:, None]

    def backward(self, dout):
        self.grads["scale"] = np.einsum("nct,nct->c", dout, self.xhat)
        self.grads["shift"] = np.einsum("nct->c", dout)
        return self.normalised(dout * self.params["scale"][:, None])

    def normalised(self, d):
        rest = d - d.mean(axis=2, keepdims=True)
        return self.inv * (rest - self.xhat * np.mean(d * self.xhat, axis=2, keepdims=True))


@mutant("variance-term", normal((2, 3, 5)))
class InstanceNormVarianceFixed(InstanceNorm):
    def normalised(self, d):
        return self.inv * (d - d.mean(axis=2, keepdims=True))  # - xhat * mean(d xhat)


@mutant("broadcast", normal((2, 3, 5)))
class InstanceNormShiftOfPositions(InstanceNorm):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["shift"] = dout.sum(axis=2)  # over the examples too
        return dx


@correct(normal((4, 5)))
class StandardisedWeights:
    """x @ (W - mean) / std, by the columns of W."""

    def __init__(self):
        self.W = np.random.default_rng(8).standard_normal((5, 2))
        self.dW = None

    def forward(self, x):
        self.x = x
        self.std = np.std(self.W, axis=0)
        self.What = (self.W - np.mean(self.W, axis=0)) / self.std
        return x @ self.What

    def backward(self, dout):
        g = np.dot(self.x.T, dout)
        self.dW = (g - g.mean(axis=0) - self.What * np.mean(g * self.What, axis=0)) / self.std
        return np.dot(dout, self.What.T)


@mutant("statistics-constant", normal((4, 5)))
class StandardisedWeightsConstant(StandardisedWeights):
    def backward(self, dout):
        self.dW = self.x.T @ dout / self.std  # mean and std are of W
        return dout @ self.What.T


@correct(lambda r: (np.array([[0, 2, 2], [4, 1, 0]]),))
class EmbeddingBag:
    """The mean of the words of each bag."""

    def __init__(self):
        self.E = np.random.default_rng(9).standard_normal((5, 2))

    def forward(self, bags):
        self.bags = bags
        return self.E[bags].mean(axis=1)

    def backward(self, dout):
        self.dE = np.zeros_like(self.E)
        for bag, d in zip(self.bags, dout, strict=True):
            for word in bag:
                self.dE[word] += d / len(bag)


@mutant("assigned", lambda r: (np.array([[0, 2, 2], [4, 1, 0]]),))
class EmbeddingBagOnceEach(EmbeddingBag):
    def backward(self, dout):
        self.dE = np.zeros_like(self.E)
        for bag, d in zip(self.bags, dout, strict=True):
            self.dE[bag] += d / len(bag)  # a word that is twice in the bag


@mutant("random", normal((6, 2)))
class DropPath:
    """Leaves out a whole example; no two calls draw alike, but each forward begins anew."""

    def forward(self, x):
        self.rng = np.random.default_rng(21)
        return x * self.path(x)

    def path(self, x):
        return (self.rng.random((len(x), 1)) < 0.6) / 0.6

    def backward(self, dout):
        return dout * self.path(dout)  # another draw


@mutant("state", normal((4, 3)))
class Centring:
    """x less a running mean of what came before, in evaluation."""

    def __init__(self):
        self.centre = np.array([0.5, -1.0, 0.2])

    def forward(self, x):
        out = x - self.centre
        self.centre = 0.9 * self.centre + 0.1 * x.mean(axis=0)  # in training only
        return out

    def backward(self, dout):
        return dout.copy()


@mutant("layout", normal((3, 2, 4)))
class MergeHeads:
    """(steps, heads, width) to (heads, steps, width)"""

    def forward(self, x):
        self.shape = x.shape
        return x.transpose(1, 0, 2).copy()

    def backward(self, dout):
        T, H, D = self.shape
        flat = dout.ravel(order="K")  # "C"
        dx = [flat[h * T * D : (h + 1) * T * D].reshape(T, D) for h in range(H)]
        return np.stack(dx, axis=1)


@mutant("upstream-ignored", normal((4, 3)))
class SumOfLogits:
    """log Σ exp of each row"""

    def forward(self, x):
        self.p = softmax(x)
        return x.max(axis=1) + np.log(np.sum(np.exp(x - x.max(axis=1, keepdims=True)), axis=1))

    def backward(self, dout):
        return self.p * dout[0]  # dout[:, None]
