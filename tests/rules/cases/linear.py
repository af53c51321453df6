"""Products of matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import handgrad as hg

from ..draws import integers, normal
from .case import MIXED, Case


def linear() -> Iterator[Case]:
    def pair(*shapes: tuple) -> Callable:
        return lambda r: tuple(normal(r, *shape) for shape in shapes)

    for name, shapes in {
        "matrices": ((3, 4), (4, 2)),
        "row": ((4,), (4, 2)),
        "column": ((3, 4), (4,)),
        "inner": ((4,), (4,)),
        "batched": ((2, 3, 4), (2, 4, 5)),
        "batch-matrix": ((2, 3, 4), (4, 2)),
        "matrix-batch": ((3, 4), (2, 4, 2)),
        "row-batch": ((4,), (2, 4, 3)),
        "batch-column": ((2, 3, 4), (4,)),
        "batches-broadcast": ((2, 1, 3, 4), (3, 4, 2)),
        "ones": ((1, 1), (1, 1)),
        "nothing": ((0, 3), (3, 2)),
        "nothing-summed": ((2, 0), (0, 3)),
    }.items():
        yield Case(hg.matmul, name, pair(*shapes))
    yield Case(hg.matmul, "strided", lambda r: (normal(r, 4, 3).T, normal(r, 8, 3)[::-2]))
    yield Case(hg.matmul, "integers", lambda r: (integers(9)(r, 2, 3), normal(r, 3, 2)),
               cannot={**MIXED, "torch": "multiplies no matrices of two dtypes"})  # fmt: skip
    for name, lead in {"one": (), "rows": (5,), "more": (2, 3), "nothing": (0,)}.items():
        yield Case(hg.affine, name, pair((*lead, 4), (4, 3), (3,)))
    yield Case(hg.affine, "nothing-summed", pair((2, 3, 0), (0, 3), (3,)))
    yield Case(
        hg.affine, "strided", lambda r: (normal(r, 4, 6).T[::2], normal(r, 3, 4).T, normal(r, 6)[::-2])
    )
    yield Case(hg.affine, "integers", lambda r: (integers(9)(r, 3, 4), normal(r, 4, 2), normal(r, 2)),
               cannot={**MIXED, "torch": "multiplies no matrices of two dtypes"})  # fmt: skip
    for name, (subscripts, *shapes) in {
        "product": ("ij,jk->ik", (3, 4), (4, 2)),
        "implicit": ("ij,jk", (3, 4), (4, 2)),
        "transposed": ("ij,kj->ki", (3, 4), (2, 4)),
        "inner": ("i,i->", (5,), (5,)),
        "outer": ("i,j->ji", (3,), (2,)),
        "elementwise": ("ij,ij->ij", (2, 3), (2, 3)),
        "batches": ("bij,bkj->bik", (2, 3, 4), (2, 5, 4)),
        "heads": ("nthd,nshd->nhts", (2, 3, 2, 4), (2, 5, 2, 4)),
        "bilinear": ("ni,kij,nj->nk", (4, 3), (2, 3, 2), (4, 2)),
        "row-summed": ("ij,jk->k", (3, 4), (4, 2)),
        "alone-summed": ("ij,k->ik", (2, 3), (4,)),
        "of-one": ("ijk->ki", (2, 3, 4)),
        "sum-of-one": ("ij->", (2, 3)),
        "ellipsis": ("...ij,jk->...ik", (2, 3, 4), (4, 2)),
        "ellipses": ("...i,...i->...", (2, 3, 4), (2, 3, 4)),
        "nothing": ("ij,jk->ik", (0, 3), (3, 2)),
        "nothing-summed": ("ij,jk->ik", (2, 0), (0, 3)),
        "convolution": ("ncyij,ocij->noy", (2, 3, 4, 2, 1), (5, 3, 2, 1)),
    }.items():
        arrays = lambda r, shapes=shapes: ([normal(r, *shape) for shape in shapes],)  # noqa: E731
        yield Case(hg.einsum, name, arrays, {"subscripts": subscripts})
    yield Case(
        hg.einsum, "strided", lambda r: ([normal(r, 4, 3).T, normal(r, 8, 3)[::-2]],), {"subscripts": "ij,jk"}
    )
