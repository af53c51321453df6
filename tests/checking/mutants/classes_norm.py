"""Layers that normalise: by batch, by example, by length, and their running statistics."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.draws import normal

# --- batch normalisation, step by step as the book has it ---


@correct(normal((5, 3)))
class BatchNorm:
    momentum = 0.9
    eps = 1e-6

    def __init__(self):
        rng = np.random.default_rng(11)
        self.params = {"gamma": rng.uniform(0.5, 1.5, 3), "beta": rng.standard_normal(3)}
        self.grads = {}
        self.running_mean = rng.standard_normal(3)
        self.running_var = rng.uniform(0.5, 1.5, 3)

    def forward(self, x, train_flg=True):
        self.train_flg = train_flg
        if train_flg:
            mu = np.mean(x, axis=0)
            self.xc = x - mu
            var = np.mean(self.xc**2, axis=0)
            self.std = np.sqrt(var + self.eps)
            self.update_running(mu, var)
        else:
            self.xc = x - self.running_mean
            self.std = np.sqrt(self.running_var + self.eps)
        self.xn = self.xc / self.std
        return self.params["gamma"] * self.xn + self.params["beta"]

    def update_running(self, mu, var):
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var

    def backward(self, dout):
        self.grads["gamma"] = np.sum(dout * self.xn, axis=0)
        self.grads["beta"] = np.sum(dout, axis=0)
        return self.backward_of_normalised(dout * self.params["gamma"])

    def backward_of_normalised(self, dxn):
        if not self.train_flg:
            return dxn / self.std
        N = len(dxn)
        dxc = dxn / self.std
        dstd = -np.sum(dxn * self.xc / self.std**2, axis=0)
        dvar = 0.5 * dstd / self.std
        dxc = dxc + 2 / N * self.xc * dvar
        dmu = np.sum(dxc, axis=0)
        return dxc - dmu / N


@correct(lambda r: (r.standard_normal((5, 3)), False))
class BatchNormInEvaluation(BatchNorm):
    pass


@mutant("mean-term", normal((5, 3)))
class BatchNormNoMean(BatchNorm):
    def backward_of_normalised(self, dxn):
        dxc = dxn / self.std
        dvar = -0.5 * np.sum(dxn * self.xc, axis=0) / self.std**3
        return dxc + 2 / len(dxn) * self.xc * dvar  # - mean of it


@mutant("variance-term", normal((5, 3)))
class BatchNormNoVariance(BatchNorm):
    def backward_of_normalised(self, dxn):
        dxc = dxn / self.std  # + 2/N · xc · dvar
        return dxc - np.mean(dxc, axis=0)


@mutant("statistics-constant", normal((5, 3)))
class BatchNormConstant(BatchNorm):
    def backward_of_normalised(self, dxn):
        return dxn / self.std  # the statistics are functions of x


@mutant("factor", normal((5, 3)))
class BatchNormNoN(BatchNorm):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["gamma"] = np.mean(dout * self.xn, axis=0)  # the sum
        return dx


@mutant("local-derivative", normal((5, 3)))
class BatchNormRooted(BatchNorm):
    def forward(self, x, train_flg=True):
        out = super().forward(x, train_flg)
        self.std = np.sqrt(self.std)  # a root already
        return out

    def backward_of_normalised(self, dxn):
        dxn = dxn - np.mean(dxn, axis=0) - self.xn * np.mean(dxn * self.xn, axis=0)
        return dxn / self.std


@mutant("state", lambda r: (r.standard_normal((5, 3)), False))
class BatchNormLearnsInEvaluation(BatchNorm):
    def forward(self, x, train_flg=True):
        out = super().forward(x, train_flg)
        if not train_flg:  # in training only
            self.update_running(np.mean(x, axis=0), np.var(x, axis=0))
        return out


@mutant("state", lambda r: (r.standard_normal((5, 3)), False))
class BatchNormLearnsInPlace(BatchNorm):
    def forward(self, x, train_flg=True):
        out = super().forward(x, train_flg)
        if not train_flg:  # in training only
            self.running_mean *= self.momentum
            self.running_mean += (1 - self.momentum) * np.mean(x, axis=0)
        return out


@mutant("swapped", normal((5, 3)))
class BatchNormSwapped(BatchNorm):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["beta"], self.grads["gamma"] = self.grads["gamma"], self.grads["beta"]
        return dx


@mutant("wrong-array", normal((5, 3)))
class BatchNormGammaOfCentred(BatchNorm):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["gamma"] = np.sum(dout * self.xc, axis=0)  # xn
        return dx


@mutant("wrong-array", normal((5, 3)))
class BatchNormRunningDeviation(BatchNorm):
    def backward_of_normalised(self, dxn):
        std = np.sqrt(self.running_var + self.eps)  # the batch's
        return (dxn - np.mean(dxn, axis=0) - self.xn * np.mean(dxn * self.xn, axis=0)) / std


@mutant("precision", normal((5, 3)))
class BatchNormHalf(BatchNorm):
    def backward_of_normalised(self, dxn):
        self.xc = self.xc.astype(np.float16)  # xc
        return super().backward_of_normalised(dxn)


# --- layer normalisation ---


@correct(normal((3, 5)))
class LayerNorm:
    eps = 1e-5

    def __init__(self):
        rng = np.random.default_rng(12)
        self.gamma = rng.uniform(0.5, 1.5, 5)
        self.beta = rng.standard_normal(5)

    def forward(self, x):
        mu = np.mean(x, axis=1, keepdims=True)
        var = np.var(x, axis=1, keepdims=True)
        self.rstd = 1 / np.sqrt(var + self.eps)
        self.xn = (x - mu) * self.rstd
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dgamma = np.sum(dout * self.xn, axis=0)
        self.dbeta = np.sum(dout, axis=0)
        dxn = dout * self.gamma
        mean = np.mean(dxn, axis=1, keepdims=True)
        along = np.mean(dxn * self.xn, axis=1, keepdims=True)
        return (dxn - mean - self.xn * along) * self.rstd


@mutant("wrong-axis", normal((4, 5)))
class LayerNormByColumns(LayerNorm):
    def backward(self, dout):
        super().backward(dout)
        dxn = dout * self.gamma
        mean = np.mean(dxn, axis=0, keepdims=True)  # axis=1
        along = np.mean(dxn * self.xn, axis=0, keepdims=True)  # axis=1
        return (dxn - mean - self.xn * along) * self.rstd


@mutant("mean-term", normal((3, 5)))
class LayerNormNoMean(LayerNorm):
    def backward(self, dout):
        super().backward(dout)
        dxn = dout * self.gamma
        along = np.mean(dxn * self.xn, axis=1, keepdims=True)
        return (dxn - self.xn * along) * self.rstd  # - mean of dxn


@mutant("variance-term", normal((3, 5)))
class LayerNormNoVariance(LayerNorm):
    def backward(self, dout):
        super().backward(dout)
        dxn = dout * self.gamma
        return (dxn - np.mean(dxn, axis=1, keepdims=True)) * self.rstd  # - xn · mean of dxn·xn


@mutant("epsilon", lambda r: (0.02 * r.standard_normal((3, 5)),))
class LayerNormNoEpsilon(LayerNorm):
    def forward(self, x):
        out = super().forward(x)
        self.xn = x - np.mean(x, axis=1, keepdims=True)
        self.rstd = 1 / np.std(x, axis=1, keepdims=True)  # √(var + eps)
        self.xn = self.xn * self.rstd
        return out


@mutant("missing-path", normal((3, 5)))
class LayerNormNoResidual(LayerNorm):
    """Adds x to what it normalises, and forgets the way around."""

    def forward(self, x):
        return x + super().forward(x)

    def backward(self, dout):
        return super().backward(dout)  # + dout


# --- by length ---


@correct(normal((3, 4)))
class RMSNorm:
    def __init__(self):
        self.gamma = np.random.default_rng(13).uniform(0.5, 1.5, 4)

    def forward(self, x):
        self.x = x
        self.r = 1 / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)
        return self.gamma * x * self.r

    def backward(self, dout):
        self.dgamma = np.sum(dout * self.x * self.r, axis=0)
        dxn = dout * self.gamma
        along = np.mean(dxn * self.x, axis=-1, keepdims=True)
        return self.r * dxn - self.r**3 * self.x * along


@mutant("factor", normal((3, 4)))
class RMSNormSum(RMSNorm):
    def backward(self, dout):
        super().backward(dout)
        dxn = dout * self.gamma
        along = np.sum(dxn * self.x, axis=-1, keepdims=True)  # the mean
        return self.r * dxn - self.r**3 * self.x * along


@mutant("statistics-constant", normal((3, 4)))
class RMSNormConstant(RMSNorm):
    def backward(self, dout):
        super().backward(dout)
        return self.r * dout * self.gamma  # r is a function of x


@correct(normal((3, 4)))
class Normalise:
    """Rows of length 1."""

    def forward(self, x):
        self.length = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
        self.out = x / self.length
        return self.out

    def backward(self, dout):
        along = np.sum(dout * self.out, axis=1, keepdims=True)
        return (dout - self.out * along) / self.length


@mutant("diagonal", normal((3, 4)))
class NormaliseDiagonal(Normalise):
    def backward(self, dout):
        return dout * (1 - self.out**2) / self.length  # dout - out · (dout·out)


@correct(normal((2, 4, 3)))
class GroupNorm:
    """Two groups of two channels each, x (N, C, L)."""

    def forward(self, x):
        g = x.reshape(2, 2, -1)
        mu = np.mean(g, axis=2, keepdims=True)
        self.std = np.sqrt(np.var(g, axis=2, keepdims=True) + 1e-5)
        self.xn = (g - mu) / self.std
        return self.xn.reshape(x.shape)

    def backward(self, dout):
        d = dout.reshape(2, 2, -1)
        mean = np.mean(d, axis=2, keepdims=True)
        along = np.mean(d * self.xn, axis=2, keepdims=True)
        return ((d - mean - self.xn * along) / self.std).reshape(dout.shape)


@mutant("group", normal((2, 4, 3)))
class GroupNormMixed(GroupNorm):
    def backward(self, dout):
        d = dout.reshape(2, 2, -1)
        mean = np.mean(d, axis=(1, 2), keepdims=True)  # axis=2: of each group
        along = np.mean(d * self.xn, axis=(1, 2), keepdims=True)
        return ((d - mean - self.xn * along) / self.std).reshape(dout.shape)


# --- normalised weights ---


@correct(normal((5, 3)))
class WeightNorm:
    """Affine with W = g·v/|v|, by columns."""

    def __init__(self):
        rng = np.random.default_rng(14)
        self.v = rng.standard_normal((3, 2))
        self.g = rng.uniform(1, 2, 2)

    def forward(self, x):
        self.x = x
        self.length = np.sqrt(np.sum(self.v**2, axis=0))
        self.u = self.v / self.length
        return x @ (self.g * self.u)

    def backward(self, dout):
        dW = self.x.T @ dout
        self.dg = np.sum(dW * self.u, axis=0)
        self.dv = self.g / self.length * (dW - self.u * self.dg)
        return dout @ (self.g * self.u).T


@mutant("missing-path", normal((5, 3)))
class WeightNormLengthConstant(WeightNorm):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dv = self.g / self.length * (self.x.T @ dout)  # the length depends on v
        return dx
