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
TRUE_COLOUR, PALETTE = 2, 3  # kinds of PNG


def between(start: Colour, end: Colour, share: float) -> Colour:
    """The mixture of two colours: the first at share 0, the second at 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(start, end, strict=True))
    return red, green, blue


def _table(negative: Colour, zero: Colour, positive: Colour) -> tuple[Colour, ...]:
    """Colours of the levels -128 (not finite), -127 to 127; soon rather dark, as small numbers are many."""
    shares = [(level / LEVELS) ** 0.8 for level in range(LEVELS + 1)]
    below = [between(zero, negative, share) for share in reversed(shares[1:])]
    return (NOT_FINITE, *below, *(between(zero, positive, share) for share in shares))


DIVERGING = _table(NEGATIVE, ZERO, POSITIVE)
"""The colour of each level of a thumbnail from -128 on: blue, white at zero, orange."""

GREY = _table(BLACK, BLACK, (255, 255, 255))
"""The same for images: black to white."""


def png(levels: np.ndarray, colours: tuple[Colour, ...]) -> bytes:
    """A picture of (height, width) int8 levels, with the colour of each from a table."""
    height, width = levels.shape
    indices = (levels.astype(np.int16) - np.iinfo(np.int8).min).astype(np.uint8)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), indices], axis=1)  # 0: rows as they are
    palette = bytes(part for colour in colours for part in colour)
    return _file(width, height, PALETTE, rows, {b"PLTE": palette})


def coloured_png(pixels: np.ndarray) -> bytes:
    """A picture of (height, width, 3) uint8 red, green and blue."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    return _file(width, height, TRUE_COLOUR, rows, {})


def _file(width: int, height: int, kind: int, rows: np.ndarray, extra: dict[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)  # 8 bits a number
    parts = {b"IHDR": header, **extra, b"IDAT": zlib.compress(rows.tobytes(), 9), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts.items())


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def data_uri(thumb: Thumb) -> str:
    """A thumbnail as an address that holds all of it."""
    return address(png(thumb.levels, GREY if thumb.is_image else DIVERGING))


def address(picture: bytes) -> str:
    """A PNG as an address that holds all of it."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
