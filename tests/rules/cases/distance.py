"""Lengths and distances, of any order."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

import handgrad as hg

from ..draws import apart, away, normal, within
from .case import Case


def sized(r: np.random.Generator, *shape: int) -> np.ndarray:
    """Of both signs, no two of a size closer than 0.2, and none closer than that to 0."""
    return (apart(r, *shape) + 0.2 * math.prod(shape) + 0.4) * r.choice([-1.0, 1.0], size=shape)


def distance() -> Iterator[Case]:
    axes: dict[str, tuple] = {"all": ((3, 2), None), "last": ((2, 5), -1), "pair": ((2, 3, 2), (0, 2))}
    for p in (1, 3, 2.5, 0.5, -1.5, 0, np.inf, -np.inf):
        for name, (shape, axis) in axes.items():
            options = {"axis": axis, "ord": p}
            yield Case(hg.norm, f"{p}-{name}", lambda r, shape=shape: (sized(r, *shape),), options)
    kept = {"axis": 0, "ord": 3, "keepdims": True}
    yield Case(hg.norm, "3-kept", lambda r: (away(0.5, 2)(r, 3, 4),), kept)
    yield Case(hg.norm, "3-empty", lambda r: (normal(r, 2, 0),), {"axis": 1, "ord": 3})
    for p in (2, 1, 3.5, np.inf):
        yield Case(hg.cdist, f"{p}", lambda r: (within(0, 1)(r, 4, 3), within(2, 3)(r, 5, 3)), {"p": p})
    yield Case(hg.cdist, "batches", lambda r: (normal(r, 2, 1, 3, 2), normal(r, 4, 1, 2)))
    yield Case(hg.cdist, "empty", lambda r: (normal(r, 0, 3), normal(r, 2, 3)))
