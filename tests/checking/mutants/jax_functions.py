"""jax.custom_vjp functions, each with the two halves of its backward: what is kept, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.draws import normal


def way_back_of(f: jax.custom_vjp, enter: Callable, fwd: Callable | None = None) -> Callable[[Callable], Any]:
    """Decorates a bwd: f again, with that one for its backward (and fwd for what is kept), entered as it."""

    def finish(bwd: Callable) -> jax.custom_vjp:
        def again(*xs):
            return f.fun(*xs)

        again.__name__ = again.__qualname__ = bwd.__name__
        again.__module__, again.__doc__ = bwd.__module__, f.__doc__
        g = jax.custom_vjp(again, nondiff_argnums=f.nondiff_argnums)
        g.defvjp(fwd or f.fwd, bwd)
        return enter(g)

    return finish


# --- elementwise ---


@jax.custom_vjp
def square(x):
    return x**2


square.defvjp(lambda x: (square(x), x), lambda x, dout: (2 * x * dout,))
correct(normal((4, 3)))(square)


@way_back_of(square, mutant("factor", normal((4, 3))))
def square_half(x, dout):
    return (x * dout,)  # * 2


@way_back_of(square, mutant("factor", normal((4, 3))))
def square_negative(x, dout):
    return (-2 * x * dout,)  # +


@way_back_of(square, mutant("upstream-ignored", normal((4, 3))))
def square_of_ones(x, dout):
    return (2 * x,)  # * dout


@way_back_of(square, mutant("upstream-ignored", normal((4, 3))))
def square_of_first(x, dout):
    return (2 * x * dout[0],)  # dout


@way_back_of(square, mutant("upstream-twice", normal((4, 3))))
def square_upstream_twice(x, dout):
    return (2 * x * dout * dout,)  # once


@way_back_of(square, mutant("precision", normal((4, 3))))
def square_float32(x, dout):
    return ((2 * x.astype(jnp.float32) * dout).astype(jnp.float32).astype(x.dtype),)  # as they are


@way_back_of(square, mutant("integer", normal((4, 3))))
def square_truncated(x, dout):
    return ((2 * x).astype(int) * dout,)  # 2 x


@jax.custom_vjp
def exp(x):
    return jnp.exp(x)


exp.defvjp(lambda x: (exp(x),) * 2, lambda out, dout: (dout * out,))
correct(normal((4, 3)))(exp)


@way_back_of(exp, mutant("wrong-array", normal((4, 3))), fwd=lambda x: (exp(x), x))
def exp_of_input(x, dout):
    return (dout * x,)  # exp(x)


@jax.custom_vjp
def log1pexp(x):
    """log(1 + exp(x)), the example of JAX's own documentation, safely."""
    return jnp.logaddexp(0.0, x)


log1pexp.defvjp(lambda x: (log1pexp(x), x), lambda x, dout: (dout * jax.nn.sigmoid(x),))
correct(lambda r: (np.array([-800.0, -2.0, 0.0, 1.5, 800.0]),))(log1pexp)


@way_back_of(log1pexp, mutant("unstable", lambda r: (np.array([-800.0, -2.0, 0.0, 1.5, 800.0]),)))
def log1pexp_unstable(x, dout):
    return (dout * jnp.exp(x) / (1 + jnp.exp(x)),)  # inf / inf


@way_back_of(log1pexp, mutant("local-derivative", normal((4, 3))))
def log1pexp_twice(x, dout):
    s = jax.nn.sigmoid(x)
    return (dout * s * s,)  # once


@jax.custom_vjp
def relu(x):
    return jnp.maximum(x, 0)


relu.defvjp(lambda x: (relu(x), x > 0), lambda mask, dout: (jnp.where(mask, dout, 0),))
correct(lambda r: (np.array([[-1.0, 0.0, 2.0], [0.0, 0.7, -0.3]]),))(relu)


@way_back_of(relu, mutant("mask", normal((4, 3))))
def relu_inverted(mask, dout):
    return (jnp.where(mask, 0, dout),)  # dout where mask


@way_back_of(relu, mutant("mask", normal((4, 3))))
def relu_unmasked(mask, dout):
    return (dout,)  # where mask


def clip_fun(low, high, x):
    return jnp.clip(x, low, high)


clip = jax.custom_vjp(clip_fun, nondiff_argnums=(0, 1))
clip.defvjp(
    lambda low, high, x: (clip(low, high, x), x),
    lambda low, high, x, dout: (jnp.where((x > low) & (x < high), dout, 0),),
)
correct(lambda r: (-1.0, 1.0, 2 * r.standard_normal((4, 3))))(clip)


def far_and_near(r):
    return -1.0, 1.0, np.array([[-1.5, 0.3, 2.0], [-3.0, 0.7, 1.2]])


@way_back_of(clip, mutant("mask", far_and_near))
def clip_above_only(low, high, x, dout):
    return (jnp.where(x < high, dout, 0),)  # & (x > low)


@jax.custom_vjp
def swish(x):
    return x * jax.nn.sigmoid(x)


def swish_fwd(x):
    s = jax.nn.sigmoid(x)
    return x * s, (x, s)


@way_back_of(swish, correct(normal((4, 3))), fwd=swish_fwd)
def swish_bwd(kept, dout):
    x, s = kept
    return (dout * (s + x * s * (1 - s)),)


@way_back_of(swish, mutant("missing-path", normal((4, 3))), fwd=swish_fwd)
def swish_no_gate(kept, dout):
    _, s = kept
    return (dout * s,)  # + x·s·(1 - s)


@way_back_of(swish, mutant("double-path", normal((4, 3))), fwd=swish_fwd)
def swish_gate_twice(kept, dout):
    x, s = kept
    dx = dout * s + dout * x * s * (1 - s)
    return (dx + dout * x * s * (1 - s),)  # dx


@jax.custom_vjp
def sine_and_cosine(x):
    """Two outputs."""
    return jnp.sin(x), jnp.cos(x)


sine_and_cosine.defvjp(
    lambda x: (sine_and_cosine(x), (jnp.sin(x), jnp.cos(x))),
    lambda kept, dout: (dout[0] * kept[1] - dout[1] * kept[0],),
)
correct(normal((5,)))(sine_and_cosine)


@way_back_of(sine_and_cosine, mutant("missing-path", normal((5,))))
def sine_and_cosine_of_sine(kept, dout):
    return (dout[0] * kept[1],)  # - dout[1] · sin


def power_fun(x, n):
    return x**n


power = jax.custom_vjp(power_fun, nondiff_argnums=(1,))
power.defvjp(lambda x, n: (x**n, x), lambda n, x, dout: (dout * n * x ** (n - 1),))
correct(lambda r: (r.uniform(0.5, 1.5, (4, 3)), 3))(power)


@way_back_of(power, mutant("wrong-array", lambda r: (r.uniform(0.5, 1.5, (4, 3)), 3)))
def power_undiminished(n, x, dout):
    return (dout * n * x**n,)  # x^(n - 1)


@jax.custom_vjp
def reciprocal_root(x):
    return 1 / jnp.sqrt(x)


reciprocal_root.defvjp(lambda x: (reciprocal_root(x),) * 2, lambda out, dout: (-dout * out**3 / 2,))
correct(lambda r: (r.uniform(0.5, 2, 6),))(reciprocal_root)


@way_back_of(reciprocal_root, mutant("local-derivative", lambda r: (r.uniform(0.5, 2, 6),)))
def reciprocal_root_rooted(out, dout):
    return (-dout * jnp.sqrt(out) ** 3 / 2,)  # out³: the root is drawn already


@jax.custom_vjp
def safe_log(x):
    return jnp.log(x + 1e-7)


safe_log.defvjp(lambda x: (safe_log(x), x), lambda x, dout: (dout / (x + 1e-7),))
correct(lambda r: (np.array([0.9, 0.2, 1e-3, 1e-5]),))(safe_log)


@way_back_of(safe_log, mutant("epsilon", lambda r: (np.array([0.9, 2e-6, 0.2, 3e-7]),)))
def safe_log_unsafe(x, dout):
    return (dout / x,)  # x + 1e-7


# --- two operands ---


@jax.custom_vjp
def multiply(x, y):
    """x (N, D) times y (D,)."""
    return x * y


multiply.defvjp(
    lambda x, y: (x * y, (x, y)),
    lambda kept, dout: (dout * kept[1], jnp.sum(dout * kept[0], axis=0)),
)
correct(normal((4, 3), (3,)))(multiply)


@way_back_of(multiply, mutant("broadcast", normal((4, 3), (3,))))
def multiply_first_row(kept, dout):
    x, y = kept
    return dout * y, (dout * x)[0]  # the sum of the rows


@way_back_of(multiply, mutant("wrong-axis", normal((3, 3), (3,))))
def multiply_other_axis(kept, dout):
    x, y = kept
    return dout * y, jnp.sum(dout * x, axis=1)  # axis=0


@way_back_of(multiply, mutant("shape", normal((4, 3), (3,))))
def multiply_kept_axis(kept, dout):
    x, y = kept
    return dout * y, jnp.sum(dout * x, axis=0, keepdims=True)  # (3,), not (1, 3)


@way_back_of(multiply, mutant("missing-gradient", normal((4, 3), (3,))))
def multiply_only_x(kept, dout):
    _, y = kept
    return dout * y, None  # the sum of dout · x


@jax.custom_vjp
def add_bias(x, b):
    """x (N, T, D) and b (D,)."""
    return x + b


add_bias.defvjp(lambda x, b: (x + b, None), lambda _, dout: (dout, jnp.sum(dout, axis=(0, 1))))
correct(normal((2, 4, 3), (3,)))(add_bias)


@way_back_of(add_bias, mutant("broadcast", normal((2, 4, 3), (3,))))
def add_bias_half_summed(_, dout):
    return dout, jnp.sum(dout, axis=1)[0]  # over 0 and 1


@way_back_of(add_bias, mutant("off-by-one", normal((2, 4, 3), (3,))))
def add_bias_from_second_step(_, dout):
    return dout, jnp.sum(dout[:, 1:], axis=(0, 1))  # dout


@jax.custom_vjp
def maximum(x, y):
    return jnp.maximum(x, y)


maximum.defvjp(
    lambda x, y: (maximum(x, y), x >= y),
    lambda first, dout: (jnp.where(first, dout, 0), jnp.where(first, 0, dout)),
)
correct(normal((4, 3), (4, 3)))(maximum)


def tied(r):
    x, y = r.standard_normal((2, 4, 3))
    y[2] = x[2]
    return x, y


@way_back_of(maximum, mutant("ties", tied), fwd=lambda x, y: (maximum(x, y), (x, y)))
def maximum_of_neither(kept, dout):
    x, y = kept
    return jnp.where(x > y, dout, 0), jnp.where(y > x, dout, 0)  # one of equals gets it


# --- matrices ---


@jax.custom_vjp
def affine(x, W, b):
    return x @ W + b


def affine_fwd(x, W, b):
    return x @ W + b, (x, W)


def affine_bwd(kept, dout):
    x, W = kept
    return dout @ W.T, x.T @ dout, jnp.sum(dout, axis=0)


affine.defvjp(affine_fwd, affine_bwd)
correct(normal((5, 3), (3, 4), (4,)))(affine)


@way_back_of(affine, mutant("transposed", normal((5, 3), (3, 3), (3,))))
def affine_no_transpose(kept, dout):
    x, W = kept
    return dout @ W, x.T @ dout, jnp.sum(dout, axis=0)  # W.T


@way_back_of(affine, mutant("factor", normal((5, 3), (3, 4), (4,))))
def affine_bias_mean(kept, dout):
    x, W = kept
    return dout @ W.T, x.T @ dout, jnp.mean(dout, axis=0)  # sum


@way_back_of(affine, mutant("updated-weights", normal((5, 3), (3, 4), (4,))))
def affine_updated(kept, dout):
    x, W = kept
    dW = x.T @ dout
    W = W - 0.1 * dW
    return dout @ W.T, dW, jnp.sum(dout, axis=0)  # W from before the update


# what is handed back as float32 is rounded to it
@way_back_of(affine, mutant(("dtype", "precision"), normal((5, 3), (3, 4), (4,))))
def affine_bias_float32(kept, dout):
    dx, dW, db = affine_bwd(kept, dout)
    return dx, dW, db.astype(jnp.float32)  # as b is


@jax.custom_vjp
def product(x, y):
    return x @ y


product.defvjp(lambda x, y: (x @ y, (x, y)), lambda kept, dout: (dout @ kept[1].T, kept[0].T @ dout))
correct(normal((3, 2), (2, 4)))(product)


@way_back_of(product, mutant("swapped", normal((3, 3), (3, 3))))
def product_swapped(kept, dout):
    x, y = kept
    return x.T @ dout, dout @ y.T  # the other way round


@way_back_of(product, mutant("transposed", normal((3, 3), (3, 3))))
def product_other_side(kept, dout):
    x, y = kept
    return dout @ y.T, dout.T @ x  # x.T @ dout


@jax.custom_vjp
def gram(x):
    """x xᵀ: x goes two ways."""
    return x @ x.T


gram.defvjp(lambda x: (x @ x.T, x), lambda x, dout: (dout @ x + dout.T @ x,))
correct(normal((4, 3)))(gram)


@way_back_of(gram, mutant("missing-path", normal((4, 3))))
def gram_right_only(x, dout):
    return (dout.T @ x,)  # + dout @ x


@jax.custom_vjp
def per_head(x, W):
    """Each head by its own matrix, x (H, N, D), W (H, D, M)."""
    return jnp.einsum("hnd,hdm->hnm", x, W)


per_head.defvjp(
    lambda x, W: (per_head(x, W), (x, W)),
    lambda kept, dout: (
        jnp.einsum("hnm,hdm->hnd", dout, kept[1]),
        jnp.einsum("hnd,hnm->hdm", kept[0], dout),
    ),
)
correct(normal((2, 4, 3), (2, 3, 2)))(per_head)


@way_back_of(per_head, mutant("group", normal((2, 4, 3), (2, 3, 2))))
def per_head_first_only(kept, dout):
    x, W = kept
    dW = jnp.zeros_like(W).at[0].set(x[0].T @ dout[0])  # and of the others
    return jnp.einsum("hnm,hdm->hnd", dout, W), dW


# --- reductions, order, indices ---


def mean_fun(x, axis):
    return jnp.mean(x, axis=axis)


mean = jax.custom_vjp(mean_fun, nondiff_argnums=(1,))


def mean_fwd(x, axis):
    return mean_fun(x, axis), x


@way_back_of(mean, correct(lambda r: (r.standard_normal((4, 3)), 1)), fwd=mean_fwd)
def mean_bwd(axis, x, dout):
    return (jnp.broadcast_to(jnp.expand_dims(dout, axis), x.shape) / x.shape[axis],)


@way_back_of(mean, mutant("factor", lambda r: (r.standard_normal((4, 3)), 1)), fwd=mean_fwd)
def mean_by_other_axis(axis, x, dout):
    return (jnp.broadcast_to(jnp.expand_dims(dout, axis), x.shape) / x.shape[0],)  # x.shape[axis]


# 1 // N is 0, so nothing but zeros comes back
@way_back_of(
    mean, mutant(("integer", "missing-gradient"), lambda r: (r.standard_normal((4, 3)), 1)), fwd=mean_fwd
)
def mean_floored(axis, x, dout):
    return (jnp.broadcast_to(jnp.expand_dims(dout, axis), x.shape) * (1 // x.shape[axis]),)  # 1 / n


@way_back_of(mean, mutant("wrong-axis", lambda r: (r.standard_normal((3, 3)), 1)), fwd=mean_fwd)
def mean_along_rows(axis, x, dout):
    return (jnp.broadcast_to(jnp.expand_dims(dout, 0), x.shape) / x.shape[axis],)  # axis


@jax.custom_vjp
def cumsum(x):
    return jnp.cumsum(x, axis=0)


cumsum.defvjp(lambda x: (cumsum(x), None), lambda _, dout: (jnp.cumsum(dout[::-1], axis=0)[::-1],))
correct(normal((5, 3)))(cumsum)


@way_back_of(cumsum, mutant("flipped", normal((5, 3))))
def cumsum_not_turned_back(_, dout):
    return (jnp.cumsum(dout[::-1], axis=0),)  # [::-1]


@way_back_of(cumsum, mutant("off-by-one", normal((5, 3))))
def cumsum_exclusive(_, dout):
    return (jnp.cumsum(dout[::-1], axis=0)[::-1] - dout,)  # with dout itself


@jax.custom_vjp
def max_of_rows(x):
    return jnp.max(x, axis=1)


def max_of_rows_bwd(x, dout):
    return (dout[:, None] * jax.nn.one_hot(jnp.argmax(x, axis=1), x.shape[1], dtype=x.dtype),)


max_of_rows.defvjp(lambda x: (max_of_rows(x), x), max_of_rows_bwd)
correct(normal((4, 5)))(max_of_rows)


@way_back_of(max_of_rows, mutant("ties", lambda r: (np.maximum(r.standard_normal((4, 3)) - 1.5, 0),)))
def max_of_rows_all(x, dout):
    return (dout[:, None] * (x == jnp.max(x, axis=1, keepdims=True)),)  # the first


@jax.custom_vjp
def rows(W, idx):
    return W[idx]


rows.defvjp(
    lambda W, idx: (W[idx], (W, idx)),
    lambda kept, dout: (jnp.zeros_like(kept[0]).at[kept[1]].add(dout), None),
)
correct(lambda r: (r.standard_normal((5, 3)), np.array([3, 0, 3, 1])))(rows)


@way_back_of(rows, mutant("assigned", lambda r: (r.standard_normal((5, 3)), np.array([3, 0, 3, 1]))))
def rows_set(kept, dout):
    W, idx = kept
    return jnp.zeros_like(W).at[idx].set(dout), None  # .add


@way_back_of(rows, mutant("off-by-one", lambda r: (r.standard_normal((5, 3)), np.array([3, 0, 3, 1]))))
def rows_shifted(kept, dout):
    W, idx = kept
    return jnp.zeros_like(W).at[idx + 1].add(dout), None  # idx


def turned(r):
    return (np.roll(np.sort(r.standard_normal(7)), 2),)


@jax.custom_vjp
def by_order(x):
    return jnp.sort(x)


by_order.defvjp(
    lambda x: (jnp.sort(x), jnp.argsort(x)),
    lambda order, dout: (jnp.zeros_like(dout).at[order].set(dout),),
)
correct(normal((7,)))(by_order)


@way_back_of(by_order, mutant("transposed", turned))
def by_order_again(order, dout):
    return (dout[order],)  # the inverse permutation


@jax.custom_vjp
def log_sum_exp(x):
    return jax.nn.logsumexp(x, axis=1)


log_sum_exp.defvjp(
    lambda x: (log_sum_exp(x), x), lambda x, dout: (dout[:, None] * jax.nn.softmax(x, axis=1),)
)
correct(normal((4, 3)))(log_sum_exp)


@way_back_of(log_sum_exp, mutant("unstable", normal((4, 3))))
def log_sum_exp_unstable(x, dout):
    e = jnp.exp(x)  # inf for x > 710
    return (dout[:, None] * e / jnp.sum(e, axis=1, keepdims=True),)


@jax.custom_vjp
def length(x):
    """Of the rows; 0 has one too."""
    return jnp.sqrt(jnp.sum(x**2, axis=1))


def length_bwd(kept, dout):
    x, out = kept
    return (dout[:, None] * x / jnp.where(out > 0, out, 1)[:, None],)


length.defvjp(lambda x: (length(x), (x, length(x))), length_bwd)
correct(normal((4, 3)))(length)


@way_back_of(length, mutant("local-derivative", normal((4, 3))))
def length_squared(kept, dout):
    x, _ = kept
    return (dout[:, None] * x,)  # / length


# --- softmax and losses ---


@jax.custom_vjp
def softmax(x):
    return jax.nn.softmax(x, axis=1)


softmax.defvjp(
    lambda x: (softmax(x),) * 2,
    lambda out, dout: (out * (dout - jnp.sum(dout * out, axis=1, keepdims=True)),),
)
correct(normal((4, 3)))(softmax)


@way_back_of(softmax, mutant("diagonal", normal((4, 3))))
def softmax_diagonal(out, dout):
    return (dout * out * (1 - out),)  # - out_i out_j for i ≠ j


@way_back_of(softmax, mutant("wrong-axis", normal((4, 3))))
def softmax_other_axis(out, dout):
    return (out * (dout - jnp.sum(dout * out, axis=0, keepdims=True)),)  # axis=1


@jax.custom_vjp
def cross_entropy(x, t):
    log_y = jax.nn.log_softmax(x, axis=1)
    return -jnp.mean(log_y[jnp.arange(len(t)), t])


def cross_entropy_bwd(kept, dout):
    x, t = kept
    dx = jax.nn.softmax(x, axis=1).at[jnp.arange(len(t)), t].add(-1)
    return dout * dx / len(t), None


def labelled(r):
    return r.standard_normal((4, 3)), np.array([2, 0, 2, 1])


cross_entropy.defvjp(lambda x, t: (cross_entropy(x, t), (x, t)), cross_entropy_bwd)
correct(labelled)(cross_entropy)


@way_back_of(cross_entropy, mutant("factor", labelled))
def cross_entropy_sum(kept, dout):
    dx, _ = cross_entropy_bwd(kept, dout)
    return dx * len(dx), None  # / N


@way_back_of(cross_entropy, mutant("factor", labelled))
def cross_entropy_twice_mean(kept, dout):
    dx, _ = cross_entropy_bwd(kept, dout)
    return dx / len(dx), None  # divided already


@way_back_of(cross_entropy, mutant("upstream-ignored", labelled))
def cross_entropy_of_one(kept, dout):
    return cross_entropy_bwd(kept, 1.0)  # dout


@way_back_of(cross_entropy, mutant("missing-path", labelled))
def cross_entropy_labels_only(kept, dout):
    x, t = kept
    return -dout * jax.nn.one_hot(t, x.shape[1], dtype=x.dtype) / len(t), None  # + softmax(x)


@jax.custom_vjp
def squared_error(y, t):
    return jnp.mean((y - t) ** 2)


def squared_error_bwd(d, dout):
    dy = 2 * dout * d / d.size
    return dy, -dy


squared_error.defvjp(lambda y, t: (squared_error(y, t), y - t), squared_error_bwd)
correct(normal((4, 3), (4, 3)))(squared_error)


@way_back_of(squared_error, mutant("factor", normal((4, 3), (4, 3))))
def squared_error_no_two(d, dout):
    dy = dout * d / d.size  # 2
    return dy, -dy


@way_back_of(squared_error, mutant("factor", normal((4, 3), (4, 3))))
def squared_error_both_positive(d, dout):
    dy, _ = squared_error_bwd(d, dout)
    return dy, dy  # -dy


# --- normalisation ---


@jax.custom_vjp
def layer_norm(x, gamma, beta):
    return layer_norm_fwd(x, gamma, beta)[0]


def layer_norm_fwd(x, gamma, beta):
    rstd = lax.rsqrt(jnp.var(x, axis=1, keepdims=True) + 1e-5)
    xn = (x - jnp.mean(x, axis=1, keepdims=True)) * rstd
    return gamma * xn + beta, (xn, rstd, gamma)


def layer_norm_bwd(kept, dout):
    xn, rstd, gamma = kept
    dxn = dout * gamma
    mean = jnp.mean(dxn, axis=1, keepdims=True)
    along = jnp.mean(dxn * xn, axis=1, keepdims=True)
    return (dxn - mean - xn * along) * rstd, jnp.sum(dout * xn, axis=0), jnp.sum(dout, axis=0)


layer_norm.defvjp(layer_norm_fwd, layer_norm_bwd)
correct(normal((3, 5), (5,), (5,)))(layer_norm)


@way_back_of(layer_norm, mutant("mean-term", normal((3, 5), (5,), (5,))))
def layer_norm_no_mean(kept, dout):
    xn, rstd, gamma = kept
    dxn = dout * gamma
    dx = (dxn - xn * jnp.mean(dxn * xn, axis=1, keepdims=True)) * rstd  # - mean of dxn
    return dx, jnp.sum(dout * xn, axis=0), jnp.sum(dout, axis=0)


@way_back_of(layer_norm, mutant("variance-term", normal((3, 5), (5,), (5,))))
def layer_norm_no_variance(kept, dout):
    xn, rstd, gamma = kept
    dxn = dout * gamma
    dx = (dxn - jnp.mean(dxn, axis=1, keepdims=True)) * rstd  # - xn · mean of dxn·xn
    return dx, jnp.sum(dout * xn, axis=0), jnp.sum(dout, axis=0)


@way_back_of(layer_norm, mutant("statistics-constant", normal((3, 5), (5,), (5,))))
def layer_norm_constant(kept, dout):
    xn, rstd, gamma = kept
    return dout * gamma * rstd, jnp.sum(dout * xn, axis=0), jnp.sum(dout, axis=0)  # mean, var are of x


@way_back_of(layer_norm, mutant("swapped", normal((3, 5), (5,), (5,))))
def layer_norm_swapped(kept, dout):
    dx, dgamma, dbeta = layer_norm_bwd(kept, dout)
    return dx, dbeta, dgamma  # dgamma, dbeta


@jax.custom_vjp
def rms_norm(x):
    return x * lax.rsqrt(jnp.mean(x**2, axis=1, keepdims=True) + 1e-6)


def rms_norm_fwd(x):
    r = lax.rsqrt(jnp.mean(x**2, axis=1, keepdims=True) + 1e-6)
    return x * r, (x, r)


@way_back_of(rms_norm, correct(normal((3, 4))), fwd=rms_norm_fwd)
def rms_norm_bwd(kept, dout):
    x, r = kept
    return (r * dout - r**3 * x * jnp.mean(dout * x, axis=1, keepdims=True),)


@way_back_of(rms_norm, mutant("wrong-array", normal((3, 4))), fwd=rms_norm_fwd)
def rms_norm_of_output(kept, dout):
    x, r = kept
    x = x * r  # x
    return (r * dout - r**3 * x * jnp.mean(dout * x, axis=1, keepdims=True),)


# --- random numbers: the key is an input ---


def keyed(r):
    return np.array([0, 11], dtype=np.uint32), r.standard_normal((5, 4))


def keep(key, shape):
    return jax.random.bernoulli(key, 0.6, shape)


@jax.custom_vjp
def dropout(key, x):
    return jnp.where(keep(key, x.shape), x, 0) / 0.6


dropout.defvjp(
    lambda key, x: (dropout(key, x), key),
    lambda key, dout: (None, jnp.where(keep(key, dout.shape), dout, 0) / 0.6),
)
correct(keyed)(dropout)


@way_back_of(dropout, mutant("random", keyed))
def dropout_redrawn(key, dout):
    key, _ = jax.random.split(key)  # the forward's key
    return None, jnp.where(keep(key, dout.shape), dout, 0) / 0.6


@way_back_of(dropout, mutant("factor", keyed))
def dropout_unscaled(key, dout):
    return None, jnp.where(keep(key, dout.shape), dout, 0)  # / 0.6


def keyed_after_relu(r):
    key, x = keyed(r)
    return key, np.maximum(x, 0)


@way_back_of(dropout, mutant("mask", keyed_after_relu), fwd=lambda key, x: (dropout(key, x),) * 2)
def dropout_from_zeros(out, dout):
    return None, jnp.where(out != 0, dout, 0) / 0.6  # an x of 0 need not have been dropped


# --- convolution, pooling, time ---


@jax.custom_vjp
def convolve(x, w):
    """x (L,) with a kernel w (K,), where they overlap wholly: out[i] = Σ x[i + k] w[k]."""
    return jnp.correlate(x, w, mode="valid")


convolve.defvjp(
    lambda x, w: (convolve(x, w), (x, w)),
    lambda kept, dout: (jnp.convolve(dout, kept[1]), jnp.correlate(kept[0], dout, mode="valid")),
)
correct(normal((8,), (3,)))(convolve)


@way_back_of(convolve, mutant("flipped", normal((8,), (3,))))
def convolve_unflipped(kept, dout):
    x, w = kept
    return jnp.convolve(dout, w[::-1]), jnp.correlate(x, dout, mode="valid")  # w


@jax.custom_vjp
def every_second(x, w):
    """The same, two apart, with a kernel of three."""
    return x[:-2:2] * w[0] + x[1:-1:2] * w[1] + x[2::2] * w[2]


def every_second_bwd(kept, dout):
    x, w = kept
    dx = jnp.zeros_like(x).at[:-2:2].add(dout * w[0]).at[1:-1:2].add(dout * w[1]).at[2::2].add(dout * w[2])
    return dx, jnp.stack([dout @ x[:-2:2], dout @ x[1:-1:2], dout @ x[2::2]])


every_second.defvjp(lambda x, w: (every_second(x, w), (x, w)), every_second_bwd)
correct(normal((9,), (3,)))(every_second)


@way_back_of(every_second, mutant("stride", normal((9,), (3,))))
def every_second_of_all(kept, dout):
    x, _ = kept
    dx, _ = every_second_bwd(kept, dout)
    n = len(dout)
    return dx, jnp.stack([dout @ x[k : k + n] for k in range(3)])  # x[k : k + 2n : 2]


@way_back_of(every_second, mutant("assigned", normal((9,), (3,))))
def every_second_set(kept, dout):
    x, w = kept
    _, dw = every_second_bwd(kept, dout)
    dx = jnp.zeros_like(x).at[:-2:2].set(dout * w[0]).at[1:-1:2].set(dout * w[1])
    return dx.at[2::2].set(dout * w[2]), dw  # .add: neighbours share an element


@jax.custom_vjp
def max_pool(x):
    """Two by two, x (C, H, W)."""
    return jnp.max(blocks(x), axis=3)


def blocks(x):
    C, H, W = x.shape
    return x.reshape(C, H // 2, 2, W // 2, 2).transpose(0, 1, 3, 2, 4).reshape(C, H // 2, W // 2, 4)


def max_pool_bwd(x, dout):
    C, H, W = x.shape
    first = jax.nn.one_hot(jnp.argmax(blocks(x), axis=3), 4, dtype=x.dtype)
    dx = (first * dout[..., None]).reshape(C, H // 2, W // 2, 2, 2)
    return (dx.transpose(0, 1, 3, 2, 4).reshape(x.shape),)


max_pool.defvjp(lambda x: (max_pool(x), x), max_pool_bwd)
correct(normal((2, 4, 6)))(max_pool)


@way_back_of(max_pool, mutant("transposed", normal((2, 4, 4))))
def max_pool_sides(x, dout):
    (dx,) = max_pool_bwd(x, dout)
    return (dx.transpose(0, 2, 1),)  # dx


@jax.custom_vjp
def rnn(xs, Wx, Wh):
    """Hidden states of all steps, xs (T, D), from a state of zeros."""
    return rnn_fwd(xs, Wx, Wh)[0]


def rnn_fwd(xs, Wx, Wh):
    def step(h, x):
        h = jnp.tanh(x @ Wx + h @ Wh)
        return h, h

    _, hs = lax.scan(step, jnp.zeros(len(Wh), xs.dtype), xs)
    return hs, (xs, hs, Wx, Wh)


def rnn_bwd(kept, dhs):
    xs, hs, Wx, Wh = kept
    before = jnp.concatenate((jnp.zeros_like(hs[:1]), hs[:-1]))

    def step(dh_next, at):
        h, dh = at
        da = (dh + dh_next) * (1 - h**2)
        return da @ Wh.T, da

    _, das = lax.scan(step, jnp.zeros_like(hs[0]), (hs, dhs), reverse=True)
    return das @ Wx.T, xs.T @ das, before.T @ das


rnn.defvjp(rnn_fwd, rnn_bwd)
correct(normal((4, 3), (3, 2), (2, 2)))(rnn)


@way_back_of(rnn, mutant("missing-path", normal((4, 3), (3, 2), (2, 2))))
def rnn_no_next(kept, dhs):
    xs, hs, Wx, _ = kept
    before = jnp.concatenate((jnp.zeros_like(hs[:1]), hs[:-1]))
    das = dhs * (1 - hs**2)  # dhs + what comes from the next step
    return das @ Wx.T, xs.T @ das, before.T @ das


@way_back_of(rnn, mutant("off-by-one", normal((4, 3), (3, 2), (2, 2))))
def rnn_state_after(kept, dhs):
    xs, hs, Wx, Wh = kept
    zeros = jnp.zeros_like(hs[:1])
    dxs, dWx, _ = rnn_bwd(kept, dhs)
    _, _, dWh = rnn_bwd((xs, jnp.concatenate((hs[1:], zeros)), Wx, Wh), dhs)  # hs
    return dxs, dWx, dWh


# --- attention, spectra ---


@jax.custom_vjp
def attention(q, k, v):
    return jax.nn.softmax(q @ k.T / np.sqrt(q.shape[1]), axis=1) @ v


def attention_fwd(q, k, v):
    a = jax.nn.softmax(q @ k.T / np.sqrt(q.shape[1]), axis=1)
    return a @ v, (q, k, v, a)


def attention_bwd(kept, dout):
    q, k, v, a = kept
    da = dout @ v.T
    ds = a * (da - jnp.sum(da * a, axis=1, keepdims=True)) / np.sqrt(q.shape[1])
    return ds @ k, ds.T @ q, a.T @ dout


attention.defvjp(attention_fwd, attention_bwd)
correct(normal((3, 2), (4, 2), (4, 3)))(attention)


@way_back_of(attention, mutant("factor", normal((3, 2), (4, 2), (4, 3))))
def attention_unscaled(kept, dout):
    q, k, v, a = kept
    da = dout @ v.T
    ds = a * (da - jnp.sum(da * a, axis=1, keepdims=True))  # / √D
    return ds @ k, ds.T @ q, a.T @ dout


@way_back_of(attention, mutant("diagonal", normal((3, 2), (4, 2), (4, 3))))
def attention_diagonal(kept, dout):
    q, k, v, a = kept
    ds = a * (1 - a) * (dout @ v.T) / np.sqrt(q.shape[1])  # - a_i a_j
    return ds @ k, ds.T @ q, a.T @ dout


@way_back_of(attention, mutant("wrong-array", normal((3, 3), (3, 3), (3, 3))))
def attention_queries_for_keys(kept, dout):
    q, _, v, a = kept
    _, dk, dv = attention_bwd(kept, dout)
    da = dout @ v.T
    ds = a * (da - jnp.sum(da * a, axis=1, keepdims=True)) / np.sqrt(q.shape[1])
    return ds @ q, dk, dv  # ds @ k


@jax.custom_vjp
def smooth(x):
    """Circular smoothing, by way of the spectrum."""
    return jnp.fft.ifft(jnp.fft.fft(x) * response()).real


def response():
    return jnp.fft.fft(jnp.array([0.5, 0.3, 0.1, 0.0, 0.0, 0.1]))


smooth.defvjp(
    lambda x: (smooth(x), None),
    lambda _, dout: (jnp.fft.ifft(jnp.fft.fft(dout) * jnp.conj(response())).real,),
)
correct(normal((6,)))(smooth)


@way_back_of(smooth, mutant("dtype", normal((6,))))
def smooth_complex(_, dout):
    return (jnp.fft.ifft(jnp.fft.fft(dout) * jnp.conj(response())),)  # .real
