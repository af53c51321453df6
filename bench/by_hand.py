"""NumPy by hand, as well as NumPy goes: no graph, buffers made once, all parameters in one flat array.

Each layer keeps what its backward needs, and writes over the gradient that it is given where it can.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.workload import Order, Workload
from handgrad.optim import SGD, AdamW

Array = np.ndarray


class Affine:
    def __init__(self, batch: int, W: Array, b: Array, dW: Array, db: Array, first: bool):
        self.W, self.b, self.dW, self.db = W, b, dW, db
        self.z = np.empty((batch, W.shape[1]), W.dtype)
        self.ones = np.ones(batch, W.dtype)  # a sum over rows is faster as a product
        self.dx = None if first else np.empty((batch, W.shape[0]), W.dtype)

    def forward(self, x: Array) -> Array:
        self.x = x
        np.matmul(x, self.W, out=self.z)
        self.z += self.b
        return self.z

    def backward(self, dz: Array) -> Array | None:
        np.matmul(self.x.T, dz, out=self.dW)
        np.matmul(self.ones, dz, out=self.db)
        return None if self.dx is None else np.matmul(dz, self.W.T, out=self.dx)


class ReLU:
    def forward(self, z: Array) -> Array:
        self.h = np.maximum(z, 0, out=z)
        return self.h

    def backward(self, dh: Array) -> Array:
        dh *= self.h > 0
        return dh


class Tanh:
    def forward(self, z: Array) -> Array:
        self.h = np.tanh(z, out=z)
        return self.h

    def backward(self, dh: Array) -> Array:
        slope = np.square(self.h)
        np.subtract(1, slope, out=slope)
        dh *= slope
        return dh


class BatchNorm:
    def __init__(self, gamma: Array, beta: Array, dgamma: Array, dbeta: Array):
        self.gamma, self.beta, self.dgamma, self.dbeta = gamma, beta, dgamma, dbeta
        self.running_mean, self.running_var = np.zeros_like(gamma), np.ones_like(gamma)

    def forward(self, x: Array) -> Array:
        n = len(x)
        mean = x.mean(axis=0)
        x -= mean
        var = np.einsum("ij,ij->j", x, x) / n
        self.scale = 1 / np.sqrt(var + np.float32(1e-5))
        x *= self.scale
        self.x_hat = x
        self._move(self.running_mean, mean)
        self._move(self.running_var, var * (n / (n - 1)))
        out = x * self.gamma
        out += self.beta
        return out

    @staticmethod
    def _move(running: Array, towards: Array) -> None:
        running *= 0.9
        running += 0.1 * towards

    def backward(self, dout: Array) -> Array:
        n = len(dout)
        np.einsum("ij,ij->j", dout, self.x_hat, out=self.dgamma)
        np.sum(dout, axis=0, out=self.dbeta)
        dout -= self.dbeta / n
        self.x_hat *= self.dgamma / n
        dout -= self.x_hat
        dout *= self.gamma * self.scale
        return dout


class Dropout:
    def __init__(self, rate: float, shape: tuple[int, int], rng: np.random.Generator):
        self.rate, self.rng = np.float32(rate), rng
        self.mask = np.empty(shape, np.float32)

    def forward(self, h: Array) -> Array:
        self.rng.random(dtype=np.float32, out=self.mask)
        np.multiply(self.mask >= self.rate, 1 / (1 - self.rate), out=self.mask)
        return h * self.mask

    def backward(self, dout: Array) -> Array:
        dout *= self.mask
        return dout


class SoftmaxCrossEntropy:
    def __init__(self, batch: int):
        self.rows = np.arange(batch)

    def __call__(self, a: Array, t: Array) -> tuple[float, Array]:
        a -= a.max(axis=1, keepdims=True)
        a_t = a[self.rows, t]
        np.exp(a, out=a)
        total = a.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(total[:, 0]) - a_t)
        a /= total
        a[self.rows, t] -= 1
        a /= len(a)
        return loss, a


def mean_squared_error(y: Array, t: Array) -> tuple[float, Array]:
    y -= t
    flat = y.reshape(-1)
    loss = flat @ flat / y.size
    y *= np.float32(2 / y.size)
    return loss, y


class Flat:
    """One flat array of all parameters and one of their gradients, handed out as views."""

    def __init__(self, size: int):
        self.p, self.dp = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self.used = 0

    def place(self, value: Array) -> tuple[Array, Array]:
        here = slice(self.used, self.used + value.size)
        self.used = here.stop
        self.p[here] = value.reshape(-1)
        return self.p[here].reshape(value.shape), self.dp[here].reshape(value.shape)


def layers_of(workload: Workload) -> tuple[list[Any], Flat]:
    weights, rng = workload.weights(), np.random.Generator(np.random.SFC64(0))
    flat = Flat(sum(p.size for p in workload.net().parameters().values()))
    layers: list[Any] = []
    for i, (W, b) in enumerate(weights):
        (W, dW), (b, db) = flat.place(W), flat.place(b)
        layers.append(Affine(workload.batch, W, b, dW, db, first=i == 0))
        if i == len(weights) - 1:
            break
        if workload.batch_norm:
            (gamma, dgamma), (beta, dbeta) = flat.place(np.ones_like(b)), flat.place(np.zeros_like(b))
            layers.append(BatchNorm(gamma, beta, dgamma, dbeta))
        layers.append({"relu": ReLU, "tanh": Tanh}[workload.activation]())
        if workload.dropout:
            layers.append(Dropout(workload.dropout, (workload.batch, b.size), rng))
    return layers, flat


def updater(workload: Workload, flat: Flat) -> Callable[[], None]:
    optimiser, p, dp = workload.optimiser, flat.p, flat.dp
    lr = optimiser.rate(0)

    def sgd() -> None:
        np.multiply(dp, np.float32(lr), out=dp)
        np.subtract(p, dp, out=p)

    if isinstance(optimiser, SGD):
        return sgd
    beta1, beta2, eps = optimiser.beta1, optimiser.beta2, optimiser.eps
    m, v, spare = np.zeros_like(p), np.zeros_like(p), np.empty_like(p)
    t = 0

    def adam() -> None:
        nonlocal t
        t += 1
        if isinstance(optimiser, AdamW):
            np.multiply(p, 1 - lr * optimiser.weight_decay, out=p)
        np.multiply(m, beta1, out=m)
        np.add(m, np.multiply(dp, 1 - beta1, out=spare), out=m)
        np.multiply(v, beta2, out=v)
        np.multiply(dp, dp, out=dp)
        np.add(v, np.multiply(dp, 1 - beta2, out=dp), out=v)
        np.sqrt(v, out=spare)
        np.divide(spare, (1 - beta2**t) ** 0.5, out=spare)
        np.add(spare, eps, out=spare)
        np.divide(m, spare, out=spare)
        np.multiply(spare, lr / (1 - beta1**t), out=spare)
        np.subtract(p, spare, out=p)

    return adam


def by_hand(workload: Workload) -> Callable[[int], float]:
    """Makes that many steps and returns the loss of the last."""
    x, t = workload.examples()
    layers, flat = layers_of(workload)
    update = updater(workload, flat)
    order = Order(workload)
    classes = workload.loss == "softmax_cross_entropy"
    loss_of = SoftmaxCrossEntropy(workload.batch) if classes else mean_squared_error
    x_batch = np.empty((workload.batch, x.shape[1]), x.dtype)

    def step(picked: Array) -> float:
        h = np.take(x, picked, axis=0, out=x_batch, mode="clip")
        for layer in layers:
            h = layer.forward(h)
        loss, dh = loss_of(h, t[picked])
        for layer in reversed(layers):
            dh = layer.backward(dh)
        update()
        return loss

    def steps(n: int) -> float:
        loss = 0.0
        for picked in order.take(n):
            loss = step(picked)
        return float(loss)

    return steps
