"""The activations of neural networks, in forms that no finite input can overflow."""

import math

from handgrad.arrays import xp
from handgrad.rules.elementary import logistic
from handgrad.rules.rule import elementwise


@elementwise
def sigmoid(x):
    """Logistic function, out = 1 / (1 + e⁻ˣ).   dx = out·(1 - out)·dout"""
    out = logistic(x)

    def backward(dout):
        return dout * out * logistic(-x)

    return out, backward


@elementwise
def relu(x):
    """Rectified linear unit, out = max(x, 0).   dx = dout where x > 0, else 0"""

    def backward(dout):
        return xp.where(x > 0, dout, xp.zeros_like(dout))

    return xp.maximum(x, 0), backward


@elementwise
def leaky_relu(x, negative_slope=0.01):
    """out = x where x > 0, else negative_slope·x.   dx = dout where x > 0, else negative_slope·dout"""

    def backward(dout):
        return xp.where(x > 0, dout, negative_slope * dout)

    return xp.where(x > 0, x, negative_slope * x), backward


@elementwise
def elu(x, alpha=1.0):
    """Exponential linear unit, out = x where x > 0, else α(eˣ - 1).   Clevert et al. 2016

    dx = dout where x > 0, else α·eˣ·dout
    """
    below = alpha * xp.expm1(xp.minimum(x, 0))

    def backward(dout):
        return xp.where(x > 0, dout, dout * (below + alpha))

    return xp.where(x > 0, x, below), backward


@elementwise
def softplus(x):
    """Smooth rectifier, out = log(1 + eˣ) = max(x, 0) + log(1 + e⁻|ˣ|).   dx = sigmoid(x)·dout"""

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
    density = xp.exp(-near * near / 2) / math.sqrt(2 * math.pi)
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
    """Sigmoid linear unit (swish), out = x·sigmoid(x).   dx = (s + x·s·(1 - s))·dout with s = sigmoid(x)"""
    s = logistic(x)

    def backward(dout):
        return dout * (s + x * s * logistic(-x))

    return x * s, backward


@elementwise
def dropout(x, key, rate=0.5):
    """x with a random share ``rate`` of its elements zeroed, the rest scaled by 1 / (1 - rate).

    out = x / (1 - rate) where kept, else 0.   dx = dout / (1 - rate) where kept, else 0

    The mask is a function of ``key`` (two uint32 numbers) and the shape of x alone, so that the
    backward's mask is the forward's.   Srivastava et al. 2014

    Raises:
        ValueError: ``rate`` is not in [0, 1).
    """
    if not 0 <= rate < 1:
        raise ValueError(f"rate is the share to drop, in [0, 1), not {rate}")
    kept = xp.random_uniform(x, key) >= rate

    def scaled(a):
        return xp.where(kept, a / (1 - rate), xp.zeros_like(a))

    def backward(dout):
        return scaled(dout), None

    return scaled(x), backward
