"""Normalisations: x brought to mean 0 and variance 1, over a batch, an example's axes, or groups of channels.

Written by hand once: with x̂ = (x - mean) / √(var + eps), where both statistics are x's own,

    dx = (dx̂ - mean(dx̂) - x̂·mean(x̂·dx̂)) / √(var + eps)

since x moves its own mean and variance: what dx̂ has along 1 or along x̂ itself, these take back.
"""

import math

import numpy as np

from handgrad.arrays import shape, sum_to, xp
from handgrad.rules.reduction import axes_of, count
from handgrad.rules.rule import elementwise, rule


@elementwise
def batch_norm(x, mean, var, gamma, beta, eps=1e-5):
    """Normalise and rescale, out = γ·x̂ + β with x̂ = (x - mean) / √(var + eps).   Ioffe & Szegedy 2015

    dx = γ·dout / √(var + eps), dmean = -Σ dx, dvar = -Σ γ·x̂·dout / 2(var + eps), dγ = Σ x̂·dout, dβ = Σ dout

    dmean and dvar are made of dγ and dβ, so that each array is summed once.
    The statistics are inputs: the batch's own while training, so that their gradients flow on
    through ``mean`` and ``var``, the running ones in evaluation.

    Examples:
        >>> x, one = np.array([[1.0], [3.0]]), np.ones(1)
        >>> print(hg.batch_norm(x, np.array([2.0]), one, 10 * one, one, eps=0.0).T)
        [[-9. 11.]]
    """
    scale = 1 / xp.sqrt(var + eps)
    x_hat = (x - mean) * scale
    repeated = np.broadcast_shapes(*map(shape, (mean, var, gamma, beta)))

    def backward(dout):
        dgamma, dbeta = sum_to(dout * x_hat, repeated), sum_to(dout, repeated)
        slope = gamma * scale
        dvar = -0.5 * slope * scale * dgamma
        return dout * slope, -slope * dbeta, dvar, dgamma, dbeta

    return gamma * x_hat + beta, backward


@rule
def layer_norm(x, gamma=None, beta=None, /, axis=None, eps=1e-5):
    """Normalise each example, out = γ·x̂ + β with x̂ = (x - mean) / √(var + eps).   Ba et al. 2016

    dx = (dx̂ - mean(dx̂) - x̂·mean(x̂·dx̂)) / √(var + eps) with dx̂ = γ·dout, dγ = Σ x̂·dout, dβ = Σ dout

    x (..., D), gamma (D,), beta (D,) -> (..., D)

    Means are over ``axis``, an axis or several, which gamma and beta have, where they are given. By default
    it is as many of the last as gamma has, or the last.

    Raises:
        ValueError: gamma or beta is not of the shape of x at these axes.

    Examples:
        >>> print(hg.layer_norm(np.array([[1.0, 3.0]]), eps=0.0))
        [[-1.  1.]]
        >>> print(hg.layer_norm(np.array([[1.0, 3.0]]), np.full(2, 10.0), np.full(2, 5.0), eps=0.0))
        [[-5. 15.]]
    """
    axes = _normalised_axes(x, gamma, beta, axis)
    x_hat, backward_of_x = standardised(x, axes, eps)
    return _rescaled(x_hat, gamma, beta, _kept(x, axes), backward_of_x)


@rule
def rms_norm(x, gamma=None, /, axis=None, eps=1e-5):
    """Divide each example by its root mean square, out = γ·x̂ with x̂ = x / √(mean(x²) + eps).

    dx = (dx̂ - x̂·mean(x̂·dx̂)) / √(mean(x²) + eps) with dx̂ = γ·dout, dγ = Σ x̂·dout

    x (..., D), gamma (D,) -> (..., D), with ``layer_norm``'s ``axis``.   Zhang & Sennrich 2019

    Raises:
        ValueError: gamma is not of the shape of x at these axes.

    Examples:
        >>> print(hg.rms_norm(np.array([[1.0, 7.0]]), eps=0.0))  # the mean square is 25
        [[0.2 1.4]]
    """
    axes = _normalised_axes(x, gamma, None, axis)
    x_hat, backward_of_x = standardised(x, axes, eps, centred=False)
    out, backward = _rescaled(x_hat, gamma, None, _kept(x, axes), backward_of_x)
    return out, lambda dout: backward(dout)[:2]


@rule
def group_norm(x, gamma=None, beta=None, /, *, groups, eps=1e-5):
    """Normalise each group of channels of each example, out = γ·x̂ + β with x̂ = (x - mean) / √(var + eps).

    dx = (dx̂ - mean(dx̂) - x̂·mean(x̂·dx̂)) / √(var + eps) with dx̂ = γ·dout, dγ = Σ x̂·dout, dβ = Σ dout

    x (N, C, ...), gamma (C,), beta (C,) -> (N, C, ...); means are over C / groups channels and all axes after
    these.   Wu & He 2018

    Raises:
        ValueError: groups does not divide C, or gamma or beta is not of shape (C,).

    Examples:
        >>> x = np.array([[1.0, 3.0, 10.0, 30.0]])  # four channels, in two groups
        >>> print(hg.group_norm(x, groups=2, eps=0.0))
        [[-1.  1. -1.  1.]]
    """
    return _normalised_in_groups(x, gamma, beta, groups, eps)


@rule
def instance_norm(x, gamma=None, beta=None, /, eps=1e-5):
    """Normalise each channel of each example, out = γ·x̂ + β with x̂ = (x - mean) / √(var + eps).

    dx = (dx̂ - mean(dx̂) - x̂·mean(x̂·dx̂)) / √(var + eps) with dx̂ = γ·dout, dγ = Σ x̂·dout, dβ = Σ dout

    x (N, C, ...), gamma (C,), beta (C,) -> (N, C, ...): ``group_norm`` with a channel in each group.
    Ulyanov et al. 2016

    Raises:
        ValueError: gamma or beta is not of shape (C,).

    Examples:
        >>> print(hg.instance_norm(np.array([[[1.0, 3.0], [10.0, 30.0]]]), eps=0.0).tolist())
        [[[-1.0, 1.0], [-1.0, 1.0]]]
    """
    return _normalised_in_groups(x, gamma, beta, shape(x)[1] if len(shape(x)) > 1 else 0, eps)


@rule
def weight_norm(v, g, axis=0):
    """A weight as length and direction, out = g·u with u = v / |v|.   Salimans & Kingma 2016

    dv = g·(dout - u·Σ u·dout) / |v|, dg = Σ u·dout

    v (O, ...), g (O,) or (O, 1, ...) -> (O, ...): the length |v| is over all axes but ``axis``, or over all
    where that is None. Along u itself v changes nothing: that part of dout is g's.

    Raises:
        ValueError: g has not one number for each place of the axis.

    Examples:
        >>> out, backward = hg.weight_norm.vjp(np.array([[3.0, 4.0]]), np.array([10.0]))
        >>> print(out, backward(np.ones((1, 2)))[1])  # of length 10
        [[6. 8.]] [1.4]
    """
    kept = () if axis is None else axes_of(axis, len(shape(v)))
    axes = tuple(a for a in range(len(shape(v))) if a not in kept)
    along = _kept(v, kept)
    if math.prod(shape(g)) != math.prod(along):
        raise ValueError(f"g is of shape {shape(g)}: v has {math.prod(along)} vectors, each with a length")
    length = xp.sqrt(xp.sum(v * v, axis=axes, keepdims=True))
    direction = v / length
    G = xp.reshape(g, along)

    def backward(dout):
        dg = xp.sum(direction * dout, axis=axes, keepdims=True)
        return G / length * (dout - direction * dg), xp.reshape(dg, shape(g))

    return G * direction, backward


def standardised(x, axes, eps, centred=True):
    """x̂ over these axes, and its backward; where not ``centred``, as if the mean were 0."""
    n = count(x, axes)

    def mean(a):
        return xp.sum(a, axis=axes, keepdims=True) / n

    deviation = x - mean(x) if centred else x
    scale = 1 / xp.sqrt(mean(deviation * deviation) + eps)
    x_hat = deviation * scale

    def backward(dx_hat):
        rest = dx_hat - x_hat * mean(x_hat * dx_hat)
        return scale * (rest - mean(dx_hat) if centred else rest)

    return x_hat, backward


def _rescaled(x_hat, gamma, beta, along, backward_of_x):
    """γ·x̂ + β, both reshaped to ``along``, and its backward."""
    gain = None if gamma is None else xp.reshape(gamma, along)
    out = x_hat if gain is None else gain * x_hat
    out = out if beta is None else out + xp.reshape(beta, along)

    def backward(dout):
        dx = backward_of_x(dout if gain is None else dout * gain)
        dgamma = None if gamma is None else xp.reshape(sum_to(dout * x_hat, along), shape(gamma))
        dbeta = None if beta is None else xp.reshape(sum_to(dout, along), shape(beta))
        return dx, dgamma, dbeta

    return out, backward


def _kept(x, axes):
    """The shape of x, 1 at all but these axes."""
    return tuple(n if a in axes else 1 for a, n in enumerate(shape(x)))


def _normalised_axes(x, gamma, beta, axis):
    """The axes that are normalised, which gamma and beta fit."""
    scale = gamma if gamma is not None else beta
    last = len(shape(scale)) if scale is not None else 1
    axes = axes_of(tuple(range(-last, 0)) if axis is None else axis, len(shape(x)))
    wanted = tuple(shape(x)[a] for a in sorted(axes))
    for name, array in (("gamma", gamma), ("beta", beta)):
        if array is not None and shape(array) != wanted:
            raise ValueError(f"{name} is {shape(array)}, not {wanted}, as x {shape(x)} at axes {axes}")
    return axes


def _normalised_in_groups(x, gamma, beta, groups, eps):
    if len(shape(x)) < 2:
        raise ValueError(f"x is (N, C, ...), not of shape {shape(x)}")
    N, C, *rest = shape(x)
    if groups < 1 or C % groups:
        raise ValueError(f"the {C} channels of x {shape(x)} do not divide into {groups} groups")
    for name, array in (("gamma", gamma), ("beta", beta)):
        if array is not None and shape(array) != (C,):
            raise ValueError(f"{name} is {shape(array)}, and has a number for each of the {C} channels")
    grouped, own = (N, groups, C // groups * math.prod(rest)), shape(x)
    x_hat, backward_of_x = standardised(xp.reshape(x, grouped), (2,), eps)

    def backward_of_channels(dx_hat):
        return xp.reshape(backward_of_x(xp.reshape(dx_hat, grouped)), own)

    along = (1, C, *(1 for _ in rest))
    return _rescaled(xp.reshape(x_hat, own), gamma, beta, along, backward_of_channels)
