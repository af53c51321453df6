"""Matrices as products of simpler ones: cholesky, qr, eigh, svd. Leading axes are batches.

Factors have the signs that LAPACK chooses; a loss of them should not hang on that choice. Where a factor has
no derivative, since two of the values that it belongs to are equal, the gradient is not finite; where nothing
is asked of such a factor, it is that of the rest.
"""

import numpy as np

from handgrad.arrays import beside, shape, xp
from handgrad.rules.linalg import identity, require_square
from handgrad.rules.linear import transposed
from handgrad.rules.rule import rule


def _symmetric(x):
    return (x + transposed(x)) / 2


def _lower(x, k=0):
    mask = beside(np.tri(shape(x)[-2], shape(x)[-1], k, dtype=bool), x)
    return xp.where(mask, x, xp.zeros_like(x))


def _column(x):
    return xp.reshape(x, (*shape(x), 1))


def _row(x):
    return xp.reshape(x, (*shape(x)[:-1], 1, shape(x)[-1]))


def _shared(wanted, gap):
    """wanted / gap, and 0 where nothing is wanted of what has no gap."""
    is_nothing = (wanted == 0) & (gap == 0)
    return wanted / xp.where(is_nothing, xp.ones_like(gap), gap)


def _apart(values):
    """vⱼ - vᵢ; on the diagonal 1, since a factor does not turn into itself."""
    return _row(values) - _column(values) + identity(shape(values)[-1], values)


@rule
def cholesky(x):
    """The lower triangle L of which x is the square, x = L Lᵀ, out = L.

    dx = (S + Sᵀ) / 2 with S = (L⁻¹)ᵀ Φ(Lᵀ dout) L⁻¹

    Φ takes the lower triangle, with half of the diagonal. From Δx = ΔL Lᵀ + L ΔLᵀ: L⁻¹ Δx (L⁻¹)ᵀ is L⁻¹ ΔL
    and its transpose, so L⁻¹ ΔL = Φ(L⁻¹ Δx (L⁻¹)ᵀ).

    x (..., N, N) is taken to be symmetric: it is the factor of (x + xᵀ) / 2, and dx is symmetric too.

    Raises:
        ValueError: the matrices are not square.
        LinAlgError: one is not positive definite (NumPy's and PyTorch's; JAX gives nan).

    Examples:
        >>> out, backward = hg.cholesky.vjp(np.array([[4.0, 0.0], [0.0, 9.0]]))
        >>> print(out.tolist(), backward(np.eye(2))[0].round(4).tolist())  # of a diagonal, 1 / 2√x
        [[2.0, 0.0], [0.0, 3.0]] [[0.25, 0.0], [0.0, 0.1667]]
    """
    n = require_square(x, "cholesky")
    L = xp.cholesky(_symmetric(x))

    def backward(dout):
        U = transposed(L)
        P = _lower(U @ dout) * (1 - identity(n, L) / 2)
        half = xp.solve_triangular(U, P, False)
        return _symmetric(xp.solve_triangular(U, transposed(half), False))

    return L, backward


@rule
def qr(x):
    """Orthonormal columns Q and an upper triangle R, x = Q R, out = Q, R.

    dx = Q (dR + C R⁻ᵀ) + (dQ - Q Qᵀ dQ) R⁻ᵀ

    C is what stands below the diagonal of R dRᵀ - dR Rᵀ + Qᵀ dQ - dQᵀ Q; of a square x the last term is 0.
    S. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions", 2010: from
    Δx = ΔQ R + Q ΔR, Qᵀ ΔQ is antisymmetric and below the diagonal that of Qᵀ Δx R⁻¹.

    x (..., M, N) -> (..., M, K), (..., K, N), K = min(M, N). Of a wide x = [X Y] with X square, Q R₁ = X and
    R₂ = Qᵀ Y: dY = Q dR₂, and Y dR₂ᵀ is added to dQ. All columns of a tall x must be independent, of another
    the first M - 1; where they are not, R is singular there and the gradient is not finite.

    Raises:
        ValueError: x has less than two axes.

    Examples:
        >>> Q, R = hg.qr(np.array([[3.0, 0.0], [4.0, 5.0]]))
        >>> bool(np.allclose(Q @ R, [[3, 0], [4, 5]])), bool(np.allclose(Q.T @ Q, np.eye(2)))
        (True, True)
    """
    if len(shape(x)) < 2:
        raise ValueError(f"qr is of matrices in the last two axes, and got an array of {shape(x)}")
    m, n = shape(x)[-2:]
    Q, R = xp.qr(x)

    def of_tall(dQ, dR, R):
        turned, scaled = transposed(Q) @ dQ, R @ transposed(dR)
        inside, outside = dR, None
        if min(m, n) > 1:
            C = _lower(scaled - transposed(scaled) + turned - transposed(turned), -1)
            first = _over(C[..., :-1], R[..., :-1, :-1])  # the last column of C is 0, and so of C R⁻ᵀ
            inside = dR + xp.concat([first, C[..., -1:]], axis=-1)
        if m > n:
            outside = _over(dQ - Q @ turned, R)
        return Q @ inside if outside is None else Q @ inside + outside

    def backward(douts):
        dQ, dR = douts
        if m >= n:
            return of_tall(dQ, dR, R)
        Y, dR2 = x[..., m:], dR[..., m:]
        dX = of_tall(dQ + Y @ transposed(dR2), dR[..., :m], R[..., :m])
        return xp.concat([dX, Q @ dR2], axis=-1)

    return (Q, R), backward


def _over(x, R):
    """x R⁻ᵀ, of an upper triangle."""
    return transposed(xp.solve_triangular(R, transposed(x), False))


@rule
def eigh(x, UPLO="L"):
    """Eigenvalues w, growing, and eigenvectors, the columns of V, of symmetric matrices, x = V w Vᵀ.

    out = w, V.   dx = V (diag(dw) + E) Vᵀ with Eᵢⱼ = (Vᵀ dV - dVᵀ V)ᵢⱼ / 2(wⱼ - wᵢ), and Eᵢᵢ = 0

    x (..., N, N) -> (..., N), (..., N, N). From Δx V + x ΔV = ΔV w + V Δw, with ΔV = V K and K antisymmetric:
    Vᵀ Δx V = Δw + K w - w K, whose diagonal is Δw and whose other elements are Kᵢⱼ (wⱼ - wᵢ).
    x is taken to be symmetric: they are those of (x + xᵀ) / 2, and dx is symmetric too. ``UPLO``, "L" or
    "U", is the triangle that LAPACK works in, which may choose other signs.

    Of equal eigenvalues the vectors have no derivative, and dx is not finite; unless dV is 0 for these, as in
    a loss of eigenvalues alone, of which dx is right if it treats equal ones equally.

    Raises:
        ValueError: the matrices are not square.
        LinAlgError: the iteration did not converge (NumPy's).

    Examples:
        >>> w, V = hg.eigh(np.array([[2.0, 1.0], [1.0, 2.0]]))
        >>> print(w.round(4))
        [1. 3.]
        >>> hg.grad(lambda x: hg.eigh(x)[0][1])(np.array([[2.0, 1.0], [1.0, 2.0]])).round(4).tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    require_square(x, "eigh")
    w, V = xp.eigh(_symmetric(x), UPLO)

    def backward(douts):
        dw, dV = douts
        turned = transposed(V) @ dV
        E = _shared((turned - transposed(turned)) / 2, _apart(w))
        inner = E + identity(shape(w)[-1], w) * _row(dw)
        return _symmetric(V @ inner @ transposed(V))

    return (w, V), backward


@rule
def svd(x):
    """Singular values S, falling, between orthonormal U and V, of which the rows of Vᵀ come: out = U, S, Vᵀ.

    dx = U (E S + S G + diag(dS)) Vᵀ + (1 - U Uᵀ) dU S⁻¹ Vᵀ + U S⁻¹ dVᵀ (1 - V Vᵀ)

    Eᵢⱼ = (Uᵀ dU - dUᵀ U)ᵢⱼ / (sⱼ² - sᵢ²), Gᵢⱼ the same of V. J. Townsend, "Differentiating the singular value
    decomposition", 2016.

    x (..., M, N) -> (..., M, K), (..., K), (..., K, N), K = min(M, N), x = U S Vᵀ. Of equal singular values
    the vectors have no derivative, nor has one side of a matrix that is not square where a value is 0: dx is
    not finite there; unless dU and dV are 0 for these, as in a loss of singular values alone.

    Raises:
        ValueError: x has less than two axes.
        LinAlgError: the iteration did not converge (NumPy's).

    Examples:
        >>> U, s, Vh = hg.svd(np.array([[3.0, 0.0], [0.0, -2.0]]))
        >>> print(s)
        [3. 2.]
        >>> hg.grad(lambda x: hg.sum(hg.svd(x)[1]))(np.array([[3.0, 0.0], [0.0, -2.0]])).tolist()
        [[1.0, 0.0], [0.0, -1.0]]
    """
    if len(shape(x)) < 2:
        raise ValueError(f"svd is of matrices in the last two axes, and got an array of {shape(x)}")
    U, S, Vh = xp.svd(x)
    m, n = shape(x)[-2:]

    def backward(douts):
        dU, dS, dVh = douts
        V, dV = transposed(Vh), transposed(dVh)
        of_U, of_V = transposed(U) @ dU, Vh @ dV
        gap = _apart(S) * (_row(S) + _column(S))
        E = _shared(of_U - transposed(of_U), gap) * _row(S)
        G = _shared(of_V - transposed(of_V), gap) * _column(S)
        dx = U @ (E + G + identity(shape(S)[-1], S) * _row(dS)) @ Vh
        if m > n:
            dx = dx + _shared(dU - U @ of_U, _row(S)) @ Vh
        if n > m:
            dx = dx + U @ transposed(_shared(dV - V @ of_V, _row(S)))
        return dx

    return (U, S, Vh), backward
