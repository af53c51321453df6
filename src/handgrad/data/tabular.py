"""Tables -> what a network reads: numbers standardised, text one-hot encoded, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.data.bits import bits, bits_of_text
from handgrad.data.columns import MARKS, NULLS, number
from handgrad.data.dataset import TEXT, Table, is_text
from handgrad.data.errors import DataError, listed
from handgrad.data.prepare import Preparation, check_infinite, filled, moments, refuse_missing, standardise
from handgrad.data.targets import label_text

MOST_LEVELS = 1_000


@dataclass(frozen=True)
class Number:
    """A column of numbers: one standardised feature. is_date: whether they were days since 1970."""

    name: str
    mean: float
    std: float
    fill: float | None
    is_date: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        return (self.name,)

    @staticmethod
    def fit(name: str, values: np.ndarray, impute: bool, kind: str = "number") -> Number:
        check_infinite(name, values)
        fill = float(np.nanmedian(values)) if impute else None
        mean, std = moments(values, None if fill is None else np.asarray(fill))
        return Number(name, float(mean), float(std), fill, kind == "date")

    def missing(self, values: np.ndarray) -> np.ndarray:
        return np.isnan(values)

    def read(self, values: np.ndarray, kind: str | None) -> np.ndarray:
        """The column as it was in training: one with marks for what is missing may come as text."""
        if not is_text(values):
            if kind is not None and (kind == "date") != self.is_date and not np.isnan(values).all():
                held, holds = ("dates", "numbers") if self.is_date else ("numbers", "dates")
                raise DataError(f"column {self.name!r} held {held} in the training part, but holds {holds}")
            return values
        words, inverse = np.unique(values, return_inverse=True)
        numbers = np.array([number(word) for word in words.tolist()])
        odd = np.isnan(numbers) & [word.lower() not in NULLS | MARKS for word in words.tolist()]
        if odd.any():
            row = int(np.flatnonzero(odd[inverse])[0])
            raise DataError(
                f"column {self.name!r} held numbers in the training part, but holds"
                f" {str(values[row])!r} in row {row + 1:,}: give numbers"
            )
        return numbers[inverse]

    def encode(self, values: np.ndarray, unseen: str) -> np.ndarray:
        check_infinite(self.name, values)
        fill = None if self.fill is None else np.asarray(self.fill)
        return standardise(filled(values, fill), np.asarray(self.mean), np.asarray(self.std))[:, None]


@dataclass(frozen=True)
class Category:
    """A column of text: a feature for each level, 1 where the column holds it and 0 elsewhere."""

    name: str
    levels: tuple[str, ...]
    fill: str | None

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(f"{self.name}={level}" for level in self.levels)

    @staticmethod
    def fit(name: str, values: np.ndarray, impute: bool, kind: str = "text") -> Category:
        levels, counts = np.unique(values[values != ""], return_counts=True)
        if len(levels) > MOST_LEVELS:
            raise DataError(
                f"column {name!r} holds {len(levels):,} different texts ({listed(levels, 3)});"
                f" at most {MOST_LEVELS:,} are one-hot encoded: leave it out, or group them"
            )
        names = tuple(levels.tolist())
        return Category(name, names, names[int(np.argmax(counts))] if impute else None)

    def missing(self, values: np.ndarray) -> np.ndarray:
        return values == ""

    def read(self, values: np.ndarray, kind: str | None) -> np.ndarray:
        """The column as it was in training; levels that read as numbers may come as numbers."""
        if is_text(values):
            return values
        return np.array(["" if np.isnan(v) else label_text(v) for v in values.tolist()], TEXT)

    def encode(self, values: np.ndarray, unseen: str) -> np.ndarray:
        found, inverse = np.unique(values, return_inverse=True)
        index = {level: i for i, level in enumerate(self.levels)} | {"": -1}
        if self.fill is not None:
            index[""] = index[self.fill]
        unknown = [level for level in found.tolist() if level not in index]
        if unknown and unseen == "error":
            row = np.flatnonzero(values == unknown[0])[0] + 1
            raise DataError(
                f"column {self.name!r} holds {unknown[0]!r} in row {row:,}, which the training part did not;"
                f" it held {listed(map(repr, self.levels))}.",
                "Change it, or pass unseen='zeros'",
                "Change it, or let it count as none of these: --unseen zeros",
            )
        at = np.array([index.get(level, -1) for level in found.tolist()], np.int64)[inverse]
        return (at[:, None] == np.arange(len(self.levels))).astype(np.float64)


@dataclass(frozen=True)
class Tabular(Preparation):
    """The columns of a table, encoded one by one and set side by side, float (N, D)."""

    parts: tuple[Number | Category, ...]

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(feature for part in self.parts for feature in part.features)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (len(self.columns),)

    @property
    def text_columns(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(part.name for part in self.parts if isinstance(part, Category))

    @staticmethod
    def fit_table(x: Table, impute: bool) -> Tabular:
        kinds = {name: Category if is_text(values) else Number for name, values in x.columns.items()}
        missing = {
            n: values == "" if is_text(values) else np.isnan(values) for n, values in x.columns.items()
        }
        if not impute:
            check_table(missing)
        empty = [name for name, gone in missing.items() if gone.all()]
        if empty:
            raise DataError(f"columns without any value in the training part: {listed(empty)}: remove them")
        parts = [
            kinds[name].fit(name, values, impute, x.kinds.get(name, "number"))
            for name, values in x.columns.items()
        ]
        return Tabular(tuple(parts))

    def read_columns(self, x: Any) -> list[np.ndarray]:
        """The columns that were trained on, in their order, as they were read then."""
        if not isinstance(x, Table):
            raise DataError(
                f"x is an array of shape {np.shape(x)}, but the training part was a table with the columns"
                f" {listed(part.name for part in self.parts)}"
            )
        absent = [repr(part.name) for part in self.parts if part.name not in x.columns]
        if absent:
            raise DataError(
                f"columns of the training part are absent: {listed(absent)}; there are"
                f" {listed(map(repr, x.names))}"
            )
        return [part.read(x[part.name], x.kinds.get(part.name)) for part in self.parts]

    def prepared(self, x: Any, dtype: np.dtype, unseen: str) -> np.ndarray:
        values = self.read_columns(x)
        missing = {p.name: p.missing(v) for p, v in zip(self.parts, values, strict=True) if p.fill is None}
        check_table(missing)
        encoded = (p.encode(v, unseen) for p, v in zip(self.parts, values, strict=True))
        return np.concatenate([np.asarray(features, dtype) for features in encoded], axis=1)

    def words(self, x: Any) -> np.ndarray:
        return np.column_stack([bits_of_text(v) if is_text(v) else bits(v) for v in self.read_columns(x)])

    def to_json(self) -> dict[str, Any]:
        return {"kind": "table", "columns": [column_json(part) for part in self.parts]}

    @staticmethod
    def read(d: dict[str, Any]) -> Tabular:
        return Tabular(tuple(column_from_json(part) for part in d["columns"]))


def column_json(part: Number | Category) -> dict[str, Any]:
    if isinstance(part, Number):
        number = {"name": part.name, "mean": part.mean, "std": part.std, "fill": part.fill}
        return {**number, "is_date": True} if part.is_date else number
    return {"name": part.name, "levels": list(part.levels), "fill": part.fill}


def column_from_json(d: dict[str, Any]) -> Number | Category:
    if "levels" in d:
        return Category(d["name"], tuple(d["levels"]), d["fill"])
    return Number(d["name"], d["mean"], d["std"], d["fill"], d.get("is_date", False))


def check_table(missing: dict[str, np.ndarray]) -> None:
    """missing: for each column, which rows lack it."""
    rows = int(np.any(list(missing.values()), axis=0).sum()) if missing else 0
    if rows:
        refuse_missing(rows, {name: int(gone.sum()) for name, gone in missing.items()})
