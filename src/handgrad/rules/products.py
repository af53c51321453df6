"""Products over named axes, of all pairs, and along a line: each is a contraction, as its gradients are."""

import operator

from handgrad.arrays import shape, xp
from handgrad.arrays.contraction import letters_of_tensordot
from handgrad.rules.rule import rule


def _contracted(x, y, axes):
    """Σ x·y over pairs of axes. Each letter of x is one of y or of the result, so dx needs no repetition."""
    a, b, target = letters_of_tensordot(len(shape(x)), len(shape(y)), axes)

    def backward(dout):
        return xp.einsum(f"{target},{b}->{a}", dout, y), xp.einsum(f"{a},{target}->{b}", x, dout)

    return xp.einsum(f"{a},{b}->{target}", x, y), backward


@rule
def tensordot(x, y, axes=2):
    """Sum of products over axes of both, out = Σ x·y.   dx = Σ dout·y, dy = Σ x·dout

    ``axes``: how many of the last axes of x and the first of y; or a pair, those of x and those of y. What is
    left of x comes first in the result: (N, K), (K, M), axes=1 -> (N, M).

    Raises:
        ValueError: the axes do not fit each other.

    Examples:
        >>> hg.tensordot(np.ones((2, 3, 4)), np.ones((3, 4, 5)), axes=2).shape
        (2, 5)
    """
    return _contracted(x, y, axes)


@rule
def inner(x, y):
    """Products over the last axes, out = x yᵀ.   dx = dout y, dy = doutᵀ x

    (..., N, K), (..., M, K) -> (..., N, ..., M); of vectors a number, of a number and an array their product.

    Examples:
        >>> out, backward = hg.inner.vjp(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
        >>> print(out, *backward(1.0))
        11.0 [3. 4.] [1. 2.]
    """
    if shape(x) == () or shape(y) == ():

        def backward(dout):
            dx, dy = dout * y, dout * x
            return (dx if shape(x) else xp.sum(dx)), (dy if shape(y) else xp.sum(dy))

        return x * y, backward
    return _contracted(x, y, (-1, -1))


@rule
def outer(x, y):
    """All products of elements of x, made flat, with those of y, out = x yᵀ.   dx = dout y, dy = doutᵀ x

    (N,), (M,) -> (N, M)

    Examples:
        >>> out, backward = hg.outer.vjp(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
        >>> print(out.tolist(), *backward(np.ones((2, 2))))
        [[3.0, 4.0], [6.0, 8.0]] [7. 7.] [3. 3.]
    """
    row_x, row_y = xp.reshape(x, (-1,)), xp.reshape(y, (-1,))

    def backward(dout):
        return xp.reshape(dout @ row_y, shape(x)), xp.reshape(row_x @ dout, shape(y))

    return xp.reshape(row_x, (-1, 1)) * row_y, backward


@rule
def kron(x, y):
    """Kronecker product: y times each element of x, side by side.

    out[i m + j] = x[i]·y[j].   dx[i] = Σ dout[i m + j]·y[j], dy[j] = Σ dout[i m + j]·x[i]

    (N, K), (M, L) -> (N M, K L), so on each axis; axes that one lacks are of size one, in front.

    Examples:
        >>> print(hg.kron(np.array([1.0, 10.0]), np.array([1.0, 2.0])))
        [ 1.  2. 10. 20.]
    """
    ndim = max(len(shape(x)), len(shape(y)))
    of_x, of_y = ((1,) * (ndim - len(own)) + own for own in (shape(x), shape(y)))
    wide_x = xp.reshape(x, tuple(n for size in of_x for n in (size, 1)))
    wide_y = xp.reshape(y, tuple(n for size in of_y for n in (1, size)))
    blocks = tuple(n for pair in zip(of_x, of_y, strict=True) for n in pair)

    def backward(dout):
        d = xp.reshape(dout, blocks)
        dx = xp.sum(d * wide_y, axis=tuple(range(1, 2 * ndim, 2)))
        dy = xp.sum(d * wide_x, axis=tuple(range(0, 2 * ndim, 2)))
        return xp.reshape(dx, shape(x)), xp.reshape(dy, shape(y))

    return xp.reshape(wide_x * wide_y, tuple(map(operator.mul, of_x, of_y))), backward


@rule
def convolve(x, y, mode="full"):
    """Convolution of two vectors, outₖ = Σ xₖ₋ⱼ·yⱼ.   dxᵢ = Σ doutᵢ₊ⱼ·yⱼ, dyⱼ = Σ doutᵢ₊ⱼ·xᵢ

    x (N,), y (M,): "full" gives all N + M - 1 sums, "same" the middle max(N, M), "valid" those in which no
    element is missing. Each sum is a product of a window of x, padded by zeros, with y the other way round;
    so dx is one of windows of dout with y, and dy one of dout with windows of x. Those zeros are multiplied:
    where the shorter vector holds inf or nan, sums in which an element is missing are nan, unlike NumPy's.

    Raises:
        ValueError: another mode, or not two vectors that hold something.

    Examples:
        >>> out, backward = hg.convolve.vjp(np.array([1.0, 2.0]), np.array([1.0, 10.0]))
        >>> print(out, *backward(np.ones(3)))
        [ 1. 12. 20.] [11. 11.] [3. 3.]
    """
    if len(shape(x)) != 1 or len(shape(y)) != 1 or 0 in shape(x) + shape(y):
        raise ValueError(f"convolve takes two vectors with elements, not {shape(x)} and {shape(y)}")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"mode is full, same or valid, not {mode!r}")
    if shape(x)[0] < shape(y)[0]:
        out, back = convolve.vjp(y, x, mode=mode)
        return out, lambda dout: back(dout)[::-1]
    n, m = shape(x)[0], shape(y)[0]
    start = {"full": 0, "same": (m - 1) // 2, "valid": m - 1}[mode]  # of the full one
    length = {"full": n + m - 1, "same": n, "valid": n - m + 1}[mode]
    seen = xp.windows(xp.pad(x, (m - 1 - start, start + length - n)), m)

    def backward(dout):
        dx = xp.windows(xp.pad(dout, (start, n + m - 1 - start - length)), m) @ y
        return dx, xp.flip(dout @ seen)

    return seen @ xp.flip(y), backward
