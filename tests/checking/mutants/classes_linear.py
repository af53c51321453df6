"""Layers with a matrix: affine, product, table of words, and the arithmetic of the notebook."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.draws import normal

# --- addition and multiplication ---


@correct(normal((4, 3), (4, 3)))
class Add:
    def forward(self, x, y):
        return x + y

    def backward(self, dout):
        return dout * 1, dout * 1


@mutant("missing-gradient", normal((4, 3), (4, 3)))
class AddFirstOnly(Add):
    def backward(self, dout):
        return dout * 1, None  # y is added too


@correct(normal((4, 3), (4, 3)))
class Mul:
    def forward(self, x, y):
        self.x = x
        self.y = y
        return x * y

    def backward(self, dout):
        dx = dout * self.y
        dy = dout * self.x
        return dx, dy


@mutant("swapped", normal((4, 3), (4, 3)))
class MulSwapped(Mul):
    def backward(self, dout):
        dx = dout * self.x  # y
        dy = dout * self.y  # x
        return dx, dy


@mutant("upstream-ignored", normal((4, 3), (4, 3)))
class MulLocal(Mul):
    def backward(self, dout):
        return self.y * 1, self.x * 1  # dout * y, dout * x


@mutant("upstream-twice", normal((5,), (5,)))
class MulUpstreamTwice(Mul):
    def backward(self, dout):
        dout = dout * dout  # dout once
        return dout * self.y, dout * self.x


@mutant("stale-cache", normal((4, 3), (4, 3)))
class MulShared(Mul):
    def forward(self, x, y):
        type(self).x, type(self).y = x, y  # self.x, self.y: one pair for all instances
        return x * y


@correct(normal((4, 3), (4, 3)))
class MulStack:
    """Its cache is a stack: use it twice, go back twice, the last first."""

    def __init__(self):
        self.cache = []

    def forward(self, x, y):
        self.cache.append((x, y))
        return x * y

    def backward(self, dout):
        x, y = self.cache.pop()
        return dout * y, dout * x


@correct(lambda r: (r.standard_normal((4, 3)), r.uniform(1, 2, (4, 3))))
class Div:
    def forward(self, x, y):
        self.y = y
        self.out = x / y
        return self.out

    def backward(self, dout):
        dx = dout / self.y
        dy = -dout * self.out / self.y
        return dx, dy


@mutant("wrong-array", lambda r: (r.standard_normal((4, 3)), r.uniform(1, 2, (4, 3))))
class DivByInput(Div):
    def forward(self, x, y):
        self.x = x
        return super().forward(x, y)

    def backward(self, dout):
        dx = dout / self.y
        dy = -dout * self.x / self.y  # out / y
        return dx, dy


@correct(normal((4, 3)))
class Bias:
    def __init__(self):
        self.b = np.random.default_rng(1).standard_normal(3)

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        self.db = np.sum(dout, axis=0)
        return dout * 1


@mutant("factor", normal((4, 3)))
class BiasMean(Bias):
    def backward(self, dout):
        self.db = np.mean(dout, axis=0)  # the sum
        return dout * 1


@mutant("broadcast", normal((2, 4, 3)))
class BiasHalfSummed(Bias):
    def backward(self, dout):
        self.db = np.sum(dout, axis=0)[0]  # over axes 0 and 1
        return dout * 1


@mutant("broadcast", normal((4, 3)))
class BiasUnsummed(Bias):
    def backward(self, dout):
        self.db = dout * 1  # np.sum(dout, axis=0)
        return dout * 1


@mutant("wrong-axis", normal((3, 3)))
class BiasOtherAxis(Bias):
    def backward(self, dout):
        self.db = np.sum(dout, axis=1)  # axis=0
        return dout * 1


# --- affine ---


@correct(normal((5, 3)))
class Affine:
    def __init__(self):
        rng = np.random.default_rng(2)
        self.W = rng.standard_normal((3, 4))
        self.b = rng.standard_normal(4)
        self.x = None
        self.dW = None
        self.db = None

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        self.dW = self.x.T @ dout
        self.db = np.sum(dout, axis=0)
        return dx


@mutant("factor", normal((5, 3)))
class AffineMeanGradient(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.x.T @ dout / len(self.x)  # the loss has divided by N already
        return dx


@mutant("off-by-one", normal((5, 3)))
class AffineSkipsFirst(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.sum(dout[1:], axis=0)  # dout
        return dx


@mutant("accumulates", normal((5, 3)))
class AffineAccumulates(Affine):
    def __init__(self):
        super().__init__()
        self.dW = np.zeros_like(self.W)
        self.db = np.zeros_like(self.b)

    def backward(self, dout):
        self.dW += self.x.T @ dout  # =
        self.db += np.sum(dout, axis=0)  # =
        return dout @ self.W.T


@mutant("updated-weights", normal((5, 3)))
class AffineUpdates(Affine):
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = np.sum(dout, axis=0)
        self.W -= 0.1 * self.dW
        self.b -= 0.1 * self.db
        return dout @ self.W.T  # W from before the update


@mutant("stale-cache", normal((5, 3)))
class AffineFirstInput(Affine):
    def forward(self, x):
        if self.x is None:  # always
            self.x = x
        return x @ self.W + self.b


@mutant("precision", normal((5, 3)))
class AffineFloat32(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = (self.x.astype(np.float32).T @ dout.astype(np.float32)).astype(float)  # as they are
        return dx


@mutant("missing-gradient", normal((5, 3)))
class AffineNoBias(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.zeros_like(self.b)  # np.sum(dout, axis=0)
        return dx


@mutant("mutates", normal((5, 3)))
class AffineCentres(Affine):
    def forward(self, x):
        x -= np.mean(x, axis=0)  # x = x - ...
        return super().forward(x)

    def backward(self, dout):
        dx = super().backward(dout)
        return dx - np.mean(dx, axis=0)


@correct(normal((5, 3)))
class AffineSquare(Affine):
    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(3)
        self.W = rng.standard_normal((3, 3))
        self.b = rng.standard_normal(3)


@mutant("transposed", normal((5, 3)))
class AffineNoTranspose(AffineSquare):
    def backward(self, dout):
        super().backward(dout)
        return dout @ self.W  # W.T


@mutant("transposed", normal((5, 3)))
class AffineWeightTransposed(AffineSquare):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = dout.T @ self.x  # x.T @ dout
        return dx


@mutant("wrong-array", normal((3, 3)))
class AffineWeightForInput(AffineSquare):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.W.T @ dout  # x.T
        return dx


@correct(normal((2, 2, 3)))
class AffineOfImages:
    """The affine layer of the book: whatever follows the examples' axis is laid flat."""

    def __init__(self):
        rng = np.random.default_rng(4)
        self.W = rng.standard_normal((6, 4))
        self.b = rng.standard_normal(4)

    def forward(self, x):
        self.original_x_shape = x.shape
        self.x = x.reshape(x.shape[0], -1)
        return self.x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        self.dW = self.x.T @ dout
        self.db = np.sum(dout, axis=0)
        return dx.reshape(self.original_x_shape)


@mutant("shape", normal((2, 2, 3)))
class AffineOfImagesFlat(AffineOfImages):
    def backward(self, dout):
        return super().backward(dout).reshape(len(dout), -1)  # of the shape of x


@correct(normal((2, 4, 3)))
class AffineOfSequences(Affine):
    def backward(self, dout):
        dx = dout @ self.W.T
        self.dW = np.tensordot(self.x, dout, axes=((0, 1), (0, 1)))
        self.db = np.sum(dout, axis=(0, 1))
        return dx


@mutant("broadcast", normal((2, 4, 3)))
class AffineOfSequencesFirst(AffineOfSequences):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.x[0].T @ dout[0]  # summed over all sequences
        return dx


# --- products of matrices, parameters in lists and dicts ---


@correct(normal((5, 3)))
class MatMul:
    """Parameters and gradients in lists, the gradients written into the arrays that are there."""

    def __init__(self):
        W = np.random.default_rng(5).standard_normal((3, 2))
        self.params = [W]
        self.grads = [np.zeros_like(W)]

    def forward(self, x):
        self.x = x
        return x @ self.params[0]

    def backward(self, dout):
        dx = dout @ self.params[0].T
        self.grads[0][...] = self.x.T @ dout
        return dx


@mutant("accumulates", normal((5, 3)))
class MatMulAdds(MatMul):
    def backward(self, dout):
        self.grads[0] += self.x.T @ dout  # [...] =
        return dout @ self.params[0].T


@mutant("upstream-ignored", normal((5, 3)))
class MatMulOfSum(MatMul):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads[0][...] = self.x.T @ np.full_like(dout, np.sum(dout))  # x.T @ dout
        return dx


@mutant("updated-weights", normal((5, 3)))
class MatMulUpdates(MatMul):
    def backward(self, dout):
        (W,) = self.params
        self.grads[0][...] = self.x.T @ dout
        W -= 0.5 * self.grads[0]
        return dout @ W.T  # W from before the update


@correct(normal((4, 3)))
class TwoLayers:
    """Affine, ReLU, affine; parameters and gradients in dicts."""

    def __init__(self):
        rng = np.random.default_rng(6)
        self.params = {
            "W1": rng.standard_normal((3, 5)),
            "b1": rng.standard_normal(5),
            "W2": rng.standard_normal((5, 2)),
            "b2": rng.standard_normal(2),
        }
        self.grads = {}

    def forward(self, x):
        self.x = x
        self.a1 = x @ self.params["W1"] + self.params["b1"]
        self.z1 = np.maximum(self.a1, 0)
        return self.z1 @ self.params["W2"] + self.params["b2"]

    def backward(self, dout):
        dz1 = dout @ self.params["W2"].T
        da1 = dz1 * (self.a1 > 0)
        self.grads["W2"] = self.z1.T @ dout
        self.grads["b2"] = np.sum(dout, axis=0)
        self.grads["W1"] = self.x.T @ da1
        self.grads["b1"] = np.sum(da1, axis=0)
        return da1 @ self.params["W1"].T


@mutant("wrong-array", normal((4, 3)))
class TwoLayersBeforeRelu(TwoLayers):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["W2"] = self.a1.T @ dout  # z1.T
        return dx


@mutant("mask", normal((4, 3)))
class TwoLayersNoMask(TwoLayers):
    def backward(self, dout):
        super().backward(dout)
        da1 = dout @ self.params["W2"].T  # * (a1 > 0)
        self.grads["W1"] = self.x.T @ da1
        self.grads["b1"] = np.sum(da1, axis=0)
        return da1 @ self.params["W1"].T


@correct(normal((3, 2), (2, 4)))
class Product:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x @ y

    def backward(self, dout):
        return dout @ self.y.T, self.x.T @ dout


@mutant("swapped", normal((3, 3), (3, 3)))
class ProductSwapped(Product):
    def backward(self, dout):
        return self.x.T @ dout, dout @ self.y.T  # the other way round


@mutant("stale-cache", normal((3, 2), (2, 4)))
class ProductInPlace(Product):
    def forward(self, x, y):
        self.x, self.y = x.copy(), y
        out = self.x @ y
        self.x -= self.x.mean()  # a copy for the log; the backward needs x as it was
        return out


# --- a table of words ---


@correct(lambda r: (np.array([1, 4, 1, 0, 1]),))
class Embedding:
    def __init__(self):
        self.W = np.random.default_rng(7).standard_normal((6, 3))

    def forward(self, idx):
        self.idx = idx
        return self.W[idx]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.idx, dout)
        return None


@mutant("assigned", lambda r: (np.array([1, 4, 1, 0, 1]),))
class EmbeddingAssigned(Embedding):
    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        self.dW[self.idx] = dout  # np.add.at: word 1 occurs three times
        return None


@mutant("assigned", lambda r: (np.array([[2, 5], [2, 2]]),))
class EmbeddingBuffered(Embedding):
    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        self.dW[self.idx] += dout  # np.add.at
        return None


@mutant("accumulates", lambda r: (np.array([3, 0, 5, 3]),))
class EmbeddingNeverCleared(Embedding):
    def __init__(self):
        super().__init__()
        self.dW = np.zeros_like(self.W)

    def backward(self, dout):
        np.add.at(self.dW, self.idx, dout)  # into zeros
        return None


@mutant("off-by-one", lambda r: (np.array([1, 4, 1, 0, 5]),))
class EmbeddingShifted(Embedding):
    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.idx - 1, dout)  # idx
        return None


@correct(lambda r: (r.standard_normal((4, 3)), np.array([2, 0, 2, 1])))
class EmbeddingDot:
    """The scores of skip-grams: h·W[idx], by rows."""

    def __init__(self):
        self.W = np.random.default_rng(8).standard_normal((5, 3))

    def forward(self, h, idx):
        self.h, self.idx = h, idx
        self.target_W = self.W[idx]
        return np.sum(self.target_W * h, axis=1)

    def backward(self, dout):
        dout = dout[:, None]
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.idx, dout * self.h)
        dh = dout * self.target_W
        return dh, None


@mutant("wrong-array", lambda r: (r.standard_normal((4, 3)), np.array([2, 0, 2, 1])))
class EmbeddingDotOtherRows(EmbeddingDot):
    def backward(self, dout):
        super().backward(dout)
        dh = dout[:, None] * self.W[: len(dout)]  # W[idx]
        return dh, None
