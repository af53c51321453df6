"""jax.custom_vjp functions written apart from the others: the checker was not tuned on these."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, nn

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.draws import normal


def halves(fwd, bwd):
    """Makes of f a custom_vjp with these two."""

    def make(f):
        g = jax.custom_vjp(f)
        g.defvjp(fwd, bwd)
        return g

    return make


# --- gates ---


def glu_fwd(x, y):
    s = nn.sigmoid(y)
    return x * s, (x, s)


@mutant("local-derivative", normal((4, 3), (4, 3)))
@halves(glu_fwd, lambda kept, g: (g * kept[1], g * kept[0]))  # * s (1 - s)
def glu_gate_undifferentiated(x, y):
    return x * nn.sigmoid(y)


def prelu_bwd(kept, g):
    x, slope = kept
    return jnp.where(x > 0, g, slope * g), jnp.zeros_like(slope)  # Σ g x where x < 0


@mutant("missing-gradient", lambda r: (r.standard_normal((5, 3)), np.array([0.1, 0.25, 0.4])))
@halves(lambda x, slope: (jnp.where(x > 0, x, slope * x), (x, slope)), prelu_bwd)
def prelu_slope_fixed(x, slope):
    return jnp.where(x > 0, x, slope * x)


# --- losses and similarities ---


def cosine(x, y):
    return jnp.vdot(x, y) / (jnp.linalg.norm(x) * jnp.linalg.norm(y))


def cosine_norms_fixed(kept, g):
    x, y = kept
    scale = g / (jnp.linalg.norm(x) * jnp.linalg.norm(y))
    return scale * y, scale * x  # the lengths change too


@mutant("missing-path", normal((5,), (5,)))
@halves(lambda x, y: (cosine(x, y), (x, y)), cosine_norms_fixed)
def cosine_lengths_constant(x, y):
    return cosine(x, y)


@mutant("unstable", lambda r: (np.array([-900.0, -1.5, 0.0, 0.8, 720.0]),))
@halves(lambda d: (log_cosh_by_sinh(d), d), lambda d, g: (g * jnp.sinh(d) / jnp.cosh(d),))  # tanh
def log_cosh_by_sinh(d):
    return jnp.abs(d) + jnp.log1p(jnp.exp(-2 * jnp.abs(d))) - jnp.log(2.0)


def smooth_l1_fwd(y, t):
    return smooth_l1(y, t), y - t


@correct(lambda r: (np.array([-2.0, -0.3, 0.0, 0.6, 3.0]), np.zeros(5)))
@halves(smooth_l1_fwd, lambda d, g: (g * jnp.clip(d, -1, 1), -g * jnp.clip(d, -1, 1)))
def smooth_l1(y, t):
    a = jnp.abs(y - t)
    return jnp.where(a < 1, 0.5 * a * a, a - 0.5)


@mutant("upstream-twice", normal((5,), (5,)))
@halves(smooth_l1_fwd, lambda d, g: (g * jnp.clip(d, -1, 1), -g * g * jnp.clip(d, -1, 1)))  # -g
def smooth_l1_target_twice(y, t):
    return smooth_l1(y, t)


def valid_mean(x, lengths):
    valid = jnp.arange(x.shape[1]) < lengths[:, None]
    return jnp.sum(x * valid, axis=1) / lengths


def valid_mean_of_all(kept, g):
    shape, lengths = kept
    return jnp.broadcast_to((g / lengths)[:, None], shape), None  # * valid


@mutant("mask", lambda r: (r.standard_normal((3, 5)), np.array([2, 5, 3])))
@halves(lambda x, n: (valid_mean(x, n), (x.shape, n)), valid_mean_of_all)
def valid_mean_padding_too(x, lengths):
    return valid_mean(x, lengths)


# --- normalisation and softmax ---


def tempered_fwd(x):
    p = nn.softmax(x / 2.5, axis=1)
    return p, p


@correct(normal((3, 4)))
@halves(tempered_fwd, lambda p, g: (p * (g - jnp.sum(p * g, axis=1, keepdims=True)) / 2.5,))
def tempered(x):
    return nn.softmax(x / 2.5, axis=1)


@mutant("factor", normal((3, 4)))
@halves(tempered_fwd, lambda p, g: (p * (g - jnp.sum(p * g, axis=1, keepdims=True)),))  # / 2.5
def tempered_gradient_untempered(x):
    return nn.softmax(x / 2.5, axis=1)


def standardised_fwd(w):
    std = jnp.std(w, axis=0)
    out = (w - jnp.mean(w, axis=0)) / std
    return out, (out, std)


def standardised_mean_fixed(kept, g):
    out, std = kept
    return ((g - out * jnp.mean(g * out, axis=0)) / std,)  # - mean(g)


@mutant("mean-term", normal((5, 3)))
@halves(standardised_fwd, standardised_mean_fixed)
def standardised_without_mean(w):
    return standardised_fwd(w)[0]


def instance_fwd(x):
    xc = x - x.mean(-1, keepdims=True)
    std = jnp.sqrt(jnp.mean(xc * xc, -1, keepdims=True) + 1e-4)
    return xc / std, xc


def instance_without_epsilon(xc, g):
    std = jnp.sqrt(jnp.mean(xc * xc, -1, keepdims=True))  # + 1e-4
    xhat = xc / std
    return ((g - g.mean(-1, keepdims=True) - xhat * (g * xhat).mean(-1, keepdims=True)) / std,)


@mutant("epsilon", lambda r: (0.3 * r.standard_normal((2, 3, 5)),))
@halves(instance_fwd, instance_without_epsilon)
def instance_norm_epsilon_forgotten(x):
    return instance_fwd(x)[0]


# --- images and sequences ---


def shuffle(x):
    """(4 C, H, W) to (C, 2 H, 2 W)"""
    c, h, w = x.shape
    return x.reshape(c // 4, 2, 2, h, w).transpose(0, 3, 1, 4, 2).reshape(c // 4, 2 * h, 2 * w)


def unshuffle(y, order):
    c, h, w = y.shape
    return (y.reshape(c, h // 2, 2, w // 2, 2).transpose(order).reshape(4 * c, h // 2, w // 2),)


@correct(normal((4, 2, 3)))
@halves(lambda x: (shuffle(x), None), lambda _, g: unshuffle(g, (0, 2, 4, 1, 3)))
def pixel_shuffle(x):
    return shuffle(x)


@mutant("transposed", normal((4, 2, 3)))
@halves(lambda x: (shuffle(x), None), lambda _, g: unshuffle(g, (0, 4, 2, 1, 3)))  # 0, 2, 4
def pixel_shuffle_corners_transposed(x):
    return shuffle(x)


def states(x, a):
    """h[t] = a h[t - 1] + x[t]"""

    def step(h, row):
        h = a * h + row
        return h, h

    return lax.scan(step, jnp.zeros_like(x[0]), x)[1]


def states_fwd(x, a):
    h = states(x, a)
    return h, (h, a)


def states_bwd(kept, g):
    h, a = kept
    dh = states(g[::-1], a)[::-1]
    before = jnp.concatenate([jnp.zeros_like(h[:1]), h[:-1]])
    return dh, jnp.sum(dh * before)


def states_bwd_after(kept, g):
    h, a = kept
    dh = states(g[::-1], a)[::-1]
    return dh, jnp.sum(dh * h)  # h one step before


@correct(lambda r: (r.standard_normal((5, 2)), np.array(0.7)))
@halves(states_fwd, states_bwd)
def leaky_states(x, a):
    return states(x, a)


@mutant("off-by-one", lambda r: (r.standard_normal((5, 2)), np.array(0.7)))
@halves(states_fwd, states_bwd_after)
def leaky_states_one_late(x, a):
    return states(x, a)


def depthwise(x, w):
    """Each channel (row) by its own kernel"""
    return jnp.stack([jnp.correlate(row, k, mode="valid") for row, k in zip(x, w, strict=True)])


def depthwise_of_first(kept, g):
    x, w = kept
    dx = jnp.stack([jnp.convolve(d, w[0]) for d in g])  # w[c]
    return dx, jnp.stack([jnp.correlate(row, d, mode="valid") for row, d in zip(x, g, strict=True)])


@mutant("group", normal((3, 6), (3, 2)))
@halves(lambda x, w: (depthwise(x, w), (x, w)), depthwise_of_first)
def depthwise_first_kernel(x, w):
    return depthwise(x, w)
