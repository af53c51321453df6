"""Small pictures of arrays as PNG, and the colours of numbers, which every picture shares."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from handgrad.view.summary import LEVELS, Thumb

Colour = tuple[int, int, int]

NEGATIVE, ZERO, POSITIVE = (23, 92, 190), (255, 255, 255), (217, 95, 14)
BLACK, NOT_FINITE = (0, 0, 0), (210, 0, 160)


def _between(start: Colour, end: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(start, end, strict=True))
    return red, green, blue


def _table(negative: Colour, zero: Colour, positive: Colour) -> tuple[Colour, ...]:
    """Colours of the levels -128 (not finite), -127 to 127; soon rather dark, as small numbers are many."""
    shares = [(level / LEVELS) ** 0.8 for level in range(LEVELS + 1)]
    below = [_between(zero, negative, share) for share in reversed(shares[1:])]
    return (NOT_FINITE, *below, *(_between(zero, positive, share) for share in shares))


DIVERGING = _table(NEGATIVE, ZERO, POSITIVE)
"""The colour of each level of a thumbnail from -128 on: blue, white at zero, orange."""

GREY = _table(BLACK, BLACK, (255, 255, 255))
"""The same for images: black to white."""


def png(levels: np.ndarray, colours: tuple[Colour, ...]) -> bytes:
    """A picture of (height, width) int8 levels, with the colour of each from a table."""
    height, width = levels.shape
    indices = (levels.astype(np.int16) - np.iinfo(np.int8).min).astype(np.uint8)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), indices], axis=1)  # 0: rows as they are
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits a pixel, into a palette
    palette = bytes(part for colour in colours for part in colour)
    parts = {b"IHDR": header, b"PLTE": palette, b"IDAT": zlib.compress(rows.tobytes(), 9), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts.items())


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def data_uri(thumb: Thumb) -> str:
    """A thumbnail as an address that holds all of it."""
    picture = png(thumb.levels, GREY if thumb.is_image else DIVERGING)
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
