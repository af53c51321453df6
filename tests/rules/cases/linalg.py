"""Linear algebra: matrices that are well conditioned, their eigenvalues and singular values apart.

They are near a diagonal one, so that no sign of a factor, which is LAPACK's choice, changes nearby.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import handgrad as hg

from ..draws import normal
from .case import Case


def near(r: np.random.Generator, *shape: int) -> np.ndarray:
    """Near a diagonal of n, ..., 3, 2, 1."""
    diagonal = np.eye(*shape[-2:]) * np.arange(min(shape[-2:]), min(shape[-2:]) - shape[-1], -1)
    return np.asarray(diagonal + 0.15 * normal(r, *shape))


def one(*shape: int) -> Callable:
    return lambda r: (near(r, *shape),)


SQUARES = {
    "matrix": (3, 3),
    "one": (1, 1),
    "batch": (2, 3, 3),
    "batches": (2, 1, 2, 2),
    "empty": (0, 0),
    "no-batch": (0, 2, 2),
}


def linalg() -> Iterator[Case]:
    for rule in (hg.inv, hg.det, hg.slogdet, hg.adjugate, hg.cholesky, hg.eigh, hg.expm):
        for name, shape in SQUARES.items():
            yield Case(rule, name, one(*shape))
        yield Case(rule, "strided", lambda r: (near(r, 6, 6)[::2, ::2],))
        yield Case(rule, "transposed", lambda r: (near(r, 3, 3).T,))
    for name, (a, b) in {
        "vector": ((3, 3), (3,)),
        "matrix": ((3, 3), (3, 2)),
        "batch-vector": ((2, 3, 3), (3,)),
        "batch": ((2, 3, 3), (2, 3, 1)),
        "broadcast": ((2, 1, 2, 2), (3, 2, 4)),
        "matrix-batch": ((2, 2), (3, 2, 1)),
        "one": ((1, 1), (1,)),
        "no-columns": ((2, 2), (2, 0)),
        "empty": ((0, 0), (0, 2)),
    }.items():
        make = lambda r, a=a, b=b: (near(r, *a), normal(r, *b))  # noqa: E731
        yield Case(hg.solve, name, make)
        for lower in (False, True):
            label = f"{name}-{'lower' if lower else 'upper'}"
            yield Case(hg.solve_triangular, label, make, {"lower": lower})
    unit = {"lower": True, "unit_diagonal": True}
    yield Case(hg.solve_triangular, "unit", lambda r: (near(r, 4, 4), normal(r, 4)), unit)
    for name, shape in {
        **SQUARES,
        "tall": (4, 2),
        "wide": (2, 4),
        "tall-batch": (2, 3, 2),
        "wide-batch": (2, 2, 3),
        "column": (3, 1),
        "row": (1, 3),
    }.items():
        for rule in (hg.qr, hg.svd, hg.pinv):
            signs = {"torch": "may choose other signs: tests/peers/test_linalg.py"}
            is_chosen = rule is hg.svd and name.startswith("wide")
            yield Case(rule, name, one(*shape), cannot=signs if is_chosen else {})
    for name, (a, b) in {
        "tall": ((4, 2), (4,)),
        "wide": ((2, 4), (2,)),
        "square": ((3, 3), (3, 2)),
        "batch": ((2, 4, 2), (2, 4, 3)),
        "broadcast": ((2, 1, 4, 2), (3, 4, 1)),
        "one": ((1, 1), (1,)),
    }.items():
        yield Case(hg.lstsq, name, lambda r, a=a, b=b: (near(r, *a), normal(r, *b)))
    for n in (-3, -1, 0, 1, 2, 3, 7):
        yield Case(hg.matrix_power, str(n), lambda r: (near(r, 2, 2) / 2,), {"n": n})
    yield Case(hg.matrix_power, "batch", lambda r: (near(r, 2, 3, 3) / 3,), {"n": 4})
    yield Case(hg.expm, "large", lambda r: (normal(r, 3, 3) * 3,))
    yield Case(hg.expm, "small", lambda r: (normal(r, 3, 3) * 1e-3,))
