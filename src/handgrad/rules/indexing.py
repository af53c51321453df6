"""Elements picked by place. What is picked twice collects both gradients."""

from handgrad.arrays import beside, shape, xp
from handgrad.rules.reduction import axes_of
from handgrad.rules.rule import rule


@rule
def getitem(x, index):
    """out = x[index]: slices, integers, None, ..., integer arrays, boolean masks.   dx = Σ dout at index"""

    def backward(dout):
        return xp.scatter_add(dout, index, shape(x)), None

    return xp.getitem(x, index), backward


@rule
def scatter_add(x, index, /, shape):
    """Zeros of ``shape`` with x added at ``index``, repeats included: the transpose of ``getitem``.

    out = Σ x at index, else 0.   dx = dout[index]
    """

    def backward(dout):
        return xp.getitem(dout, index), None

    return xp.scatter_add(x, index, shape), backward


@rule
def take(x, indices, axis=None):
    """Elements at integer ``indices`` along an axis; of x made flat where ``axis`` is None.

    out = x[indices].   dx = Σ dout at indices, else 0

    x (A, n, B), indices (...) -> (A, ..., B)
    """
    flat = xp.reshape(x, (-1,)) if axis is None else x
    (where,) = axes_of(0 if axis is None else axis, len(shape(flat)))
    n, lead, rest = shape(flat)[where], shape(flat)[:where], shape(flat)[where + 1 :]
    places = xp.reshape(indices, (-1,))

    def backward(dout):
        d = xp.reshape(dout, (*lead, *shape(places), *rest))
        dflat = xp.scatter_add(d, (slice(None),) * where + (places,), (*lead, n, *rest))
        return xp.reshape(dflat, shape(x)), None

    out = xp.take(flat, places, axis=where)
    return xp.reshape(out, (*lead, *shape(indices), *rest)), backward


@rule
def take_along_axis(x, indices, axis=-1):
    """out[i, j] = x[i, indices[i, j]] along ``axis``, which alone may differ in size.

    dx = Σ dout at indices, else 0
    """
    (where,) = axes_of(axis, len(shape(x)))
    indices = beside(indices, x)

    def backward(dout):
        return xp.scatter_add(dout, along(indices, where, shape(dout)), shape(x)), None

    return xp.take_along_axis(x, indices, axis=where), backward


def along(indices, axis, own=None):
    """The index of ``x[i, indices[i, j]]``: along the other axes of a shape, each place itself."""
    own = shape(indices) if own is None else own
    return tuple(
        indices if i == axis else xp.reshape(xp.arange_like(indices, n), _column(i, len(own)))
        for i, n in enumerate(own)
    )


def _column(i, ndim):
    """The shape of a vector laid along axis i."""
    return (1,) * i + (-1,) + (1,) * (ndim - i - 1)
