"""The layers of the notebook that handgrad began with, doing what they did there, in our words.

Not how to write them: docs/notebook.md runs the checker over them.
"""

import numpy as np


class AddLayer:
    """x + y. Hands dout to both, whatever their shapes."""

    def forward(self, x, y):
        return x + y

    def backward(self, dout):
        return dout * 1, dout * 1


class MulLayer:
    """x·y, elementwise. Keeps both for the way back."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        dx = dout * self.y
        dy = dout * self.x
        return dx, dy


def softmax(x):
    """Along the rows of a matrix; over all elements of anything else."""
    if x.ndim == 2:
        scores = np.exp(x - np.max(x, axis=1, keepdims=True))
        return scores / np.sum(scores, axis=1, keepdims=True)
    scores = np.exp(x - np.max(x))
    return scores / np.sum(scores)


def cross_entropy_error(y, t):
    """Mean of -log y at the labels, with 1e-7 against log 0. Takes classes, or one row of 0 and 1 each."""
    if t.size == y.size:
        t = np.argmax(t, axis=1)
    batch_size = len(y)
    picked = y[np.arange(batch_size), t]
    return -np.sum(np.log(picked + 1e-7)) / batch_size


class SoftmaxWithLoss:
    """Mean cross entropy of softmax. The backward takes dout, and does nothing with it."""

    def forward(self, x, t):
        self.t = t
        self.y = softmax(x)
        return cross_entropy_error(self.y, t)

    def backward(self, dout=1):
        batch_size = len(self.t)
        if self.t.size == self.y.size:
            return (self.y - self.t) / batch_size
        dx = np.array(self.y)
        dx[np.arange(batch_size), self.t] -= 1
        return dx / batch_size
