"""``torch.linalg``, and what of it has older names."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import shape, stripped
from handgrad.tape.functions.shaping import moveaxis, swapaxes
from handgrad.tape.torch_functions.activations import typed
from handgrad.tape.torch_functions.reductions import vector_norm

Signed = namedtuple("Signed", "sign logabsdet")
Eigen = namedtuple("Eigen", "eigenvalues eigenvectors")
Singular = namedtuple("Singular", "U S Vh")
OldSingular = namedtuple("OldSingular", "U S V")
Orthogonal = namedtuple("Orthogonal", "Q R")
Solved = namedtuple("Solved", "solution cloned_coefficient")
LeastSquares = namedtuple("LeastSquares", "solution residuals rank singular_values")
WithInfo = namedtuple("WithInfo", "result info")


def turned(x: Any) -> Any:
    return swapaxes(x, -1, -2)


def cholesky(A: Any, *, upper: bool = False) -> Any:
    L = rules.cholesky(A)
    return turned(L) if upper else L


def cholesky_inverse(L: Any, upper: bool = False) -> Any:
    L = rules.triu(L) if upper else rules.tril(L)
    return rules.inv(turned(L) @ L if upper else L @ turned(L))


def cholesky_solve(B: Any, L: Any, upper: bool = False) -> Any:
    lower = turned(L) if upper else L
    half = _solve_triangular(lower, B, True, False)
    return _solve_triangular(turned(lower), half, False, False)


def _solve_triangular(A: Any, B: Any, lower: bool, unit: bool) -> Any:
    return rules.solve_triangular(A, B, lower, unit)


def with_info(function: Callable) -> Callable:
    """And whether it went well, a number for each matrix: 0."""

    def checked(A: Any, *args: Any, check_errors: bool = False, **options: Any) -> tuple:
        import torch

        made = function(A, *args, **options)
        return WithInfo(made, torch.zeros(shape(A)[:-2], dtype=torch.int32))

    return checked


def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """B may be vectors, of the shape of A without its last axis."""
    is_vector = len(shape(B)) == 1 or shape(B) == shape(A)[:-1]
    if is_vector:
        return rules.squeeze(rules.solve(A, rules.expand_dims(B, axis=-1)), axis=-1)
    return rules.solve(A, B) if left else turned(rules.solve(turned(A), turned(B)))


def solve_triangular(A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    if left:
        return _solve_triangular(A, B, not upper, unitriangular)
    return turned(_solve_triangular(turned(A), turned(B), upper, unitriangular))


def triangular_solve(
    b: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Solved:
    matrix, lower = (turned(A), upper) if transpose else (A, not upper)
    return Solved(_solve_triangular(matrix, b, lower, unitriangular), A)


def logdet(A: Any) -> Any:
    """nan where the determinant is below 0."""
    sign, size = rules.slogdet(A)
    return rules.where(stripped(sign) < 0, float("nan"), size)


def qr(A: Any, mode: str = "reduced") -> Orthogonal:
    """PyTorch has a gradient of the "complete" one where it is the "reduced"."""
    if mode == "complete" and shape(A)[-2] > shape(A)[-1]:
        raise TypeError("PyTorch's qr of a recorded array has no mode='complete' of tall matrices")
    if mode == "r":
        raise TypeError("PyTorch's qr of a recorded array has no mode='r'")
    return Orthogonal(*rules.qr(A))


def eigh(A: Any, UPLO: str = "L") -> Eigen:
    return Eigen(*rules.eigh(A))


def svd(A: Any, full_matrices: bool = True, *, driver: Any = None) -> Singular:
    """Of ``full_matrices`` the further vectors have no gradient."""
    U, S, Vh = rules.svd(A)
    if full_matrices and shape(A)[-1] != shape(A)[-2]:
        K = min(shape(A)[-2:])
        import torch

        whole = torch.linalg.svd(stripped(A), full_matrices=True)
        U = rules.concatenate([U, whole[0][..., K:]], axis=-1)
        Vh = rules.concatenate([Vh, whole[2][..., K:, :]], axis=-2)
    return Singular(U, S, Vh)


def old_svd(input: Any, some: bool = True, compute_uv: bool = True) -> OldSingular:
    U, S, Vh = svd(input, not some)
    return OldSingular(U, S, turned(Vh))


def svdvals(A: Any, *, driver: Any = None) -> Any:
    return rules.svd(A)[1]


def pinv(A: Any, rcond: Any = None, *, rtol: Any = None, hermitian: bool = False) -> Any:
    return rules.pinv(A, rtol if rcond is None else rcond)


def lstsq(A: Any, B: Any, rcond: Any = None, *, driver: Any = None) -> LeastSquares:
    solution = rules.lstsq(A, B)
    m, n = shape(A)[-2:]
    rest = A @ solution - B
    residuals = rules.sum(rest * rest, axis=-2) if m > n else stripped(solution).new_zeros(0)
    return LeastSquares(solution, residuals, None, None)


def matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Any:
    x = moveaxis(typed(A, dtype), tuple(dim), (-2, -1))
    made = _matrix_norm(x, ord)
    for axis in sorted(d % len(shape(A)) for d in dim) if keepdim else ():
        made = rules.expand_dims(made, axis=axis)
    return made


def _matrix_norm(x: Any, ord: Any) -> Any:
    if ord == "fro":
        return rules.norm(x, axis=(-2, -1))
    if ord in ("nuc", 2, -2):
        pick = {"nuc": rules.sum, 2: rules.max, -2: rules.min}[ord]
        return pick(rules.svd(x)[1], axis=-1)
    sums = rules.sum(rules.abs(x), axis=-2 if abs(ord) == 1 else -1)
    return rules.max(sums, axis=-1) if ord > 0 else rules.min(sums, axis=-1)


def norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Of two axes and an order that of matrices, else that of vectors."""
    several = isinstance(dim, (tuple, list))
    is_matrix = ord is not None and (len(dim) == 2 if several else dim is None and len(shape(A)) == 2)
    if is_matrix:
        return matrix_norm(A, ord, dim or (-2, -1), keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def old_norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """``torch.norm``, which takes all axes as one but for the nuclear norm."""
    if p == "nuc":
        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


def cond(A: Any, p: Any = None) -> Any:
    if p in (None, 2, -2):
        S = rules.svd(A)[1]
        return S[..., 0] / S[..., -1] if p != -2 else S[..., -1] / S[..., 0]
    return _matrix_norm(A, p) * _matrix_norm(rules.inv(A), p)


def tensorinv(A: Any, ind: int = 2) -> Any:
    rows, columns = shape(A)[:ind], shape(A)[ind:]
    inverse = rules.inv(rules.reshape(A, (math.prod(rows), math.prod(columns))))
    return rules.reshape(inverse, (*columns, *rows))


def tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:
    if dims is not None:
        last = tuple(range(len(shape(A)) - len(dims), len(shape(A))))
        A = moveaxis(A, tuple(dims), last)
    own = shape(A)[len(shape(B)) :]
    matrix = rules.reshape(A, (-1, math.prod(own)))
    return rules.reshape(rules.solve(matrix, rules.reshape(B, (-1,))), own)


TABLE: dict[str, Callable] = {
    "cholesky": lambda input, upper=False: cholesky(input, upper=upper),
    "cholesky_inverse": cholesky_inverse,
    "cholesky_solve": cholesky_solve,
    "det": lambda A: rules.det(A),
    "inverse": lambda input: rules.inv(input),
    "linalg.cholesky": cholesky,
    "linalg.cholesky_ex": with_info(cholesky),
    "linalg.cond": cond,
    "linalg.det": lambda A: rules.det(A),
    "linalg.eigh": eigh,
    "linalg.eigvalsh": lambda A, UPLO="L": rules.eigh(A)[0],
    "linalg.inv": lambda A: rules.inv(A),
    "linalg.inv_ex": with_info(lambda A: rules.inv(A)),
    "linalg.lstsq": lstsq,
    "linalg.matrix_exp": lambda A: rules.expm(A),
    "linalg.matrix_norm": matrix_norm,
    "linalg.matrix_power": lambda A, n: rules.matrix_power(A, n),
    "linalg.norm": norm,
    "linalg.pinv": pinv,
    "linalg.qr": qr,
    "linalg.slogdet": lambda A: Signed(*rules.slogdet(A)),
    "linalg.solve": solve,
    "linalg.solve_ex": with_info(solve),
    "linalg.solve_triangular": solve_triangular,
    "linalg.svd": svd,
    "linalg.svdvals": svdvals,
    "linalg.tensorinv": tensorinv,
    "linalg.tensorsolve": tensorsolve,
    "logdet": logdet,
    "matrix_exp": lambda input: rules.expm(input),
    "matrix_power": lambda input, n: rules.matrix_power(input, n),
    "norm": old_norm,
    "pinverse": lambda input, rcond=1e-15: pinv(input, rcond),
    "qr": lambda input, some=True: qr(input, "reduced" if some else "complete"),
    "slogdet": lambda A: Signed(*rules.slogdet(A)),
    "svd": old_svd,
    "triangular_solve": triangular_solve,
}
