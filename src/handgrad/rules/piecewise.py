"""Activations with corners: what flows back is chosen by where x lies."""

from handgrad.arrays import xp
from handgrad.rules.rule import elementwise


@elementwise
def relu(x):
    """Rectified linear unit, out = max(x, 0).   dx = dout where x > 0, else 0

    Examples:
        >>> out, backward = hg.relu.vjp(np.array([-1.0, 2.0]))
        >>> print(out, backward(np.array([5.0, 5.0]))[0])
        [0. 2.] [0. 5.]
    """

    def backward(dout):
        return xp.where(x > 0, dout, xp.zeros_like(dout))

    return xp.maximum(x, 0), backward


@elementwise
def leaky_relu(x, negative_slope=0.01):
    """out = x where x > 0, else negative_slope·x.   dx = dout where x > 0, else negative_slope·dout

    Examples:
        >>> out, backward = hg.leaky_relu.vjp(np.array([-1.0, 2.0]), negative_slope=0.5)
        >>> print(out, backward(np.ones(2))[0])
        [-0.5  2. ] [0.5 1. ]
    """

    def backward(dout):
        return xp.where(x > 0, dout, negative_slope * dout)

    return xp.where(x > 0, x, negative_slope * x), backward


@elementwise
def prelu(x, a):
    """Leaky rectifier whose slope is learned, out = x where x > 0, else a·x.   He et al. 2015

    dx = dout where x > 0, else a·dout.   da = 0 where x > 0, else x·dout

    a broadcasts: (C,) is a slope for each column of x (N, C), (C, 1, 1) one for each channel of (N, C, H, W).

    Examples:
        >>> out, backward = hg.prelu.vjp(np.array([-4.0, 2.0]), 0.25)
        >>> dx, da = backward(np.ones(2))
        >>> print(out, dx, da)
        [-1.  2.] [0.25 1.  ] -4.0
    """

    def backward(dout):
        return xp.where(x > 0, dout, a * dout), xp.where(x > 0, 0, x) * dout

    return xp.where(x > 0, x, a * x), backward


@elementwise
def hardtanh(x, min_val=-1.0, max_val=1.0):
    """out = min(max(x, min_val), max_val).   dx = dout where min_val < x < max_val, else 0

    Raises:
        ValueError: ``min_val`` is above ``max_val``.

    Examples:
        >>> out, backward = hg.hardtanh.vjp(np.array([-3.0, 0.5, 3.0]))
        >>> print(out, backward(np.ones(3))[0])
        [-1.   0.5  1. ] [0. 1. 0.]
    """
    if not min_val <= max_val:
        raise ValueError(f"min_val is not above max_val, not {min_val} and {max_val}")

    def backward(dout):
        return xp.where((x > min_val) & (x < max_val), dout, xp.zeros_like(dout))

    return xp.clip(x, min_val, max_val), backward


@elementwise
def relu6(x):
    """Rectifier with a ceiling, out = min(max(x, 0), 6).   dx = dout where 0 < x < 6, else 0

    Examples:
        >>> out, backward = hg.relu6.vjp(np.array([-1.0, 2.0, 7.0]))
        >>> print(out, backward(np.ones(3))[0])
        [0. 2. 6.] [0. 1. 0.]
    """

    def backward(dout):
        return xp.where((x > 0) & (x < 6), dout, xp.zeros_like(dout))

    return xp.minimum(xp.maximum(x, 0), 6), backward


@elementwise
def hardsigmoid(x):
    """out = min(max(x/6 + 1/2, 0), 1).   dx = dout / 6 where -3 < x < 3, else 0

    Examples:
        >>> out, backward = hg.hardsigmoid.vjp(np.array([-4.0, 0.0, 4.0]))
        >>> print(out, backward(np.full(3, 6.0))[0])
        [0.  0.5 1. ] [0. 1. 0.]
    """

    def backward(dout):
        return xp.where((x > -3) & (x < 3), dout / 6, xp.zeros_like(dout))

    return xp.clip(x / 6 + 0.5, 0, 1), backward


@elementwise
def hardswish(x):
    """out = x·min(max(x/6 + 1/2, 0), 1).   dx = s·dout, where s is x/3 + 1/2 for -3 < x < 3, 1 above, 0 below

    Howard et al. 2019

    Examples:
        >>> out, backward = hg.hardswish.vjp(np.array([0.0, 1.5, 4.0]))
        >>> print(out, backward(np.ones(3))[0])
        [0.    1.125 4.   ] [0.5 1.  1. ]
    """

    def backward(dout):
        inside = xp.clip(x, -3, 3)  # so that dout, if it is small, meets no large number
        slope = xp.where(x >= 3, 1, xp.where(x <= -3, 0, inside / 3 + 0.5))
        return slope * dout

    return x * xp.clip(x / 6 + 0.5, 0, 1), backward


@elementwise
def softshrink(x, lambd=0.5):
    """out = sign(x)·max(|x| - lambd, 0).   dx = dout where |x| > lambd, else 0

    Examples:
        >>> out, backward = hg.softshrink.vjp(np.array([-2.0, 0.25, 2.0]))
        >>> print(out, backward(np.ones(3))[0])
        [-1.5  0.   1.5] [1. 0. 1.]
    """

    def backward(dout):
        return xp.where(xp.abs(x) > lambd, dout, xp.zeros_like(dout))

    return x - xp.clip(x, -lambd, lambd), backward


@elementwise
def hardshrink(x, lambd=0.5):
    """out = x where |x| > lambd, else 0.   dx = dout where |x| > lambd, else 0

    Examples:
        >>> out, backward = hg.hardshrink.vjp(np.array([-2.0, 0.25, 2.0]))
        >>> print(out, backward(np.ones(3))[0])
        [-2.  0.  2.] [1. 0. 1.]
    """
    kept = xp.abs(x) > lambd

    def backward(dout):
        return xp.where(kept, dout, xp.zeros_like(dout))

    return xp.where(kept, x, 0 * x), backward


@elementwise
def threshold(x, threshold=0.0, value=0.0):
    """out = x where x > threshold, else value.   dx = dout where x > threshold, else 0

    Examples:
        >>> out, backward = hg.threshold.vjp(np.array([-2.0, 3.0]), threshold=1.0, value=9.0)
        >>> print(out, backward(np.ones(2))[0])
        [9. 3.] [0. 1.]
    """

    def backward(dout):
        return xp.where(x > threshold, dout, xp.zeros_like(dout))

    return xp.where(x > threshold, x, value), backward
