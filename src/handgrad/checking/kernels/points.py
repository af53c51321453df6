"""Other values of the same shapes: a kernel that is right for one set of numbers only is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import numpy as np

from handgrad.checking.kernels.libraries import is_floating, rounded_to

LARGE = 120.0  # of which exp overflows in float32 and bfloat16


class Extreme(IntEnum):
    """How much of what is due is left at a point."""

    NO = 0
    NEARLY = 1  # much may cancel: all that is asked is to be near
    YES = 2  # what is left of gradients is rounding: all that is asked of them is to be finite


SCALES = (
    ("", 1.0, Extreme.NO),
    (", 16 times as large", 16.0, Extreme.NEARLY),
    (", 64 times smaller", 1 / 64, Extreme.NEARLY),
)


def others(
    values: list[Any], dtype: str, rng: np.random.Generator
) -> Iterator[tuple[str, list[Any], Extreme]]:
    """The given elements in another order, at several scales.

    What holds but two values, a mask or a flag, and rows that sum to 1, which are probabilities, stay.
    """
    for said, scale, extreme in SCALES:
        yield f"for other values{said}", [_moved(x, scale, dtype, rng) for x in values], extreme
    yield f"for values up to {LARGE:.0f}", [_moved(x, _to_large(x), dtype, rng) for x in values], Extreme.YES


def _to_large(x: Any) -> float:
    """By what its elements reach LARGE, to either side of 0 where there are any."""
    if not _may_move(x):
        return 1.0
    finite = x[np.isfinite(x)]
    ends = [float(end) for end in (finite.max(initial=0.0), -finite.min(initial=0.0)) if end > 0]
    return LARGE / min(ends) if ends else 1.0


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
