"""What goes by order: where an element stands has no gradient, only what it is."""

from handgrad.arrays import shape, xp
from handgrad.rules.indexing import along
from handgrad.rules.reduction import axes_of
from handgrad.rules.rule import rule


@rule
def sort(x, axis=-1, descending=False):
    """Elements in order along an axis, or of x made flat where ``axis`` is None; nan last.

    outᵢ = xⱼ, the element that comes i-th.   dxⱼ = doutᵢ

    Equal elements stay in their order, and so each has a gradient of its own.

    Examples:
        >>> out, backward = hg.sort.vjp(np.array([3.0, 1.0, 2.0]))
        >>> print(out, backward(np.array([10.0, 20.0, 30.0]))[0])  # each goes back to where it came from
        [1. 2. 3.] [30. 10. 20.]
    """
    flat = xp.reshape(x, (-1,)) if axis is None else x
    (where,) = axes_of(-1 if axis is None else axis, len(shape(flat)))
    places = _order(flat, where, descending)

    def backward(dout):
        dx = xp.take_along_axis(dout, xp.argsort(places, axis=where), axis=where)
        return xp.reshape(dx, shape(x))

    return xp.take_along_axis(flat, places, axis=where), backward


@rule
def topk(x, /, k, axis=-1, largest=True):
    """The k largest elements along an axis, largest first; or the k smallest, smallest first.

    outᵢ = xⱼ, the element that comes i-th.   dxⱼ = doutᵢ, else 0

    Raises:
        ValueError: there are not k elements.

    Examples:
        >>> out, backward = hg.topk.vjp(np.array([3.0, 1.0, 2.0]), k=2)
        >>> print(out, backward(np.array([10.0, 20.0]))[0])
        [3. 2.] [10.  0. 20.]
    """
    (where,) = axes_of(axis, len(shape(x)))
    if not 0 <= k <= shape(x)[where]:
        raise ValueError(f"an axis of size {shape(x)[where]} has no {k} elements to give")
    places = _order(x, where, largest)[((slice(None),) * where + (slice(None, k), ...))]

    def backward(dout):
        return xp.scatter_add(dout, along(places, where), shape(x))

    return xp.take_along_axis(x, places, axis=where), backward


def _order(x, axis, descending):
    """Where the elements are, first to last."""
    return xp.argsort(-x if descending else x, axis=axis, stable=True)
