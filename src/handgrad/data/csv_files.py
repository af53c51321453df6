"""CSV and its relatives as columns of text: encodings, separators, quotes, and lines of the wrong length."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.data.columns import number, tell, to_text
from handgrad.data.errors import DataError, counted, listed

CHUNK = 1 << 20  # fields at once
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32",
         b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # fmt: skip
OTHER = "cp1252"  # what is not UTF-8 mostly is
SEPARATORS = ",;\t|"
QUOTED = re.compile(r'"[^"]*"')


def read_csv(path: Path) -> dict[str, np.ndarray]:
    """Columns by name, StringDType, without space around fields; empty lines are passed over.

    Raises:
        DataError: no header, columns of one name, a line with more or fewer fields than the header, a quote
            that is not closed, bytes that are no text, a damaged ``.gz``.
    """
    encoding = encoding_of(path)
    try:
        return columns_of(path, encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise DataError(f"{path} is not {encoding.upper()} text: {error}") from None
    try:
        columns = columns_of(path, OTHER)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is neither UTF-8 nor Windows-1252 text: {error}. Save it as UTF-8") from None
    tell(f"{path} is not UTF-8: it is read as Windows-1252. If names look wrong, save it as UTF-8")
    return columns


def opened(path: Path) -> Any:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def encoding_of(path: Path) -> str:
    """By the mark at the start of the file; UTF-8 where there is none."""
    try:
        with opened(path) as file:
            start = file.read(1 << 12)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, error) from None
    encoding = next((name for mark, name in MARKS.items() if start.startswith(mark)), "utf-8")
    if encoding.startswith("utf-8") and b"\0" in start:
        raise DataError(f"{path} has bytes of 0, so it is no table of text: save it as CSV, in UTF-8")
    return encoding


def damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} is cut short or damaged ({error}): fetch it again")


def columns_of(path: Path, encoding: str) -> dict[str, np.ndarray]:
    try:
        with io.TextIOWrapper(opened(path), encoding, newline="") as file:
            return read_columns(file, path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, error) from None


def read_columns(file: io.TextIOWrapper, path: Path) -> dict[str, np.ndarray]:
    rows = records(file, path)
    names = header(next(rows, []), path)
    parts: list[list[np.ndarray]] = [[] for _ in names]
    size = max(1, CHUNK // len(names))
    while chunk := list(itertools.islice(rows, size)):
        for part, words in zip(parts, zip(*chunk, strict=True), strict=True):
            part.append(to_text(words))
    columns = [np.concatenate(part) if part else to_text(()) for part in parts]
    return dict(named(names, columns, path))


def records(file: io.TextIOWrapper, path: Path) -> Iterator[list[str]]:
    """The records of a file, the header first, by the separator that the header has most of."""
    first, before = file.readline(), 0
    if first.lower().startswith("sep="):  # as Excel may begin a file
        first, before = file.readline(), 1
    separator = max(SEPARATORS, key=QUOTED.sub("", first).count)
    lines: Iterator[str] = itertools.chain([first], file)
    if path.suffix.lower() == ".txt" and separator not in first:
        separator, lines = " ", (line.strip() for line in lines)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    names = None
    try:
        for fields in reader:
            names = names or fields
            if len(fields) == len(names) and fields:
                yield fields
            elif fields:
                raise DataError(
                    f"{path}: line {reader.line_num + before:,} has {counted(len(fields), 'field')}"
                    f" ({listed(map(repr, fields), 3)}), but the first line, which names the columns, has"
                    f" {len(names):,} ({listed(map(repr, names), 3)})"
                )
    except csv.Error as error:
        raise DataError(
            f"{path} cannot be read at line {reader.line_num + before:,} ({error}): is a quote not closed, or"
            " is it no table of text?"
        ) from None


def header(names: list[str], path: Path) -> list[str]:
    names = [name.strip() for name in names]
    if not names:
        raise DataError(f"{path} is empty: its first line names the columns")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path} has several columns named {listed(map(repr, twice))}: is its first line a"
            " header? Give each column a name of its own"
        )
    if all(np.isfinite(number(name)) for name in names) and any("." in name for name in names):
        raise DataError(f"{path} starts with numbers ({listed(names, 4)}): put a line with names above them")
    return names


def named(names: list[str], columns: list[np.ndarray], path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Columns with names; one without is known by its place, or where it has no values either, left out."""
    for i, (name, values) in enumerate(zip(names, columns, strict=True), 1):
        if not name and np.all(values == ""):
            continue
        if not name:
            tell(f"{path}: column {i} has no name. If it numbers the rows, leave 'column {i}' out")
        yield name or f"column {i}", values
