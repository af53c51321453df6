"""Elements moved, repeated and left out: rolls, repetitions, diagonals and triangles."""

import math
import operator

import numpy as np

from handgrad.arrays import beside, shape, sum_to, xp
from handgrad.rules.reduction import axes_of, spread
from handgrad.rules.rule import rule


def numbers(given, count):
    """One integer for each of ``count`` axes."""
    found = (given,) if hasattr(given, "__index__") else tuple(given)
    if len(found) not in (1, count):
        raise ValueError(f"{given} has {len(found)} numbers for {count} axes")
    return tuple(int(n) for n in found) * (count // len(found))


@rule
def roll(x, /, shift, axis=None):
    """Elements moved on, those that leave the end of an axis back at its beginning.

    out[i + shift] = x[i].   dx[i] = dout[i + shift]

    ``shift`` and ``axis`` may be tuples, one shift for each axis; without ``axis`` x is rolled as if flat.

    Examples:
        >>> out, backward = hg.roll.vjp(np.array([1.0, 2.0, 3.0]), shift=1)
        >>> print(out, backward(np.array([10.0, 20.0, 30.0]))[0])
        [3. 1. 2.] [20. 30. 10.]
    """

    def rolled(x, sign):
        if axis is None:
            return xp.reshape(_rolled(xp.reshape(x, (-1,)), sign * sum(numbers(shift, 1)), 0), shape(x))
        axes = axes_of(axis, len(shape(x)))
        for n, along in zip(numbers(shift, len(axes)), axes, strict=True):
            x = _rolled(x, sign * n, along)
        return x

    def backward(dout):
        return rolled(dout, -1)

    return rolled(x, 1), backward


def _rolled(x, n, axis):
    """The last n of an axis first."""
    cut = (shape(x)[axis] - n) % max(shape(x)[axis], 1)
    along = (slice(None),) * axis
    return xp.concat([x[(*along, slice(cut, None), ...)], x[(*along, slice(None, cut), ...)]], axis=axis)


@rule
def repeat(x, /, repeats, axis=None):
    """Each element several times, one after the other; of x made flat where ``axis`` is None.

    out = x, each element repeated.   dx = Σ dout over the repetitions

    ``repeats`` is one number, or one for each place along the axis.

    Examples:
        >>> out, backward = hg.repeat.vjp(np.array([1.0, 2.0]), repeats=2)
        >>> print(out, backward(np.array([1.0, 10.0, 100.0, 1000.0]))[0])
        [1. 1. 2. 2.] [  11. 1100.]
    """
    flat = xp.reshape(x, (-1,)) if axis is None else x
    (along,) = axes_of(0 if axis is None else axis, len(shape(flat)))
    lead, n, rest = shape(flat)[:along], shape(flat)[along], shape(flat)[along + 1 :]
    counts = np.asarray(repeats, None if np.size(repeats) else int)
    if np.size(counts) != 1:
        places = np.repeat(np.arange(n), counts)

        def backward(dout):
            return xp.reshape(xp.scatter_add(dout, (slice(None),) * along + (places,), shape(flat)), shape(x))

        return xp.take(flat, places, axis=along), backward

    count = operator.index(counts.item())

    def backward_of_equals(dout):
        return xp.reshape(xp.sum(xp.reshape(dout, (*lead, n, count, *rest)), axis=along + 1), shape(x))

    spread_out = xp.broadcast_to(xp.reshape(flat, (*lead, n, 1, *rest)), (*lead, n, count, *rest))
    return xp.reshape(spread_out, (*lead, n * count, *rest)), backward_of_equals


@rule
def tile(x, /, reps):
    """x several times, side by side along each axis: ``reps`` are how often, counted from the last axis.

    out = x, repeated.   dx = Σ dout over the copies

    Examples:
        >>> out, backward = hg.tile.vjp(np.array([1.0, 2.0]), reps=2)
        >>> print(out, backward(np.array([1.0, 10.0, 100.0, 1000.0]))[0])
        [1. 2. 1. 2.] [ 101. 1010.]
    """
    given = (reps,) if hasattr(reps, "__index__") else tuple(reps)
    ndim = max(len(given), len(shape(x)))
    counts = (1,) * (ndim - len(given)) + given
    own = (1,) * (ndim - len(shape(x))) + shape(x)
    apart = tuple(n for count, size in zip(counts, own, strict=True) for n in (count, size))
    single = tuple(n for size in own for n in (1, size))

    def backward(dout):
        return xp.reshape(sum_to(xp.reshape(dout, apart), single), shape(x))

    copies = xp.broadcast_to(xp.reshape(x, single), apart)
    return xp.reshape(copies, tuple(map(math.prod, zip(counts, own, strict=True)))), backward


@rule
def diagonal(x, offset=0, axis1=0, axis2=1):
    """The diagonal of two axes, as the last axis of the result.

    outᵢ = xᵢᵢ.   dxᵢᵢ = doutᵢ, else 0

    ``offset`` counts columns to the right of the main diagonal, outᵢ = xᵢⱼ with j = i + offset.

    Examples:
        >>> out, backward = hg.diagonal.vjp(np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> print(out, backward(np.array([10.0, 20.0]))[0].tolist())
        [1. 4.] [[10.0, 0.0], [0.0, 20.0]]
    """
    index, order = _on_diagonal(shape(x), offset, axis1, axis2)

    def backward(dout):
        moved = xp.scatter_add(dout, index, tuple(shape(x)[a] for a in order))
        return xp.permute_dims(moved, tuple(order.index(a) for a in range(len(order))))

    return xp.getitem(xp.permute_dims(x, order), index), backward


def _on_diagonal(own, offset, axis1, axis2):
    """The places of a diagonal, in an array whose two axes were made the last ones; and that order."""
    first, second = axes_of((axis1, axis2), len(own))
    if first == second:
        raise ValueError(f"a diagonal runs along two axes, not along {first} twice")
    order = (*(a for a in range(len(own)) if a not in (first, second)), first, second)
    length = max(min(own[first] + min(offset, 0), own[second] - max(offset, 0)), 0)
    along = np.arange(length)
    return (..., along - min(offset, 0), along + max(offset, 0)), order


@rule
def trace(x, offset=0, axis1=0, axis2=1):
    """The sum of a diagonal, out = Σ xᵢᵢ.   dxᵢᵢ = dout, else 0

    Examples:
        >>> out, backward = hg.trace.vjp(np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> print(out, backward(1.0)[0].tolist())
        5.0 [[1.0, 0.0], [0.0, 1.0]]
    """
    on_diagonal, back = diagonal.vjp(x, offset=offset, axis1=axis1, axis2=axis2)

    def backward(dout):
        return back(spread(dout, on_diagonal, -1))

    return xp.sum(on_diagonal, axis=-1), backward


@rule
def diag(x, k=0):
    """The matrix with the vector x on its diagonal, or the diagonal of a matrix; k columns to the right.

    outᵢᵢ = xᵢ, else 0.   dxᵢ = doutᵢᵢ

    Raises:
        ValueError: x has neither one axis nor two.

    Examples:
        >>> out, backward = hg.diag.vjp(np.array([1.0, 2.0]))
        >>> print(out.tolist(), backward(np.ones((2, 2)))[0])
        [[1.0, 0.0], [0.0, 2.0]] [1. 1.]
    """
    if len(shape(x)) == 2:
        return diagonal.vjp(x, offset=k)
    if len(shape(x)) != 1:
        raise ValueError(f"diag takes a vector or a matrix, not an array of shape {shape(x)}: see diagonal")
    n = shape(x)[0] + abs(k)
    index, _ = _on_diagonal((n, n), k, 0, 1)

    def backward(dout):
        return xp.getitem(dout, index)

    return xp.scatter_add(x, index, (n, n)), backward


def _triangle(x, k, is_upper=False):
    """x where a triangle is, of its last two axes; 0 elsewhere, also of what is not finite."""
    if len(shape(x)) < 2:
        raise ValueError(f"a triangle is of the last two axes, and x has shape {shape(x)}")
    rows, columns = shape(x)[-2:]
    mask = beside(np.tri(rows, columns, k, dtype=bool) ^ is_upper, x)

    def backward(dout):
        return xp.where(mask, dout, xp.zeros_like(dout))

    return xp.where(mask, x, xp.zeros_like(x)), backward


@rule
def tril(x, k=0):
    """The lower triangle of matrices, up to k columns right of the diagonal.

    outᵢⱼ = xᵢⱼ where j ≤ i + k, else 0.   dxᵢⱼ = doutᵢⱼ where j ≤ i + k, else 0

    Examples:
        >>> print(hg.tril(np.ones((2, 2))).tolist())
        [[1.0, 0.0], [1.0, 1.0]]
    """
    return _triangle(x, k)


@rule
def triu(x, k=0):
    """The upper triangle of matrices, from k columns right of the diagonal.

    outᵢⱼ = xᵢⱼ where j ≥ i + k, else 0.   dxᵢⱼ = doutᵢⱼ where j ≥ i + k, else 0

    Examples:
        >>> print(hg.triu(np.ones((2, 2))).tolist())
        [[1.0, 1.0], [0.0, 1.0]]
    """
    return _triangle(x, k - 1, is_upper=True)
