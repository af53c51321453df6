"""Matrix products, affine layers and solutions of linear systems."""

from __future__ import annotations

import numpy as np

from handgrad import rule
from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal

AFFINE = normal((5, 3), (3, 4), (4,))
SQUARE = normal((4, 4), (4, 4), (4,))


@correct(normal((3, 4), (4, 2)))
def matmul(x, y):
    def backward(dout):
        return dout @ y.T, x.T @ dout

    return x @ y, backward


@mutant("transposed", normal((3, 3), (3, 3)))
def matmul_y_not_transposed(x, y):
    def backward(dout):
        return dout @ y, x.T @ dout  # y.T

    return x @ y, backward


@mutant("transposed", normal((3, 3), (3, 3)))
def matmul_x_not_transposed(x, y):
    def backward(dout):
        return dout @ y.T, x @ dout  # x.T

    return x @ y, backward


@mutant("transposed", normal((4, 4), (4, 4)))
def matmul_result_transposed(x, y):
    def backward(dout):
        return dout @ y.T, dout.T @ x  # x.T @ dout

    return x @ y, backward


@mutant("swapped", normal((3, 3), (3, 3)))
def matmul_order_of_factors(x, y):
    def backward(dout):
        return y.T @ dout, dout @ x.T  # dout @ y.T, x.T @ dout

    return x @ y, backward


@mutant("swapped", normal((3, 3), (3, 3)))
def matmul_gradients_swapped(x, y):
    def backward(dout):
        return x.T @ dout, dout @ y.T

    return x @ y, backward


@correct(AFFINE)
@rule
def affine(x, W, b):
    def backward(dout):
        return dout @ W.T, x.T @ dout, np.sum(dout, axis=0)

    return x @ W + b, backward


@mutant("factor", AFFINE)
@rule
def affine_averages_over_the_batch(x, W, b):
    N = len(x)

    def backward(dout):
        return dout @ W.T, x.T @ dout / N, np.sum(dout, axis=0)  # the loss has divided by N

    return x @ W + b, backward


@mutant(("broadcast", "factor"), AFFINE)  # the mean of the rows is their sum by a constant
@rule
def affine_bias_averaged(x, W, b):
    def backward(dout):
        return dout @ W.T, x.T @ dout, np.mean(dout, axis=0)  # np.sum

    return x @ W + b, backward


@mutant("broadcast", AFFINE)
def affine_bias_unsummed(x, W, b):
    def backward(dout):
        return dout @ W.T, x.T @ dout, dout  # np.sum(dout, axis=0)

    return x @ W + b, backward


@mutant("wrong-axis", SQUARE)
@rule
def affine_bias_over_columns(x, W, b):
    def backward(dout):
        return dout @ W.T, x.T @ dout, np.sum(dout, axis=1)  # axis=0

    return x @ W + b, backward


@mutant("transposed", SQUARE)
@rule
def affine_weight_not_transposed(x, W, b):
    def backward(dout):
        return dout @ W, x.T @ dout, np.sum(dout, axis=0)  # W.T

    return x @ W + b, backward


@mutant(("wrong-array", "upstream-twice"), SQUARE)  # dW has dout in it
def affine_dx_by_dW(x, W, b):
    def backward(dout):
        dW = x.T @ dout
        dx = dout @ dW.T  # W.T
        return dx, dW, np.sum(dout, axis=0)

    return x @ W + b, backward


@mutant("off-by-one", AFFINE)
def affine_last_example_left_out(x, W, b):
    def backward(dout):
        dW = sum(np.outer(x[n], dout[n]) for n in range(len(x) - 1))  # len(x)
        return dout @ W.T, dW, np.sum(dout, axis=0)

    return x @ W + b, backward


@mutant("assigned", AFFINE)
def affine_keeps_the_last_example(x, W, b):
    def backward(dout):
        dW = np.zeros_like(W)
        for row, drow in zip(x, dout, strict=True):
            dW[:] = np.outer(row, drow)  # +=
        return dout @ W.T, dW, np.sum(dout, axis=0)

    return x @ W + b, backward


@mutant(("updated-weights", "mutates"), AFFINE)  # the step is written into the caller's W
def affine_steps_first(x, W, b):
    def backward(dout):
        dW, db = x.T @ dout, np.sum(dout, axis=0)
        W[:] = W - 0.1 * dW
        return dout @ W.T, dW, db  # of the W that the forward saw

    return x @ W + b, backward


@mutant("updated-weights", AFFINE)
def affine_dx_of_the_new_weights(x, W, b):
    def backward(dout):
        dW, db = x.T @ dout, np.sum(dout, axis=0)
        stepped = W - 0.01 * dW
        return dout @ stepped.T, dW, db  # W.T

    return x @ W + b, backward


@mutant("stale-cache", AFFINE)
def affine_default_argument_cache(x, W, b, cache={}):  # noqa: B006
    cache["x"] = x  # one dictionary for all uses

    def backward(dout):
        return dout @ W.T, cache["x"].T @ dout, np.sum(dout, axis=0)

    return x @ W + b, backward


@mutant("layout", AFFINE)
def affine_flat_weights(x, W, b):
    D, M = W.shape
    flat = W.ravel(order="K")  # as they lie in memory

    def backward(dout):
        return dout @ flat.reshape(D, M).T, x.T @ dout, np.sum(dout, axis=0)

    return x @ W + b, backward


@mutant("shape", AFFINE)
def affine_weight_gradient_flat(x, W, b):
    def backward(dout):
        return dout @ W.T, (x.T @ dout).ravel(), np.sum(dout, axis=0)

    return x @ W + b, backward


@mutant("precision", AFFINE)
def affine_product_in_single(x, W, b):
    def backward(dout):
        dW = x.astype(np.float32).T @ dout.astype(np.float32)
        return dout @ W.T, dW.astype(np.float64), np.sum(dout, axis=0)

    return x @ W + b, backward


@correct(normal((4, 3), (3, 5), (5,), (5, 2)))
def two_layers(x, W1, b1, W2):
    """out = max(x W1 + b1, 0) W2"""
    h = np.maximum(x @ W1 + b1, 0)

    def backward(dout):
        dz = (dout @ W2.T) * (h > 0)
        return dz @ W1.T, x.T @ dz, np.sum(dz, axis=0), h.T @ dout

    return h @ W2, backward


@mutant("local-derivative", normal((4, 3), (3, 5), (5,), (5, 2)))
def two_layers_tanh_forgotten(x, W1, b1, W2):
    """out = tanh(x W1 + b1) W2"""
    h = np.tanh(x @ W1 + b1)

    def backward(dout):
        dz = dout @ W2.T  # (1 - h²)
        return dz @ W1.T, x.T @ dz, np.sum(dz, axis=0), h.T @ dout

    return h @ W2, backward


@mutant("wrong-array", normal((4, 3), (3, 3), (3,), (3, 3)))
def two_layers_first_activation_for_second(x, W1, b1, W2):
    h = np.tanh(x @ W1 + b1)

    def backward(dout):
        dz = (dout @ W2.T) * (1 - h * h)
        return dz @ W1.T, h.T @ dz, np.sum(dz, axis=0), h.T @ dout  # x.T @ dz

    return h @ W2, backward


@mutant("missing-path", normal((4, 4), (4, 4)))
def residual_without_skip(x, W):
    """out = x + tanh(x W)"""
    h = np.tanh(x @ W)

    def backward(dout):
        dz = dout * (1 - h * h)
        return dz @ W.T, x.T @ dz  # dout + dz W.T

    return x + h, backward


@mutant("double-path", normal((4, 4), (4, 4)))
def residual_with_two_skips(x, W):
    h = np.tanh(x @ W)

    def backward(dout):
        dz = dout * (1 - h * h)
        return dout + dz @ W.T + dout, x.T @ dz

    return x + h, backward


@mutant("missing-path", normal((4, 4), (4, 4)))
def residual_skip_only(x, W):
    h = np.tanh(x @ W)

    def backward(dout):
        dz = dout * (1 - h * h)
        return dout, x.T @ dz  # dout + dz W.T

    return x + h, backward


@mutant("missing-path", normal((2, 3), (3, 3)))
def weight_used_twice(x, W):
    """out = tanh(x W) W"""
    h = np.tanh(x @ W)

    def backward(dout):
        dz = (dout @ W.T) * (1 - h * h)
        return dz @ W.T, h.T @ dout  # + x.T @ dz

    return h @ W, backward


@mutant("double-path", normal((2, 3), (3, 3)))
def weight_used_twice_counted_three_times(x, W):
    h = np.tanh(x @ W)

    def backward(dout):
        dW = h.T @ dout
        dz = (dout @ W.T) * (1 - h * h)
        dW = dW + x.T @ dz
        return dz @ W.T, dW + x.T @ dz

    return h @ W, backward


@correct(normal((4, 2), (2, 2)))
def tied_autoencoder(x, W):
    """out = x W Wᵀ"""
    z = x @ W

    def backward(dout):
        return dout @ W @ W.T, x.T @ dout @ W + dout.T @ z

    return z @ W.T, backward


@mutant("missing-path", normal((4, 2), (2, 2)))
def tied_autoencoder_decoder_only(x, W):
    z = x @ W

    def backward(dout):
        return dout @ W @ W.T, dout.T @ z  # + x.T dout W

    return z @ W.T, backward


@correct(normal((4,), (4,)))
def dot(x, y):
    def backward(dout):
        return dout * y, dout * x

    return np.dot(x, y), backward


@mutant("upstream-ignored", normal((4,), (4,)))
def dot_of_ones(x, y):
    def backward(dout):
        return y * 1.0, x * 1.0  # dout *

    return np.dot(x, y), backward


@mutant("upstream-twice", normal((4,), (4,)))
def dot_dout_squared(x, y):
    def backward(dout):
        scaled = dout * y
        return dout * scaled, dout * x

    return np.dot(x, y), backward


@correct(normal((3,), (4,)))
def outer(x, y):
    def backward(dout):
        return dout @ y, x @ dout

    return np.outer(x, y), backward


@mutant("upstream-ignored", normal((3,), (4,)))
def outer_one_element_of_dout(x, y):
    def backward(dout):
        return np.full_like(x, dout[0, 0] * np.sum(y)), x @ dout  # dout @ y

    return np.outer(x, y), backward


@mutant(("wrong-axis", "transposed"), normal((4,), (4,)))  # the other axis is that of the transpose
def outer_other_axis(x, y):
    def backward(dout):
        return y @ dout, x @ dout  # dout @ y

    return np.outer(x, y), backward


@correct(normal((2, 3, 4), (4, 2)))
def batched_matmul(x, W):
    """(B, N, K), (K, M) -> (B, N, M)"""

    def backward(dout):
        return dout @ W.T, np.einsum("bnk,bnm->km", x, dout)

    return x @ W, backward


@mutant("broadcast", normal((2, 3, 4), (4, 2)))
def batched_matmul_first_of_the_batch(x, W):
    def backward(dout):
        return dout @ W.T, x[0].T @ dout[0]  # and the others

    return x @ W, backward


@mutant("broadcast", normal((2, 3, 4), (4, 2)))
def batched_matmul_unsummed(x, W):
    def backward(dout):
        return dout @ W.T, np.swapaxes(x, 1, 2) @ dout  # np.sum(..., axis=0)

    return x @ W, backward


@mutant("transposed", normal((2, 3, 3), (2, 3, 3)))
def batched_matmul_swaps_wrong_axes(x, y):
    def backward(dout):
        return dout @ y, np.swapaxes(x, 1, 2) @ dout  # np.swapaxes(y, 1, 2)

    return x @ y, backward


@correct(normal((2, 3, 4), (4, 5)))
def einsum(x, y):
    """outᵦₘₙ = Σₖ xᵦₙₖ yₖₘ"""

    def backward(dout):
        return np.einsum("bmn,km->bnk", dout, y), np.einsum("bmn,bnk->km", dout, x)

    return np.einsum("bnk,km->bmn", x, y), backward


@mutant("transposed", normal((2, 3, 4), (4, 4)))
def einsum_letters_exchanged(x, y):
    def backward(dout):
        return np.einsum("bmn,mk->bnk", dout, y), np.einsum("bmn,bnk->km", dout, x)  # km

    return np.einsum("bnk,km->bmn", x, y), backward


@correct(normal((3,), (3, 3), (3,)))
def bilinear(x, A, y):
    """out = xᵀ A y"""

    def backward(dout):
        return dout * (A @ y), dout * np.outer(x, y), dout * (A.T @ x)

    return x @ A @ y, backward


@mutant("transposed", normal((3,), (3, 3), (3,)))
def bilinear_outer_of_y_and_x(x, A, y):
    def backward(dout):
        return dout * (A @ y), dout * np.outer(y, x), dout * (A.T @ x)  # np.outer(x, y)

    return x @ A @ y, backward


@mutant("factor", normal((3,), (3, 3)))
def quadratic_of_a_symmetric_matrix(x, A):
    """out = xᵀ A x"""

    def backward(dout):
        S = (A + A.T) / 2
        return dout * (S @ x), dout * np.outer(x, x)  # 2 S x

    return x @ A @ x, backward


@mutant("missing-path", normal((3,), (3, 3)))
def quadratic_one_side(x, A):
    """out = xᵀ A x"""

    def backward(dout):
        return dout * (A @ x), dout * np.outer(x, x)  # + A.T x

    return x @ A @ x, backward


def well(n, *shapes):
    """A well-conditioned n × n matrix, then normal arrays."""
    return lambda r: (r.standard_normal((n, n)) + 3 * np.eye(n), *(r.standard_normal(s) for s in shapes))


@correct(well(3, (3, 2)))
def solve(A, b):
    """out = A⁻¹ b"""
    x = np.linalg.solve(A, b)

    def backward(dout):
        db = np.linalg.solve(A.T, dout)
        return -db @ x.T, db

    return x, backward


@mutant("transposed", well(3, (3, 2)))
def solve_with_A(A, b):
    x = np.linalg.solve(A, b)

    def backward(dout):
        db = np.linalg.solve(A, dout)  # A.T
        return -db @ x.T, db

    return x, backward


@mutant("factor", well(3, (3, 2)))
def solve_sign(A, b):
    x = np.linalg.solve(A, b)

    def backward(dout):
        db = np.linalg.solve(A.T, dout)
        return db @ x.T, db  # -

    return x, backward


@mutant("wrong-array", well(3, (3, 2)))
def solve_right_side_for_solution(A, b):
    x = np.linalg.solve(A, b)

    def backward(dout):
        db = np.linalg.solve(A.T, dout)
        return -db @ b.T, db  # x.T

    return x, backward


@correct(well(3))
def inverse(A):
    out = np.linalg.inv(A)

    def backward(dout):
        return -out.T @ dout @ out.T

    return out, backward


@mutant("transposed", well(3))
def inverse_not_transposed(A):
    out = np.linalg.inv(A)

    def backward(dout):
        return -out @ dout @ out  # out.T

    return out, backward


@correct(well(3))
def determinant(A):
    out = np.linalg.det(A)

    def backward(dout):
        return dout * out * np.linalg.inv(A).T

    return out, backward


@mutant("transposed", well(3))
def determinant_inverse_not_transposed(A):
    out = np.linalg.det(A)

    def backward(dout):
        return dout * out * np.linalg.inv(A)  # .T

    return out, backward


@mutant("missing-path", well(4))
def trace_of_cube(A):
    """out = tr(A A Aᵀ)"""

    def backward(dout):
        B = A @ A.T
        return dout * B.T  # and what comes through B

    return np.trace(A @ A @ A.T), backward


@correct(normal((3, 2), (4, 2)))
def squared_distances(x, y):
    """outᵢⱼ = |xᵢ - yⱼ|²"""
    apart = x[:, None] - y[None]

    def backward(dout):
        d = 2 * dout[:, :, None] * apart
        return np.sum(d, axis=1), -np.sum(d, axis=0)

    return np.sum(apart**2, axis=2), backward


@mutant("factor", normal((3, 2), (4, 2)))
def squared_distances_one_sign(x, y):
    apart = x[:, None] - y[None]

    def backward(dout):
        d = 2 * dout[:, :, None] * apart
        return np.sum(d, axis=1), np.sum(d, axis=0)  # -

    return np.sum(apart**2, axis=2), backward


@mutant("wrong-axis", normal((4, 2), (4, 2)))
def squared_distances_axes_exchanged(x, y):
    apart = x[:, None] - y[None]

    def backward(dout):
        d = 2 * dout[:, :, None] * apart
        return np.sum(d, axis=0), -np.sum(d, axis=0)  # axis=1

    return np.sum(apart**2, axis=2), backward


@mutant("missing-path", normal((4, 3)))
def distances_within_a_set(x):
    """outᵢⱼ = |xᵢ - xⱼ|²"""
    apart = x[:, None] - x[None]

    def backward(dout):
        d = 2 * dout[:, :, None] * apart
        return np.sum(d, axis=1)  # - np.sum(d, axis=0)

    return np.sum(apart**2, axis=2), backward


@correct(normal((4,), ()))
def rotate_pairs(x, angle):
    """(x₀, x₁), (x₂, x₃), ... turned by one angle"""
    c, s = np.cos(angle), np.sin(angle)
    even, odd = x[::2], x[1::2]
    out = np.stack([c * even - s * odd, s * even + c * odd], axis=1).ravel()

    def backward(dout):
        d0, d1 = dout[::2], dout[1::2]
        dx = np.stack([c * d0 + s * d1, -s * d0 + c * d1], axis=1).ravel()
        dangle = np.sum(d0 * (-s * even - c * odd) + d1 * (c * even - s * odd))
        return dx, dangle

    return out, backward


@mutant("transposed", normal((4,), ()))
def rotate_pairs_forward_again(x, angle):
    out, right = rotate_pairs(x, angle)

    def backward(dout):
        dx, _ = rotate_pairs(dout, angle)  # -angle
        return dx, right(dout)[1]

    return out, backward


@mutant(("integer", "missing-gradient"), normal((6, 3), (3, 2)))  # 1/N truncated makes all zeros
def matmul_integer_mean(x, W):
    """out = mean of x W over the rows"""
    N = len(x)

    def backward(dout):
        rows = np.full((N, 1), 1 / N, dtype=int) * dout  # zeros
        return rows @ W.T, x.T @ rows

    return np.mean(x @ W, axis=0), backward
