"""Losses as layers, softmax among them, with labels as indices and as one-hot rows."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.draws import normal


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def labelled(r):
    return r.standard_normal((4, 3)), np.array([2, 0, 2, 1])


def one_hot(r):
    return r.standard_normal((4, 3)), np.eye(3)[[2, 0, 2, 1]]


def hopeless(r):
    x, t = labelled(r)
    x[1] = -11.0, 4.0, 3.0  # the right one has a probability of 2e-7
    return x, t


# --- softmax with loss, as the notebook has it ---


@correct(labelled)
class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t = t
        self.y = softmax(x)
        x = x - np.max(x, axis=1, keepdims=True)
        log_y = x - np.log(np.sum(np.exp(x), axis=1, keepdims=True))
        self.loss = -np.sum(log_y[np.arange(len(x)), t]) / len(x)
        return self.loss

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        dx = self.y.copy()
        dx[np.arange(batch_size), self.t] -= 1
        return dout * dx / batch_size


@mutant("upstream-ignored", labelled)
class SoftmaxWithLossOfOne(SoftmaxWithLoss):
    def backward(self, dout=1):
        return super().backward()  # dout


@mutant("factor", labelled)
class SoftmaxWithLossSum(SoftmaxWithLoss):
    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dout * dx  # / batch_size


@mutant("factor", labelled)
class SoftmaxWithLossTwiceMean(SoftmaxWithLoss):
    def backward(self, dout=1):
        return super().backward(dout) / len(self.t)  # divided already


@mutant("factor", labelled)
class SoftmaxWithLossUphill(SoftmaxWithLoss):
    def backward(self, dout=1):
        return -super().backward(dout)  # y - t


@mutant("accumulates", labelled)
class SoftmaxWithLossSpoilsCache(SoftmaxWithLoss):
    def backward(self, dout=1):
        dx = self.y  # a copy of it: the next backward takes off another 1
        dx[np.arange(len(self.t)), self.t] -= 1
        return dout * dx / len(self.t)


@mutant("off-by-one", labelled)
class SoftmaxWithLossFromOne(SoftmaxWithLoss):
    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t - 1] -= 1  # t
        return dout * dx / len(self.t)


@mutant("epsilon", hopeless)
class SoftmaxWithLossEpsilon(SoftmaxWithLoss):
    def forward(self, x, t):
        self.t = t
        self.y = softmax(x)
        # the backward is that of log(y)
        return -np.sum(np.log(self.y[np.arange(len(x)), t] + 1e-7)) / len(x)


@mutant("mutates", labelled)
class SoftmaxWithLossShiftsInput(SoftmaxWithLoss):
    def forward(self, x, t):
        x -= np.max(x, axis=1, keepdims=True)  # x = x - ...
        return super().forward(x, t)


@mutant("wrong-array", one_hot)
class SoftmaxWithLossOfScores(SoftmaxWithLoss):
    def forward(self, x, t):
        self.x = x
        self.of_row = t
        return super().forward(x, np.argmax(t, axis=1))

    def backward(self, dout=1):
        return dout * (self.x - self.of_row) / len(self.t), None  # y - t


@mutant("stale-cache", labelled)
class SoftmaxWithLossFirstBatch(SoftmaxWithLoss):
    y = None

    def forward(self, x, t):
        first = self.y
        loss = super().forward(x, t)
        if first is not None:  # of this batch
            self.y = first
        return loss


@mutant("integer", lambda r: (r.standard_normal((4, 3)), np.eye(3, dtype=int)[[2, 0, 2, 1]]))
class SoftmaxWithLossIntoLabels:
    def forward(self, x, t):
        self.t = t
        self.y = softmax(x)
        return -np.sum(t * np.log(self.y)) / len(x)

    def backward(self, dout=1):
        dx = np.zeros_like(self.t)  # of y
        dx[...] = self.y - self.t
        return dout * dx / len(self.t)


@correct(lambda r: (r.standard_normal((5, 3)), np.array([2, -1, 0, -1, 1])))
class SoftmaxWithIgnored:
    """Labels of -1 do not count."""

    def forward(self, x, t):
        self.t = t
        self.counted = t >= 0
        x = x - np.max(x, axis=1, keepdims=True)
        log_y = x - np.log(np.sum(np.exp(x), axis=1, keepdims=True))
        self.y = np.exp(log_y)
        picked = log_y[np.arange(len(x)), t]
        return -np.sum(picked * self.counted) / np.sum(self.counted)

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        dx *= dout / np.sum(self.counted)
        dx *= self.counted[:, None]
        return dx, None


@mutant("mask", lambda r: (r.standard_normal((5, 3)), np.array([2, -1, 0, -1, 1])))
class SoftmaxWithIgnoredCounted(SoftmaxWithIgnored):
    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dout * dx / np.sum(self.counted), None  # * counted


@mutant("factor", lambda r: (r.standard_normal((5, 3)), np.array([2, -1, 0, -1, 1])))
class SoftmaxWithIgnoredByAll(SoftmaxWithIgnored):
    def backward(self, dout=1):
        dx, _ = super().backward(dout)
        return dx * np.sum(self.counted) / len(self.t), None  # divided by how many count


# --- softmax alone ---


@correct(normal((4, 3)))
class Softmax:
    def forward(self, x):
        self.out = softmax(x)
        return self.out

    def backward(self, dout):
        dx = self.out * dout
        return dx - self.out * np.sum(dx, axis=1, keepdims=True)


@mutant("diagonal", normal((4, 3)))
class SoftmaxDiagonal(Softmax):
    def backward(self, dout):
        return dout * self.out * (1 - self.out)  # - out_i out_j for i ≠ j


@mutant("wrong-axis", normal((3, 3)))
class SoftmaxOtherAxis(Softmax):
    def backward(self, dout):
        dx = self.out * dout
        return dx - self.out * np.sum(dx, axis=0, keepdims=True)  # axis=1


@mutant("stale-cache", normal((4, 3)))
class SoftmaxShared(Softmax):
    def forward(self, x):
        type(self).out = softmax(x)  # self.out
        return self.out * 1


@correct(normal((4, 3)))
class LogSoftmax:
    def forward(self, x):
        x = x - np.max(x, axis=1, keepdims=True)
        self.out = x - np.log(np.sum(np.exp(x), axis=1, keepdims=True))
        return self.out

    def backward(self, dout):
        return dout - np.exp(self.out) * np.sum(dout, axis=1, keepdims=True)


@mutant("wrong-array", normal((4, 3)))
class LogSoftmaxOfOutput(LogSoftmax):
    def backward(self, dout):
        return dout - self.out * np.sum(dout, axis=1, keepdims=True)  # exp(out)


@mutant("missing-path", normal((4, 3)))
class LogSoftmaxNoNormaliser(LogSoftmax):
    def backward(self, dout):
        return dout * 1  # - exp(out) · sum of dout


# --- binary and squared ---


@correct(lambda r: (r.standard_normal(6) * 3, r.integers(0, 2, 6)))
class SigmoidWithLoss:
    def forward(self, x, t):
        self.t = t
        self.y = (1 + np.tanh(x / 2)) / 2
        return np.mean(np.logaddexp(0, x) - t * x)

    def backward(self, dout=1):
        return dout * (self.y - self.t) / len(self.t)


# a difference the other way round is the difference times -1
@mutant(("swapped", "factor"), lambda r: (r.standard_normal(6) * 3, r.integers(0, 2, 6)))
class SigmoidWithLossLabelsFirst(SigmoidWithLoss):
    def backward(self, dout=1):
        dx = dout * (self.t - self.y) / len(self.t)  # y - t
        return dx


@correct(normal((4, 3), (4, 3)))
class MeanSquaredError:
    def forward(self, x, t):
        self.diff = x - t
        return np.mean(self.diff**2)

    def backward(self, dout=1):
        dx = dout * 2 * self.diff / self.diff.size
        return dx, -dx


@mutant("factor", normal((4, 3), (4, 3)))
class MeanSquaredErrorNoTwo(MeanSquaredError):
    def backward(self, dout=1):
        dx = dout * self.diff / self.diff.size  # * 2
        return dx, -dx


@mutant("factor", normal((4, 3), (4, 3)))
class MeanSquaredErrorByRows(MeanSquaredError):
    def backward(self, dout=1):
        dx = dout * 2 * self.diff / len(self.diff)  # size
        return dx, -dx


# dt is -dx, so swapped they are both times -1
@mutant(("swapped", "factor"), normal((4, 3), (4, 3)))
class MeanSquaredErrorSwapped(MeanSquaredError):
    def backward(self, dout=1):
        dx, dt = super().backward(dout)
        return dt, dx  # dx, dt


@mutant("wrong-array", normal((4, 3), (4, 3)))
class MeanSquaredErrorOfPrediction(MeanSquaredError):
    def forward(self, x, t):
        self.x = x
        return super().forward(x, t)

    def backward(self, dout=1):
        dx = dout * 2 * self.x / self.x.size  # x - t
        return dx, -dx


@correct(normal((4, 3), (4, 3)))
class Huber:
    def forward(self, x, t):
        self.d = x - t
        size = np.abs(self.d)
        return np.sum(np.where(size < 1, self.d**2 / 2, size - 0.5))

    def backward(self, dout=1):
        dx = dout * np.clip(self.d, -1, 1)
        return dx, -dx


@mutant("mask", normal((4, 3), (4, 3)))
class HuberUnclipped(Huber):
    def backward(self, dout=1):
        dx = dout * self.d  # its sign where |d| > 1
        return dx, -dx


@correct(lambda r: (r.standard_normal((4, 3)), np.array([2, 0, 2, 1])))
class Hinge:
    """Σ max(0, 1 + x_j - x_t) over j ≠ t."""

    def forward(self, x, t):
        rows = np.arange(len(x))
        margin = 1 + x - x[rows, t][:, None]
        margin[rows, t] = 0
        self.t = t
        self.over = margin > 0
        return np.sum(margin * self.over)

    def backward(self, dout=1):
        dx = self.over * 1.0
        dx[np.arange(len(dx)), self.t] = -np.sum(self.over, axis=1)
        return dout * dx, None


@mutant("missing-path", lambda r: (r.standard_normal((4, 3)), np.array([2, 0, 2, 1])))
class HingeNoTarget(Hinge):
    def backward(self, dout=1):
        return dout * self.over, None  # and less of each at t
