"""Along one axis: running products, differences, straight lines, order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import handgrad as hg

from ..draws import apart, away, normal
from .case import Case


def sequences() -> Iterator[Case]:
    axes = {
        "flat": ((2, 3), None),
        "first": ((4, 2), 0),
        "last": ((2, 3, 5), -1),
        "one": ((1,), 0),
        "long": ((17,), 0),
    }
    for rule, draw in {hg.cumprod: away(0.5, 1.5), hg.logcumsumexp: normal}.items():
        for name, (shape, axis) in axes.items():
            yield Case(rule, name, lambda r, draw=draw, shape=shape: (draw(r, *shape),), {"axis": axis})
        yield Case(rule, "strided", lambda r, draw=draw: (draw(r, 6, 7)[::2, ::-3],), {"axis": 1})
        yield Case(rule, "empty", lambda r, draw=draw: (draw(r, 0, 3),), {"axis": 0})
        yield Case(rule, "empty-rows", lambda r, draw=draw: (draw(r, 3, 0),), {"axis": 0})
    yield Case(
        hg.cumprod, "zeros", lambda r: (np.array([[1.5, 0.0, -2.0, 3.0], [0.5, 0.0, 0.0, 1.0]]),), {"axis": 1}
    )
    for name, shape, options in (
        ("once", (5,), {}),
        ("twice", (2, 6), {"n": 2}),
        ("first", (4, 3), {"axis": 0}),
        ("not-at-all", (3,), {"n": 0}),
        ("nothing-left", (3,), {"n": 3}),
        ("too-often", (2, 2), {"n": 5, "axis": 0}),
        ("empty", (0, 3), {"axis": 0}),
    ):
        yield Case(hg.diff, name, lambda r, shape=shape: (normal(r, *shape),), options)
    yield Case(hg.diff, "strided", lambda r: (normal(r, 7, 6).T[::-2],), {"axis": 1})

    def lines(*shape: int, low: float = -1.8, high: float = 1.8) -> Callable:
        """Points at whole numbers, more or less, and x that keep away from these."""

        def make(r: np.random.Generator) -> tuple:
            xs = np.arange(-3.0, 4.0) + r.uniform(-0.1, 0.1, 7)
            x = np.floor(r.uniform(low, high, shape)) + r.uniform(0.3, 0.7, shape)
            return np.asarray(x), xs, normal(r, 7)

        return make

    yield Case(hg.interp, "inside", lines(5))
    yield Case(hg.interp, "matrix", lines(3, 2))
    yield Case(hg.interp, "number", lines())
    yield Case(hg.interp, "beyond", lines(9, low=-7, high=7))
    yield Case(hg.interp, "ends-given", lines(9, low=-7, high=7), {"left": -0.5, "right": 2.0})
    yield Case(hg.interp, "empty", lines(0))
    yield Case(hg.interp, "one-point", lambda r: (away(0.5, 2)(r, 4), np.zeros(1), normal(r, 1)))

    for name, shape, options in (
        ("vector", (7,), {}),
        ("first", (4, 3), {"axis": 0}),
        ("flat", (2, 3), {"axis": None}),
        ("falling", (3, 4), {"descending": True}),
        ("one", (1,), {}),
        ("empty", (0, 3), {"axis": 0}),
    ):
        yield Case(hg.sort, name, lambda r, shape=shape: (apart(r, *shape),), options)
    yield Case(hg.sort, "strided", lambda r: (apart(r, 7, 6).T[::-2],))
    for name, shape, options in (
        ("vector", (7,), {"k": 3}),
        ("smallest", (7,), {"k": 2, "largest": False}),
        ("first", (4, 3), {"k": 2, "axis": 0}),
        ("all", (2, 3), {"k": 3}),
        ("none", (2, 3), {"k": 0}),
    ):
        yield Case(hg.topk, name, lambda r, shape=shape: (apart(r, *shape),), options)
