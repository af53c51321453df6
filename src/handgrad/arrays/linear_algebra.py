"""Linear algebra of each library under one set of names: ``xp.solve(A, B)``, ``xp.svd(x)``, ...

All work on the last two axes, of any leading ones. ``solve`` and ``solve_triangular`` take matrices on the
right; ``cholesky`` gives the lower factor, ``qr`` and ``svd`` the thin ones. What gives several arrays is
one operation in a program, ``factors(name, x)``: what it gives lies flat in one array.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays.dispatch import xp
from handgrad.arrays.lacking import wide
from handgrad.arrays.questions import shape

Shape = tuple[int, ...]


def parts_of(name: str, own: Shape) -> list[Shape]:
    """The shapes that a factorisation of an array of that shape gives."""
    lead, (m, n) = own[:-2], own[-2:]
    k = min(m, n)
    shapes: dict[str, list[Shape]] = {
        "slogdet": [(), ()],
        "eigh": [(n,), (n, n)],
        "qr": [(m, k), (k, n)],
        "svd": [(m, k), (k,), (k, n)],
    }
    return [(*lead, *part) for part in shapes[name]]


def factors(name: str, x: Any, *how: Any) -> np.ndarray:
    """What a factorisation gives, each matrix's parts flat, one after the other: (..., their elements)."""
    lead = shape(x)[:-2]
    made = [
        np.reshape(part, (*lead, math.prod(shape(part)[len(lead) :]))) for part in OF_NUMPY[name](x, *how)
    ]
    return np.concatenate(made, axis=-1)


def unpacked(name: str, flat: Any, own: Shape) -> tuple:
    """The parts again, of an array of that shape."""
    found, start = [], 0
    for part in parts_of(name, own):
        stop = start + math.prod(part[len(own) - 2 :])
        found.append(xp.reshape(flat[..., start:stop], part))
        start = stop
    return tuple(found)


def solve_triangular(A: Any, b: Any, lower: bool = False) -> Any:
    """By substitution, half of the rows after the other: for libraries that have no such function."""
    n = shape(A)[-1]
    if n <= 1:
        return b / A if n else b + 0 * xp.sum(A, axis=-1, keepdims=True)
    first, second = slice(None, n // 2), slice(n // 2, None)
    if not lower:
        first, second = second, first
    x = solve_triangular(A[..., first, first], b[..., first, :], lower)
    rest = b[..., second, :] - A[..., second, first] @ x
    y = solve_triangular(A[..., second, second], rest, lower)
    x, y = _beside(x, y)
    return xp.concat([x, y] if lower else [y, x], axis=-2)


def _beside(x: Any, y: Any) -> tuple[Any, Any]:
    """Two parts of a result, of the leading axes of both."""
    lead = np.broadcast_shapes(shape(x)[:-2], shape(y)[:-2])
    return tuple(xp.broadcast_to(v, (*lead, *shape(v)[-2:])) for v in (x, y))


# NumPy's; numbers of 16 bits, which LAPACK does not know, are computed in 32, here and in PyTorch.


def _of_finite(function: Callable) -> Callable:
    """LAPACK's iterations refuse nan, and go on for ever from some infinities (OpenBLAS 0.3)."""

    def computed(x: Any, *others: Any) -> Any:
        if not np.isfinite(x).all():
            raise np.linalg.LinAlgError(
                "a matrix has elements that are not finite: it has no singular values"
            )
        return function(x, *others)

    return computed


PADE = (
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
    670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
)  # fmt: skip
LARGEST = 5.371920351148152  # of the norm, at which that approximant is right to float64's last digit


def expm(x: np.ndarray) -> np.ndarray:
    """By scaling, the approximant of degree 13, and squaring.

    N. J. Higham, "The scaling and squaring method for the matrix exponential revisited", 2005.
    """
    x = np.asarray(x, None if np.asarray(x).dtype.kind == "f" else np.float64)
    length = np.max(np.sum(np.abs(x), axis=-2), axis=-1, initial=0)
    length = np.where(np.isfinite(length), length, 0)
    times = np.maximum(np.ceil(np.log2(np.maximum(length / LARGEST, 1))), 0).astype(int)
    x = x / np.exp2(times).astype(x.dtype)[..., None, None]
    one = np.eye(x.shape[-1], dtype=x.dtype)
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2
    b = [x.dtype.type(c) / x.dtype.type(PADE[0]) for c in PADE]
    odd = x6 @ (b[13] * x6 + b[11] * x4 + b[9] * x2) + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * one
    even = x6 @ (b[12] * x6 + b[10] * x4 + b[8] * x2) + b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * one
    out = np.linalg.solve(even - x @ odd, even + x @ odd)
    for step in range(int(np.max(times, initial=0))):
        out = np.where((step < times)[..., None, None], out @ out, out)
    return out


OF_NUMPY: dict[str, Callable] = {
    "inv": wide(np.linalg.inv),
    "solve": wide(np.linalg.solve),
    "solve_triangular": solve_triangular,
    "det": wide(np.linalg.det),
    "slogdet": wide(lambda x: tuple(np.linalg.slogdet(x))),
    "cholesky": wide(np.linalg.cholesky),
    "qr": wide(lambda x: tuple(np.linalg.qr(x))),
    "eigh": wide(lambda x, UPLO="L": tuple(np.linalg.eigh(x, UPLO))),
    "svd": _of_finite(wide(lambda x: tuple(np.linalg.svd(x, full_matrices=False)))),
    "pinv": _of_finite(wide(lambda x, rtol=None: np.linalg.pinv(x, rtol=rtol))),
    "expm": wide(expm),
    "factors": factors,
}


SHARED = "inv solve det slogdet cholesky qr".split()  # names and meaning in all libraries


def of_standard(standard: Any) -> dict[str, Callable]:
    """Those of the standard's extension."""
    linalg = standard.linalg
    return {
        **{name: getattr(linalg, name) for name in SHARED},
        "solve_triangular": solve_triangular,
        "eigh": lambda x, UPLO="L": linalg.eigh(x),
        "svd": lambda x: linalg.svd(x, full_matrices=False),
        "pinv": lambda x, rtol=None: linalg.pinv(x, rtol=rtol),
        "expm": lambda x: standard.asarray(expm(np.asarray(x))),
    }


def of_jax() -> dict[str, Callable]:
    import jax
    import jax.numpy as jnp

    def triangular(A: Any, b: Any, lower: bool = False) -> Any:
        A, b = _beside(A, b)
        return jax.lax.linalg.triangular_solve(A, b, left_side=True, lower=lower)

    return {
        **{name: getattr(jnp.linalg, name) for name in SHARED},
        "solve_triangular": triangular,
        "eigh": jnp.linalg.eigh,
        "svd": lambda x: jnp.linalg.svd(x, full_matrices=False),
        "pinv": lambda x, rtol=None: jnp.linalg.pinv(x, rtol=rtol),
        "expm": jax.scipy.linalg.expm,
    }


def of_torch() -> dict[str, Callable]:
    from torch import linalg

    found = {
        **{name: getattr(linalg, name) for name in SHARED},
        "solve_triangular": lambda A, b, lower=False: linalg.solve_triangular(A, b, upper=not lower),
        "eigh": linalg.eigh,
        "svd": lambda x: linalg.svd(x, full_matrices=False),
        "pinv": lambda x, rtol=None: linalg.pinv(x, rtol=rtol),
        "expm": linalg.matrix_exp,
    }
    return {name: wide(function) for name, function in found.items()}
