"""Right backward passes of unusual inputs and outputs: nested, several, single, empty, unused, views."""

from __future__ import annotations

import numpy as np

from handgrad import rule
from tests.checking.mutants.corpus import correct
from tests.checking.mutants.normalisation import standard, standard_backward
from tests.checking.mutants.samples import normal


@correct(normal((3, 4)))
def identity(x):
    """The gradient is dout itself."""

    def backward(dout):
        return dout

    return x * 1.0, backward


@correct(normal((3, 4)))
def flattened(x):
    """The gradient is a view of dout."""

    def backward(dout):
        return dout.reshape(x.shape)

    return x.reshape(-1), backward


@correct(normal((3,), (3,), (3,)))
def add_three(x, y, z):
    """One array is the gradient of all."""

    def backward(dout):
        return dout, dout, dout

    return x + y + z, backward


@correct(normal((2, 3)))
def spread_read_only(x):
    """The gradient is a broadcast view that none may write to."""

    def backward(dout):
        return np.broadcast_to(dout, x.shape)

    return np.sum(x), backward


@correct(normal((3, 4)))
def fortran_gradient(x):
    """The gradient lies in memory by columns."""

    def backward(dout):
        return np.asfortranarray(2 * dout)

    return 2 * x, backward


@correct(normal((3, 4), (2,)))
def second_unused(x, y):
    def backward(dout):
        return 2 * x * dout, np.zeros_like(y)

    return x * x, backward


@correct(normal((3, 4), (2,)))
def second_unused_by_none(x, y):
    def backward(dout):
        return 2 * x * dout, None

    return x * x, backward


@correct(normal((4,), (4,)))
def cancels(x, y):
    """The gradient by x is zero, as it should be."""

    def backward(dout):
        return np.zeros_like(x), dout

    return y + 0 * x, backward


@correct(normal((3, 4)))
def softmax_summed(x):
    """Rows of a softmax sum to one whatever x is."""
    e = np.exp(x - np.max(x, axis=1, keepdims=True))

    def backward(dout):
        return np.zeros_like(x)

    return np.sum(e / np.sum(e, axis=1, keepdims=True), axis=1), backward


@correct(normal((1, 4)))
def batch_norm_of_one(x):
    """A batch of one is its own mean: out is zero, and so is dx."""
    x_hat, scale = standard(x, 0)

    def backward(dout):
        return standard_backward(dout, x_hat, scale, 0)

    return x_hat, backward


@correct(normal((5, 3)))
def mean_and_variance(x):
    """Two outputs of one input"""
    mean = np.mean(x, axis=0)

    def backward(dout):
        dmean, dvar = dout
        return (dmean + 2 * (x - mean) * dvar) / len(x)

    return (mean, np.mean((x - mean) ** 2, axis=0)), backward


@correct(normal((2, 3), (3, 4), ()))
def three_outputs(x, W, s):
    """Outputs of different shapes: (2, 4), (3,) and ()"""
    out = s * (x @ W)

    def backward(dout):
        dy, dcolumns, dtotal = dout
        dx = s * dy @ W.T + dcolumns
        dW = s * x.T @ dy + 2 * dtotal * W
        return dx, dW, np.sum(dy * (x @ W))

    return (out, np.sum(x, axis=0), np.sum(W * W)), backward


@correct(normal((3,), (4,)))
def outputs_apart(x, y):
    """Each output depends on one input only."""

    def backward(dout):
        dx, dy = dout
        return 2 * x * dx, np.cos(y) * dy

    return (x * x, np.sin(y)), backward


@correct(lambda r: ([r.standard_normal((2, 3)), r.standard_normal((1, 3)), r.standard_normal((3, 3))],))
def concatenate_list(arrays):
    """A list in, a list of gradients out"""
    borders = np.cumsum([len(x) for x in arrays])[:-1]

    def backward(dout):
        return (list(np.split(dout, borders)),)

    return np.concatenate(arrays), backward


def two_layers(r):
    return r.standard_normal((4, 3)), [normal((3, 3), (3,))(r), normal((3, 2), (2,))(r)]


@correct(two_layers)
def layers_of_a_list(x, layers):
    """A list of weights and biases: tanh(x W + b) for each"""
    seen = [x]
    for W, b in layers:
        seen.append(np.tanh(seen[-1] @ W + b))

    def backward(dout):
        grads = []
        for (W, _), before, after in zip(layers[::-1], seen[-2::-1], seen[:0:-1], strict=True):
            dz = dout * (1 - after**2)
            grads.append((before.T @ dz, np.sum(dz, axis=0)))
            dout = dz @ W.T
        return dout, grads[::-1]

    return seen[-1], backward


@correct(lambda r: (r.standard_normal((4, 3)), {"W": r.standard_normal((3, 2)), "b": r.standard_normal(2)}))
@rule
def affine_of_a_dict(x, parameters):
    W, b = parameters["W"], parameters["b"]

    def backward(dout):
        return dout @ W.T, {"W": x.T @ dout, "b": np.sum(dout, axis=0)}

    return x @ W + b, backward


@correct(normal((), ()))
def scalars(x, y):
    def backward(dout):
        return dout * y, dout * x

    return x * y, backward


@correct(lambda r: (1.5, -0.5))
def python_numbers(x, y):
    def backward(dout):
        return dout * y + dout, dout * x

    return x * y + x, backward


@correct(normal((1, 1), (1,)))
def one_element(x, b):
    def backward(dout):
        return 2 * x * dout, np.sum(dout, axis=0)

    return x * x + b, backward


@correct(normal((0, 3), (3,)))
def empty_batch(x, b):
    def backward(dout):
        return dout, np.sum(dout, axis=0)

    return x + b, backward


@correct(normal((3, 0)))
def sums_of_nothing(x):
    def backward(dout):
        return np.broadcast_to(dout[:, None], x.shape)

    return np.sum(x, axis=1), backward


@correct(normal((2, 0), (0, 3)))
def product_over_nothing(x, y):
    """Zeros, whatever is in the empty x and y"""

    def backward(dout):
        return dout @ y.T, x.T @ dout

    return x @ y, backward


@correct(lambda r: tuple(r.standard_normal(shape).astype(np.float32) for shape in ((3, 4), (4, 2))))
def matmul_in_single(x, W):
    def backward(dout):
        return (dout @ W.T).astype(x.dtype), (x.T @ dout).astype(W.dtype)

    return x @ W, backward


@correct(lambda r: (r.standard_normal((4, 3)), np.array([True, False, True, True])))
def chosen_rows(x, keep):
    def backward(dout):
        dx = np.zeros_like(x)
        dx[keep] = dout
        return dx, None

    return x[keep], backward


@correct(lambda r: (r.standard_normal((6, 2)), np.array([1, 1, 4])))
def embedding_with_unused_rows(W, index):
    """Most rows have the gradient zero, as they should."""

    def backward(dout):
        return np.stack([np.sum(dout[index == i], axis=0) for i in range(len(W))]), None

    return W[index], backward


@correct(normal((4, 3)))
def transposed_output(x):
    """out is a view of x."""

    def backward(dout):
        return dout.T

    return x.T, backward


@correct(lambda r: (r.standard_normal(5), 3))
def power_by_whole_number(x, n):
    """n is an integer: it has no gradient."""

    def backward(dout):
        return n * x ** (n - 1) * dout, None

    return x**n, backward


@correct(normal((2, 3)))
def symmetric_in_its_square(x):
    """out = xᵀ x, where dout's two halves both count"""

    def backward(dout):
        return x @ (dout + dout.T)

    return x.T @ x, backward


@correct(lambda r: (np.zeros((3, 4)), np.zeros(4)))
def product_of_zeros(x, y):
    """Both gradients are zero at zero."""

    def backward(dout):
        return dout * y, np.sum(dout * x, axis=0)

    return x * y, backward
