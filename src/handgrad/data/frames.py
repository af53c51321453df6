"""Frames of pandas, polars and pyarrow as tables, by what the three have in common; none is imported."""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from handgrad.data.columns import FEW
from handgrad.data.dataset import TEXT, Dataset, Table, is_text
from handgrad.data.errors import DataError, listed
from handgrad.data.tables import joined, names_of_targets
from handgrad.data.targets import label_text, targets_of

DAY = 86_400_000_000  # in microseconds


def is_frame(x: Any) -> bool:
    """Whether this has named columns: a frame of pandas or polars, a table of pyarrow."""
    has_types = hasattr(x, "dtypes") or hasattr(x, "column_names")
    return has_types and hasattr(x, "columns") and hasattr(x, "__getitem__")


def names_of(frame: Any) -> list[Any]:
    return list(frame.column_names if hasattr(frame, "column_names") else frame.columns)


def of_frame(frame: Any) -> Table:
    """A table of a frame's columns: numbers, true and false as 1 and 0, dates and times as days since 1970,
    text and categories as text; None, NaN, NaT and pandas' NA are missing.

    Raises:
        DataError: columns of one name, or one that is none of these.

    Examples:
        >>> import pyarrow as pa
        >>> table = hg.data.of_frame(pa.table({"height": [1.5, None], "name": ["a", "b"]}))
        >>> print(table.columns["height"], table.columns["name"])
        [1.5 nan] ['a' 'b']
    """
    columns = columns_of(frame)
    read = {name: column_of(values, name) for name, values in columns.items()}
    return Table({n: values for n, (values, _) in read.items()}, {n: kind for n, (_, kind) in read.items()})


def columns_of(frame: Any) -> dict[str, Any]:
    """The columns as they are, by name.

    Raises:
        DataError: two have one name.
    """
    names = list(map(str, names_of(frame)))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"the frame has {listed(map(repr, twice))} more than once as a column: name each apart"
        )
    return {str(name): frame[name] for name in names_of(frame)}


def from_frame(
    frame: Any,
    target: str | None = None,
    classes: Sequence[str] | None = None,
    task: str | None = None,
    drop: Collection[str] = (),
) -> Dataset:
    """The examples of a frame of pandas or polars, or of a table of pyarrow, as ``load`` reads a table.

    Raises:
        DataError: as ``of_frame`` and ``load``, such as a ``target`` that is no column.

    Examples:
        >>> import pyarrow as pa
        >>> frame = pa.table({"height": [1.5, 1.6, 1.7], "weight": [50.0, 60.0, 70.0]})
        >>> data = hg.data.from_frame(frame, target="weight")
        >>> len(data), data.t.tolist()
        (3, [50.0, 60.0, 70.0])
    """
    columns = columns_of(frame)
    targets = names_of_targets(target, columns)
    absent = [name for name in [*targets, *drop] if name not in columns]
    if absent:
        raise DataError(f"the frame has no column {absent[0]!r}: it has {listed(map(repr, columns), 40)}")
    table = of_frame(frame)
    left = {n: values for n, values in table.columns.items() if n not in targets and n not in drop}
    x = Table(left, {name: table.kinds[name] for name in left})
    if target is None:
        return Dataset(x, name="the frame")
    labels = joined({name: labels_of(columns[name], table, name) for name in targets}, "the frame")
    assert labels is not None
    several = targets if len(targets) > 1 else None
    t, known = targets_of(labels, f"the frame: column {target!r}", classes, task, FEW, several)
    return Dataset(x, t, known, "the frame", targets=None if known else several)


def labels_of(column: Any, table: Table, target: str) -> np.ndarray:
    """The target as it is: bool, int64, float64 or text. Where values are missing, floats or text."""
    values = table[target]
    if is_text(values) or np.isnan(values).any():
        return values
    if table.kinds[target] == "truth":
        return values.astype(bool)
    return values.astype(np.int64) if values_of(column).dtype.kind in "iu" else values


def is_of_categories(values: Any) -> bool:
    kind = str(getattr(values, "dtype", getattr(values, "type", ""))).lower()
    return kind.startswith(("categor", "enum", "dictionary"))


def values_of(values: Any) -> np.ndarray:
    """A column as an array of NumPy, of objects where it has no other dtype."""
    return np.array(items(values), object) if is_of_categories(values) else np.asarray(values.to_numpy())


def items(values: Any) -> list[Any]:
    found = values.to_pylist() if hasattr(values, "to_pylist") else list(values.to_list())
    return [None if is_missing(value) else value for value in found]


def is_missing(value: Any) -> bool:
    """None, NaN, NaT or pandas' NA: NaN and NaT are not equal to themselves, NA says neither."""
    try:
        return value is None or not bool(value == value)
    except TypeError:
        return True


def column_of(column: Any, name: str) -> tuple[np.ndarray, str]:
    """A column as a table keeps it, and its kind."""
    if is_of_categories(column):
        return np.array(["" if v is None else label_text(v) for v in items(column)], TEXT), "text"
    values = values_of(column)
    if values.dtype.kind == "M":
        return days_of(values.astype("M8[us]")), "date"
    if values.dtype.kind in "biuf":
        return values.astype(np.float64), "truth" if values.dtype.kind == "b" else "number"
    return of_objects(items(column), name)


def of_objects(values: list[Any], name: str) -> tuple[np.ndarray, str]:
    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    if all(issubclass(kind, str) for kind in kinds) and kinds:
        return np.array(["" if v is None else v for v in values], TEXT), "text"
    if all(issubclass(kind, datetime.date) for kind in kinds) and kinds:
        return days_of(np.array([moment(v) for v in values], "M8[us]")), "date"
    if all(issubclass(kind, (numbers.Number, decimal.Decimal, np.bool_)) for kind in kinds):
        is_truth = bool(kinds) and all(issubclass(kind, (bool, np.bool_)) for kind in kinds)
        found = np.array([np.nan if v is None else float(v) for v in values], np.float64)
        return found, "truth" if is_truth else "number"
    raise DataError(
        f"column {name!r} holds {listed(sorted(kind.__name__ for kind in kinds))}: a column holds numbers, "
        f"text, categories, dates or booleans"
    )


def moment(value: Any) -> Any:
    """A date or a time, which without a zone is taken for UTC, as NumPy has it."""
    if value is None:
        return np.datetime64("NaT", "us")
    if getattr(value, "tzinfo", None) is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return np.datetime64(value, "us")


def days_of(times: np.ndarray) -> np.ndarray:
    """Days since 1970, nan for what is missing."""
    return np.where(np.isnat(times), np.nan, times.astype(np.int64) / DAY)
