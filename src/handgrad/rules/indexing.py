"""Elements picked by place. What is picked twice collects both gradients."""

from handgrad.arrays import beside, cast, is_integer, shape, size, values_are_known, xp
from handgrad.rules.reduction import axes_of
from handgrad.rules.rule import rule


@rule
def getitem(x, index):
    """out = x[index]: slices, integers, None, ..., integer arrays, boolean masks.   dx = Σ dout at index

    Examples:
        >>> out, backward = hg.getitem.vjp(np.array([1.0, 2.0, 3.0]), np.array([2, 2]))
        >>> print(out, backward(np.ones(2))[0])  # an element that was taken twice has both gradients
        [3. 3.] [0. 0. 2.]
    """

    def backward(dout):
        return xp.scatter_add(dout, index, shape(x)), None

    return xp.getitem(x, index), backward


@rule
def scatter_add(x, index, /, shape):
    """Zeros of ``shape`` with x added at ``index``, repeats included: the transpose of ``getitem``.

    out = Σ x at index, else 0.   dx = dout[index]

    Examples:
        >>> out, backward = hg.scatter_add.vjp(np.array([1.0, 2.0, 3.0]), np.array([0, 2, 2]), shape=(4,))
        >>> print(out, backward(np.array([10.0, 20.0, 30.0, 40.0]))[0])
        [1. 0. 5. 0.] [10. 30. 30.]
    """

    def backward(dout):
        return xp.getitem(dout, index), None

    return xp.scatter_add(x, index, shape), backward


@rule
def take(x, indices, axis=None):
    """Elements at integer ``indices`` along an axis; of x made flat where ``axis`` is None.

    out = x[indices].   dx = Σ dout at indices, else 0

    x (A, n, B), indices (...) -> (A, ..., B)

    Examples:
        >>> out, backward = hg.take.vjp(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 1]), axis=0)
        >>> print(out.tolist(), backward(np.ones((2, 2)))[0].tolist())
        [[3.0, 4.0], [3.0, 4.0]] [[0.0, 0.0], [2.0, 2.0]]
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

    Examples:
        >>> x, index = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]])
        >>> out, backward = hg.take_along_axis.vjp(x, index)
        >>> print(out.tolist(), backward(np.ones((2, 1)))[0].tolist())
        [[2.0], [3.0]] [[0.0, 1.0], [1.0, 0.0]]
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


@rule
def embedding(x, W, padding_idx=None):
    """Rows of W, out = W[x].   dW = Σ dout at x, else 0

    x (...) integers, W (V, D) -> (..., D)

    What is looked up twice collects both gradients. The row ``padding_idx``, which stands for no word, has
    none.

    Raises:
        TypeError: x are not integers.
        ValueError: one of x is not in 0 .. V-1.

    Examples:
        >>> out, backward = hg.embedding.vjp(np.array([1, 1]), np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> print(out.tolist(), backward(np.ones((2, 2)))[1].tolist())  # row 1 was looked up twice
        [[3.0, 4.0], [3.0, 4.0]] [[0.0, 0.0], [2.0, 2.0]]
    """
    V, D = shape(W)
    if not is_integer(x):
        raise TypeError(f"embedding looks up integers, not {x.dtype if hasattr(x, 'dtype') else x!r}")
    if values_are_known(x) and xp.any((x < 0) | (x >= V)):
        raise ValueError(f"embedding has rows 0 .. {V - 1}, and was asked for {xp.min(x)} .. {xp.max(x)}")
    places = xp.reshape(beside(x, W), (-1,) if size(x) else (0,))

    def backward(dout):
        rows = xp.reshape(dout, (*shape(places), D))
        if padding_idx is not None:
            is_padding = xp.reshape(places == padding_idx % V, (*shape(places), 1))
            rows = xp.where(is_padding, xp.zeros_like(rows), rows)
        return None, xp.scatter_add(rows, (places,), (V, D))

    return xp.reshape(xp.take(W, places, axis=0), (*shape(x), D)), backward


@rule
def one_hot(x, /, classes):
    """A row for each integer, out[j] = 1 where x = j, else 0.   dx = 0

    x (...) integers -> (..., classes), of x's dtype; there is no gradient by what is counted.

    Raises:
        TypeError: x are not integers.
        ValueError: one of x is not in 0 .. classes-1.

    Examples:
        >>> hg.one_hot(np.array([2, 0]), classes=3).tolist()
        [[0, 0, 1], [1, 0, 0]]
    """
    if not is_integer(x):
        raise TypeError(f"one_hot is of integers, not {x.dtype if hasattr(x, 'dtype') else x!r}")
    if values_are_known(x) and size(x) and xp.any((x < 0) | (x >= classes)):
        raise ValueError(f"one_hot has {classes} classes, and was asked for {xp.min(x)} .. {xp.max(x)}")
    column = xp.reshape(x, (*shape(x), 1))
    return cast(column == xp.arange_like(column, classes), like=x), lambda dout: (None,)


def _column(i, ndim):
    """The shape of a vector laid along axis i."""
    return (1,) * i + (-1,) + (1,) * (ndim - i - 1)
