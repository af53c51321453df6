"""Along one axis: running products and sums of exponentials, differences, straight lines between points."""

import math

from handgrad.arrays import shape, size, xp
from handgrad.rules.reduction import axes_of
from handgrad.rules.rule import rule


def _along_last(x, axis):
    """x with an axis moved to the end, made flat first where that is None; and how to move it back."""
    flat = xp.reshape(x, (-1,)) if axis is None else x
    (along,) = axes_of(0 if axis is None else axis, len(shape(flat)))
    order = (*(i for i in range(len(shape(flat))) if i != along), along)
    back = tuple(order.index(i) for i in range(len(order)))
    return xp.permute_dims(flat, order), order, back


def _recurrence(a, b):
    """rₜ = bₜ + aₜ rₜ₊₁ along the last axis, from its end.

    Two steps are one, rₜ = (bₜ + aₜ bₜ₊₁) + aₜ aₜ₊₁ rₜ₊₂, so half as many are left, and each of those that
    were skipped follows from its neighbour: O(n), in log n rounds, differentiable any number of times.
    """
    n = shape(b)[-1]
    if n <= 1:
        return b
    if n % 2:
        nothing = xp.zeros_like(b[..., :1])
        a, b = xp.concat([a, nothing], axis=-1), xp.concat([b, nothing], axis=-1)
    a0, a1, b0, b1 = a[..., ::2], a[..., 1::2], b[..., ::2], b[..., 1::2]
    even = _recurrence(a0 * a1, b0 + a0 * b1)
    after = xp.concat([even[..., 1:], xp.zeros_like(even[..., :1])], axis=-1)
    both = xp.stack([even, b1 + a1 * after], axis=-1)
    return xp.reshape(both, (*shape(both)[:-2], 2 * shape(even)[-1]))[..., :n]


def _shifted(x, end):
    """What follows each element along the last axis; after the last, ``end``."""
    return xp.concat([x[..., 1:], xp.zeros_like(x[..., :1]) + end], axis=-1)


@rule
def cumprod(x, axis=None):
    """Running products along an axis, of x made flat where ``axis`` is None.

    outᵢ = Πⱼ≤ᵢ xⱼ.   dxⱼ = Σᵢ≥ⱼ doutᵢ·Πₖ≤ᵢ,ₖ≠ⱼ xₖ, without division: zeros are no special case

    The product of the others is one of those before j, outⱼ₋₁, and one of those from j + 1 to i. So
    dxⱼ = outⱼ₋₁·rⱼ with rⱼ = doutⱼ + xⱼ₊₁·rⱼ₊₁, from the last to the first.

    Examples:
        >>> out, backward = hg.cumprod.vjp(np.array([2.0, 3.0, 5.0]))
        >>> print(out, backward(np.array([0.0, 0.0, 1.0]))[0])
        [ 2.  6. 30.] [15. 10.  6.]
    """
    moved, order, back = _along_last(x, axis)
    out = xp.cumulative_prod(moved, axis=-1)

    def backward(dout):
        if not size(x):
            return xp.reshape(dout, shape(x))
        dout = xp.permute_dims(dout, order)
        before = xp.concat([xp.ones_like(out[..., :1]), out[..., :-1]], axis=-1)
        dx = before * _recurrence(_shifted(moved, 0), dout)
        return xp.reshape(xp.permute_dims(dx, back), shape(x))

    return xp.permute_dims(out, back), backward


@rule
def logcumsumexp(x, axis=None):
    """Logarithms of running sums of exponentials along an axis, of x made flat where ``axis`` is None.

    outᵢ = log Σⱼ≤ᵢ exp(xⱼ).   dxⱼ = Σᵢ≥ⱼ doutᵢ·exp(xⱼ - outᵢ)

    That is exp(xⱼ - outⱼ)·rⱼ with rⱼ = doutⱼ + exp(outⱼ - outⱼ₊₁)·rⱼ₊₁, in which no power exceeds 1.
    Of nothing but -∞, out is -∞ and dx is 0.

    Examples:
        >>> print(np.exp(hg.logcumsumexp(np.log(np.array([1.0, 2.0, 4.0])))).round(6))
        [1. 3. 7.]
    """
    moved, order, back = _along_last(x, axis)
    out, step = moved, 1
    while step < shape(moved)[-1]:  # sums of 2, 4, 8, ... elements
        out = xp.concat([out[..., :step], xp.logaddexp(out[..., step:], out[..., :-step])], axis=-1)
        step *= 2

    def backward(dout):
        if not size(x):
            return xp.reshape(dout, shape(x))
        dout = xp.permute_dims(dout, order)
        is_empty = out == -math.inf
        total = xp.where(is_empty, xp.zeros_like(out), out)
        fade = xp.exp(xp.where(is_empty, -math.inf, total - _shifted(total, math.inf)))
        dx = xp.exp(moved - total) * _recurrence(fade, dout)
        return xp.reshape(xp.permute_dims(dx, back), shape(x))

    return xp.permute_dims(out, back), backward


@rule
def diff(x, n=1, axis=-1):
    """Differences of neighbours along an axis, ``n`` times over.

    outᵢ = xᵢ₊₁ - xᵢ.   dxᵢ = doutᵢ₋₁ - doutᵢ, where those beyond the ends are 0

    Raises:
        ValueError: n is negative.

    Examples:
        >>> out, backward = hg.diff.vjp(np.array([1.0, 4.0, 9.0]))
        >>> print(out, backward(np.array([1.0, 10.0]))[0])
        [3. 5.] [-1. -9. 10.]
    """
    (along,) = axes_of(axis, len(shape(x)))
    if n < 0:
        raise ValueError(f"differences are taken 0 or more times, not {n}")
    times = min(n, shape(x)[along])

    def backward(dout):
        for _ in range(times):
            around = tuple((int(a == along),) * 2 for a in range(len(shape(dout))))
            dout = -_differences(xp.pad(dout, around), along)
        return dout

    out = x
    for _ in range(times):
        out = _differences(out, along)
    return out, backward


def _differences(x, axis):
    along = (slice(None),) * axis
    return x[(*along, slice(1, None), ...)] - x[(*along, slice(None, -1), ...)]


@rule
def interp(x, xs, ys, left=None, right=None):
    """Straight lines between points (xsₖ, ysₖ), of which ``xs`` grows: the value at each x.

    out = y₀ + w (y₁ - y₀) with w = (x - x₀) / (x₁ - x₀), of the neighbours x₀ ≤ x < x₁.
    dx = (y₁ - y₀) / (x₁ - x₀)·dout, dx₀ = -(1 - w) dx, dx₁ = -w dx, dy₀ = (1 - w)·dout, dy₁ = w·dout

    Before the first point out is the first y, or ``left``; after the last one the last y, or ``right``.
    x (...), xs (K,), ys (K,) -> (...)

    Raises:
        ValueError: xs and ys are not two vectors of one length.

    Examples:
        >>> x, xs, ys = np.array([0.25]), np.array([0.0, 1.0]), np.array([10.0, 20.0])
        >>> out, backward = hg.interp.vjp(x, xs, ys)
        >>> dx, _, dy = backward(np.ones(1))
        >>> print(out, dx, dy)
        [12.5] [10.] [0.75 0.25]
    """
    if len(shape(xs)) != 1 or shape(xs) != shape(ys) or shape(xs) == (0,):
        raise ValueError(f"the points are two vectors of one length, not {shape(xs)} and {shape(ys)}")
    last = shape(xs)[0] - 1
    above = xp.clip(xp.searchsorted(xs, x, side="right"), min(1, last), last)
    below = xp.clip(above - 1, 0, last)
    x0, x1, y0, y1 = (xp.getitem(v, k) for v in (xs, ys) for k in (below, above))
    is_before, is_after = x < xs[0], x > xs[last]
    is_beyond = is_before | is_after
    width = xp.where(x1 == x0, xp.ones_like(x1), x1 - x0)
    rise = xp.where(is_beyond, xp.zeros_like(y0), y1 - y0)
    slope = rise / width
    w = xp.where(is_before, xp.zeros_like(x), xp.where(is_after, xp.ones_like(x), (x - x0) / width))

    def backward(dout):
        dx = slope * dout
        to_points = dout if left is None else xp.where(is_before, xp.zeros_like(dout), dout)
        to_points = to_points if right is None else xp.where(is_after, xp.zeros_like(dout), to_points)

        def gathered(lower, upper):
            return xp.scatter_add(lower, below, shape(xs)) + xp.scatter_add(upper, above, shape(xs))

        dxs = gathered(-(1 - w) * dx, -w * dx)
        return dx, dxs, gathered((1 - w) * to_points, w * to_points)

    out = y0 + w * (y1 - y0)
    out = out if left is None else xp.where(is_before, left, out)
    return out if right is None else xp.where(is_after, right, out), backward


cumulative_prod = cumprod
