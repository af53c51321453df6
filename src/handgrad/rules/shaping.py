"""Shapes changed, arrays joined and taken apart: no number is computed, only moved."""

import functools
import operator

import numpy as np

from handgrad.arrays import shape as shape_of, sum_to, xp
from handgrad.rules.reduction import axes_of
from handgrad.rules.rule import rule


@rule
def reshape(x, /, shape):
    """The same elements in another shape; one -1 stands for what is left over.

    out = x in another shape.   dx = dout in the shape of x

    Examples:
        >>> out, backward = hg.reshape.vjp(np.arange(4.0), shape=(2, 2))
        >>> print(out.tolist(), backward(np.ones((2, 2)))[0])
        [[0.0, 1.0], [2.0, 3.0]] [1. 1. 1. 1.]
    """
    target = (shape,) if isinstance(shape, int) else tuple(shape)

    def backward(dout):
        return xp.reshape(dout, shape_of(x))

    return xp.reshape(x, target), backward


@rule
def transpose(x, axes=None):
    """out = x with axes in another order; None reverses them.   dx = dout with the order undone

    Examples:
        >>> out, backward = hg.transpose.vjp(np.ones((2, 3, 4)), axes=(2, 0, 1))
        >>> out.shape, backward(out)[0].shape
        ((4, 2, 3), (2, 3, 4))
    """
    order = axes_of(axes, len(shape_of(x))) if axes is not None else tuple(reversed(range(len(shape_of(x)))))

    def backward(dout):
        return xp.permute_dims(dout, tuple(order.index(i) for i in range(len(order))))

    return xp.permute_dims(x, order), backward


@rule
def expand_dims(x, /, axis):
    """New axes of size one at ``axis``, an integer or a tuple of places in the result.

    out = x with new axes.   dx = dout in the shape of x

    Examples:
        >>> out, backward = hg.expand_dims.vjp(np.ones(3), axis=0)
        >>> out.shape, backward(out)[0].shape
        ((1, 3), (3,))
    """
    axes = axis if isinstance(axis, tuple) else (axis,)
    ndim = len(shape_of(x)) + len(axes)
    new = axes_of(axes, ndim)
    old = iter(shape_of(x))
    target = tuple(1 if i in new else next(old) for i in range(ndim))

    def backward(dout):
        return xp.reshape(dout, shape_of(x))

    return xp.reshape(x, target), backward


@rule
def squeeze(x, axis=None):
    """Axes of size one removed: those at ``axis``, or all.

    out = x without axes of size 1.   dx = dout in the shape of x

    Raises:
        ValueError: an axis at ``axis`` is not of size one.

    Examples:
        >>> out, backward = hg.squeeze.vjp(np.ones((3, 1)), axis=1)
        >>> out.shape, backward(out)[0].shape
        ((3,), (3, 1))
    """
    ndim = len(shape_of(x))
    gone = axes_of(axis, ndim) if axis is not None else tuple(i for i in range(ndim) if shape_of(x)[i] == 1)
    for i in gone:
        if shape_of(x)[i] != 1:
            raise ValueError(f"axis {i} has size {shape_of(x)[i]}; only an axis of size 1 can be removed")

    def backward(dout):
        return xp.reshape(dout, shape_of(x))

    return xp.reshape(x, tuple(n for i, n in enumerate(shape_of(x)) if i not in gone)), backward


@rule
def broadcast_to(x, /, shape):
    """out = x repeated, to a larger shape.   dx = Σ dout over what was repeated

    Examples:
        >>> out, backward = hg.broadcast_to.vjp(np.array([1.0, 2.0]), shape=(3, 2))
        >>> print(out.tolist(), backward(np.ones((3, 2)))[0])  # what was repeated is summed
        [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]] [3. 3.]
    """

    def backward(dout):
        return sum_to(dout, shape_of(x))

    return xp.broadcast_to(x, shape), backward


@rule
def concatenate(arrays, axis=0):
    """Arrays joined along an axis that they have, out = [x₁ x₂ ...].   dxᵢ = dout where xᵢ is

    Where ``axis`` is None, the arrays are made flat first.

    Examples:
        >>> out, backward = hg.concatenate.vjp([np.array([1.0]), np.array([2.0, 3.0])])
        >>> print(out, *backward(np.array([10.0, 20.0, 30.0]))[0])
        [1. 2. 3.] [10.] [20. 30.]
    """
    joined = [xp.reshape(x, (-1,)) for x in arrays] if axis is None else list(arrays)
    (where,) = axes_of(axis or 0, len(shape_of(joined[0]))) if joined else (0,)

    def backward(dout):
        grads, start = [], 0
        for x, given in zip(joined, arrays, strict=True):
            stop = start + shape_of(x)[where]
            part = dout[(slice(None),) * where + (slice(start, stop), ...)]
            grads.append(xp.reshape(part, shape_of(given)) if axis is None else part)
            start = stop
        return (grads,)

    return xp.concat(joined, axis=where), backward


@rule
def stack(arrays, axis=0):
    """Arrays of one shape, side by side along a new axis, out = [x₁, x₂, ...].   dxᵢ = doutᵢ

    Examples:
        >>> out, backward = hg.stack.vjp([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
        >>> print(out.tolist(), *backward(np.array([[10.0, 20.0], [30.0, 40.0]]))[0])
        [[1.0, 2.0], [3.0, 4.0]] [10. 20.] [30. 40.]
    """
    arrays = list(arrays)

    def backward(dout):
        where = axes_of(axis, len(shape_of(dout)))[0]
        return ([dout[(slice(None),) * where + (i, ...)] for i in range(len(arrays))],)

    return xp.stack(arrays, axis=axis), backward


@rule
def split(x, /, sections, axis=0):
    """x cut along an axis: into that many equal parts, or before each of a list of places.

    outᵢ = part i of x.   dx = [dout₁ dout₂ ...]

    Raises:
        ValueError: the axis does not divide by the number of parts.

    Examples:
        >>> a, b = hg.split(np.array([1.0, 2.0, 3.0, 4.0]), 2)
        >>> print(a, b)
        [1. 2.] [3. 4.]
    """
    (where,) = axes_of(axis, len(shape_of(x)))
    n = shape_of(x)[where]
    if isinstance(sections, int):
        if sections < 1 or n % sections:
            raise ValueError(f"an axis of size {n} does not divide into {sections} equal parts")
        places = [n // sections * i for i in range(1, sections)]
    else:
        places = [slice(None, int(p)).indices(n)[1] for p in sections]
    parts = [
        (slice(None),) * where + (slice(a, b), ...) for a, b in zip([0, *places], [*places, n], strict=True)
    ]

    def backward(dout):
        if places == sorted(places):
            return xp.concat(list(dout), axis=where)
        spread = [xp.scatter_add(d, part, shape_of(x)) for d, part in zip(dout, parts, strict=True)]
        return functools.reduce(operator.add, spread)  # falling places: parts overlap

    return tuple(x[part] for part in parts), backward


@rule
def flip(x, axis=None):
    """out = x in reverse order, along axes (None: all).   dx = dout in reverse order

    Examples:
        >>> out, backward = hg.flip.vjp(np.array([1.0, 2.0, 3.0]))
        >>> print(out, backward(np.array([10.0, 20.0, 30.0]))[0])
        [3. 2. 1.] [30. 20. 10.]
    """

    def backward(dout):
        return xp.flip(dout, axis=axis)

    return xp.flip(x, axis=axis), backward


@rule
def pad(x, /, width, mode="constant", value=0):
    """x with a border. ``width``: one number, one (before, after), or one pair for each axis.

    out = x inside the border, else value.   dx = dout inside the border

    ``mode`` is "constant" (``value``), or any of ``numpy.pad``'s that repeats elements of x:
    "edge", "reflect", "symmetric", "wrap"; their gradients add up on the elements repeated.

    Raises:
        ValueError: another mode, or a width that is negative or does not fit the axes.

    Examples:
        >>> out, backward = hg.pad.vjp(np.array([1.0, 2.0]), width=((1, 2),))
        >>> print(out, backward(np.arange(5.0))[0])
        [0. 1. 2. 0. 0.] [1. 2.]
    """
    ndim = len(shape_of(x))
    pairs = np.broadcast_to(np.asarray(width), (ndim, 2)).tolist()
    if any(w < 0 for pair in pairs for w in pair):
        raise ValueError(f"widths are 0 or more, not {width}")
    if mode in ("edge", "reflect", "symmetric", "wrap"):
        return _pad_by_repeating(x, pairs, mode)
    if mode != "constant":
        raise ValueError(f"mode is constant, edge, reflect, symmetric or wrap, not {mode!r}")
    target = tuple(n + sum(pair) for n, pair in zip(shape_of(x), pairs, strict=True))
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(shape_of(x), pairs, strict=True))

    def backward(dout):
        return dout[inner]

    out = xp.scatter_add(x, inner, target)
    if value != 0:
        inside = xp.scatter_add(xp.ones_like(x), inner, target)
        out = xp.where(inside == 1, out, value)
    return out, backward


def _pad_by_repeating(x, pairs, mode):
    """Each axis is a list of the places in x that it shows, so padding is taking."""
    out = x
    for axis, (n, pair) in enumerate(zip(shape_of(x), pairs, strict=True)):
        out = xp.take(out, np.pad(np.arange(n), pair, mode=mode), axis=axis)

    def backward(dout):
        for axis, (n, pair) in enumerate(zip(shape_of(x), pairs, strict=True)):
            places = np.pad(np.arange(n), pair, mode=mode)
            target = (*shape_of(dout)[:axis], n, *shape_of(dout)[axis + 1 :])
            dout = xp.scatter_add(dout, (slice(None),) * axis + (places,), target)
        return dout

    return out, backward


@rule
def windows(x, /, size, stride=1, dilation=1, axes=None):
    """Windows that slide over the last axes of x, or over ``axes``, as axes of their own, which come last.

    out = x at i·stride + j·dilation.   dx = Σ dout where it was in x

    x (N, C, H, W), size (KH, KW) -> (N, C, OH, OW, KH, KW), OH = (H - dilation·(KH - 1) - 1) // stride + 1
    A number counts for all axes. Padding is ``pad``'s; a convolution is an ``einsum`` of windows with W,
    pooling a reduction over them.

    Raises:
        ValueError: a window does not fit into its axis.

    Examples:
        >>> out, backward = hg.windows.vjp(np.array([1.0, 2.0, 3.0]), size=2)
        >>> print(out.tolist(), backward(np.ones((2, 2)))[0])  # the middle is in both
        [[1.0, 2.0], [2.0, 3.0]] [1. 2. 1.]
    """

    def backward(dout):
        return xp.unwindows(dout, shape_of(x), stride, dilation, axes)

    return xp.windows(x, size, stride, dilation, axes), backward


@rule
def unwindows(x, /, shape, stride=1, dilation=1, axes=None):
    """The transpose of ``windows``: windows of an array of that shape, added up where they overlap.

    out = Σ x where it was in the array.   dx = dout at i·stride + j·dilation

    Raises:
        ValueError: x is not of the shape that windows of such an array have.

    Examples:
        >>> w = hg.windows(np.array([1.0, 2.0, 3.0]), size=2)
        >>> print(hg.unwindows(w, shape=(3,)))  # what windows share is summed
        [1. 4. 3.]
    """
    size = shape_of(x)[len(shape) :]

    def backward(dout):
        return xp.windows(dout, size, stride, dilation, axes)

    return xp.unwindows(x, shape, stride, dilation, axes), backward


permute_dims = permute = transpose
concat = concatenate
