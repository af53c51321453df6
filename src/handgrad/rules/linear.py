"""Matrix products, and the affine layers made of them."""

import math

from handgrad.arrays import shape, sum_to, xp
from handgrad.arrays.contraction import are_distinct, sizes_of, spelled
from handgrad.rules.rule import Rule, rule


def transposed(x):
    """The last two axes swapped."""
    order = tuple(range(len(shape(x))))
    return xp.permute_dims(x, (*order[:-2], order[-1], order[-2]))


@rule
def matmul(x, y):
    """Matrix product over the last two axes, out = x y.   dx = dout yᵀ, dy = xᵀ dout

    (..., N, K), (..., K, M) -> (..., N, M); leading axes broadcast. A one-dimensional x is a row, a
    one-dimensional y a column, and the axis so added is taken from the result.

    Examples:
        >>> out, backward = hg.matmul.vjp(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
        >>> dx, dy = backward(np.array([[10.0]]))
        >>> print(out, dx, dy.T)
        [[11.]] [[30. 40.]] [[10. 20.]]
    """

    def backward(dout):
        row = x if len(shape(x)) > 1 else xp.reshape(x, (1, *shape(x)))
        column = y if len(shape(y)) > 1 else xp.reshape(y, (*shape(y), 1))
        batch = shape(dout)[: max(len(shape(row)), len(shape(column))) - 2]
        d = xp.reshape(dout, (*batch, shape(row)[-2], shape(column)[-1]))
        dx = sum_to(d @ transposed(column), shape(row))
        dy = sum_to(transposed(row) @ d, shape(column))
        return xp.reshape(dx, shape(x)), xp.reshape(dy, shape(y))

    return x @ y, backward


class SubscriptsFirst(Rule[...]):
    """A rule that is called as NumPy's function of that name is: ``einsum(subscripts, x, y)``."""

    def bind(self, args, options):
        if args and isinstance(args[0], str):
            subscripts, *arrays = args
            args, options = (arrays,), {"subscripts": subscripts, **options}
        return super().bind(args, options)


@SubscriptsFirst
def einsum(arrays, /, subscripts):
    """Sum of products, out = Σ x·y over the letters that out lacks.   dx = Σ dout·y over those that x lacks

    ``einsum("nk,km->nm", x, y)`` is x y: each letter is an axis. So the gradient of each array is the einsum
    of dout and the other arrays to its own letters; along a letter that none of them has it is repeated.

    Raises:
        ValueError: the letters do not fit the shapes, or one array has a letter twice.

    Examples:
        >>> x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
        >>> out, backward = hg.einsum.vjp("i,i->", x, y)
        >>> print(out, *backward(np.array(1.0))[0])
        11.0 [3. 4.] [1. 2.]
    """
    shapes = [shape(x) for x in arrays]
    inputs, target = spelled(subscripts, shapes)
    sizes = sizes_of(inputs, shapes)
    if not are_distinct(inputs):
        raise ValueError(
            f"{subscripts!r} has a letter twice in one array, which is its diagonal: take that first"
        )

    def gradient(k, dout):
        others = [(target, dout)]
        others += [(inputs[i], x) for i, x in enumerate(arrays) if i != k]
        there = [i for i in inputs[k] if any(i in letters for letters, _ in others)]
        said = f"{','.join(letters for letters, _ in others)}->{''.join(there)}"
        dx = xp.einsum(said, *(x for _, x in others))
        if len(there) == len(inputs[k]):
            return dx
        dx = xp.reshape(dx, tuple(sizes[i] if i in there else 1 for i in inputs[k]))
        return xp.broadcast_to(dx, shapes[k])

    def backward(dout):
        return ([gradient(k, dout) for k in range(len(arrays))],)

    return xp.einsum(subscripts, *arrays), backward


@rule
def affine(x, W, b):
    """Linear map and bias, out = x W + b.   dx = dout Wᵀ, dW = xᵀ dout, db = Σ dout

    x (..., D), W (D, M), b (M,) -> (..., M)

    Examples:
        >>> x, W, b = np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([5.0])
        >>> out, backward = hg.affine.vjp(x, W, b)
        >>> dx, dW, db = backward(np.array([[1.0]]))
        >>> print(out, dx, dW.T, db)
        [[16.]] [[3. 4.]] [[1. 2.]] [1.]
    """
    D, M = shape(W)
    lead = math.prod(shape(x)[:-1])

    def backward(dout):
        dx = dout @ W.T
        rows = dout if len(shape(dout)) == 2 else xp.reshape(dout, (lead, M))
        X = x if len(shape(x)) == 2 else xp.reshape(x, (lead, D))
        dW = X.T @ rows
        db = xp.sum(rows, axis=0)
        return dx, dW, db

    return x @ W + b, backward
