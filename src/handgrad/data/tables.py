"""CSV and Parquet, read by pyarrow into a ``Table`` and its labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from handgrad.data.dataset import TEXT, Table
from handgrad.data.errors import DataError, listed, needs_extra

CSV = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
PARQUET = (".parquet", ".pq")
DAY = 86_400_000_000  # in microseconds


def read_table(path: Path, target: str | None = None) -> tuple[Table, np.ndarray | None]:
    """The columns of a CSV or Parquet file, and those of ``target`` apart, as labels (N,).

    A CSV has one header line; its separator is the comma, semicolon or tab that the header has most of.
    Numbers and booleans become float64, dates and times the days since 1970, all else stays text.
    Missing are null, an empty field and, among numbers, what pyarrow reads as null (NA, NaN, null, ...).
    Parquet is read through a memory map, its columns decoded into memory.

    Raises:
        DataError: no rows, columns of one name, no column ``target``, infinite numbers, a type that
            is none of the above, a file that pyarrow cannot read.
    """
    try:
        return part(read_arrow(path), target, path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error}): save it as UTF-8") from error


def part(arrow: Any, target: str | None, path: Path) -> tuple[Table, np.ndarray | None]:
    """Inputs and labels of a pyarrow table."""
    names = arrow.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path} has several columns named {listed(map(repr, twice))}: is its first line a"
            " header? Give each column a name of its own"
        )
    if target is not None and target not in names:
        raise DataError(f"{path} has no column {target!r}: it has {listed(map(repr, names), 40)}")
    if len(arrow) == 0:
        raise DataError(f"{path} has columns ({listed(names)}) but no rows")
    columns = {name: numbers_or_text(arrow[name], name, path) for name in names if name != target}
    if not columns:
        raise DataError(f"{path} has no column but the target {target!r}: there is nothing to learn from")
    labels = None if target is None else labels_of(arrow[target], target, path)
    return Table(columns), labels


def read_arrow(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise needs_extra("pyarrow", f"reading {path}") from None
    try:
        if path.name.lower().endswith(PARQUET):
            return pyarrow.parquet.read_table(path, memory_map=True)
        with pyarrow.input_stream(path) as stream:  # which decompresses .gz
            header = stream.read(1 << 16).split(b"\n")[0]
        separator = max((",", ";", "\t"), key=lambda mark: header.count(mark.encode()))
        return pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter=separator))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def plain(values: Any) -> Any:
    """A column without dictionary encoding."""
    import pyarrow as pa

    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def is_string(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def to_text(values: Any) -> np.ndarray:
    return np.array(["" if value is None else value for value in values.to_pylist()], dtype=TEXT)


def numbers_or_text(values: Any, name: str, path: Path) -> np.ndarray:
    """float64 with NaN, or text with '', for what is missing."""
    import pyarrow as pa

    values = plain(values)
    kind, types = values.type, pa.types
    if is_string(kind):
        return to_text(values)
    if types.is_boolean(kind):
        values = values.cast(pa.int8())
    elif types.is_date(kind) or types.is_timestamp(kind):
        days = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).cast(pa.float64(), safe=False)
        return days.to_numpy() / DAY
    elif not (
        types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind)
    ):
        hint = " (bytes that are no UTF-8 text)" if types.is_binary(kind) else ""
        raise DataError(
            f"{path}: column {name!r} is {kind}{hint}; numbers, booleans, dates and text are"
            " read: change it or remove it"
        )
    numbers = values.cast(pa.float64(), safe=False).to_numpy()
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise DataError(
            f"{path}: column {name!r} is infinite in {len(infinite):,} rows, first in row"
            f" {infinite[0] + 1:,}: give a finite number, or leave it empty"
        )
    return numbers


def labels_of(values: Any, name: str, path: Path) -> np.ndarray:
    """The target as it is: bool, int64, float64 or text. Where values are missing, floats or text."""
    import pyarrow as pa

    values = plain(values)
    if values.null_count == 0 and (pa.types.is_boolean(values.type) or pa.types.is_integer(values.type)):
        return values.to_numpy()
    return numbers_or_text(values, name, path)
