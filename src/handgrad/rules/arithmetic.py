"""Sums, products, powers, and what picks between numbers."""

import math

from handgrad.arrays import as_numpys, beside, cast, xp
from handgrad.rules.rule import elementwise, rule


@elementwise
def add(x, y):
    """Sum, out = x + y.   dx = dout, dy = dout

    Examples:
        >>> out, backward = hg.add.vjp(np.array([1.0, 2.0]), 10.0)
        >>> print(out, *backward(np.ones(2)))
        [11. 12.] [1. 1.] 2.0
    """

    def backward(dout):
        return dout, dout

    return x + y, backward


@elementwise
def subtract(x, y):
    """Difference, out = x - y.   dx = dout, dy = -dout

    Examples:
        >>> out, backward = hg.subtract.vjp(5, 3)
        >>> out, backward(1)
        (2, (1, -1))
    """

    def backward(dout):
        return dout, -dout

    return x - y, backward


@elementwise
def multiply(x, y):
    """Product, out = x·y.   dx = y·dout, dy = x·dout

    Examples:
        >>> out, backward = hg.multiply.vjp(100, 2)
        >>> out, backward(1)
        (200, (2, 100))
    """

    def backward(dout):
        return dout * y, dout * x

    return x * y, backward


@elementwise
def divide(x, y):
    """Quotient, out = x / y.   dx = dout / y, dy = -x·dout / y²

    Examples:
        >>> out, backward = hg.divide.vjp(6.0, 2.0)
        >>> print(out, *backward(1.0))
        3.0 0.5 -1.5
    """
    out = as_numpys(x, y) / y

    def backward(dout):
        return dout / y, -(dout * out) / y

    return out, backward


@elementwise
def remainder(x, y):
    """Remainder with the sign of y, out = x - y·floor(x / y).   dx = dout, dy = -floor(x / y)·dout

    Examples:
        >>> out, backward = hg.remainder.vjp(7.0, 3.0)
        >>> print(out, *backward(1.0))
        1.0 1.0 -2.0
    """

    def backward(dout):
        return dout, -dout * xp.floor_divide(x, y)

    return xp.remainder(x, y), backward


@elementwise
def negative(x):
    """Negation, out = -x.   dx = -dout

    Examples:
        >>> out, backward = hg.negative.vjp(3)
        >>> out, backward(1)
        (-3, (-1,))
    """

    def backward(dout):
        return -dout

    return -x, backward


@elementwise
def power(x, y):
    """Power, out = x**y.   dx = y·x**(y-1)·dout, dy = log(x)·x**y·dout

    Where y = 0, dx is 0. Where x = 0, dy is 0 for y ≥ 0, and -∞ for y < 0. Where x < 0 only whole y have a
    power, so dy does not exist and is nan; but of a power that is rounded to 0 it is 0.

    Examples:
        >>> out, backward = hg.power.vjp(np.e, 2.0)
        >>> print(*np.round([out, *backward(1.0)], 4))
        7.3891 5.4366 7.3891
    """
    out = (x if is_whole_power(x, y) else as_numpys(x, y)) ** y

    def backward(dout):
        one = xp.ones_like(out)
        base, exponent = x * one, y * one  # arrays, also where one of them is a number
        dx = dout * (y * xp.where(exponent == 0, one, base) ** xp.where(exponent == 0, one, exponent - 1))
        log_x = xp.where(base < 0, math.nan, xp.log(xp.where(base > 0, base, one)))
        log_x = xp.where((base == 0) & (exponent < 0), -math.inf, log_x)
        log_x = xp.where(out == 0, xp.zeros_like(out), log_x)
        return dx, dout * out * log_x

    return out, backward


def is_whole_power(x, y):
    """Whether these are Python's integers, whose power is exact."""
    return isinstance(x, int) and isinstance(y, int) and y >= 0


@elementwise
def hypot(x, y):
    """Hypotenuse, out = √(x² + y²), without overflow on the way.   dx = x / out·dout, dy = y / out·dout

    Both are 0 where x = y = 0.

    Examples:
        >>> out, backward = hg.hypot.vjp(3.0, 4.0)
        >>> print(out, *np.round(backward(1.0), 4))
        5.0 0.6 0.8
    """

    out = xp.hypot(x, y)

    def backward(dout):
        a, b, _ = in_units(x, y, out)
        r = xp.hypot(a, b)
        weight = xp.where(r == 0, xp.zeros_like(r), dout / xp.where(r == 0, xp.ones_like(r), r))
        return weight * a, weight * b

    return out, backward


def in_units(x, y, like):
    """x and y in units of the larger, and that unit: 1 where both are 0 or one is infinite.

    The unit is a constant: a formula in which it cancels has the same derivatives for any. All are arrays of
    the shape of ``like``.
    """
    one = xp.ones_like(like)
    x, y = x * one, y * one
    unit = xp.stop_gradient(xp.maximum(xp.abs(x), xp.abs(y)))
    unit = xp.where((unit > 0) & xp.isfinite(unit), unit, xp.ones_like(unit))
    return x / unit, y / unit, unit


@elementwise
def square(x):
    """Square, out = x².   dx = 2x·dout

    Examples:
        >>> out, backward = hg.square.vjp(3)
        >>> out, backward(1)
        (9, (6,))
    """

    def backward(dout):
        return 2 * x * dout

    return x * x, backward


@elementwise
def sqrt(x):
    """Square root, out = √x.   dx = dout / 2√x

    Examples:
        >>> out, backward = hg.sqrt.vjp(4.0)
        >>> print(out, *backward(1.0))
        2.0 0.25
    """
    out = xp.sqrt(x)

    def backward(dout):
        return dout / (2 * out)

    return out, backward


@elementwise
def abs(x):
    """Magnitude, out = |x|.   dx = sign(x)·dout: 0 at the kink

    Examples:
        >>> out, backward = hg.abs.vjp(np.array([-2.0, 0.0, 3.0]))
        >>> print(out, backward(np.ones(3))[0])
        [2. 0. 3.] [-1.  0.  1.]
    """

    def backward(dout):
        return dout * xp.sign(x)

    return xp.abs(x), backward


@elementwise
def sign(x):
    """-1, 0 or 1, out = sign(x).   dx = 0: so is the derivative wherever there is one

    Examples:
        >>> out, backward = hg.sign.vjp(np.array([-2.0, 0.0, 3.0]))
        >>> print(out, backward(np.ones(3))[0])
        [-1.  0.  1.] [0. 0. 0.]
    """

    def backward(dout):
        return xp.zeros_like(dout)

    return xp.sign(x), backward


def _share(wins, ties_too, dout):
    """1 where an operand wins, 1/2 where both are equal, 0 where it loses."""
    return 0.5 * cast(wins, like=dout) + 0.5 * cast(ties_too, like=dout)


@elementwise
def maximum(x, y):
    """The larger of two, out = max(x, y). A tie's gradient is shared by halves.

    dx = dout where x > y, else dout / 2 where x = y, else 0, dy = dout - dx

    Examples:
        >>> out, backward = hg.maximum.vjp(np.array([1.0, 5.0]), np.array([4.0, 2.0]))
        >>> print(out, *backward(np.ones(2)))
        [4. 5.] [0. 1.] [1. 0.]
    """

    def backward(dout):
        to_x = _share(x > y, x >= y, dout)
        return dout * to_x, dout * (1 - to_x)

    return xp.maximum(x, y), backward


@elementwise
def minimum(x, y):
    """The smaller of two, out = min(x, y). A tie's gradient is shared by halves.

    dx = dout where x < y, else dout / 2 where x = y, else 0, dy = dout - dx

    Examples:
        >>> out, backward = hg.minimum.vjp(np.array([1.0, 5.0]), np.array([4.0, 2.0]))
        >>> print(out, *backward(np.ones(2)))
        [1. 2.] [1. 0.] [0. 1.]
    """

    def backward(dout):
        to_x = _share(x < y, x <= y, dout)
        return dout * to_x, dout * (1 - to_x)

    return xp.minimum(x, y), backward


@rule
def clip(x, /, min=None, max=None):
    """out = x held within [min, max], either of which may be None.   dx = dout where min ≤ x ≤ max, else 0

    The bounds are constants of the shape of x or numbers; with ``maximum`` and ``minimum`` they
    have gradients.

    Examples:
        >>> out, backward = hg.clip.vjp(np.array([-2.0, 0.5, 2.0]), min=-1.0, max=1.0)
        >>> print(out, backward(np.ones(3))[0])
        [-1.   0.5  1. ] [0. 1. 0.]
    """

    def backward(dout):
        if min is not None:
            dout = xp.where(x >= min, dout, xp.zeros_like(dout))
        if max is not None:
            dout = xp.where(x <= max, dout, xp.zeros_like(dout))
        return dout

    out = x if min is None else xp.maximum(x, min)
    return out if max is None else xp.minimum(out, max), backward


@elementwise
def where(condition, x, y):
    """out = x where condition, else y.   dx = dout where condition, else 0, dy = dout - dx

    Examples:
        >>> out, backward = hg.where.vjp(np.array([True, False]), np.array([1.0, 2.0]), 9.0)
        >>> print(out, *backward(np.ones(2)))
        [1. 9.] None [1. 0.] 1.0
    """
    condition = beside(beside(condition, x), y)

    def backward(dout):
        zero = xp.zeros_like(dout)
        return None, xp.where(condition, dout, zero), xp.where(condition, zero, dout)

    return xp.where(condition, x, y), backward


@rule
def astype(x, /, dtype):
    """x in another dtype, out = x; the gradient comes back in the dtype of x, dx = dout

    Examples:
        >>> out, backward = hg.astype.vjp(np.array([1.5]), dtype="float32")
        >>> print(out.dtype, backward(np.ones(1, np.float32))[0].dtype)
        float32 float64
    """

    def backward(dout):
        return cast(dout, like=x)

    return xp.astype(x, dtype), backward


pow = power
