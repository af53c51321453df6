"""Rows of a large memory map, read only when they are asked for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LARGE = 1 << 28  # bytes; what is smaller is quicker to train on from memory
STEP = 1 << 24  # bytes looked at at once


class Rows:
    """Some rows of an array, in some order, as an array of them would be: ``rows[indices]`` reads them.

    So a split of a data set that does not fit into memory can be shuffled, and trained on by mini-batch.

    Examples:
        >>> rows = hg.data.Rows(np.arange(10.0), np.array([7, 2, 5]))
        >>> print(len(rows), rows[np.array([0, 2])])
        3 [7. 5.]
    """

    def __init__(self, base: np.ndarray, rows: np.ndarray):
        self.base = base
        self.rows = rows
        self.shape = (len(rows), *base.shape[1:])
        self.ndim = base.ndim
        self.dtype = base.dtype
        self.size = math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        return np.asarray(self.base[(self.rows[first], *rest)])

    def reshape(self, *shape: int) -> Rows:
        """The same rows with their elements in another shape: ``reshape(n, -1)``."""
        return Rows(self.base.reshape(len(self.base), *shape[1:]), self.rows)

    def max(self) -> Any:
        step = max(1, STEP * len(self) // max(1, self.size * self.dtype.itemsize))
        return max(self[start : start + step].max() for start in range(0, len(self), step))


def taken(x: np.ndarray | Rows, rows: np.ndarray) -> Any:
    """The rows of an array: copied, or left where they are where that is a large memory map."""
    if isinstance(x, Rows):
        return Rows(x.base, x.rows[rows])
    if isinstance(x, np.memmap) and x.nbytes >= LARGE:
        return Rows(x, rows)
    return np.asarray(x[rows])
