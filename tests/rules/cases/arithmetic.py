"""Arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import handgrad as hg

from ..draws import away, integers, normal, within
from .case import MIXED, Case, elementwise


def arithmetic() -> Iterator[Case]:
    for rule in (hg.add, hg.subtract, hg.multiply):
        yield from elementwise(rule, normal, normal)
        yield Case(rule, "integers", lambda r: (integers(9)(r, 4), normal(r, 3, 1)), cannot=MIXED)
    yield from elementwise(hg.divide, normal, away(0.5, 2))
    yield Case(hg.divide, "integers", lambda r: (1 + integers(9)(r, 4), away(0.5, 2)(r, 4)), cannot=MIXED)
    yield from elementwise(hg.power, within(0.5, 2), normal)
    yield Case(hg.power, "square-of-negative", lambda r: (away(0.5, 2)(r, 3, 2), 2))
    yield Case(hg.power, "cube-of-negative", lambda r: (away(0.5, 2)(r, 5), 3))
    yield Case(hg.power, "inverse", lambda r: (away(0.5, 2)(r, 5), -1))
    yield Case(hg.power, "of-number", lambda r: (2, normal(r, 5)))
    for rule in (hg.maximum, hg.minimum):
        yield from elementwise(rule, away(0.5, 2), away(2.5, 4))
    yield from elementwise(hg.remainder, within(2.1, 2.9), within(0.95, 1.04))
    yield Case(
        hg.remainder, "signs", lambda r: (away(0.3, 0.8)(r, 8), np.array([0.9, -0.9])[r.integers(2, size=8)])
    )
    yield from elementwise(hg.hypot, away(0.5, 2), normal)
    yield from elementwise(hg.negative, normal)
    yield from elementwise(hg.square, normal)
    yield from elementwise(hg.sqrt, within(0.5, 3))
    yield from elementwise(hg.abs, away(0.3, 2))
    yield from elementwise(hg.sign, away(0.3, 2))
    outside = away(0.3, 2)
    yield from elementwise(hg.clip, outside, label="both-", min=-1.1e-1, max=0.15)
    yield from elementwise(hg.clip, outside, label="wide-", min=-5.0, max=5)
    yield Case(hg.clip, "low", lambda r: (outside(r, 4),), {"min": 0.0})
    yield Case(hg.clip, "high", lambda r: (outside(r, 4),), {"max": 0.0})
    yield Case(hg.clip, "neither", lambda r: (outside(r, 4),))
    yield Case(hg.clip, "array-bounds", lambda r: (outside(r, 2, 3),),
               {"min": np.array([[-9.0, 0.0, 0.1]] * 2), "max": np.array([[9.0, 0.1, 9.0]] * 2)})  # fmt: skip
    yield Case(hg.where, "full", lambda r: (normal(r, 3, 4) > 0, normal(r, 3, 4), normal(r, 3, 4)))
    yield Case(hg.where, "broadcast", lambda r: (normal(r, 3, 1) > 0, normal(r, 4), normal(r)))
    yield Case(hg.where, "numbers", lambda r: (normal(r, 5) > 0, normal(r, 5), 0.0))
    yield Case(hg.where, "empty", lambda r: (normal(r, 0, 2) > 0, normal(r, 0, 2), normal(r, 2)))
    yield Case(hg.astype, "same", lambda r: (normal(r, 3, 2),), {"dtype": "float64"},
               dict.fromkeys(("strict", "jax", "torch"), "has dtypes of its own"))  # fmt: skip
