"""Sums, means, extremes and moments over axes: ``axis`` is None (all), an integer or a tuple."""

import math

from handgrad.arrays import is_half, shape, size, xp
from handgrad.rules.rule import rule


def axes_of(axis, ndim):
    """The axes meant by ``axis``, as non-negative integers."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"axis {a} is out of range for {ndim} dimensions")
    return tuple(a % ndim for a in axes)


def kept_shape(x, axis):
    """The shape of x with the reduced axes of size one."""
    axes = axes_of(axis, len(shape(x)))
    return tuple(1 if i in axes else n for i, n in enumerate(shape(x)))


def spread(dout, x, axis):
    """What a reduction took away, given back: ``dout`` repeated to the shape of x."""
    return xp.broadcast_to(xp.reshape(dout, kept_shape(x, axis)), shape(x))


def count(x, axis):
    """How many elements go into one result; nan for none, so that 0/0 is a nan and no exception."""
    reduced = 1
    for a in axes_of(axis, len(shape(x))):
        reduced *= shape(x)[a]
    return reduced or float("nan")


def finish(out, x, axis, keepdims):
    """A result that has kept its axes, without them unless they are wanted."""
    if keepdims:
        return out
    axes = axes_of(axis, len(shape(x)))
    return xp.reshape(out, tuple(n for i, n in enumerate(shape(x)) if i not in axes))


@rule
def sum(x, axis=None, keepdims=False):
    """Sum over axes, out = Σ x.   dx = dout, repeated

    Examples:
        >>> out, backward = hg.sum.vjp(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
        >>> print(out, backward(np.array([10.0, 20.0]))[0].tolist())
        [4. 6.] [[10.0, 20.0], [10.0, 20.0]]
    """

    def backward(dout):
        return spread(dout, x, axis)

    return xp.sum(x, axis=axis, keepdims=keepdims), backward


@rule
def mean(x, axis=None, keepdims=False):
    """Mean over axes, out = Σ x / n.   dx = dout / n, repeated

    Examples:
        >>> out, backward = hg.mean.vjp(np.array([1.0, 2.0, 3.0, 6.0]))
        >>> print(out, backward(1.0)[0])
        3.0 [0.25 0.25 0.25 0.25]
    """
    n = count(x, axis)
    half = is_half(x)  # in which the sum, and n itself, could overflow

    def backward(dout):
        return spread(dout * (1 / n) if half else dout / n, x, axis)

    if half:
        return xp.mean(x, axis=axis, keepdims=keepdims), backward
    return xp.sum(x, axis=axis, keepdims=keepdims) / n, backward


@rule
def cumsum(x, axis=None):
    """Running sums along an axis, of x made flat where ``axis`` is None.   dxⱼ = Σᵢ≥ⱼ doutᵢ

    outᵢ = Σⱼ≤ᵢ xⱼ

    Examples:
        >>> out, backward = hg.cumsum.vjp(np.array([1.0, 2.0, 3.0]))
        >>> print(out, backward(np.ones(3))[0])
        [1. 3. 6.] [3. 2. 1.]
    """
    flat = xp.reshape(x, (-1,)) if axis is None else x
    (along,) = axes_of(0 if axis is None else axis, len(shape(flat)))

    def backward(dout):
        from_the_end = xp.cumulative_sum(xp.flip(dout, axis=along), axis=along)
        return xp.reshape(xp.flip(from_the_end, axis=along), shape(x))

    return xp.cumulative_sum(flat, axis=along), backward


def extreme(pick, x, axis, keepdims):
    peak = pick(x, axis=axis, keepdims=True)
    hit = xp.astype(x == peak, peak.dtype)
    ties = xp.maximum(xp.sum(hit, axis=axis, keepdims=True), 1)  # nan is equal to nothing

    def backward(dout):
        return spread(dout, x, axis) * (hit / ties)

    return finish(peak, x, axis, keepdims), backward


@rule
def max(x, axis=None, keepdims=False):
    """Largest element over axes, out = max(x). Elements that tie share the gradient equally.

    dx = dout / n where x = out, else 0: n elements tie

    Examples:
        >>> out, backward = hg.max.vjp(np.array([1.0, 5.0, 2.0]))
        >>> print(out, backward(1.0)[0])
        5.0 [0. 1. 0.]
    """
    return extreme(xp.max, x, axis, keepdims)


@rule
def min(x, axis=None, keepdims=False):
    """Smallest element over axes, out = min(x). Elements that tie share the gradient equally.

    dx = dout / n where x = out, else 0: n elements tie

    Examples:
        >>> out, backward = hg.min.vjp(np.array([1.0, 5.0, 2.0]))
        >>> print(out, backward(1.0)[0])
        1.0 [1. 0. 0.]
    """
    return extreme(xp.min, x, axis, keepdims)


@rule
def prod(x, axis=None, keepdims=False):
    """Product over axes, out = Π x.   dxᵢ = Πⱼ≠ᵢ xⱼ·dout, without division: zeros are no special case

    As in NumPy's own product, the product of some may overflow or be rounded to 0 where that of all is not.

    Examples:
        >>> out, backward = hg.prod.vjp(np.array([2.0, 3.0, 5.0]))
        >>> print(out, backward(1.0)[0])
        30.0 [15. 10.  6.]
    """
    axes = axes_of(axis, len(shape(x)))
    others = tuple(i for i in range(len(shape(x))) if i not in axes)
    order = others + axes

    def backward(dout):
        flat = xp.reshape(xp.permute_dims(x, order), (size(dout), -1 if size(x) else 0))
        dflat = products_of_others(flat, xp.reshape(dout, (size(dout), 1)))
        moved = xp.reshape(dflat, tuple(shape(x)[i] for i in order))
        return xp.permute_dims(moved, tuple(order.index(i) for i in range(len(order))))

    return xp.prod(x, axis=axis, keepdims=keepdims), backward


def products_of_others(x, dout):
    """For x (N, n) and dout (N, 1): dout times the product of each row's other elements.

    A binary tree of products on the way up; on the way down each half is handed the product of
    all that lies outside it. O(n), and itself differentiable any number of times.
    """
    n = shape(x)[1]
    if n <= 1:
        return xp.broadcast_to(dout, shape(x))
    half = n // 2
    left, right, odd = x[:, :half], x[:, half : 2 * half], x[:, 2 * half :]
    pairs = xp.concat([left * right, odd], axis=1)
    outside = products_of_others(pairs, dout)
    of_pairs, of_odd = outside[:, :half], outside[:, half:]
    return xp.concat([of_pairs * right, of_pairs * left, of_odd], axis=1)


def _without_mean(x, axis):
    return x - xp.sum(x, axis=axis, keepdims=True) / count(x, axis)


def _moment(x, axis, correction):
    """Deviations from the mean, their mean square, and the divisor."""
    n = count(x, axis)
    deviation = _without_mean(x, axis)
    divisor = n - correction
    divisor = divisor if divisor > 0 else float("nan")
    return deviation, xp.sum(deviation * deviation, axis=axis, keepdims=True) / divisor, divisor


@rule
def var(x, axis=None, correction=0, keepdims=False):
    """Variance, out = Σ(x - x̄)² / (n - correction).   dx = 2 (x - x̄)·dout / (n - correction)

    Examples:
        >>> out, backward = hg.var.vjp(np.array([1.0, 3.0]))
        >>> print(out, backward(1.0)[0])
        1.0 [-1.  1.]
    """
    deviation, out, divisor = _moment(x, axis, correction)

    def backward(dout):
        return 2 / divisor * _without_mean(deviation, axis) * spread(dout, x, axis)

    return finish(out, x, axis, keepdims), backward


@rule
def std(x, axis=None, correction=0, keepdims=False):
    """Standard deviation σ, out = √(Σ(x - x̄)² / (n - correction)).   dx = (x - x̄)·dout / σ(n - correction)

    Where all elements are equal σ has a kink, and dx is 0.

    Examples:
        >>> out, backward = hg.std.vjp(np.array([1.0, 3.0]))
        >>> print(out, backward(1.0)[0])
        1.0 [-0.5  0.5]
    """
    deviation, variance, divisor = _moment(x, axis, correction)
    flat = variance == 0
    root = xp.sqrt(xp.where(flat, xp.ones_like(variance), variance))

    def backward(dout):
        slope = xp.where(flat, variance, 1 / root)
        return _without_mean(deviation * slope, axis) * spread(dout, x, axis) / divisor

    return finish(xp.where(flat, variance, root), x, axis, keepdims), backward


@rule
def logsumexp(x, axis=None, keepdims=False):
    """out = log Σ eˣ, as m + log Σ eˣ⁻ᵐ with m the largest.   dx = softmax(x)·dout

    Of nothing but -∞, or of no elements, out is -∞ and dx is 0.

    Examples:
        >>> out, backward = hg.logsumexp.vjp(np.array([1000.0, 1000.0]))
        >>> print(out.round(4), backward(1.0)[0])  # 1000 + log 2, where e¹⁰⁰⁰ overflows
        1000.6931 [0.5 0.5]
    """
    peak, _, e, total = exponentials(x, axis)

    def backward(dout):
        return spread(dout, x, axis) * (e / total)

    return finish(xp.log(total) + peak, x, axis, keepdims), backward


def exponentials(x, axis):
    """The largest element m; x - m; eˣ⁻ᵐ; and the sum of that.

    An infinite m is not subtracted. Where there is nothing to add, since all are -∞ or there are none, m is
    -∞ and the sum is given as 1, so that each one's share of it is 0.
    """
    peak = xp.max(x, axis=axis, keepdims=True) if size(x) else xp.sum(x, axis=axis, keepdims=True) - math.inf
    peak = xp.stop_gradient(peak)
    shifted = x - xp.where(xp.isfinite(peak), peak, xp.zeros_like(peak))
    e = xp.exp(shifted)
    total = xp.sum(e, axis=axis, keepdims=True)
    return peak, shifted, e, xp.where(peak == -math.inf, xp.ones_like(total), total)


cumulative_sum = cumsum
