"""Systems of linear equations, inverses and determinants, of matrices in the last two axes.

M. B. Giles, "An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation", 2008. Leading axes are batches.
"""

import numpy as np

from handgrad.arrays import beside, shape, sum_to, xp
from handgrad.rules.linear import transposed
from handgrad.rules.reduction import products_of_others
from handgrad.rules.rule import rule


def require_square(x, name):
    """The size of square matrices.

    Raises:
        ValueError: they are not square.
    """
    own = shape(x)
    if len(own) < 2 or own[-1] != own[-2]:
        raise ValueError(f"{name} is of square matrices in the last two axes, and got an array of {own}")
    return own[-1]


def identity(n, like):
    """The identity matrix, in the library and dtype of an array."""
    return xp.astype(beside(np.eye(n), like), like.dtype)


def wide(x):
    """Numbers of matrices, to multiply these with."""
    return xp.reshape(x, (*shape(x), 1, 1))


@rule
def inv(x):
    """Inverse of square matrices, out = x⁻¹.   dx = -outᵀ dout outᵀ

    (..., N, N). From x out = 1: Δx out + x Δout = 0, so Δout = -out Δx out.

    Raises:
        ValueError: the matrices are not square.
        LinAlgError: one is singular (NumPy's; other libraries give what they give).

    Examples:
        >>> out, backward = hg.inv.vjp(np.array([[2.0, 0.0], [0.0, 4.0]]))
        >>> print(out.tolist(), np.diag(backward(np.eye(2))[0]))
        [[0.5, 0.0], [0.0, 0.25]] [-0.25   -0.0625]
    """
    require_square(x, "inv")
    out = xp.inv(x)

    def backward(dout):
        side = transposed(out)
        return -(side @ dout @ side)

    return out, backward


@rule
def solve(A, b):
    """The solution of A out = b, out = A⁻¹ b.   db = (Aᵀ)⁻¹ dout, dA = -db outᵀ

    A (..., N, N), b (N,) -> (..., N), or b (..., N, K) -> (..., N, K): a vector is what has one axis, as in
    NumPy 2. From ΔA out + A Δout = Δb: Δout = A⁻¹ (Δb - ΔA out). Leading axes broadcast.

    Raises:
        ValueError: A is not square, or b does not fit it.
        LinAlgError: A is singular (NumPy's).

    Examples:
        >>> out, backward = hg.solve.vjp(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 8.0]))
        >>> dA, db = backward(np.ones(2))
        >>> print(out, db, dA.tolist())
        [1. 2.] [0.5  0.25] [[-0.5, -1.0], [-0.25, -0.5]]
    """
    return _solved(A, b, xp.solve, lambda dout: xp.solve(transposed(A), dout), lambda dA: dA)


def _solved(A, b, solved, solved_transposed, kept):
    """``kept`` is what of A's gradient there is."""
    n = require_square(A, "the matrix of a system")
    B = xp.reshape(b, (-1, 1)) if len(shape(b)) == 1 else b
    if len(shape(b)) < 1 or shape(B)[-2] != n:
        raise ValueError(f"a system of matrices {shape(A)} takes b of {n} rows, not of shape {shape(b)}")
    X = solved(A, B)

    def backward(dout):
        dX = xp.reshape(dout, shape(X))
        dB = solved_transposed(dX)
        dA = kept(-dB @ transposed(X))
        return sum_to(dA, shape(A)), xp.reshape(sum_to(dB, shape(B)), shape(b))

    return X if len(shape(b)) > 1 else xp.reshape(X, shape(X)[:-1]), backward


@rule
def solve_triangular(A, b, lower=False, unit_diagonal=False):
    """The solution of A out = b by substitution, of the upper or the ``lower`` triangle of A, out = A⁻¹ b.

    db = (Aᵀ)⁻¹ dout, dA = -db outᵀ in the triangle, else 0

    A (..., N, N), b (N,) or (..., N, K). With ``unit_diagonal`` the diagonal counts as ones.

    Raises:
        ValueError: A is not square, or b does not fit it.

    Examples:
        >>> A = np.array([[2.0, 0.0], [1.0, 1.0]])
        >>> print(hg.solve_triangular(A, np.array([2.0, 3.0]), lower=True))
        [1. 2.]
    """
    n = require_square(A, "the matrix of a system")
    mask = np.tri(n, k=-1 if unit_diagonal else 0, dtype=bool)
    mask = beside(mask if lower else mask.T, A)

    def kept(A):
        return xp.where(mask, A, xp.zeros_like(A))

    T = kept(A) + identity(n, A) if unit_diagonal else kept(A)
    return _solved(
        A,
        b,
        lambda A, B: xp.solve_triangular(T, B, lower),
        lambda dout: xp.solve_triangular(transposed(T), dout, not lower),
        kept,
    )


@rule
def det(x):
    """Determinant of square matrices, out = |x|.   dx = adjugate(x)ᵀ·dout

    (..., N, N) -> (...). Where x is regular, adjugate(x) = out x⁻¹ (Jacobi); by the adjugate the gradient is
    right of singular matrices too.

    Raises:
        ValueError: the matrices are not square.

    Examples:
        >>> out, backward = hg.det.vjp(np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> print(out.round(6), backward(1.0)[0].round(6).tolist())
        -2.0 [[4.0, -3.0], [-2.0, 1.0]]
    """
    require_square(x, "det")

    def backward(dout):
        return transposed(adjugate(x)) * wide(dout)

    return xp.det(x), backward


@rule
def adjugate(x):
    """The matrix of cofactors, transposed, out = |x| x⁻¹; of singular matrices too.

    dx = (Σ dout·out)·(x⁻¹)ᵀ - (x⁻¹)ᵀ dout outᵀ

    (..., N, N). By x = U S Vᵀ it is |U| |V| V S' Uᵀ, where S' has for each singular value the product of the
    others. Its gradient is by Δ|x| = |x| tr(x⁻¹ Δx), so x must be regular there.

    Raises:
        ValueError: the matrices are not square.
        LinAlgError: in the backward, of a singular matrix (NumPy's).

    Examples:
        >>> hg.adjugate(np.array([[1.0, 2.0], [3.0, 4.0]])).round(6).tolist()
        [[4.0, -2.0], [-3.0, 1.0]]
    """
    n = require_square(x, "adjugate")
    U, S, Vh = xp.svd(x)
    rows = xp.reshape(S, (-1, n) if n else (0, 0))
    others = xp.reshape(products_of_others(rows, xp.ones_like(rows[:, :1])), shape(S)) if n else S
    sign = wide(xp.det(U) * xp.det(Vh))
    out = sign * (transposed(Vh) @ (xp.reshape(others, (*shape(S), 1)) * transposed(U)))

    def backward(dout):
        side = transposed(xp.inv(x))
        total = xp.sum(dout * out, axis=(-2, -1), keepdims=True)
        return total * side - side @ dout @ transposed(out)

    return out, backward


@rule
def slogdet(x):
    """Sign and logarithm of the size of determinants, which themselves may overflow.

    out = sign |x|, log ‖x‖.   dx = (x⁻¹)ᵀ·dout₂

    (..., N, N) -> (...), (...). The sign is constant, and has no gradient.

    Raises:
        ValueError: the matrices are not square.
        LinAlgError: in the backward, of a singular matrix, of which the logarithm is -∞ (NumPy's).

    Examples:
        >>> (sign, logarithm), backward = hg.slogdet.vjp(np.array([[0.0, 2.0], [2.0, 0.0]]))
        >>> print(sign, logarithm.round(4))  # det is -4
        -1.0 1.3863
        >>> print(backward((0.0, 1.0))[0].tolist())  # the transposed inverse
        [[0.0, 0.5], [0.5, 0.0]]
    """
    require_square(x, "slogdet")

    def backward(douts):
        return transposed(xp.inv(x)) * wide(douts[1])

    return tuple(xp.slogdet(x)), backward


@rule
def pinv(x, rtol=None):
    """Moore and Penrose's inverse, out = x⁺.   Golub & Pereyra 1973

    dx = -outᵀ dout outᵀ + (1 - x out) doutᵀ out outᵀ + outᵀ out doutᵀ (1 - out x)

    (..., M, N) -> (..., N, M). Singular values up to ``rtol`` of the largest count as 0 (max(M, N)·eps where
    there is none). The gradient holds while the rank stays: where it can change, x⁺ jumps.

    Raises:
        ValueError: x has less than two axes.

    Examples:
        >>> hg.pinv(np.array([[1.0], [1.0]])).round(6).tolist()
        [[0.5, 0.5]]
    """
    _is_matrix(x, "pinv")
    out = xp.pinv(x, rtol)

    def backward(dout):
        side, d = transposed(out), transposed(dout)
        dx = -side @ dout @ side
        dx = dx + (d - x @ (out @ d)) @ out @ side
        return dx + side @ out @ (d - (d @ out) @ x)

    return out, backward


def _is_matrix(x, name):
    if len(shape(x)) < 2:
        raise ValueError(f"{name} is of matrices in the last two axes, and got an array of {shape(x)}")


@rule
def lstsq(A, b, rtol=None):
    """The shortest of the vectors for which ‖A out - b‖ is least, out = A⁺ b.

    db = (A⁺)ᵀ dout, dA = -db outᵀ + (b - A out) (A⁺ db)ᵀ + (A⁺)ᵀ out (dout - A⁺ A dout)ᵀ

    A (..., M, N), b (M,) -> (..., N), or b (..., M, K) -> (..., N, K). These are the gradients of A⁺ b by
    that of ``pinv``, multiplied out; they hold while the rank of A stays. Where that is N the last term is 0,
    where it is M the one before.

    Raises:
        ValueError: A is no matrix, or b does not fit it.

    Examples:
        >>> A, b = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 3.0, 5.0])
        >>> print(hg.lstsq(A, b).round(6))  # the line 1 + 2x
        [1. 2.]
    """
    _is_matrix(A, "lstsq")
    B = xp.reshape(b, (-1, 1)) if len(shape(b)) == 1 else b
    if len(shape(b)) < 1 or shape(B)[-2] != shape(A)[-2]:
        raise ValueError(f"lstsq of matrices {shape(A)} takes b of {shape(A)[-2]} rows, not {shape(b)}")
    P = xp.pinv(A, rtol)
    X = P @ B

    def backward(dout):
        dX = xp.reshape(dout, shape(X))
        dB = transposed(P) @ dX
        dA = -dB @ transposed(X) + (B - A @ X) @ transposed(P @ dB)
        dA = dA + (transposed(P) @ X) @ transposed(dX - P @ (A @ dX))
        return sum_to(dA, shape(A)), xp.reshape(sum_to(dB, shape(B)), shape(b))

    return X if len(shape(b)) > 1 else xp.reshape(X, shape(X)[:-1]), backward
