"""``np.linalg`` on recorded arrays, with NumPy's own arguments."""

from __future__ import annotations

import functools
import math
import operator
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped
from handgrad.tape.functions.creation import gathered
from handgrad.tape.functions.products import cross, outer, tensordot, vecdot
from handgrad.tape.functions.shaping import moveaxis, swapaxes
from handgrad.tape.refusals import unwritten

Eigh = namedtuple("Eigh", "eigenvalues eigenvectors")
QR = namedtuple("QR", "Q R")
Slogdet = namedtuple("Slogdet", "sign logabsdet")
SVD = namedtuple("SVD", "U S Vh")


def one_triangle(x: Any, lower: bool) -> Any:
    """The symmetric matrix of which NumPy reads one triangle."""
    x = gathered(x)
    half = rules.tril(x, -1) if lower else rules.triu(x, 1)
    return rules.tril(rules.triu(x)) + half + swapaxes(half, -1, -2)


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    L = rules.cholesky(one_triangle(a, not upper))
    return swapaxes(L, -1, -2) if upper else L


def eigh(a: Any, UPLO: str = "L") -> Eigh:
    if UPLO.upper() not in ("L", "U"):
        raise ValueError(f"UPLO is L or U, not {UPLO!r}")
    return Eigh(*rules.eigh(one_triangle(a, UPLO.upper() == "L"), UPLO.upper()))


def qr(a: Any, mode: str = "reduced") -> Any:
    a = gathered(a)
    if mode == "complete" and shape(a)[-2] <= shape(a)[-1]:
        mode = "reduced"  # which is the same
    if mode not in ("reduced", "r"):
        raise TypeError(
            f"np.linalg.qr of a recorded array has no mode={mode!r}: the columns of Q beyond those of R have "
            f"no derivative; write mode='reduced'"
        )
    made = QR(*rules.qr(a))
    return made.R if mode == "r" else made


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    a = gathered(a)
    if hermitian:
        raise TypeError("np.linalg.svd of a recorded array has no hermitian=: write np.linalg.eigh")
    if compute_uv and full_matrices and shape(a)[-1] != shape(a)[-2]:
        raise TypeError(
            "np.linalg.svd of a recorded array that is not square has no full_matrices=True: the columns "
            "beyond the singular values have no derivative; write full_matrices=False"
        )
    made = SVD(*rules.svd(a))
    return made if compute_uv else made.S


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    """With NumPy's two defaults: 1e-15, or max(M, N)·eps where ``rtol`` is None."""
    if hermitian:
        raise TypeError("np.linalg.pinv of a recorded array has no hermitian=: leave it away")
    if rtol is np._NoValue:
        rtol = 1e-15 if rcond is None else rcond
    return rules.pinv(gathered(a), rtol=rtol)


def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple:
    """The solution, what is left of each column where there is but one, the rank, the singular values."""
    a, b = gathered(a), gathered(b)
    if len(shape(a)) != 2:
        raise ValueError(f"np.linalg.lstsq takes one matrix, not an array of shape {shape(a)}")
    eps = float(np.finfo(a.dtype).eps) if a.dtype.kind == "f" else 2.0**-52
    rtol = eps * max(shape(a)) if rcond is None else eps if rcond < 0 else rcond
    x, s = rules.lstsq(a, b, rtol=rtol), rules.svd(a)[1]
    values = stripped(s)
    rank = int(np.sum(values > rtol * np.max(values, initial=0)))
    rest = b - a @ x
    is_one = rank == shape(a)[1] < shape(a)[0]
    left = rules.sum(rest * rest, axis=0) if is_one else np.zeros(0, a.dtype)
    return x, rules.reshape(left, (-1,)) if is_one else left, rank, s


def matrix_norm(x: Any, ord: Any, axis: tuple[int, int], keepdims: bool) -> Any:
    """Of order 1 and inf by sums, of order 2 and the nuclear norm by singular values."""
    if ord in (1, -1, math.inf, -math.inf):
        rows, columns = axis if ord in (1, -1) else axis[::-1]
        sums = rules.sum(rules.abs(x), axis=rows, keepdims=True)
        made = (rules.max if ord > 0 else rules.min)(sums, axis=columns, keepdims=True)
        return made if keepdims else rules.squeeze(made, axis=axis)
    reductions = {2: rules.max, -2: rules.min, "nuc": rules.sum}
    if ord not in reductions:
        raise ValueError(f"ord is None, fro, nuc, inf, -inf, 1, -1, 2 or -2 for matrices, not {ord!r}")
    made = reductions[ord](rules.svd(moveaxis(x, axis, (-2, -1)))[1], axis=-1)
    if not keepdims:
        return made
    return rules.expand_dims(made, axis=tuple(a % len(shape(x)) for a in axis))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = gathered(x)
    if axis is None and ord is not None and len(shape(x)) == 2:
        axis = (0, 1)
    if isinstance(axis, tuple) and len(axis) == 2 and ord not in (None, "fro"):
        return matrix_norm(x, ord, axis, keepdims)
    return rules.norm(x, axis=axis, keepdims=keepdims, ord=2 if ord in (None, "fro") else ord)


def cond(x: Any, p: Any = None) -> Any:
    """How much longer than others a vector may become; of order 2 by the singular values."""
    x = gathered(x)
    if p in (None, 2, -2):
        s = rules.svd(x)[1]
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return norm(x, p, (-2, -1)) * norm(rules.inv(x), p, (-2, -1))


def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    unwritten("np.linalg.multi_dot", out)
    return functools.reduce(operator.matmul, map(gathered, arrays))


def tensorinv(a: Any, ind: int = 2) -> Any:
    a = gathered(a)
    first, last = shape(a)[:ind], shape(a)[ind:]
    inverse = rules.inv(rules.reshape(a, (math.prod(first), math.prod(last))))
    return rules.reshape(inverse, (*last, *first))


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = gathered(a), gathered(b)
    if axes is not None:
        moved = [i % len(shape(a)) for i in axes]
        a = rules.transpose(a, (*(i for i in range(len(shape(a))) if i not in moved), *moved))
    wanted = shape(a)[len(shape(b)) :]
    matrix = rules.reshape(a, (math.prod(shape(b)), math.prod(wanted)))
    return rules.reshape(rules.solve(matrix, rules.reshape(b, (-1,))), wanted)


linalg = np.linalg
TABLE: dict[Any, Callable] = {
    linalg.cholesky: cholesky,
    linalg.cond: cond,
    linalg.cross: lambda a, b, /, *, axis=-1: cross(a, b, axis=axis),
    linalg.det: lambda a: rules.det(gathered(a)),
    linalg.diagonal: lambda x, /, *, offset=0: rules.diagonal(x, offset, -2, -1),
    linalg.eigh: eigh,
    linalg.eigvalsh: lambda a, UPLO="L": eigh(a, UPLO).eigenvalues,
    linalg.inv: lambda a: rules.inv(gathered(a)),
    linalg.lstsq: lstsq,
    linalg.matmul: lambda a, b, /: rules.matmul(a, b),
    linalg.matrix_norm: lambda x, /, *, keepdims=False, ord="fro": norm(x, ord, (-2, -1), keepdims),
    linalg.matrix_power: lambda a, n: rules.matrix_power(gathered(a), n),
    linalg.matrix_rank: lambda *args, **options: linalg.matrix_rank(*map(stripped, args), **options),
    linalg.matrix_transpose: lambda x, /: swapaxes(x, -1, -2),
    linalg.multi_dot: multi_dot,
    linalg.norm: norm,
    linalg.outer: lambda a, b, /: outer(a, b),
    linalg.pinv: pinv,
    linalg.qr: qr,
    linalg.slogdet: lambda a: Slogdet(*rules.slogdet(gathered(a))),
    linalg.solve: lambda a, b: rules.solve(gathered(a), gathered(b)),
    linalg.svd: svd,
    linalg.svdvals: lambda x, /: rules.svd(gathered(x))[1],
    linalg.tensordot: lambda a, b, /, *, axes=2: tensordot(a, b, axes),
    linalg.tensorinv: tensorinv,
    linalg.tensorsolve: tensorsolve,
    linalg.trace: lambda x, /, *, offset=0: rules.trace(x, offset, -2, -1),
    linalg.vecdot: lambda a, b, /, *, axis=-1: vecdot(a, b, axis),
    linalg.vector_norm: lambda x, /, *, axis=None, keepdims=False, ord=2: rules.norm(
        gathered(x), axis=axis, keepdims=keepdims, ord=ord
    ),
}
