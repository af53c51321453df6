"""Lengths and distances, of any order."""

import math

from handgrad.arrays import shape, size, sum_to, xp
from handgrad.rules.reduction import extreme, finish, spread
from handgrad.rules.rule import rule


@rule
def norm(x, axis=None, keepdims=False, ord=2):
    """Length of vectors along axes, out = √Σ x², without overflow on the way.   dx = x / out·dout

    ord=1: out = Σ |x|.   dx = sign(x)·dout

    ord: out = (Σ |x|ᵖ)**(1 / p).   dx = sign(x) (|x| / out)**(p - 1)·dout

    p is ``ord``: any number; inf and -inf are the largest and the smallest |x|, and those that tie share the
    gradient equally; 0 counts what is not 0. A zero has the gradient 0.

    Raises:
        ValueError: the order is no number.

    Examples:
        >>> out, backward = hg.norm.vjp(np.array([3.0, 4.0]))
        >>> print(out, backward(1.0)[0])
        5.0 [0.6 0.8]
    """
    if not isinstance(ord, (int, float)):
        raise ValueError(f"the order of a norm is a number, not {ord!r}; matrix_norm takes names")
    if ord == 2:
        return _euclidean(x, axis, keepdims)
    if abs(ord) == math.inf:
        out, back = extreme(xp.max if ord > 0 else xp.min, xp.abs(x), axis, keepdims)
        return out, lambda dout: back(dout) * xp.sign(x)
    if ord == 0:
        out = xp.sum(xp.where(x == 0, xp.zeros_like(x), xp.ones_like(x)), axis=axis, keepdims=keepdims)
        return out, lambda dout: spread(dout, x, axis) * xp.zeros_like(x)
    if ord == 1:
        out = xp.sum(xp.abs(x), axis=axis, keepdims=keepdims)
        return out, lambda dout: spread(dout, x, axis) * xp.sign(x)
    return _of_order(x, axis, keepdims, ord)


def _unit(pick, sizes, axis):
    """What to measure in, so that no power overflows: the largest or smallest size, if it is a number."""
    unit = xp.stop_gradient((pick if size(sizes) else xp.sum)(sizes, axis=axis, keepdims=True))
    return xp.where(xp.isfinite(unit) & (unit > 0), unit, xp.ones_like(unit))


def _euclidean(x, axis, keepdims):
    unit = _unit(xp.max, xp.abs(x), axis)
    scaled = x / unit
    squares = xp.sum(scaled * scaled, axis=axis, keepdims=True)
    is_zero = squares == 0
    length = xp.sqrt(xp.where(is_zero, xp.ones_like(squares), squares))

    def backward(dout):
        return spread(dout, x, axis) * xp.where(is_zero, xp.zeros_like(scaled), scaled / length)

    return finish(unit * xp.where(is_zero, squares, length), x, axis, keepdims), backward


def _of_order(x, axis, keepdims, p):
    """Where p < 0, one zero among the elements makes the sum infinite and so out 0."""
    sizes = xp.abs(x)
    unit = _unit(xp.max if p > 0 else xp.min, sizes, axis)
    is_zero = sizes == 0
    scaled = xp.where(is_zero, xp.ones_like(x), sizes / unit)
    total = xp.sum(xp.where(is_zero, 0.0 if p > 0 else math.inf, scaled**p), axis=axis, keepdims=True)
    is_nothing = (total == 0) | (total == math.inf)
    length = xp.where(is_nothing, xp.ones_like(total), total) ** (1 / p)

    def backward(dout):
        share = xp.where(is_zero | is_nothing, xp.zeros_like(x), (scaled / length) ** (p - 1))
        return spread(dout, x, axis) * xp.sign(x) * share

    return finish(unit * xp.where(is_nothing, xp.zeros_like(total), length), x, axis, keepdims), backward


@rule
def cdist(x, y, p=2):
    """Distances of all rows of x to all rows of y, outᵢⱼ = ‖xᵢ - yⱼ‖, of order p as in ``norm``.

    dxᵢ = Σ (xᵢ - yⱼ) / outᵢⱼ·doutᵢⱼ, dyⱼ = -Σ (xᵢ - yⱼ) / outᵢⱼ·doutᵢⱼ, 0 where outᵢⱼ = 0

    x (..., N, D), y (..., M, D) -> (..., N, M); leading axes broadcast. The differences, (..., N, M, D), are
    stored: they keep the digits that ‖x‖² - 2xᵀy + ‖y‖² would lose.

    Examples:
        >>> out, backward = hg.cdist.vjp(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]))
        >>> print(out, *backward(np.ones((1, 1))))
        [[5.]] [[-0.6 -0.8]] [[0.6 0.8]]
    """
    rows = xp.reshape(x, (*shape(x)[:-1], 1, shape(x)[-1]))
    difference = rows - xp.reshape(y, (*shape(y)[:-2], 1, *shape(y)[-2:]))
    out, back = norm.vjp(difference, axis=-1, ord=p)

    def backward(dout):
        (d,) = back(dout)
        return sum_to(xp.sum(d, axis=-2), shape(x)), sum_to(-xp.sum(d, axis=-3), shape(y))

    return out, backward
