"""PyTorch's own functions for the rules of linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

linalg = torch.linalg


def symmetric(x: Any) -> Any:
    return (x + x.mT) / 2


def as_numpys(columns: Any, own: np.ndarray) -> Any:
    """1 or -1 for each column: a factor's signs are chosen freely, and here as in NumPy's factor."""
    return torch.sign(torch.sum(columns.detach() * torch.from_numpy(own), dim=-2))


def eigh(x: Any) -> tuple:
    w, V = linalg.eigh(symmetric(x))
    sign = as_numpys(V, np.linalg.eigh(symmetric(x).detach().numpy()).eigenvectors)
    return w, V * sign[..., None, :]


def svd(x: Any) -> tuple:
    U, S, Vh = linalg.svd(x, full_matrices=False)
    sign = as_numpys(U, np.linalg.svd(x.detach().numpy(), full_matrices=False).U)
    return U * sign[..., None, :], S, Vh * sign[..., :, None]


def qr(x: Any) -> tuple:
    Q, R = linalg.qr(x)
    sign = as_numpys(Q, np.linalg.qr(x.detach().numpy()).Q)
    return Q * sign[..., None, :], R * sign[..., :, None]


def columns(b: Any) -> Any:
    return b[:, None] if b.dim() == 1 else b


def solved(solve: Any) -> Any:
    """A vector is what has one axis, as in NumPy."""

    def function(A: Any, b: Any, **options: Any) -> Any:
        x = solve(A, columns(b), **options)
        return x[..., 0] if b.dim() == 1 else x

    return function


def solve_triangular(A: Any, b: Any, lower: bool = False, unit_diagonal: bool = False) -> Any:
    T = torch.tril(A) if lower else torch.triu(A)
    return linalg.solve_triangular(T, b, upper=not lower, unitriangular=unit_diagonal)


LINALG = {
    "inv": linalg.inv,
    "solve": solved(linalg.solve),
    "solve_triangular": solved(solve_triangular),
    "det": linalg.det,
    "adjugate": lambda x: linalg.det(x)[..., None, None] * linalg.inv(x),
    "slogdet": linalg.slogdet,
    "pinv": linalg.pinv,
    "lstsq": solved(lambda A, b: linalg.pinv(A) @ b),
    "cholesky": lambda x: linalg.cholesky(symmetric(x)),
    "qr": qr,
    "eigh": eigh,
    "svd": svd,
    "expm": linalg.matrix_exp,
    "matrix_power": linalg.matrix_power,
}
HAS_NOT = {
    **{f"{name}-empty": "has no gradient of nothing" for name in ("adjugate",)},
}
