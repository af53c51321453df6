"""Layers and networks in the book's forms, written anew.

Caches and gradients on ``self``, ``params`` and ``grads`` in lists, networks with ``loss(x, t)`` and
``gradient(x, t)``, classes by number or by rows of 0 and 1.
"""

from collections import OrderedDict

import numpy as np


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Relu:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dx = dout.copy()
        dx[self.mask] = 0
        return dx


class Sigmoid:
    def __init__(self):
        self.out = None

    def forward(self, x):
        self.out = sigmoid(x)
        return self.out

    def backward(self, dout):
        return dout * (1.0 - self.out) * self.out


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.x = self.original_x_shape = self.dW = self.db = None

    def forward(self, x):
        self.original_x_shape = x.shape
        self.x = x.reshape(x.shape[0], -1)
        return np.dot(self.x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx.reshape(*self.original_x_shape)


class SoftmaxWithLoss:
    """Its dout is taken for 1, as it stands at the end."""

    def __init__(self):
        self.loss = self.y = self.t = None

    def forward(self, x, t):
        self.t, self.y = t, softmax(x)
        labels = t.argmax(axis=1) if t.size == self.y.size else t
        self.loss = -np.sum(np.log(self.y[np.arange(len(x)), labels])) / len(x)
        return self.loss

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        if self.t.size == self.y.size:
            return (self.y - self.t) / batch_size
        dx = self.y.copy()
        dx[np.arange(batch_size), self.t] -= 1
        return dx / batch_size


class Dropout:
    def __init__(self, dropout_ratio=0.5):
        self.dropout_ratio, self.mask = dropout_ratio, None

    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = np.random.rand(*x.shape) > self.dropout_ratio
            return x * self.mask
        return x * (1.0 - self.dropout_ratio)

    def backward(self, dout):
        return dout * self.mask


class BatchNormalization:
    def __init__(self, gamma, beta, momentum=0.9):
        self.gamma, self.beta, self.momentum = gamma, beta, momentum
        self.running_mean = self.running_var = None
        self.xc = self.xn = self.std = self.dgamma = self.dbeta = None

    def forward(self, x, train_flg=True):
        if self.running_mean is None:
            self.running_mean, self.running_var = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        if train_flg:
            mu = x.mean(axis=0)
            self.xc = x - mu
            var = np.mean(self.xc**2, axis=0)
            self.std = np.sqrt(var + 10e-7)
            self.xn = self.xc / self.std
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
            return self.gamma * self.xn + self.beta
        return self.gamma * (x - self.running_mean) / np.sqrt(self.running_var + 10e-7) + self.beta

    def backward(self, dout):
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dxc += (2.0 / len(dout)) * self.xc * (0.5 * dstd / self.std)
        return dxc - np.sum(dxc, axis=0) / len(dout)


def windows(x, size, stride, pad):
    """(N, C, H, W) -> rows (N·out_h·out_w, C·size·size)."""
    N, C, H, W = x.shape
    high, wide = (H + 2 * pad - size) // stride + 1, (W + 2 * pad - size) // stride + 1
    image = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    columns = np.zeros((N, C, size, size, high, wide))
    for i in range(size):
        for j in range(size):
            columns[:, :, i, j] = image[:, :, i : i + stride * high : stride, j : j + stride * wide : stride]
    return columns.transpose(0, 4, 5, 1, 2, 3).reshape(N * high * wide, -1), high, wide


def image_of(rows, shape, size, stride, pad, high, wide):
    N, C, H, W = shape
    columns = rows.reshape(N, high, wide, C, size, size).transpose(0, 3, 4, 5, 1, 2)
    image = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    for i in range(size):
        for j in range(size):
            image[:, :, i : i + stride * high : stride, j : j + stride * wide : stride] += columns[:, :, i, j]
    return image[:, :, pad : H + pad, pad : W + pad]


class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W, self.b, self.stride, self.pad = W, b, stride, pad
        self.x = self.col = self.col_W = self.dW = self.db = None

    def forward(self, x):
        FN, _, size, _ = self.W.shape
        self.x = x
        self.col, self.high, self.wide = windows(x, size, self.stride, self.pad)
        self.col_W = self.W.reshape(FN, -1).T
        out = np.dot(self.col, self.col_W) + self.b
        return out.reshape(len(x), self.high, self.wide, -1).transpose(0, 3, 1, 2)

    def backward(self, dout):
        FN, _, size, _ = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.db = np.sum(dout, axis=0)
        self.dW = np.dot(self.col.T, dout).transpose(1, 0).reshape(self.W.shape)
        dcol = np.dot(dout, self.col_W.T)
        return image_of(dcol, self.x.shape, size, self.stride, self.pad, self.high, self.wide)


class Pooling:
    def __init__(self, pool_h, pool_w, stride=2, pad=0):
        self.size, self.stride, self.pad = pool_h, stride, pad
        self.x = self.arg_max = None

    def forward(self, x):
        N, C, _, _ = x.shape
        col, self.high, self.wide = windows(x, self.size, self.stride, self.pad)
        col = col.reshape(-1, self.size**2)
        self.x, self.arg_max = x, np.argmax(col, axis=1)
        return np.max(col, axis=1).reshape(N, self.high, self.wide, C).transpose(0, 3, 1, 2)

    def backward(self, dout):
        dout = dout.transpose(0, 2, 3, 1)
        dmax = np.zeros((dout.size, self.size**2))
        dmax[np.arange(self.arg_max.size), self.arg_max.flatten()] = dout.flatten()
        rows = dmax.reshape(dout.shape[0] * dout.shape[1] * dout.shape[2], -1)
        return image_of(rows, self.x.shape, self.size, self.stride, self.pad, self.high, self.wide)


class Embedding:
    def __init__(self, W):
        self.params, self.grads, self.idx = [W], [np.zeros_like(W)], None

    def forward(self, idx):
        (W,) = self.params
        self.idx = idx
        return W[idx]

    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)


class RNN:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        h_next = np.tanh(np.dot(h_prev, Wh) + np.dot(x, Wx) + b)
        self.cache = (x, h_prev, h_next)
        return h_next

    def backward(self, dh_next):
        Wx, Wh, _ = self.params
        x, h_prev, h_next = self.cache
        dt = dh_next * (1 - h_next**2)
        for held, grad in zip(self.grads, (x.T @ dt, h_prev.T @ dt, dt.sum(axis=0)), strict=True):
            held[...] = grad
        return dt @ Wx.T, dt @ Wh.T


class LSTM:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None

    def forward(self, x, h_prev, c_prev):
        Wx, Wh, b = self.params
        H = h_prev.shape[1]
        A = np.dot(x, Wx) + np.dot(h_prev, Wh) + b
        f, g = sigmoid(A[:, :H]), np.tanh(A[:, H : 2 * H])
        i, o = sigmoid(A[:, 2 * H : 3 * H]), sigmoid(A[:, 3 * H :])
        c_next = f * c_prev + g * i
        h_next = o * np.tanh(c_next)
        self.cache = (x, h_prev, c_prev, i, f, g, o, c_next)
        return h_next, c_next

    def backward(self, dh_next, dc_next):
        Wx, Wh, _ = self.params
        x, h_prev, c_prev, i, f, g, o, c_next = self.cache
        tanh_c = np.tanh(c_next)
        ds = dc_next + dh_next * o * (1 - tanh_c**2)
        dA = np.hstack(
            (
                ds * c_prev * f * (1 - f),
                ds * i * (1 - g**2),
                ds * g * i * (1 - i),
                dh_next * tanh_c * o * (1 - o),
            )
        )
        for held, grad in zip(self.grads, (x.T @ dA, h_prev.T @ dA, dA.sum(axis=0)), strict=True):
            held[...] = grad
        return dA @ Wx.T, dA @ Wh.T, ds * f


class TwoLayerNet:
    """Layers in an OrderedDict that share their arrays with ``params``; ``gradient`` returns a dict."""

    def __init__(self, sizes=(6, 5, 3), between=Relu):
        rng = np.random.default_rng(1)
        D, H, M = sizes
        self.params = {
            "W1": rng.normal(size=(D, H)),
            "b1": rng.normal(size=H),
            "W2": rng.normal(size=(H, M)),
            "b2": rng.normal(size=M),
        }
        p = self.params
        self.layers = OrderedDict(
            Affine1=Affine(p["W1"], p["b1"]), Relu1=between(), Affine2=Affine(p["W2"], p["b2"])
        )
        self.lastLayer = SoftmaxWithLoss()

    def predict(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x, t):
        return self.lastLayer.forward(self.predict(x), t)

    def accuracy(self, x, t):
        return np.mean(self.predict(x).argmax(axis=1) == t)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.lastLayer.backward(1)
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        first, second = self.layers["Affine1"], self.layers["Affine2"]
        return {"W1": first.dW, "b1": first.db, "W2": second.dW, "b2": second.db}
