"""Rules whose backward is not the derivative of their forward, on purpose."""

from handgrad.arrays import cast, shape, xp
from handgrad.rules.rule import rule


@rule
def straight_through(x, y):
    """The value of y with the gradient of x, for a y made of x by steps: out = y.   dx = dout, dy = 0

    ``straight_through(x, np.round(x))`` learns through rounding.   Bengio, Léonard & Courville 2013

    Raises:
        ValueError: x and y differ in shape.

    Examples:
        >>> out, backward = hg.straight_through.vjp(np.array([0.4]), np.round(np.array([0.4])))
        >>> print(out, *backward(np.array([5.0])))  # the value of one, the gradient of the other
        [0.] [5.] [0.]
    """
    if shape(x) != shape(y):
        raise ValueError(f"y of shape {shape(y)} stands in for x of shape {shape(x)}: they must be alike")

    def backward(dout):
        return dout, xp.zeros_like(dout)

    return xp.stop_gradient(cast(y, like=x)), backward


@rule
def clip_gradient(x, limit=None, max_norm=None):
    """x, whose gradient is held within bounds: out = x.   dx = min(max(dout, -limit), limit)

    max_norm: out = x.   dx = dout·min(1, max_norm / |dout|)

    Raises:
        ValueError: not exactly one of ``limit`` and ``max_norm`` is given, or it is not above 0.

    Examples:
        >>> out, backward = hg.clip_gradient.vjp(np.array([7.0]), limit=1.0)
        >>> print(out, backward(np.array([5.0]))[0])
        [7.] [1.]
    """
    bounds = [bound for bound in (limit, max_norm) if bound is not None]
    if len(bounds) != 1 or not bounds[0] > 0:
        raise ValueError(f"give limit or max_norm, a number above 0, not {limit=} and {max_norm=}")

    def backward(dout):
        if limit is not None:
            return xp.clip(dout, -limit, limit)
        length = xp.sqrt(xp.sum(dout * dout))
        return dout * xp.minimum(max_norm / xp.maximum(length, 1e-30), 1.0)

    return x + 0, backward


@rule
def reverse_gradient(x, scale=1.0):
    """x, whose gradient is turned round: out = x.   dx = -scale·dout.   Ganin & Lempitsky 2015

    Examples:
        >>> out, backward = hg.reverse_gradient.vjp(np.array([7.0]), scale=0.5)
        >>> print(out, backward(np.array([4.0]))[0])
        [7.] [-2.]
    """

    def backward(dout):
        return -scale * dout

    return x + 0, backward
