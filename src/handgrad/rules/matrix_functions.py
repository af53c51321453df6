"""Functions of square matrices, whose derivative is a block of the function of a larger one.

f([[x, Δx], [0, x]]) = [[f(x), Δf], [0, f(x)]], where Δf is the derivative of f at x along Δx (R. Mathias, "A
chain rule for matrix functions and applications", 1996). It is linear in Δx, and transposed it is that at xᵀ;
so dx = Δf at xᵀ along dout.
"""

from handgrad.arrays import shape, xp
from handgrad.rules.linalg import identity, require_square
from handgrad.rules.linear import transposed
from handgrad.rules.rule import rule


def _along(f, x, direction):
    """The derivative of f at x along a direction."""
    n = shape(x)[-1]
    above = xp.concat([x, direction], axis=-1)
    below = xp.concat([xp.zeros_like(x), x], axis=-1)
    return f(xp.concat([above, below], axis=-2))[..., :n, n:]


@rule
def expm(x):
    """Matrix exponential, out = 1 + x + x² / 2 + x³ / 6 + ....   dx = Δexp at xᵀ along dout

    (..., N, N). That is the block above the diagonal of the exponential of [[xᵀ, dout], [0, xᵀ]].

    Raises:
        ValueError: the matrices are not square.

    Examples:
        >>> out, backward = hg.expm.vjp(np.zeros((2, 2)))
        >>> print(out.tolist(), backward(np.array([[0.0, 1.0], [0.0, 0.0]]))[0].tolist())
        [[1.0, 0.0], [0.0, 1.0]] [[0.0, 1.0], [0.0, 0.0]]
    """
    require_square(x, "expm")

    def backward(dout):
        return _along(xp.expm, transposed(x), dout)

    return xp.expm(x), backward


@rule
def matrix_power(x, /, n):
    """The product of n equal square matrices, out = xⁿ.   dx = Σ (xᵀ)ᵏ dout (xᵀ)ⁿ⁻¹⁻ᵏ

    (..., N, N). For n < 0 it is a power of the inverse. The sum is the block above the diagonal of the n-th
    power of [[xᵀ, dout], [0, xᵀ]], so no more products than log n.

    Raises:
        ValueError: the matrices are not square, or n is no integer.
        LinAlgError: a singular matrix to a negative power (NumPy's).

    Examples:
        >>> out, backward = hg.matrix_power.vjp(np.array([[1.0, 1.0], [0.0, 1.0]]), n=3)
        >>> print(out.tolist())
        [[1.0, 3.0], [0.0, 1.0]]
    """
    require_square(x, "matrix_power")
    if not hasattr(n, "__index__"):
        raise ValueError(f"a matrix is raised to a whole power, not to {n!r}")

    def backward(dout):
        return _along(lambda block: _power(block, int(n)), transposed(x), dout)

    return _power(x, int(n)), backward


def _power(x, n):
    """xⁿ by squares."""
    if n < 0:
        return _power(xp.inv(x), -n)
    if n == 0:
        return xp.zeros_like(x) + identity(shape(x)[-1], x)
    if n == 1:
        return x
    half = _power(x, n // 2)
    return half @ half @ x if n % 2 else half @ half
