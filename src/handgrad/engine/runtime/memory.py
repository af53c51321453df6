"""Memory for the engine: it begins at cache lines, in large pages where the system has them.

A product reads its factors in strides of a row, so with small pages most of its reads would miss the table of
pages.
"""

from __future__ import annotations

import ctypes
import math
import mmap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

LINE = 64
LARGE_PAGE = 1 << 21
STAGGER = 5 * LINE  # so that arrays of like size do not meet at the same place of a page


def in_lines(nbytes: int) -> int:
    """As many bytes as the cache lines have that hold so many; those of one at least."""
    return max(-(-nbytes // LINE), 1) * LINE


def aligned(size: int) -> np.ndarray:
    """Bytes that begin at a cache line; large ones at a large page."""
    if size < LARGE_PAGE // 4:
        raw = np.zeros(size + LINE, np.uint8)
        start = -raw.ctypes.data % LINE
        return raw[start : start + size]
    length = (-(-size // LARGE_PAGE) + 1) * LARGE_PAGE
    if hasattr(
        mmap, "MAP_PRIVATE"
    ):  # what is shared, which is the default, a forked process would write into
        whole = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    else:
        whole = mmap.mmap(-1, length)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        whole.madvise(mmap.MADV_HUGEPAGE)
    raw = np.frombuffer(whole, np.uint8)
    start = -raw.ctypes.data % LARGE_PAGE
    return raw[start : start + size]


def addresses(arrays: Iterable[np.ndarray]) -> list[int]:
    """Where the first elements of arrays lie."""
    return [x.ctypes.data for x in arrays]


def array_at(address: int, shape: tuple, dtype: np.dtype) -> np.ndarray:
    """The array that lies at an address."""
    size = math.prod(shape) * dtype.itemsize
    memory = (ctypes.c_char * size).from_address(address)
    return np.frombuffer(memory, dtype, math.prod(shape)).reshape(shape)


def side_by_side(arrays: Sequence[Any]) -> list[np.ndarray]:
    """Copies of arrays in one piece of memory."""
    arrays = [np.asarray(a) for a in arrays]
    starts, end = [], 0
    for a in arrays:
        starts.append(end)
        end += in_lines(a.nbytes) + STAGGER
    memory = aligned(end)
    copies = []
    for a, start in zip(arrays, starts, strict=True):
        copy = memory[start : start + a.nbytes].view(a.dtype).reshape(a.shape)
        copy[...] = a
        copies.append(copy)
    return copies
