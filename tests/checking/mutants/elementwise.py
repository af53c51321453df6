"""Functions of one element: exponentials, activations, and their masks."""

from __future__ import annotations

import numpy as np

from handgrad import elementwise
from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal, positive, uniform

X = normal((4, 3))


@correct(X)
def exp(x):
    out = np.exp(x)

    def backward(dout):
        return dout * out

    return out, backward


@mutant("wrong-array", X)
def exp_times_x(x):
    def backward(dout):
        return dout * x  # out

    return np.exp(x), backward


@mutant("local-derivative", X)
def exp_twice(x):
    out = np.exp(x)

    def backward(dout):
        return dout * out * out

    return out, backward


@mutant("stale-cache", X)
def exp_cache_of_the_function(x):
    exp_cache_of_the_function.out = np.exp(x)  # of every use

    def backward(dout):
        return dout * exp_cache_of_the_function.out

    return exp_cache_of_the_function.out, backward


@mutant("mutates", X)
def exp_in_place_of_dout(x):
    out = np.exp(x)

    def backward(dout):
        np.multiply(dout, out, out=dout)
        return dout

    return out, backward


@correct(positive((4, 3)))
def log(x):
    def backward(dout):
        return dout / x

    return np.log(x), backward


@mutant("wrong-array", uniform(2.0, 5.0, (4, 3)))
def log_by_out(x):
    out = np.log(x)

    def backward(dout):
        return dout / out  # x

    return out, backward


@mutant("epsilon", uniform(1e-4, 1e-2, (4, 3)))
def log_epsilon_in_forward(x):
    def backward(dout):
        return dout / x  # x + 1e-5

    return np.log(x + 1e-5), backward


@mutant("epsilon", uniform(1e-3, 1e-1, (4, 3)))
def log_epsilon_in_backward(x):
    def backward(dout):
        return dout / (x + 1e-4)  # x

    return np.log(x), backward


@mutant("upstream-twice", positive((6,)))
def log_dout_by_dout(x):
    def backward(dout):
        dx = dout / x
        return dout * dx

    return np.log(x), backward


@mutant("factor", positive((4, 3)))
def log2_as_log(x):
    def backward(dout):
        return dout / x  # / log 2

    return np.log2(x), backward


@correct(positive((4, 3)))
def sqrt(x):
    out = np.sqrt(x)

    def backward(dout):
        return dout / (2 * out)

    return out, backward


@mutant("factor", positive((4, 3)))
def sqrt_without_half(x):
    out = np.sqrt(x)

    def backward(dout):
        return dout / out  # 2 out

    return out, backward


@mutant("wrong-array", positive((4, 3)))
def sqrt_by_x(x):
    def backward(dout):
        return dout / (2 * x)  # out

    return np.sqrt(x), backward


@correct(X)
@elementwise
def tanh(x):
    out = np.tanh(x)

    def backward(dout):
        return dout * (1 - out * out)

    return out, backward


@mutant("wrong-array", X)
@elementwise
def tanh_of_input(x):
    def backward(dout):
        return dout * (1 - x * x)  # out

    return np.tanh(x), backward


@mutant("local-derivative", X)
@elementwise
def tanh_out_not_squared(x):
    out = np.tanh(x)

    def backward(dout):
        return dout * np.sqrt(1 - out * out)  # no root

    return out, backward


@mutant("local-derivative", X)
def tanh_passed_through(x):
    def backward(dout):
        return dout  # (1 - out²)

    return np.tanh(x), backward


@mutant("unstable", X)
def tanh_by_cosh(x):
    def backward(dout):
        return dout * (1 - (np.sinh(x) / np.cosh(x)) ** 2)  # np.tanh

    return np.tanh(x), backward


@mutant("precision", X)
def tanh_half_precision_cache(x):
    out = np.tanh(x)
    saved = out.astype(np.float16)

    def backward(dout):
        return dout * (1 - saved.astype(float) ** 2)

    return out, backward


def logistic(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


@correct(X)
def sigmoid(x):
    out = logistic(x)

    def backward(dout):
        return dout * out * (1 - out)

    return out, backward


@mutant("wrong-array", X)
def sigmoid_of_x(x):
    def backward(dout):
        return dout * x * (1 - x)  # out

    return logistic(x), backward


@mutant("local-derivative", X)
def sigmoid_missing(x):
    out = logistic(x)

    def backward(dout):
        return dout * 1.0  # out (1 - out)

    return out, backward


@mutant("local-derivative", X)
def sigmoid_twice(x):
    out = logistic(x)

    def backward(dout):
        slope = out * (1 - out)
        dx = dout * slope
        return dx * slope

    return out, backward


@mutant("unstable", X)
def sigmoid_by_quotient(x):
    def backward(dout):
        e = np.exp(-x)
        return dout * e / (1 + e) ** 2  # nan for x = -800

    return logistic(x), backward


@mutant("precision", X)
def sigmoid_in_single(x):
    def backward(dout):
        out = logistic(x.astype(np.float32))
        return dout * out * (1 - out)

    return logistic(x), backward


@correct(X)
def softplus(x):
    def backward(dout):
        return dout * logistic(x)

    return np.logaddexp(0, x), backward


@mutant("unstable", X)
def softplus_exp_by_exp(x):
    def backward(dout):
        return dout * np.exp(x) / (1 + np.exp(x))  # logistic

    return np.logaddexp(0, x), backward


@mutant(("stale-cache", "wrong-array"), X)  # what was saved has become the output
def softplus_saved_then_overwritten(x):
    out = x.copy()
    saved = out
    np.logaddexp(0, out, out=out)

    def backward(dout):
        return dout * logistic(saved)

    return out, backward


@mutant("factor", X)
def softplus_beta_twice(x, beta=3.0):
    """out = log(1 + exp(βx)) / β"""

    def backward(dout):
        return dout * logistic(beta * x) / beta  # the two β cancel

    return np.logaddexp(0, beta * x) / beta, backward


@correct(normal((5, 4)))
def relu(x):
    def backward(dout):
        return dout * (x > 0)

    return np.maximum(x, 0), backward


@mutant("mask", normal((5, 4)))
def relu_inverted(x):
    def backward(dout):
        return dout * (x < 0)

    return np.maximum(x, 0), backward


@mutant(("mask", "wrong-array"), normal((5, 4)))  # the mask of another array
def relu_mask_of_dout(x):
    def backward(dout):
        return np.maximum(dout, 0) * (x > 0)  # where x is positive, not where dout is

    return np.maximum(x, 0), backward


@mutant(("mask", "local-derivative"), normal((5, 4)))  # a mask is all the derivative there is
def relu_unmasked(x):
    def backward(dout):
        return dout.copy()

    return np.maximum(x, 0), backward


@mutant("mutates", normal((5, 4)))
def relu_zeroes_dout(x):
    mask = x <= 0

    def backward(dout):
        dout[mask] = 0
        return dout

    return np.maximum(x, 0), backward


@mutant("mutates", normal((5, 4)))
def relu_zeroes_x(x):
    mask = x <= 0
    x[mask] = 0

    def backward(dout):
        return np.where(mask, 0, dout)

    return x.copy(), backward


@mutant("upstream-ignored", normal((5, 4)))
def relu_step(x):
    def backward(dout):
        return (x > 0).astype(float)  # dout *

    return np.maximum(x, 0), backward


@correct(normal((3, 4)))
def leaky_relu(x, slope=0.1):
    def backward(dout):
        return np.where(x > 0, dout, slope * dout)

    return np.where(x > 0, x, slope * x), backward


@mutant("mask", normal((3, 4)))
def leaky_relu_sides_swapped(x, slope=0.1):
    def backward(dout):
        return np.where(x > 0, slope * dout, dout)

    return np.where(x > 0, x, slope * x), backward


@mutant("mask", normal((3, 4)))
def leaky_relu_as_relu(x, slope=0.1):
    def backward(dout):
        return np.where(x > 0, dout, 0)  # slope dout

    return np.where(x > 0, x, slope * x), backward


@mutant(("integer", "mask"), normal((3, 4)))  # truncated to zero it is the relu's mask
def leaky_relu_integer_slope(x, slope=0.1):
    def backward(dout):
        local = np.ones(x.shape, int)
        local[x <= 0] = slope  # truncated to 0
        return dout * local

    return np.where(x > 0, x, slope * x), backward


@correct(normal((3, 5), (5,)))
@elementwise
def prelu(x, a):
    def backward(dout):
        return np.where(x > 0, dout, a * dout), np.where(x > 0, 0, x * dout)

    return np.where(x > 0, x, a * x), backward


@mutant("mask", normal((3, 5), (5,)))
@elementwise
def prelu_slope_unmasked(x, a):
    def backward(dout):
        return np.where(x > 0, dout, a * dout), x * dout  # only where x <= 0

    return np.where(x > 0, x, a * x), backward


@mutant("broadcast", normal((3, 5), (5,)))
def prelu_slope_of_last_row(x, a):
    def backward(dout):
        da = np.where(x > 0, 0, x * dout)
        return np.where(x > 0, dout, a * dout), da[-1]  # np.sum(da, axis=0)

    return np.where(x > 0, x, a * x), backward


@correct(normal((3, 4)))
def elu(x):
    out = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))

    def backward(dout):
        return dout * np.where(x > 0, 1, out + 1)

    return out, backward


@mutant("off-by-one", normal((3, 4)))
def elu_last_row_skipped(x):
    out = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))

    def backward(dout):
        dx = np.zeros_like(x)
        for i in range(len(x) - 1):  # len(x)
            dx[i] = dout[i] * np.where(x[i] > 0, 1, out[i] + 1)
        return dx

    return out, backward


@mutant("mask", normal((4, 5)))
def elu_one_threshold_for_another(x):
    out = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))

    def backward(dout):
        return dout * np.where(x > -0.5, 1, out + 1)  # x > 0

    return out, backward


C = np.sqrt(2 / np.pi)


@correct(X)
def gelu(x):
    """out = x/2 (1 + tanh u), u = √(2/π) (x + 0.044715 x³)"""
    t = np.tanh(C * (x + 0.044715 * x**3))

    def backward(dout):
        return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * C * (1 + 3 * 0.044715 * x * x))

    return 0.5 * x * (1 + t), backward


@mutant("missing-path", X)
def gelu_first_term_only(x):
    t = np.tanh(C * (x + 0.044715 * x**3))

    def backward(dout):
        return dout * 0.5 * (1 + t)  # + x/2 (1 - t²) du

    return 0.5 * x * (1 + t), backward


@mutant("missing-path", X)
def gelu_without_cubic(x):
    t = np.tanh(C * (x + 0.044715 * x**3))

    def backward(dout):
        return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * C)  # (1 + 3 · 0.044715 x²)

    return 0.5 * x * (1 + t), backward


@correct(normal((3, 4)))
def swish(x):
    s = logistic(x)

    def backward(dout):
        return dout * (s + x * s * (1 - s))

    return x * s, backward


@mutant("missing-path", normal((3, 4)))
def swish_gate_constant(x):
    s = logistic(x)

    def backward(dout):
        return dout * s  # + x s (1 - s)

    return x * s, backward


@mutant("double-path", normal((3, 4)))
def swish_gate_twice(x):
    s = logistic(x)

    def backward(dout):
        dx = dout * s
        dx = dx + dout * x * s * (1 - s)
        return dx + dout * s  # already there

    return x * s, backward


@correct(lambda r: (np.array([[-2.0, -1.0, 0.3], [1.0, 0.9, 4.0]]),))
def clip(x):
    """Into [-1, 1]; on the borders the gradient passes."""

    def backward(dout):
        return dout * ((x >= -1) & (x <= 1))

    return np.clip(x, -1, 1), backward


@mutant("mask", normal((5, 5)))
def clip_one_side(x):
    def backward(dout):
        return dout * (x < 1)  # & (x > -1)

    return np.clip(x, -1, 1), backward


@mutant("mask", normal((5, 5)))
def clip_outside(x):
    def backward(dout):
        return dout * (np.abs(x) > 1)  # <

    return np.clip(x, -1, 1), backward


@mutant(("mask", "wrong-array"), normal((5, 5)))  # the mask of another array
def clip_of_dout(x):
    def backward(dout):
        return np.clip(dout, -1, 1)  # the mask of x

    return np.clip(x, -1, 1), backward


@correct(lambda r: (np.array([-2.0, 0.0, 3.0, 0.0]),))
def absolute(x):
    def backward(dout):
        return dout * np.sign(x)

    return np.abs(x), backward


@mutant("mask", normal((7,)))
def absolute_positive_only(x):
    def backward(dout):
        return dout * (x > 0)  # np.sign(x)

    return np.abs(x), backward


@mutant("integer", normal((3, 5)))
def square_sign_truncated(x):
    """out = |x| x"""

    def backward(dout):
        return dout * 2 * np.abs(x).astype(int)

    return np.abs(x) * x, backward


@correct(X)
def sin(x):
    def backward(dout):
        return dout * np.cos(x)

    return np.sin(x), backward


@mutant("factor", X)
def cos_sign(x):
    def backward(dout):
        return dout * np.sin(x)  # -

    return np.cos(x), backward


@mutant("local-derivative", X)
def sin_inner_derivative(x):
    """out = sin(x²)"""

    def backward(dout):
        return dout * np.cos(x * x)  # 2x

    return np.sin(x * x), backward


@mutant("dtype", lambda r: (r.standard_normal((3, 4)).astype(np.float32),))
def sin_gradient_widened(x):
    def backward(dout):
        return np.asarray(dout, np.float64) * np.cos(x.astype(np.float64))  # as float32

    return np.sin(x), backward


@mutant(("dtype", "precision"), X)  # a float32 gradient is both
def sin_gradient_narrowed(x):
    def backward(dout):
        return (dout * np.cos(x)).astype(np.float32)

    return np.sin(x), backward


SEEN = {}


@mutant("stale-cache", X)
def sin_cached_by_shape(x):
    cosine = SEEN.setdefault(x.shape, np.cos(x))  # of the first x of this shape

    def backward(dout):
        return dout * cosine

    return np.sin(x), backward


@mutant("layout", X)
def sin_flat_loop(x):
    flat = x.ravel(order="K")  # in the order of memory

    def backward(dout):
        return (dout.ravel() * np.cos(flat)).reshape(x.shape)

    return np.sin(x), backward


@mutant("accumulates", X)
def sin_gradient_buffer(x):
    dx = np.zeros_like(x)

    def backward(dout):
        np.add(dx, dout * np.cos(x), out=dx)  # kept from the last backward
        return dx.copy()

    return np.sin(x), backward
