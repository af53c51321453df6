"""A = P L U: triangular factors of matrices whose rows are in an order that PyTorch picks."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import shape, stripped
from handgrad.rules import rule
from handgrad.tape.torch_functions.linear_algebra import turned

Factors = namedtuple("Factors", "P L U")
Packed = namedtuple("Packed", "LU pivots")
PackedWithInfo = namedtuple("PackedWithInfo", "LU pivots info")


@rule
def triangles(x: Any) -> Any:
    """L with ones in its diagonal and U, x = L U, of a square x whose rows need no other order: out = L, U.

    dx = (Lᵀ)⁻¹ (below(Lᵀ dL) + upper(dU Uᵀ)) (Uᵀ)⁻¹

    From L⁻¹ Δx U⁻¹ = L⁻¹ ΔL + ΔU U⁻¹, of which the first is below the diagonal and the second is not.
    """
    import torch

    _, L, U = torch.linalg.lu(x)

    def backward(douts: Any) -> Any:
        dL, dU = douts
        inner = rules.tril(turned(L) @ dL, -1) + rules.triu(dU @ turned(U))
        left = rules.solve_triangular(turned(L), inner, False, True)
        return turned(rules.solve_triangular(U, turned(left), False))

    return (L, U), backward


def lu(A: Any, *, pivot: bool = True) -> Factors:
    """Of a wide A the rest of U, of a tall one the rest of L, are by the square part.

    Raises:
        TypeError: ``pivot=False``, which PyTorch does not have on the CPU.
    """
    import torch

    if not pivot:
        raise TypeError("PyTorch's lu of a recorded array has no pivot=False")
    P = torch.linalg.lu(stripped(A))[0]
    x, K = turned(P) @ A, min(shape(A)[-2:])
    L, U = triangles(x[..., :K, :K])
    if shape(A)[-1] > K:
        U = rules.concatenate([U, rules.solve_triangular(L, x[..., :, K:], True, True)], axis=-1)
    if shape(A)[-2] > K:
        below = turned(rules.solve_triangular(turned(U), turned(x[..., K:, :]), True))
        L = rules.concatenate([L, below], axis=-2)
    return Factors(P, L, U)


def lu_factor(A: Any, *, pivot: bool = True) -> Packed:
    """Both in one matrix: of L what is below its ones."""
    import torch

    _, L, U = lu(A, pivot=pivot)
    m, n = shape(A)[-2:]
    K = min(m, n)
    rest = ((0, 0),) * (len(shape(A)) - 2)
    below = rules.pad(rules.tril(L, -1), (*rest, (0, 0), (0, n - K)))
    above = rules.pad(U, (*rest, (0, m - K), (0, 0)))
    return Packed(below + above, torch.linalg.lu_factor(stripped(A)).pivots)


def lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False) -> PackedWithInfo:
    import torch

    return PackedWithInfo(*lu_factor(A, pivot=pivot), torch.zeros(shape(A)[:-2], dtype=torch.int32))


def lu_unpack(LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True) -> Factors:
    import torch

    P = torch.lu_unpack(stripped(LU_data), stripped(LU_pivots), False, unpack_pivots)[0]
    if not unpack_data:
        return Factors(P, stripped(LU_data).new_zeros(0), stripped(LU_data).new_zeros(0))
    m, n = shape(LU_data)[-2:]
    K = min(m, n)
    ones = torch.eye(m, K, dtype=LU_data.dtype)
    return Factors(P, rules.tril(LU_data[..., :, :K], -1) + ones, rules.triu(LU_data[..., :K, :]))


def lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False) -> Any:
    """X of A X = B, or of X A = B, for A or its transpose."""
    if not left:
        return turned(lu_solve(LU, pivots, turned(B), adjoint=not adjoint))
    P, L, U = lu_unpack(LU, pivots)
    if adjoint:
        inner = rules.solve_triangular(turned(U), B, True)
        return P @ rules.solve_triangular(turned(L), inner, False, True)
    return rules.solve_triangular(U, rules.solve_triangular(L, turned(P) @ B, True, True), False)


TABLE: dict[str, Callable] = {
    "linalg.lu": lu,
    "linalg.lu_factor": lu_factor,
    "linalg.lu_factor_ex": lu_factor_ex,
    "linalg.lu_solve": lu_solve,
    "lu_solve": lambda b, LU_data, LU_pivots: lu_solve(LU_data, LU_pivots, b),
    "lu_unpack": lu_unpack,
    "torch._lu_with_info": lambda A, pivot=True, check_errors=False: lu_factor_ex(A, pivot=pivot),
    "torch.lu": lambda A, pivot=True, get_infos=False: lu_factor_ex(A, pivot=pivot)[: 3 if get_infos else 2],
}
