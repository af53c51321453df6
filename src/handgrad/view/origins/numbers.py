"""The numbers of terms, from those of the arrays' entries."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import NUMPY
from handgrad.view.origins.terms import LARGEST, LEAST, MINUS, PRODUCT, QUOTIENT, SUM

OWN: dict[str, Callable[..., Any]] = {
    SUM: lambda *xs: math.fsum(xs) if all(map(math.isfinite, xs)) else sum(xs),
    PRODUCT: lambda *xs: math.prod(xs),
    MINUS: lambda x: -x,
    QUOTIENT: lambda x, y: np.float64(x) / np.float64(y),
    LARGEST: lambda *xs: max(xs),
    LEAST: lambda *xs: min(xs),
    "where": lambda c, a, b: a if c else b,
}


def numbers(nodes: Sequence[Sequence], arrays: Sequence[np.ndarray | None]) -> list[float]:
    """What each node comes to.

    Args:
        nodes: as ``Terms`` has them.
        arrays: each flat, by the number that entries call it by.
    """
    found: list[float] = []
    with np.errstate(all="ignore"):
        for node in nodes:
            if len(node) == 1:
                found.append(float(node[0]))
            elif isinstance(node[0], int):
                array = arrays[node[0]]
                assert array is not None
                found.append(float(array[node[1]]))
            else:
                xs = [found[part] for part in node[1:]]
                found.append(
                    float(
                        OWN[node[0]](*xs) if node[0] in OWN else getattr(NUMPY, node[0])(*map(np.asarray, xs))
                    )
                )
    return found
