"""Whether two gradients are the same."""

from __future__ import annotations

from typing import Any

import numpy as np

SAME = 1e-11


def same(a: Any, b: Any, relative: float = SAME, floor: float = 0.0) -> bool:
    """Two gradients equal up to the rounding of another order of summation, or to ``floor``."""
    if a is None or b is None:
        return a is None and b is None
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    if a.dtype.kind not in "fc" or b.dtype.kind not in "fc":
        return bool(np.array_equal(a, b))
    if (a == b).all():
        return True
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(np.where(np.isfinite(b), b, 0)), initial=0.0)
        close = np.abs(a - b) <= relative * largest + floor
    return bool(np.all(close | (a == b) | (np.isnan(a) & np.isnan(b))))


def all_same(first: list[Any], second: list[Any]) -> bool:
    return all(map(same, first, second))
