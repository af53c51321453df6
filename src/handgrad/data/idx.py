"""The IDX format, in which MNIST and its relatives are published.

Two zero bytes, a byte for the dtype, a byte for the number of axes, each axis as a big-endian
uint32, then the numbers, big-endian. Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST Database.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from handgrad.data.errors import DataError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
NAME = re.compile(r"idx\d+-ubyte(\.gz)?$")


def read_idx(path: Path) -> np.ndarray:
    """The array of an IDX file: a read-only memory map, or in memory where the file is gzipped.

    Raises:
        DataError: not an IDX file, cut short, or longer than its header says.
    """
    if path.suffix == ".gz":
        content = gunzip(path)
        dtype, shape, start = read_header(content, path)
        check_size(len(content), dtype, shape, start, path)
        return np.frombuffer(content, dtype, offset=start).reshape(shape)
    with path.open("rb") as file:
        dtype, shape, start = read_header(file.read(4 + 4 * 255), path)
    check_size(path.stat().st_size, dtype, shape, start, path)
    if math.prod(shape) == 0:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, mode="r", offset=start, shape=shape)


def read_header(content: bytes, path: Path) -> tuple[np.dtype, tuple[int, ...], int]:
    """dtype, shape, and where the numbers start."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in DTYPES or content[3] == 0:
        raise DataError(
            f"{path} starts with the bytes {content[:4].hex(' ') or '(none)'}: an IDX file starts with"
            " 00 00, a dtype (08, 09, 0b, 0c, 0d or 0e) and the number of axes. Is it another kind of file?"
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"{path} ends within its header: it is cut short, fetch it again")
    return np.dtype(DTYPES[content[2]]), struct.unpack(f">{content[3]}I", content[4:start]), start


def check_size(size: int, dtype: np.dtype, shape: tuple[int, ...], start: int, path: Path) -> None:
    expected = start + math.prod(shape) * dtype.itemsize
    if size != expected:
        raise DataError(
            f"{path} has {size:,} bytes; its header says {expected:,}, for {dtype} {shape}:"
            " it is cut short or damaged, fetch it again"
        )


def gunzip(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is cut short or damaged ({error}): fetch it again") from error


def read_idx_pair(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The images of ``path``, and the labels that lie beside it where there are any.

    Beside ``train-images-idx3-ubyte`` that is ``train-labels-idx1-ubyte``, either with ``.gz`` or not.
    """
    images = read_idx(path)
    if images.ndim < 2:
        raise DataError(f"{path} has shape {images.shape}: these are labels; give the file of the images")
    labels_path = labels_beside(path)
    if labels_path is None:
        return images, None
    labels = read_idx(labels_path)
    if labels.ndim != 1 or len(labels) != len(images):
        raise DataError(f"{path} has shape {images.shape}, but its labels in {labels_path} {labels.shape}")
    return images, labels


def labels_beside(path: Path) -> Path | None:
    name = re.sub(r"idx\d+-ubyte", "idx1-ubyte", path.name.removesuffix(".gz")).replace("images", "labels")
    beside = [path.with_name(name), path.with_name(name + ".gz")]
    return next((other for other in beside if other.exists() and other != path), None)
