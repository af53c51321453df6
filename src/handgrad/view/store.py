"""Arrays as bytes in a page: each once, compactly, and above a size reduced to means, which is said."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.view.summary import as_numpy, reduced

ALIGNED = 8  # bytes at which each array begins, as typed arrays want it


@dataclass
class Stored:
    """Where an array lies in the store."""

    offset: int
    kind: str  # f8, f4, i8, i4, u1
    shape: tuple[int, ...]  # as stored
    reduction: str  # how it was reduced, or ""


class Store:
    """The bytes of all arrays of a page; one of more than ``most`` numbers is reduced."""

    def __init__(self, most: int):
        self.most = most
        self.parts: list[bytes] = []
        self.size = 0
        self.met: dict[Any, Stored] = {}

    def add(self, x: Any) -> Stored:
        """Put an array into the store, unless it is there."""
        array = as_numpy(x)
        key = (hashlib.blake2b(array.tobytes()).digest(), array.shape, array.dtype.str)
        if key not in self.met:
            self.met[key] = self._written(array)
        return self.met[key]

    def _written(self, array: np.ndarray) -> Stored:
        whole = array if array.size <= self.most else means(array, self.most)
        kind = kind_of(array, whole)
        data = np.ascontiguousarray(whole, kind).tobytes()
        said = "" if whole is array else f"{array.size:,} numbers, kept as {whole.size:,} means of blocks"
        return Stored(self.add_bytes(data)[0], kind[1:], whole.shape, said)

    def add_bytes(self, data: bytes) -> list[int]:
        """Put what is no array into the store: where it lies, and how long it is."""
        place = [self.size, len(data)]
        self.parts.append(data + bytes(-len(data) % ALIGNED))
        self.size += len(self.parts[-1])
        return place

    def bytes(self) -> bytes:
        return b"".join(self.parts)


def kind_of(array: np.ndarray, stored: np.ndarray) -> str:
    """A type that browsers have, and that holds each number exactly."""
    if array.dtype.kind == "b":
        return "<u1" if stored is array else "<f4"
    if array.dtype.kind in "iu":
        largest = float(np.max(np.abs(array.astype(float)), initial=0.0))
        if stored is not array or largest >= 2**63:
            return "<f8"
        return "<i4" if largest < 2**31 else "<f8" if largest < 2**53 else "<i8"
    return "<f4" if array.dtype.itemsize <= 4 else "<f8"


def means(array: np.ndarray, most: int) -> np.ndarray:
    """An array as rows, reduced to at most so many means of blocks of rows and columns."""
    grid = array.reshape(-1, array.shape[-1]).astype(float)
    rows, columns = grid.shape
    shrink = math.sqrt(most / grid.size)
    wanted_columns = max(min(columns, round(columns * shrink)), 1)
    wanted_rows = max(min(rows, most // wanted_columns), 1)
    wanted_columns = max(min(columns, most // wanted_rows), 1)
    return reduced(reduced(grid, wanted_rows).T, wanted_columns).T
