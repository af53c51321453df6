"""The activations of neural networks, in forms that no finite input can overflow."""

import math

from handgrad.arrays import shape, xp
from handgrad.rules.elementary import logistic
from handgrad.rules.reduction import axes_of, exponentials
from handgrad.rules.rule import elementwise, rule


@elementwise
def sigmoid(x):
    """Logistic function, out = 1 / (1 + e⁻ˣ).   dx = out·(1 - out)·dout

    Examples:
        >>> out, backward = hg.sigmoid.vjp(0.0)
        >>> print(out, backward(1.0)[0])
        0.5 0.25
    """
    out = logistic(x)

    def backward(dout):
        return dout * out * logistic(-x)

    return out, backward


@elementwise
def elu(x, alpha=1.0):
    """Exponential linear unit, out = x where x > 0, else α(eˣ - 1).   Clevert et al. 2016

    dx = dout where x > 0, else α·eˣ·dout

    Examples:
        >>> out, backward = hg.elu.vjp(np.array([-np.log(2), 2.0]))
        >>> print(out, backward(np.ones(2))[0])
        [-0.5  2. ] [0.5 1. ]
    """
    below = alpha * xp.expm1(xp.minimum(x, 0))

    def backward(dout):
        return xp.where(x > 0, dout, dout * (below + alpha))

    return xp.where(x > 0, x, below), backward


@elementwise
def softplus(x):
    """Smooth rectifier, out = log(1 + eˣ) = max(x, 0) + log(1 + e⁻|ˣ|).   dx = sigmoid(x)·dout

    Examples:
        >>> out, backward = hg.softplus.vjp(0.0)
        >>> print(round(float(out), 6), backward(1.0)[0])  # log 2, and a half
        0.693147 0.5
    """

    def backward(dout):
        return dout * logistic(x)

    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x))), backward


@elementwise
def gelu(x, approximate="none"):
    """Gaussian error linear unit, out = x·Φ(x).   dx = (Φ(x) + x·φ(x))·dout

    Φ and φ are the standard normal distribution and its density. ``approximate="tanh"`` takes
    Φ(x) ≈ (1 + tanh √(2/π)(x + 0.044715 x³)) / 2.   Hendrycks & Gimpel 2016

    Raises:
        ValueError: ``approximate`` is neither "none" nor "tanh".

    Examples:
        >>> out, backward = hg.gelu.vjp(np.array([0.0, 1.0]))
        >>> print(out.round(4), backward(np.ones(2))[0].round(4))
        [0.     0.8413] [0.5    1.0833]
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate is 'none' or 'tanh', not {approximate!r}")
    phi, density = (_normal if approximate == "none" else _normal_by_tanh)(x)

    def backward(dout):
        return dout * (phi + x * density)

    return x * phi, backward


def _normal(x):
    """Φ(x) and φ(x). From erfc, Φ keeps its digits in the lower tail."""
    near = xp.clip(x, -40.0, 40.0)  # φ(40) is 0 in any dtype; the square cannot overflow
    density = xp.exp(-near * near / 2) * (1 / math.sqrt(2 * math.pi))
    return xp.erfc(near * -math.sqrt(0.5)) / 2, density


def _normal_by_tanh(x):
    """The approximation of Φ(x), and its derivative. (1 + tanh u)/2 = sigmoid(2u) keeps its digits."""
    c, k = 2 * math.sqrt(2 / math.pi), 0.044715
    near = xp.clip(x, -30.0, 30.0)  # there sigmoid is 0 or 1 in any dtype; the cube cannot overflow
    u = c * (near + k * near * near * near)
    phi = logistic(u)
    return phi, phi * logistic(-u) * c * (1 + 3 * k * near * near)


@elementwise
def silu(x):
    """Sigmoid linear unit (swish), out = x·sigmoid(x).   dx = (s + x·s·(1 - s))·dout with s = sigmoid(x)

    Examples:
        >>> out, backward = hg.silu.vjp(np.array([0.0, 1.0]))
        >>> print(out.round(4), backward(np.ones(2))[0].round(4))
        [0.     0.7311] [0.5    0.9277]
    """
    s = logistic(x)

    def backward(dout):
        return dout * (s + x * s * logistic(-x))

    return x * s, backward


@elementwise
def dropout(x, key, rate=0.5, axes=None):
    """x with a random share ``rate`` of its elements zeroed, the rest scaled by 1 / (1 - rate).

    out = x / (1 - rate) where kept, else 0.   dx = dout / (1 - rate) where kept, else 0

    The mask is a function of ``key`` (two uint32 numbers) and the shape of x alone, so that the
    backward's mask is the forward's.   Srivastava et al. 2014. With ``axes``, what lies at one place of these
    is zeroed together: axes=(0, 1) drops whole channels of x (N, C, H, W).   Tompson et al. 2015

    Raises:
        ValueError: ``rate`` is not in [0, 1), or x has no such axes.

    Examples:
        >>> key = np.array([0, 7], np.uint32)
        >>> out, backward = hg.dropout.vjp(np.ones(8), key, rate=0.5)
        >>> print(out)
        [0. 2. 2. 0. 0. 0. 2. 0.]
        >>> bool((backward(np.ones(8))[0] == out).all())
        True
    """
    if not 0 <= rate < 1:
        raise ValueError(f"rate is the share to drop, in [0, 1), not {rate}")
    of = x
    if axes is not None:
        one_by_one = axes_of(axes, len(shape(x)))
        of = x[tuple(slice(None) if a in one_by_one else slice(1) for a in range(len(shape(x))))]
    kept = xp.random_uniform(of, key) >= rate

    def scaled(a):
        return xp.where(kept, a / (1 - rate), xp.zeros_like(a))

    def backward(dout):
        return scaled(dout), None

    return scaled(x), backward


@elementwise
def logsigmoid(x):
    """Logarithm of the logistic function, out = min(x, 0) - log(1 + e⁻|ˣ|).   dx = sigmoid(-x)·dout

    Examples:
        >>> out, backward = hg.logsigmoid.vjp(0.0)
        >>> print(round(float(out), 6), backward(1.0)[0])  # -log 2, and a half
        -0.693147 0.5
    """

    def backward(dout):
        return dout * logistic(-x)

    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x))), backward


@elementwise
def mish(x):
    """out = x·tanh(log(1 + eˣ)).   dx = (w + x·(1 - w²)·sigmoid(x))·dout with w = tanh(log(1 + eˣ))

    log(1 + eˣ), softplus, has the derivative sigmoid(x), and tanh has 1 - w².   Misra 2019

    Examples:
        >>> out, backward = hg.mish.vjp(0.0)
        >>> print(out, round(float(backward(1.0)[0]), 6))  # the slope is tanh log 2 = 3/5
        0.0 0.6
    """
    w = xp.tanh(xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x))))

    def backward(dout):
        return dout * (w + x * (1 - w * w) * logistic(x))

    return x * w, backward


@elementwise
def selu(x):
    """Scaled exponential linear unit: λ·x where x > 0, else λα·(eˣ - 1).   Klambauer et al. 2017

    out = 1.0507009873554805·x where x > 0, else 1.7580993408473766·(eˣ - 1)
    dx = 1.0507009873554805·dout where x > 0, else 1.7580993408473766·eˣ·dout

    With these λ and λα the outputs of a layer tend to mean 0 and variance 1.

    Examples:
        >>> out, backward = hg.selu.vjp(np.array([-1.0, 1.0]))
        >>> print(out.round(4), backward(np.ones(2))[0].round(4))
        [-1.1113  1.0507] [0.6468 1.0507]
    """
    scale, scaled_alpha = 1.0507009873554805, 1.7580993408473766
    below = scaled_alpha * xp.expm1(xp.minimum(x, 0))

    def backward(dout):
        return xp.where(x > 0, scale * dout, dout * (below + scaled_alpha))

    return xp.where(x > 0, scale * x, below), backward


@elementwise
def celu(x, alpha=1.0):
    """Continuously differentiable exponential linear unit, out = x where x > 0, else α·(exp(x / α) - 1).

    dx = dout where x > 0, else exp(x / α)·dout.   Barron 2017

    Examples:
        >>> out, backward = hg.celu.vjp(np.array([-2 * np.log(2), 3.0]), alpha=2.0)
        >>> print(out, backward(np.ones(2))[0])
        [-1.  3.] [0.5 1. ]
    """
    below = xp.expm1(xp.minimum(x, 0) / alpha)

    def backward(dout):
        return xp.where(x > 0, dout, dout * (below + 1))

    return xp.where(x > 0, x, alpha * below), backward


@elementwise
def softsign(x):
    """out = x / (1 + |x|).   dx = dout / (1 + |x|)²

    Examples:
        >>> out, backward = hg.softsign.vjp(np.array([-1.0, 3.0]))
        >>> print(out, backward(np.ones(2))[0])
        [-0.5   0.75] [0.25   0.0625]
    """
    d = 1 + xp.abs(x)

    def backward(dout):
        return dout / d / d

    return x / d, backward


# Of halves of an axis, and over one.


def halves(x, axis):
    """x as two arrays, cut in the middle of an axis; and which axis that is.

    Raises:
        ValueError: the axis has an odd number of elements.
    """
    (where,) = axes_of(axis, len(shape(x)))
    n = shape(x)[where]
    if n % 2:
        raise ValueError(f"axis {axis} has size {n}, and is cut into two halves: an even size is needed")
    lead = (slice(None),) * where
    return x[(*lead, slice(0, n // 2), ...)], x[(*lead, slice(n // 2, n), ...)], where


@rule
def glu(x, axis=-1):
    """Gated linear unit, out = a·sigmoid(b) with x = [a b] along an axis.   Dauphin et al. 2017

    da = sigmoid(b)·dout, db = a·s·(1 - s)·dout with s = sigmoid(b).   dx = [da db]

    x (..., 2C) -> (..., C).

    Raises:
        ValueError: the axis has an odd number of elements.

    Examples:
        >>> out, backward = hg.glu.vjp(np.array([4.0, 0.0]))
        >>> print(out, backward(np.ones(1))[0])  # x y with y = sigmoid(0)
        [2.] [0.5 1. ]
    """
    a, b, where = halves(x, axis)
    s = logistic(b)

    def backward(dout):
        return xp.concat([s * dout, a * s * logistic(-b) * dout], axis=where)

    return a * s, backward


@rule
def swiglu(x, axis=-1):
    """Gated linear unit with silu for a gate, out = a·sigmoid(a)·b with x = [a b] along an axis.

    da = (s + a·s·(1 - s))·b·dout with s = sigmoid(a), db = a·s·dout.   dx = [da db]

    x (..., 2C) -> (..., C).   Shazeer 2020

    Raises:
        ValueError: the axis has an odd number of elements.

    Examples:
        >>> out, backward = hg.swiglu.vjp(np.array([0.0, 4.0]))
        >>> print(out, backward(np.ones(1))[0])
        [0.] [2. 0.]
    """
    a, b, where = halves(x, axis)
    s = logistic(a)

    def backward(dout):
        return xp.concat([(s + a * s * logistic(-a)) * b * dout, a * s * dout], axis=where)

    return a * s * b, backward


@rule
def gumbel_softmax(x, key, tau=1.0, hard=False, axis=-1):
    """A random point near a corner of the simplex, out = softmax((x + g) / τ) with g = -log(-log u).

    dx = y·(dout - Σ y·dout) / τ with y = softmax((x + g) / τ)

    u is uniform, a function of ``key`` (two uint32 numbers) and the shape of x. The place of the largest
    y is a draw from softmax(x); ``hard=True`` gives its one-hot row, and keeps the gradient of y
    (straight-through).   Jang, Gu & Poole 2017

    Raises:
        ValueError: ``tau`` is not above 0.

    Examples:
        >>> key = np.array([0, 7], np.uint32)
        >>> y = hg.gumbel_softmax(np.array([1.0, 2.0, 3.0]), key, tau=0.5, hard=True)
        >>> print(y, y.sum())
        [0. 0. 1.] 1.0
    """
    if not tau > 0:
        raise ValueError(f"tau is a temperature above 0, not {tau}")
    u = xp.maximum(xp.random_uniform(x, key), 1e-20)
    _, _, e, total = exponentials((x - xp.log(-xp.log(u))) / tau, axis)
    y = e / total

    def backward(dout):
        return y * (dout - xp.sum(y * dout, axis=axis, keepdims=True)) / tau, None

    return first_largest(y, axis) if hard else y, backward


def first_largest(y, axis):
    """1 at the first of the largest elements along an axis, else 0."""
    is_largest = xp.astype(y == xp.max(y, axis=axis, keepdims=True), y.dtype)
    return xp.where(xp.cumulative_sum(is_largest, axis=axis) == 1, is_largest, 0 * y)
