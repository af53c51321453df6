"""Other values of the same shapes: a kernel that is right for one set of numbers only is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.checking.kernels.libraries import is_floating, rounded_to

LARGE = 120.0  # beyond which exp of float32 and bfloat16 overflows
SCALES = (("", 1.0), (", 16 times as large", 16.0), (", 64 times smaller", 1 / 64))


def others(values: list[Any], dtype: str, rng: np.random.Generator) -> Iterator[tuple[str, list[Any], bool]]:
    """The given elements in another order, at several scales; whether these are so large that much cancels.

    What holds but two values, a mask or a flag, and rows that sum to 1, which are probabilities, stay.
    """
    for said, scale in SCALES:
        yield f"for other values{said}", [_moved(x, scale, dtype, rng) for x in values], False
    largest = max(
        (float(np.max(np.abs(x[np.isfinite(x)]), initial=0.0)) for x in values if _may_move(x)), default=0
    )
    if largest:
        scale = LARGE / largest
        yield f"for values up to {LARGE:.0f}", [_moved(x, scale, dtype, rng) for x in values], True


def _moved(x: Any, scale: float, dtype: str, rng: np.random.Generator) -> Any:
    if isinstance(x, np.ndarray) and x.dtype.kind in "iu" and x.size > 1:
        return rng.permutation(x.ravel()).reshape(x.shape)
    if not _may_move(x):
        return x.copy() if isinstance(x, np.ndarray) else x
    return rounded_to(scale * rng.permutation(x.ravel()).reshape(x.shape), dtype)


def _may_move(x: Any) -> bool:
    if not is_floating(x) or x.ndim == 0:
        return False
    sums = x.sum(axis=-1)
    is_share = (x >= 0).all() and bool(np.allclose(sums, 1, atol=0.05))
    return np.unique(x).size > 2 and not is_share
