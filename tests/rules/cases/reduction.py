"""Sums, means and extremes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import handgrad as hg

from ..draws import apart, away, normal
from .case import Case

AXES: dict[str, tuple[tuple[int, ...], Any]] = {
    "all": ((3, 4), None),
    "first": ((3, 4), 0),
    "last": ((2, 3, 4), -1),
    "pair": ((2, 3, 4), (0, 2)),
    "negative-pair": ((2, 3, 4), (-1, 1)),
    "every": ((3, 2), (0, 1)),
    "none-of-them": ((3, 2), ()),
    "one": ((1,), 0),
    "scalar": ((), None),
}


def reduction() -> Iterator[Case]:
    shared = {hg.sum: normal, hg.mean: normal, hg.var: normal, hg.std: normal, hg.logsumexp: normal,
              hg.prod: away(0.5, 1.5), hg.norm: away(0.5, 2), hg.max: apart, hg.min: apart}  # fmt: skip
    for rule, draw in shared.items():
        for name, (shape, axis) in AXES.items():
            if rule is hg.std and (math.prod(shape) == 1 or axis == ()):
                continue  # one element has no deviation: the kink of std
            for keepdims in (False, True):
                yield Case(
                    rule,
                    f"{name}-{'kept' if keepdims else 'gone'}",
                    lambda r, draw=draw, shape=shape: (draw(r, *shape),),
                    {"axis": axis, "keepdims": keepdims},
                )
        yield Case(rule, "strided", lambda r, draw=draw: (draw(r, 6, 7)[::2, ::-3],), {"axis": 1})
        yield Case(rule, "transposed", lambda r, draw=draw: (draw(r, 5, 3).T,), {"axis": 0})
        yield Case(rule, "empty", lambda r, draw=draw: (draw(r, 0, 3),), {"axis": 1})
    for rule in (hg.sum, hg.prod):
        yield Case(rule, "of-nothing", lambda r: (normal(r, 0, 3),), {"axis": 0})
        yield Case(rule, "python", lambda r: (float(normal(r)),))
    for rule in (hg.var, hg.std):
        yield Case(rule, "correction", lambda r: (normal(r, 3, 4),), {"axis": 1, "correction": 1})
    for name, (shape, axis) in {
        "flat": ((3, 4), None),
        "last": ((2, 3, 4), -1),
        "first": ((3, 2), 0),
    }.items():
        yield Case(hg.cumsum, name, lambda r, shape=shape: (normal(r, *shape),), {"axis": axis})
    yield Case(hg.cumsum, "strided", lambda r: (normal(r, 6, 7)[::2, ::-3],), {"axis": 1})
    yield Case(hg.cumsum, "empty", lambda r: (normal(r, 0, 3),), {"axis": 0})
    yield Case(hg.prod, "one-zero", lambda r: (np.array([[1.5, 0.0, -2.0], [0.5, 3.0, 1.0]]),), {"axis": 1})
    yield Case(hg.prod, "two-zeros", lambda r: (np.array([1.5, 0.0, -2.0, 0.0, 3.0]),))
    yield Case(hg.prod, "odd", lambda r: (away(0.5, 1.5)(r, 7, 2),), {"axis": 0})
