"""Layers that act on each element, and dropout."""

from __future__ import annotations

import math

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.draws import normal

# --- ReLU and its kin: a mask ---


def with_zeros(r):
    x = r.standard_normal((4, 3))
    x[0, 1] = x[2, 2] = 0.0
    return (x,)


@correct(with_zeros)
class Relu:
    def forward(self, x):
        self.mask = x <= 0
        return np.where(self.mask, 0, x)

    def backward(self, dout):
        return np.where(self.mask, 0, dout)


@correct(with_zeros)
class ReluFromRight:
    """At 0 it takes the slope from the right, which is as good as the one from the left."""

    def forward(self, x):
        self.mask = x >= 0
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


@mutant("mutates", normal((4, 3)))
class ReluWritesDout(Relu):
    def backward(self, dout):
        dout[self.mask] = 0  # a copy of dout
        return dout


@mutant("mutates", normal((4, 3)))
class ReluWritesInput(Relu):
    def forward(self, x):
        self.mask = x <= 0
        x[self.mask] = 0  # a copy of x
        return x * 1


@mutant("mask", normal((4, 3)))
class ReluInverted(Relu):
    def backward(self, dout):
        return np.where(self.mask, dout, 0)  # 0 where mask


@mutant("stale-cache", normal((4, 3)))
class ReluFirstMask(Relu):
    def __init__(self):
        self.mask = None

    def forward(self, x):
        if self.mask is None:  # always
            self.mask = x <= 0
        return np.maximum(x, 0)


@correct(normal((4, 3)))
class LeakyRelu:
    slope = 0.1

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, self.slope)


@mutant("mask", normal((4, 3)))
class LeakyReluInverted(LeakyRelu):
    def backward(self, dout):
        return dout * np.where(self.x < 0, 1, self.slope)  # x > 0


@mutant("integer", normal((4, 3)))
class LeakyReluInteger(LeakyRelu):
    def backward(self, dout):
        dx = np.ones(self.x.shape, dtype=int)  # float
        dx[...] = dout * np.where(self.x > 0, 1, self.slope)
        return dx * 1.0


def spread_out(r):
    return (r.permutation(np.linspace(-2, 2, 12)).reshape(4, 3),)


@correct(spread_out)
class Clip:
    def forward(self, x):
        self.inside = (x > -0.5) & (x < 0.8)
        return np.clip(x, -0.5, 0.8)

    def backward(self, dout):
        return dout * self.inside


@mutant("mask", spread_out)
class ClipBelowOnly(Clip):
    def forward(self, x):
        self.inside = x > -0.5  # & (x < 0.8)
        return np.clip(x, -0.5, 0.8)


@correct(normal((4, 3), (4, 3)))
class Maximum:
    def forward(self, x, y):
        self.first = x >= y
        return np.where(self.first, x, y)

    def backward(self, dout):
        return dout * self.first, dout * ~self.first


def tied(r):
    x, y = r.standard_normal((2, 4, 3))
    y[1] = x[1]
    return x, y


@mutant("ties", tied)
class MaximumBoth(Maximum):
    def forward(self, x, y):
        self.first, self.second = x >= y, y >= x  # y > x: only one of equals
        return np.maximum(x, y)

    def backward(self, dout):
        return dout * self.first, dout * self.second


@correct(tied)
class MaximumHalves(Maximum):
    """Equal elements take half each."""

    def forward(self, x, y):
        self.share = np.where(x == y, 0.5, x > y)
        return np.maximum(x, y)

    def backward(self, dout):
        return dout * self.share, dout * (1 - self.share)


@correct(normal((4, 3)))
class Elu:
    def forward(self, x):
        self.x = x
        self.out = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
        return self.out

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, self.out + 1)


@mutant("wrong-array", normal((4, 3)))
class EluOfInput(Elu):
    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, self.x + 1)  # out + 1


# --- smooth ones ---


def far_out(r):
    x = r.standard_normal((4, 3))
    x[0] = 800.0, -800.0, 40.0
    return (x,)


@correct(far_out)
class Sigmoid:
    def forward(self, x):
        e = np.exp(-np.abs(x))
        self.out = np.where(x >= 0, 1, e) / (1 + e)
        return self.out

    def backward(self, dout):
        return dout * self.out * (1 - self.out)


@mutant("unstable", far_out)
class SigmoidUnstable(Sigmoid):
    def forward(self, x):
        self.x = x
        return super().forward(x)

    def backward(self, dout):
        e = np.exp(self.x)  # inf
        return dout * e / (1 + e) ** 2  # out·(1 - out)


@mutant("wrong-array", normal((4, 3)))
class SigmoidOfInput(Sigmoid):
    def forward(self, x):
        self.x = x
        return super().forward(x)

    def backward(self, dout):
        return dout * self.x * (1 - self.x)  # out·(1 - out)


@mutant("local-derivative", normal((4, 3)))
class SigmoidTwice(Sigmoid):
    def backward(self, dout):
        dout = dout * self.out * (1 - self.out)
        return dout * self.out * (1 - self.out)  # once


@mutant("upstream-twice", normal((4, 3)))
class SigmoidUpstreamTwice(Sigmoid):
    def backward(self, dout):
        dx = self.out * (1 - self.out) * dout
        return dout * dx  # dx


@mutant("precision", normal((4, 3)))
class SigmoidFloat32(Sigmoid):
    def backward(self, dout):
        out = self.out.astype(np.float32)  # out
        return dout * out * (1 - out)


@correct(normal((4, 3)))
class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


@mutant("local-derivative", normal((4, 3)))
class TanhMissing(Tanh):
    def backward(self, dout):
        return dout * 1  # * (1 - out²)


@correct(normal((4, 3)))
class ScaledTanh:
    """1.7159·tanh(2x/3), as LeCun has it."""

    def forward(self, x):
        self.tanh = np.tanh(2 / 3 * x)
        return 1.7159 * self.tanh

    def backward(self, dout):
        return dout * 1.7159 * 2 / 3 * (1 - self.tanh**2)


@mutant("stale-cache", normal((4, 3)))
class ScaledTanhInPlace(ScaledTanh):
    def forward(self, x):
        out = np.tanh(2 / 3 * x)
        self.tanh = out
        out *= 1.7159  # out = out * 1.7159: the cache is the same array
        return out.copy()


@mutant("factor", normal((4, 3)))
class ScaledTanhNoInner(ScaledTanh):
    def backward(self, dout):
        return dout * 1.7159 * (1 - self.tanh**2)  # * 2/3


@correct(far_out)
class Softplus:
    def forward(self, x):
        self.x = x
        return np.logaddexp(0, x)

    def backward(self, dout):
        e = np.exp(-np.abs(self.x))
        return dout * np.where(self.x >= 0, 1, e) / (1 + e)


@mutant("unstable", normal((4, 3)))
class SoftplusUnstable(Softplus):
    def backward(self, dout):
        e = np.exp(self.x)  # inf for x > 710
        return dout * e / (1 + e)


@correct(normal((4, 3)))
class Swish:
    """x·sigmoid(x): x goes two ways."""

    def forward(self, x):
        self.x = x
        self.s = (1 + np.tanh(x / 2)) / 2
        return x * self.s

    def backward(self, dout):
        return dout * self.s + dout * self.x * self.s * (1 - self.s)


@mutant("missing-path", normal((4, 3)))
class SwishOnePath(Swish):
    def backward(self, dout):
        dx = dout * self.x * self.s * (1 - self.s)  # + dout·s
        return dx


@mutant("double-path", normal((4, 3)))
class SwishPathTwice(Swish):
    def backward(self, dout):
        dx = dout * self.s
        dx += dout * self.s  # once
        dx += dout * self.x * self.s * (1 - self.s)
        return dx


@correct(normal((4, 3)))
class Gelu:
    def forward(self, x):
        self.x = x
        self.cdf = 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
        return x * self.cdf

    def backward(self, dout):
        pdf = np.exp(-self.x * self.x / 2) / math.sqrt(2 * math.pi)
        return dout * (self.cdf + self.x * pdf)


@mutant("missing-path", normal((4, 3)))
class GeluGateConstant(Gelu):
    def backward(self, dout):
        return dout * self.cdf  # + x·pdf


@correct(lambda r: (r.uniform(0.5, 2, (4, 3)),))
class Log:
    def forward(self, x):
        self.x = x
        return np.log(x)

    def backward(self, dout):
        return dout / self.x


@mutant("local-derivative", lambda r: (r.uniform(0.5, 2, (4, 3)),))
class LogRooted(Log):
    def backward(self, dout):
        return dout / np.sqrt(self.x)  # / x


@correct(normal((4, 3)))
class Square:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return dout * 2 * self.x


@mutant("factor", normal((4, 3)))
class SquareNoTwo(Square):
    def backward(self, dout):
        return dout * self.x  # * 2


@mutant("factor", normal((4, 3)))
class SquareNegative(Square):
    def backward(self, dout):
        return -dout * 2 * self.x  # +


# --- dropout ---


@correct(normal((5, 4)))
class Dropout:
    ratio = 0.4

    def __init__(self):
        self.rng = np.random.default_rng(9)

    def forward(self, x, train_flg=True):
        if not train_flg:
            self.mask = np.ones_like(x)
        else:
            self.mask = (self.rng.random(x.shape) > self.ratio) / (1 - self.ratio)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


@correct(lambda r: (r.standard_normal((5, 4)), False))
class DropoutInEvaluation(Dropout):
    pass


@mutant("random", normal((5, 4)))
class DropoutRedrawn(Dropout):
    def backward(self, dout):
        mask = (self.rng.random(dout.shape) > self.ratio) / (1 - self.ratio)  # self.mask
        return dout * mask


@mutant("factor", normal((5, 4)))
class DropoutUnscaled(Dropout):
    def backward(self, dout):
        return dout * (self.mask > 0)  # / (1 - ratio)


def after_relu(r):
    return (np.maximum(r.standard_normal((5, 4)), 0),)


@mutant("mask", after_relu)
class DropoutFromZeros(Dropout):
    def forward(self, x, train_flg=True):
        self.out = super().forward(x, train_flg)
        return self.out

    def backward(self, dout):
        return dout * (self.out != 0) / (1 - self.ratio)  # an x of 0 need not have been dropped


@mutant("mask", normal((5, 4)))
class DropoutUnmasked(Dropout):
    def backward(self, dout):
        return dout / (1 - self.ratio)  # dout·mask


@mutant("stale-cache", lambda r: (r.standard_normal((5, 4)), False))
class DropoutKeepsMask(Dropout):
    """Evaluation leaves the mask of the last training step, and the backward takes it."""

    def __init__(self):
        super().__init__()
        self.mask = (self.rng.random((5, 4)) > self.ratio) / (1 - self.ratio)

    def forward(self, x, train_flg=True):
        return super().forward(x) if train_flg else x * 1  # and a mask of ones


@correct(normal((4, 3)))
class Noise:
    """Multiplies by random numbers about 1."""

    def __init__(self):
        self.rng = np.random.default_rng(10)

    def forward(self, x):
        self.noise = self.rng.normal(1, 0.3, x.shape)
        return x * self.noise

    def backward(self, dout):
        return dout * self.noise


@mutant("random", normal((4, 3)))
class NoiseRedrawn(Noise):
    def backward(self, dout):
        return dout * self.rng.normal(1, 0.3, dout.shape)  # noise
