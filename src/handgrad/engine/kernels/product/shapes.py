"""Which way of computing suits a product's shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.engine.targets.target import Target

MOST_ROWS_OF_DOTS = 192  # of more rows, the adding up of lanes costs more than a transposed copy
LEAST_DEPTH_OF_DOTS = 64
WIDTH = 16  # columns that lie side by side in a panel: a vector or some, whatever the target
LARGE_FACTOR = 1 << 16  # bytes of a second factor that are worth dividing among threads


def in_panels(depth: int, columns: int) -> tuple[int, int, int]:
    """The shape of a matrix that lies in panels."""
    return (-(-columns // WIDTH), depth, WIDTH)


def is_wider(rows: int, columns: int, depth: int, dtype: np.dtype) -> bool:
    """Whether the second factor is the larger by far."""
    return columns > 2 * rows and columns * depth * dtype.itemsize >= LARGE_FACTOR


def is_better_transposed(shape: tuple, dtype: Any, rows: int, target: Target) -> bool:
    """Whether a matrix (D, M) that ``rows`` rows are multiplied with is better stored as (M, D).

    So where D fills vectors and M would leave a tenth of the lanes empty: then both products, x W and its
    gradient xᵀ dout, have their vectors along D.
    """
    if len(shape) != 2 or np.dtype(dtype).kind != "f" or rows > MOST_ROWS_OF_DOTS:
        return False
    lanes = target.vector_bytes // np.dtype(dtype).itemsize
    D, M = shape
    filled = M / (-(-M // lanes) * lanes)
    return D % lanes == 0 and D >= LEAST_DEPTH_OF_DOTS and M > 1 and filled < 0.9
