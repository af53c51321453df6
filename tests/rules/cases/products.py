"""Products over named axes, of all pairs, and along a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import handgrad as hg

from ..draws import normal
from .case import Case


def pair(*shapes: tuple) -> Callable:
    return lambda r: tuple(normal(r, *shape) for shape in shapes)


def products() -> Iterator[Case]:
    for name, shapes, axes in (
        ("two", ((2, 3, 4), (3, 4, 5)), 2),
        ("one", ((2, 3), (3, 4)), 1),
        ("none", ((2,), (3,)), 0),
        ("named", ((2, 3, 4), (4, 2)), ((0, 2), (1, 0))),
        ("single", ((2, 3), (4, 3)), (1, 1)),
        ("negative", ((2, 3), (4, 3)), (-1, -1)),
        ("all", ((2, 3), (2, 3)), 2),
        ("nothing", ((0, 3), (3, 2)), 1),
        ("nothing-summed", ((2, 0), (0, 2)), 1),
    ):
        yield Case(hg.tensordot, name, pair(*shapes), {"axes": axes})
    yield Case(
        hg.tensordot, "strided", lambda r: (normal(r, 4, 3).T, normal(r, 8, 3)[::-2]), {"axes": (1, 0)}
    )
    for name, shapes in {
        "vectors": ((4,), (4,)),
        "matrices": ((2, 4), (3, 4)),
        "more": ((2, 3, 4), (4,)),
        "number": ((), (2, 3)),
        "numbers": ((), ()),
        "ones": ((1,), (1,)),
    }.items():
        yield Case(hg.inner, name, pair(*shapes))
    for name, shapes in {
        "vectors": ((3,), (4,)),
        "matrices": ((2, 2), (3,)),
        "numbers": ((), (2,)),
        "empty": ((0,), (2,)),
    }.items():
        yield Case(hg.outer, name, pair(*shapes))
    for name, shapes in {
        "vectors": ((2,), (3,)),
        "matrices": ((2, 3), (3, 2)),
        "matrix-vector": ((2, 3), (2,)),
        "vector-three": ((2,), (2, 1, 3)),
        "numbers": ((), (2,)),
        "empty": ((0, 2), (2, 2)),
    }.items():
        yield Case(hg.kron, name, pair(*shapes))
    for mode in ("full", "same", "valid"):
        for name, shapes in {
            "odd": ((7,), (3,)),
            "even": ((5,), (4,)),
            "longer": ((2,), (6,)),
            "as-long": ((3,), (3,)),
            "one": ((1,), (1,)),
        }.items():
            yield Case(hg.convolve, f"{mode}-{name}", pair(*shapes), {"mode": mode})
    yield Case(hg.convolve, "strided", lambda r: (normal(r, 10)[::-2], normal(r, 9)[::3]))
