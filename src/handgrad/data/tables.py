"""Tables from files, with their labels: CSV by Python, Parquet by pyarrow."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.data.columns import Column, tell_of_text, typed
from handgrad.data.csv_files import read_csv
from handgrad.data.dataset import TEXT, Table, is_text
from handgrad.data.errors import DataError, counted, listed, needs_extra

CSV = tuple(f"{ending}{zipped}" for ending in (".csv", ".tsv", ".txt") for zipped in ("", ".gz"))
PARQUET = (".parquet", ".pq")
DAY = 86_400_000_000  # in microseconds


def read_table(
    path: Path, target: str | None = None, drop: Collection[str] = (), text: Collection[str] = ()
) -> tuple[Table, np.ndarray | None, tuple[str, ...]]:
    """The columns of a CSV or Parquet file but those in ``drop``; that of ``target`` as labels (N,), or of
    several, "a,b", as (N, M); and the names of these.

    A CSV has one header line; its separator is the comma, semicolon, tab or bar that the header has most of,
    or in a ``.txt`` with none of these, space. Numbers, true and false become float64, ISO dates and times
    the days since 1970, all else stays text, as do the columns in ``text`` whatever they hold. Missing are
    null, an empty field and, among numbers, NA, NaN, null and the like. Parquet is read through a memory map,
    its columns decoded into memory.

    Raises:
        DataError: no rows, columns of one name, no column ``target``, infinite numbers, a type that
            is none of the above, a file that cannot be read.
    """
    is_parquet = path.name.lower().endswith(PARQUET)
    columns: Mapping[str, Any] = arrow_columns(path) if is_parquet else read_csv(path)
    targets = names_of_targets(target, columns)
    absent = [name for name in [*targets, *drop] if name not in columns]
    if absent:
        near = difflib.get_close_matches(absent[0], columns, 1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise DataError(f"{path} has no column {absent[0]!r}: it has {listed(map(repr, columns), 40)}{meant}")
    if all(len(values) == 0 for values in columns.values()):
        raise DataError(f"{path} has columns ({listed(columns)}) but no rows")
    inputs = [name for name in columns if name not in targets and name not in drop]
    if not inputs:
        but = "the target" if not drop else "what is left out and the target"
        raise DataError(f"{path} has no column but {but} {target!r}: there is nothing to learn from")
    read = {}
    for name in inputs:
        where = f"{path}: column {name!r}"
        if is_parquet:
            read[name] = of_arrow(columns[name], where)
        else:
            read[name] = Column(columns[name], "text") if name in text else typed(columns[name], where)
        check_finite(read[name].values, where)
    table = Table({name: c.values for name, c in read.items()}, {name: c.kind for name, c in read.items()})
    labels = {}
    for name in targets:
        where = f"{path}: column {name!r}"
        labels[name] = arrow_labels(columns[name], where) if is_parquet else labels_of(columns[name], where)
        check_finite(labels[name], where)
    return table, joined(labels, str(path)), targets


def names_of_targets(target: str | None, columns: Collection[str]) -> tuple[str, ...]:
    """A column, or several with commas between."""
    if target is None or target in columns:
        return () if target is None else (target,)
    return tuple(dict.fromkeys(name.strip() for name in target.split(",")))


def joined(labels: Mapping[str, np.ndarray], where: str) -> np.ndarray | None:
    """The labels of one target (N,); of several (N, M), bool where all are true or false, or float64."""
    if len(labels) < 2:
        return next(iter(labels.values()), None)
    words = [name for name, values in labels.items() if is_text(values)]
    if words:
        raise DataError(
            f"{where}: the target {words[0]!r} is text: several targets are numbers, or true and false; for"
            f" the classes of one, name {words[0]!r} alone"
        )
    stacked = np.stack([values.astype(np.float64) for values in labels.values()], axis=1)
    return stacked.astype(bool) if np.isin(stacked, (0, 1)).all() else stacked


def check_finite(values: np.ndarray, where: str) -> None:
    infinite = np.flatnonzero(np.isinf(values)) if values.dtype.kind == "f" else np.array([], int)
    if len(infinite):
        raise DataError(
            f"{where} is infinite in {counted(len(infinite), 'row')}, first in row"
            f" {infinite[0] + 1:,}: give a finite number, or leave it empty"
        )


def labels_of(texts: np.ndarray, where: str) -> np.ndarray:
    """The target as it is: bool, int64, float64 or text. Where values are missing, floats or text."""
    column = typed(texts, where)
    if column.kind == "text" or np.isnan(column.values).any():
        return column.values
    if column.kind == "truth":
        return column.values.astype(bool)
    whole = all(word.lstrip("+-").isdigit() for word in texts.tolist())
    return column.values.astype(np.int64) if whole and np.abs(column.values).max() < 2**53 else column.values


# Parquet.


def arrow_columns(path: Path) -> dict[str, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise needs_extra("pyarrow", f"reading {path}") from None
    try:
        table = pyarrow.parquet.read_table(path, memory_map=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise DataError(f"{path} has {listed(map(repr, twice))} more than once as a column: name each apart")
    return {name: plain(table[name]) for name in names}


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


def of_arrow(values: Any, where: str) -> Column:
    """float64 with NaN, or text with '', for what is missing."""
    import pyarrow as pa

    kind, types = values.type, pa.types
    if is_string(kind):
        texts = to_text(values)
        words, counts = np.unique(texts, return_counts=True)
        tell_of_text(words.tolist(), words == "", counts, where)
        return Column(texts, "text")
    if types.is_boolean(kind):
        return Column(values.cast(pa.int8()).cast(pa.float64()).to_numpy(), "truth")
    if types.is_date(kind) or types.is_timestamp(kind):
        days = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).cast(pa.float64(), safe=False)
        return Column(days.to_numpy() / DAY, "date")
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind):
        return Column(values.cast(pa.float64(), safe=False).to_numpy(), "number")
    hint = " (bytes that are no UTF-8 text)" if types.is_binary(kind) else ""
    raise DataError(
        f"{where} is {kind}{hint}; numbers, booleans, dates and text are read: change it or remove it"
    )


def arrow_labels(values: Any, where: str) -> np.ndarray:
    """The target as it is: bool, int64, float64 or text. Where values are missing, floats or text."""
    import pyarrow as pa

    if values.null_count == 0 and (pa.types.is_boolean(values.type) or pa.types.is_integer(values.type)):
        return values.to_numpy()
    return of_arrow(values, where).values
