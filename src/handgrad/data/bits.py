"""Values as bits, to tell rows by."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np


def of_rows(words: np.ndarray) -> np.ndarray:
    """BLAKE2b of each row, 64 bits. uint64 (N, D) -> (N,)"""
    rows = np.ascontiguousarray(words, "<u8").view(np.uint8)
    return np.frombuffer(b"".join(blake2b(row, digest_size=8).digest() for row in rows), "<u8")


def bits(numbers: Any) -> np.ndarray:
    """The 64 bits of each number as float64, with one nan and one zero. uint64, of its shape"""
    wide = np.array(numbers, np.float64) + 0.0
    wide[np.isnan(wide)] = np.nan
    return wide.view(np.uint64)


def bits_of_text(texts: np.ndarray) -> np.ndarray:
    """64 bits for each text. StringDType (N,) -> uint64 (N,)"""
    values, inverse = np.unique(texts, return_inverse=True)
    digests = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in values.tolist())
    return np.frombuffer(digests, "<u8")[inverse]
