"""Exponentials, logarithms, circular and hyperbolic functions, and the error function."""

import math

from handgrad.arrays import xp
from handgrad.rules.arithmetic import in_units
from handgrad.rules.rule import elementwise


def logistic(x):
    """1 / (1 + e⁻ˣ) from e⁻|ˣ|, which is at most 1.

    |x| is picked as the result is, not by ``abs``, which has no derivative at 0 where this one is smooth.
    """
    is_positive = x >= 0
    e = xp.exp(xp.where(is_positive, -x, x))
    return xp.where(is_positive, 1 / (1 + e), e / (1 + e))


@elementwise
def exp(x):
    """out = eˣ.   dx = eˣ·dout

    Examples:
        >>> out, backward = hg.exp.vjp(0.0)
        >>> print(out, *backward(5.0))
        1.0 5.0
    """
    out = xp.exp(x)

    def backward(dout):
        return dout * out

    return out, backward


@elementwise
def expm1(x):
    """out = eˣ - 1, exact near 0.   dx = eˣ·dout

    Examples:
        >>> out, backward = hg.expm1.vjp(0.0)
        >>> print(out, *backward(5.0))
        0.0 5.0
    """
    out = xp.expm1(x)

    def backward(dout):
        return dout * (out + 1)

    return out, backward


@elementwise
def log(x):
    """Natural logarithm, out = log x.   dx = dout / x

    Examples:
        >>> out, backward = hg.log.vjp(1.0)
        >>> print(out, *backward(5.0))
        0.0 5.0
    """

    def backward(dout):
        return dout / x

    return xp.log(x), backward


@elementwise
def log1p(x):
    """out = log(1 + x), exact near 0.   dx = dout / (1 + x)

    Examples:
        >>> out, backward = hg.log1p.vjp(1.0)
        >>> print(round(float(out), 4), *backward(1.0))
        0.6931 0.5
    """

    def backward(dout):
        return dout / (1 + x)

    return xp.log1p(x), backward


@elementwise
def exp2(x):
    """Power of two, out = 2ˣ.   dx = log(2)·2ˣ·dout

    Examples:
        >>> out, backward = hg.exp2.vjp(3.0)
        >>> print(out, round(float(backward(1.0)[0]), 4))  # 8 log 2
        8.0 5.5452
    """
    out = xp.exp2(x)

    def backward(dout):
        return dout * out * math.log(2)

    return out, backward


@elementwise
def log2(x):
    """Logarithm to the base 2, out = log₂ x.   dx = dout / (x·log(2))

    Examples:
        >>> out, backward = hg.log2.vjp(8.0)
        >>> print(out, round(float(backward(1.0)[0]), 4))
        3.0 0.1803
    """

    def backward(dout):
        return dout * (1 / math.log(2)) / x

    return xp.log2(x), backward


@elementwise
def log10(x):
    """Logarithm to the base 10, out = log₁₀ x.   dx = dout / (x·log(10))

    Examples:
        >>> out, backward = hg.log10.vjp(100.0)
        >>> print(out, round(float(backward(100.0)[0]), 4))  # 1 / log 10
        2.0 0.4343
    """

    def backward(dout):
        return dout * (1 / math.log(10)) / x

    return xp.log10(x), backward


@elementwise
def logaddexp(x, y):
    """out = log(eˣ + eʸ), without overflow on the way.   dx = eˣ⁻ᵒᵘᵗ·dout, dy = eʸ⁻ᵒᵘᵗ·dout

    The gradients are the logistic function of x - y and of y - x; both are 0 where x = y = -∞.

    Examples:
        >>> out, backward = hg.logaddexp.vjp(0.0, 0.0)
        >>> print(round(float(out), 4), *backward(1.0))  # log 2
        0.6931 0.5 0.5
    """
    out = xp.logaddexp(x, y)

    def backward(dout):
        return _shares(x, y, out, dout, 1.0)

    return out, backward


@elementwise
def logaddexp2(x, y):
    """out = log₂(2ˣ + 2ʸ), without overflow on the way.   dx = 2ˣ⁻ᵒᵘᵗ·dout, dy = 2ʸ⁻ᵒᵘᵗ·dout

    As of ``logaddexp``, both are 0 where x = y = -∞.

    Examples:
        >>> out, backward = hg.logaddexp2.vjp(3.0, 3.0)
        >>> print(out, *backward(1.0))
        4.0 0.5 0.5
    """
    out = xp.logaddexp2(x, y)

    def backward(dout):
        return _shares(x, y, out, dout, math.log(2))

    return out, backward


def _shares(x, y, out, dout, scale):
    """What two terms have of dout, by the logistic function of their distance."""
    is_nothing = out == -math.inf
    zero = xp.zeros_like(out)
    lead = (xp.where(is_nothing, zero, x) - xp.where(is_nothing, zero, y)) * scale
    weight = xp.where(is_nothing, zero, dout)
    return weight * logistic(lead), weight * logistic(-lead)


@elementwise
def sin(x):
    """out = sin x.   dx = cos x·dout

    Examples:
        >>> out, backward = hg.sin.vjp(0.0)
        >>> print(out, *backward(1.0))
        0.0 1.0
    """

    def backward(dout):
        return dout * xp.cos(x)

    return xp.sin(x), backward


@elementwise
def cos(x):
    """out = cos x.   dx = -sin x·dout

    Examples:
        >>> out, backward = hg.cos.vjp(np.pi / 2)
        >>> print(round(float(out), 4), *backward(1.0))
        0.0 -1.0
    """

    def backward(dout):
        return -dout * xp.sin(x)

    return xp.cos(x), backward


@elementwise
def tan(x):
    """out = tan x.   dx = (1 + tan² x)·dout

    Examples:
        >>> out, backward = hg.tan.vjp(0.0)
        >>> print(out, *backward(1.0))
        0.0 1.0
    """
    out = xp.tan(x)

    def backward(dout):
        return dout * (1 + out * out)

    return out, backward


@elementwise
def arcsin(x):
    """out = arcsin x.   dx = dout / √(1 - x²), with 1 - x² as (1 - x)(1 + x): exact near ±1

    Examples:
        >>> out, backward = hg.arcsin.vjp(0.6)
        >>> print(round(float(out), 4), round(float(backward(1.0)[0]), 4))  # 1 / 0.8
        0.6435 1.25
    """

    def backward(dout):
        return dout / xp.sqrt((1 - x) * (1 + x))

    return xp.asin(x), backward


@elementwise
def arccos(x):
    """out = arccos x.   dx = -dout / √(1 - x²), with 1 - x² as (1 - x)(1 + x): exact near ±1

    Examples:
        >>> out, backward = hg.arccos.vjp(0.6)
        >>> print(round(float(out), 4), round(float(backward(1.0)[0]), 4))
        0.9273 -1.25
    """

    def backward(dout):
        return -dout / xp.sqrt((1 - x) * (1 + x))

    return xp.acos(x), backward


@elementwise
def arctan(x):
    """out = arctan x.   dx = dout / (1 + x²), by way of hypot(x, 1): x² cannot overflow

    Examples:
        >>> out, backward = hg.arctan.vjp(1.0)
        >>> print(round(float(out), 4), round(float(backward(1.0)[0]), 4))  # π/4
        0.7854 0.5
    """
    out = xp.atan(x)

    def backward(dout):
        one = xp.ones_like(out)
        r = xp.hypot(x * one, one)
        return dout / r / r

    return out, backward


@elementwise
def arctan2(y, x):
    """Angle of the point (x, y), out = atan2(y, x).   dy = x / r²·dout, dx = -y / r²·dout

    r = √(x² + y²), which no square on the way makes overflow. Both are 0 where r = 0.

    Examples:
        >>> out, backward = hg.arctan2.vjp(1.0, 1.0)
        >>> print(round(float(out), 4), *np.round(backward(1.0), 4))  # π/4
        0.7854 0.5 -0.5
    """
    out = xp.atan2(y, x)

    def backward(dout):
        a, b, unit = in_units(x, y, out)
        r = xp.hypot(a, b)
        weight = xp.where(r == 0, xp.zeros_like(r), dout / xp.where(r == 0, xp.ones_like(r), r * r))
        return weight * a / unit, -weight * b / unit

    return out, backward


@elementwise
def sinh(x):
    """out = sinh x.   dx = cosh x·dout

    Examples:
        >>> out, backward = hg.sinh.vjp(0.0)
        >>> print(out, *backward(1.0))
        0.0 1.0
    """

    def backward(dout):
        return dout * xp.cosh(x)

    return xp.sinh(x), backward


@elementwise
def cosh(x):
    """out = cosh x.   dx = sinh x·dout

    Examples:
        >>> out, backward = hg.cosh.vjp(0.0)
        >>> print(out, *backward(1.0))
        1.0 0.0
    """

    def backward(dout):
        return dout * xp.sinh(x)

    return xp.cosh(x), backward


@elementwise
def tanh(x):
    """out = tanh x.   dx = (1 - tanh² x)·dout

    Examples:
        >>> out, backward = hg.tanh.vjp(np.array([0.0, 1.0]))
        >>> print(out.round(4), backward(np.ones(2))[0].round(4))
        [0.     0.7616] [1.   0.42]
    """
    out = xp.tanh(x)

    def backward(dout):
        return dout * (1 - out * out)

    return out, backward


@elementwise
def arcsinh(x):
    """out = arcsinh x.   dx = dout / √(1 + x²), by way of hypot(x, 1): x² cannot overflow

    Examples:
        >>> out, backward = hg.arcsinh.vjp(0.75)
        >>> print(round(float(out), 4), round(float(backward(1.0)[0]), 4))  # log 2, and 1 / 1.25
        0.6931 0.8
    """
    out = xp.asinh(x)

    def backward(dout):
        one = xp.ones_like(out)
        return dout / xp.hypot(x * one, one)

    return out, backward


@elementwise
def arccosh(x):
    """out = arccosh x.   dx = dout / √(x² - 1), as √(x - 1)·√(x + 1): x² cannot overflow

    Examples:
        >>> out, backward = hg.arccosh.vjp(1.25)
        >>> print(round(float(out), 4), round(float(backward(1.0)[0]), 4))  # log 2, and 1 / 0.75
        0.6931 1.3333
    """

    def backward(dout):
        return dout / (xp.sqrt(x - 1) * xp.sqrt(x + 1))

    return xp.acosh(x), backward


@elementwise
def arctanh(x):
    """out = arctanh x.   dx = dout / (1 - x²), with 1 - x² as (1 - x)(1 + x): exact near ±1

    Examples:
        >>> out, backward = hg.arctanh.vjp(0.6)
        >>> print(round(float(out), 4), round(float(backward(1.0)[0]), 4))  # log 2, and 1 / 0.64
        0.6931 1.5625
    """

    def backward(dout):
        return dout / ((1 - x) * (1 + x))

    return xp.atanh(x), backward


@elementwise
def erf(x):
    """Error function, out = erf x.   dx = 2/√π·exp(-x²)·dout

    Examples:
        >>> out, backward = hg.erf.vjp(0.0)
        >>> print(out, round(float(backward(1.0)[0]), 4))  # 2 / √π
        0.0 1.1284
    """

    def backward(dout):
        return dout * _gauss(x)

    return xp.erf(x), backward


@elementwise
def erfc(x):
    """Complement of the error function, out = 1 - erf x, exact for large x.   dx = -2/√π·exp(-x²)·dout

    Examples:
        >>> out, backward = hg.erfc.vjp(0.0)
        >>> print(out, round(float(backward(1.0)[0]), 4))
        1.0 -1.1284
    """

    def backward(dout):
        return -dout * _gauss(x)

    return xp.erfc(x), backward


def _gauss(x):
    # Beyond 30 the value is 0 in any dtype; clipping keeps the square from overflowing.
    near = xp.clip(x, -30.0, 30.0)
    return 2 / math.sqrt(math.pi) * xp.exp(-near * near)


asin, acos, atan, atan2 = arcsin, arccos, arctan, arctan2
asinh, acosh, atanh = arcsinh, arccosh, arctanh
