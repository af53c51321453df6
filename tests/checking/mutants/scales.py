"""Right backward passes where numbers are huge, tiny, nearly equal, saturated or ill-conditioned."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct
from tests.checking.mutants.elementwise import logistic
from tests.checking.mutants.normalisation import standard, standard_backward
from tests.checking.mutants.samples import normal, uniform
from tests.checking.mutants.softmax import log_probabilities, probabilities


def scaled(*factors_and_shapes):
    """Standard normal arrays, each times its factor"""
    return lambda r: tuple(factor * r.standard_normal(shape) for factor, shape in factors_and_shapes)


@correct(scaled((1e6, (3, 4)), (1e-6, (4, 2))))
def product_of_huge_and_tiny(x, W):
    def backward(dout):
        return dout @ W.T, x.T @ dout

    return x @ W, backward


@correct(scaled((1e6, (3, 4)), (1e6, (4, 2)), (1, (2,))))
def affine_of_huge(x, W, b):
    def backward(dout):
        return dout @ W.T, x.T @ dout, np.sum(dout, axis=0)

    return x @ W + b, backward


@correct(scaled((1e-6, (3, 4))))
def cube_of_tiny(x):
    def backward(dout):
        return 3 * x * x * dout

    return x**3, backward


@correct(lambda r: (10.0 ** np.arange(-6, 7, 2) * r.uniform(1, 2, 7),))
def squares_of_many_scales(x):
    def backward(dout):
        return 2 * x * dout

    return x * x, backward


@correct(lambda r: (10.0 ** -np.arange(1.0, 9.0),))
def log_near_zero(x):
    def backward(dout):
        return dout / x

    return np.log(x), backward


@correct(lambda r: (10.0 ** -np.arange(1.0, 9.0),))
def root_near_zero(x):
    def backward(dout):
        return dout / (2 * np.sqrt(x))

    return np.sqrt(x), backward


@correct(scaled((1e-3, (5,))))
def reciprocal_of_small(x):
    def backward(dout):
        return -dout / x**2

    return 1 / x, backward


@correct(lambda r: (np.array([-40.0, -15.0, 0.0, 15.0, 40.0]),))
def sigmoid_saturated(x):
    def backward(dout):
        return dout * logistic(x) * logistic(-x)

    return logistic(x), backward


@correct(lambda r: (np.array([-30.0, -10.0, 0.1, 10.0, 30.0]),))
def tanh_saturated(x):
    def backward(dout):
        return dout / np.cosh(x) ** 2

    return np.tanh(x), backward


@correct(lambda r: (np.array([-1000.0, -700.0, 0.5, 700.0, 1000.0]),))
def softplus_of_large(x):
    def backward(dout):
        return dout * logistic(x)

    return np.logaddexp(0, x), backward


@correct(lambda r: (1e3 * r.standard_normal((2, 4)),))
def log_softmax_of_large(x):
    out = log_probabilities(x)

    def backward(dout):
        return dout - np.exp(out) * np.sum(dout, axis=-1, keepdims=True)

    return out, backward


@correct(lambda r: (np.array([[30.0, 0.0, -30.0], [0.0, 50.0, 49.0]]),))
def softmax_nearly_certain(x):
    p = probabilities(x)

    def backward(dout):
        return p * (dout - np.sum(dout * p, axis=-1, keepdims=True))

    return p, backward


@correct(lambda r: (np.array([-800.0, -50.0, 0.0, 3.0]),))
def exp_underflows(x):
    out = np.exp(x)

    def backward(dout):
        return dout * out

    return out, backward


@correct(lambda r: (1e6 + r.standard_normal((5, 2)),))
def variance_far_from_zero(x):
    deviation = x - np.mean(x, axis=0)

    def backward(dout):
        return 2 / len(x) * dout * deviation

    return np.mean(deviation**2, axis=0), backward


@correct(lambda r: (1e4 + r.standard_normal((3, 5)),))
def layer_norm_far_from_zero(x):
    x_hat, scale = standard(x, 1)

    def backward(dout):
        return standard_backward(dout, x_hat, scale, 1)

    return x_hat, backward


@correct(lambda r: (2.0 + 1e-3 * r.standard_normal((3, 5)),))
def layer_norm_nearly_constant(x):
    """Epsilon is of the size of the variance."""
    x_hat, scale = standard(x, 1, eps=1e-6)

    def backward(dout):
        return standard_backward(dout, x_hat, scale, 1)

    return x_hat, backward


@correct(lambda r: (np.array([1e5, 1e5, 3.0]), np.array([1e5 - 1, 1e5 + 2, 5.0])))
def difference_of_large(x, y):
    """√(x² + 1) - √(y² + 1)"""
    rx, ry = np.sqrt(x * x + 1), np.sqrt(y * y + 1)

    def backward(dout):
        return dout * x / rx, -dout * y / ry

    return rx - ry, backward


@correct(scaled((1e-6, (3, 4))))
def unit_rows_of_tiny(x):
    length = np.sqrt(np.sum(x * x, axis=1, keepdims=True))
    out = x / length

    def backward(dout):
        return (dout - out * np.sum(dout * out, axis=1, keepdims=True)) / length

    return out, backward


@correct(scaled((1e100, (4,)), (1e100, (4,))))
def hypot_of_enormous(x, y):
    out = np.hypot(x, y)

    def backward(dout):
        return dout * (x / out), dout * (y / out)

    return out, backward


@correct(uniform(0.0, 3.0, (6,)))
def sine_of_many_waves(x):
    def backward(dout):
        return 200 * dout * np.cos(200 * x)

    return np.sin(200 * x), backward


@correct(lambda r: (np.array([0.3, 0.9, -0.95, 1.1]),))
def power_of_fifty(x):
    def backward(dout):
        return 50 * x**49 * dout

    return x**50, backward


@correct(lambda r: (1 / (1 + np.arange(4)[:, None] + np.arange(4)), r.standard_normal(4)))
def solve_hilbert(A, b):
    """Condition 1.5e4"""
    x = np.linalg.solve(A, b)

    def backward(dout):
        db = np.linalg.solve(A.T, dout)
        return -np.outer(db, x), db

    return x, backward


@correct(lambda r: (np.array([[1.0, 2.0, 3.0], [2.0, 4.001, 6.0], [1.0, 0.0, -1.0]]),))
def inverse_nearly_singular(A):
    out = np.linalg.inv(A)

    def backward(dout):
        return -out.T @ dout @ out.T

    return out, backward


@correct(lambda r: (np.diag([1e4, 1.0, 1e-4]) + 1e-5 * r.standard_normal((3, 3)),))
def log_determinant_of_many_scales(A):
    def backward(dout):
        return dout * np.linalg.inv(A).T

    return np.linalg.slogdet(A)[1], backward


@correct(normal((3, 3)))
def symmetric_eigenvalues(A):
    """Of (A + Aᵀ) / 2, ascending"""
    values, V = np.linalg.eigh((A + A.T) / 2)

    def backward(dout):
        return V * dout @ V.T

    return values, backward


@correct(normal((4, 3)))
def nuclear_norm(A):
    """The sum of the singular values"""
    U, values, Vt = np.linalg.svd(A, full_matrices=False)

    def backward(dout):
        return dout * U @ Vt

    return np.sum(values), backward


@correct(lambda r: (r.standard_normal((3, 3)),))
def cholesky_of_gram(B):
    """The factor L of A = B Bᵀ + 1"""
    L = np.linalg.cholesky(B @ B.T + np.eye(3))

    def backward(dout):
        S = np.tril(L.T @ np.tril(dout))
        S = (S - np.diag(np.diag(S)) / 2) / 2
        S = S + S.T
        inv = np.linalg.inv(L)
        dA = inv.T @ S @ inv
        return (dA + dA.T) @ B

    return L, backward


@correct(scaled((0.7, (3, 3))))
def power_of_a_matrix(A):
    """A⁶"""
    powers = [np.eye(3)]
    for _ in range(6):
        powers.append(powers[-1] @ A)

    def backward(dout):
        return sum(powers[k].T @ dout @ powers[5 - k].T for k in range(6))

    return powers[6], backward


@correct(lambda r: (1e-6 * r.standard_normal(3), 1e6 * r.standard_normal(3)))
def gradients_of_two_scales(x, y):
    """out = sin(x) y: dx is about 1e6, dy about 1e-6"""

    def backward(dout):
        return dout * np.cos(x) * y, dout * np.sin(x)

    return np.sin(x) * y, backward
