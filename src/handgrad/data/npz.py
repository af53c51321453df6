"""NumPy's ``.npz``: a zip of ``.npy`` files, mapped into memory where they are not compressed."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from handgrad.data.errors import DataError, listed

INPUTS = ("x", "X", "x_train", "X_train")  # the last as Keras' mnist.npz has them
TARGETS = ("t", "y", "y_train", "t_train")
LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member: the lengths of its name and its extra field


def read_npz(path: Path, target: str | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """The arrays ``x`` (or ``X``) and ``t`` (or ``y``, or the one that ``target`` names) of a ``.npz``.

    Arrays that are not compressed (``np.savez``) come as read-only memory maps, compressed ones
    (``np.savez_compressed``) in memory. Pickled objects are not loaded.

    Raises:
        DataError: not a ``.npz``, damaged, no such arrays, or an array of objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            x_name = choose(INPUTS, members)
            t_name = target or choose(TARGETS, members)
            if x_name is None or (target and target not in members):
                wanted = target if x_name else "x"
                raise DataError(f"{path} has no array {wanted!r}: it holds {listed(members)}")
            x = read_member(path, archive, members[x_name])
            return x, None if t_name is None else read_member(path, archive, members[t_name])
    except (zipfile.BadZipFile, EOFError, zlib.error, OSError, RuntimeError) as error:
        raise DataError(f"{path} is no .npz, or a damaged one ({error})") from error


def choose(names: tuple[str, ...], members: dict[str, Any]) -> str | None:
    return next((name for name in names if name in members), None)


def read_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as member:
        shape, fortran, dtype = read_header(member, path, info.filename)
        start = member.tell()
        size = start + math.prod(shape) * dtype.itemsize
        if info.file_size != size:
            raise DataError(
                f"{path}: {info.filename} has {info.file_size:,} bytes; its header says {size:,},"
                f" for {dtype} {shape}: it is damaged"
            )
        if info.compress_type != zipfile.ZIP_STORED or size == start:
            return np.frombuffer(member.read(), dtype).reshape(shape, order="F" if fortran else "C")
    with path.open("rb") as file:
        file.seek(info.header_offset)
        offset = info.header_offset + LOCAL_HEADER.size + sum(LOCAL_HEADER.unpack(file.read(30))) + start
    return np.memmap(path, dtype, mode="r", offset=offset, shape=shape, order="F" if fortran else "C")


def read_header(member: IO[bytes], path: Path, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = np.lib.format.read_magic(member)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(member)
    except ValueError as error:
        raise DataError(f"{path}: {name} is no .npy array ({error})") from error
    if dtype.hasobject:
        raise DataError(
            f"{path}: {name} is an array of Python objects, whose loading could run any code: save it as"
            " numbers or text, as with np.asarray(values.tolist())"
        )
    return shape, fortran, dtype
