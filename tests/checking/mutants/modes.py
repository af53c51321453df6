"""What another mode, or another call, left in the cache."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal

ROWS = normal((5, 3))


class Norm:
    """Batch normalisation that has been trained a step, and is evaluated now."""

    def __init__(self):
        r = np.random.default_rng(4)
        self.gamma, self.beta, self.training = r.standard_normal(3), r.standard_normal(3), True
        self.mean, self.var = r.standard_normal(3), r.uniform(0.5, 2, 3)
        self.forward(r.standard_normal((5, 3)))
        self.training = False

    def forward(self, x):
        if not self.training:
            self.std = np.sqrt(self.var + 1e-5)
            self.xn = (x - self.mean) / self.std
            return self.gamma * self.xn + self.beta
        self.std = np.sqrt(x.var(axis=0) + 1e-5)
        self.xn = (x - x.mean(axis=0)) / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.xn).sum(axis=0), dout.sum(axis=0)
        d = dout * self.gamma
        if not self.training:
            return d / self.std
        return (d - d.mean(axis=0) - self.xn * (d * self.xn).mean(axis=0)) / self.std


@correct(ROWS)
class Evaluated(Norm):
    pass


@mutant("stale-cache", ROWS)
class EvaluatedWithoutSaving(Norm):
    def forward(self, x):
        if not self.training:
            return self.gamma * (x - self.mean) / np.sqrt(self.var + 1e-5) + self.beta
        return super().forward(x)


@mutant("stale-cache", ROWS)
class EvaluatedSavingOne(Norm):
    def forward(self, x):
        if not self.training:
            self.xn = (x - self.mean) / np.sqrt(self.var + 1e-5)  # and std
            return self.gamma * self.xn + self.beta
        return super().forward(x)


@mutant(("mean-term", "double-path", "statistics-constant", "missing-path"), ROWS)
class EvaluatedAsInTraining(Norm):
    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.xn).sum(axis=0), dout.sum(axis=0)
        d = dout * self.gamma
        return (d - d.mean(axis=0) - self.xn * (d * self.xn).mean(axis=0)) / self.std


class Drop:
    """Dropout after a step of training."""

    def __init__(self):
        self.training = True
        self.forward(np.ones((5, 3)))
        self.training = False

    def forward(self, x):
        if not self.training:
            self.mask = np.ones_like(x)
            return x.copy()
        self.mask = (np.random.default_rng(2).random(x.shape) < 0.6) / 0.6
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


@correct(ROWS)
class DropEvaluated(Drop):
    pass


@mutant("stale-cache", ROWS)
class DropEvaluatedOldMask(Drop):
    def forward(self, x):
        return x.copy() if not self.training else super().forward(x)


@mutant("stale-cache", normal((4, 3)))
class ReluOfTheLastBatch:
    """The mask is kept from the first use of the layer."""

    def __init__(self):
        self.mask = None
        self.forward(np.random.default_rng(3).standard_normal((4, 3)))

    def forward(self, x):
        if self.mask is None:
            self.mask = x > 0
        return np.maximum(x, 0)

    def backward(self, dout):
        return dout * self.mask


@mutant("stale-cache", normal((4, 3)))
class DenseKeepsFirstInput:
    def __init__(self):
        r = np.random.default_rng(5)
        self.W, self.x = r.standard_normal((3, 2)), None
        self.forward(r.standard_normal((4, 3)))

    def forward(self, x):
        if self.x is None:
            self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


SAVED = {"scale": np.array([0.5, 2.0, 1.5])}


@mutant(("stale-cache", "wrong-array"), normal((4, 3)))
def scaled_by_what_was_kept(x):
    """The scale of an earlier call lies in a dict beside the function."""
    scale = np.abs(x).max(axis=0)

    def backward(dout):
        return dout * SAVED["scale"]

    return x * np.array([1.0, 3.0, 2.0]) + 0 * scale, backward
