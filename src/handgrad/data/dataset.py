"""What training reads: examples ``x`` with their targets ``t``, and tables of named columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from handgrad.data.errors import DataError
from handgrad.data.rows import Rows, taken
from handgrad.data.splits import folds, split_rows

TEXT = np.dtypes.StringDType()


def is_text(values: np.ndarray) -> bool:
    return values.dtype.kind in "UT"


def column(name: str, values: Any) -> np.ndarray:
    """Values as a table keeps them: float64 with NaN for missing, or text with '' for missing."""
    values = np.asarray(values)
    if values.ndim != 1:
        raise DataError(f"column {name!r} has shape {values.shape}: a column of a table has one axis")
    if values.dtype == object:
        present = [value for value in values if value is not None]
        missing: object = "" if all(isinstance(value, str) for value in present) and present else np.nan
        values = np.asarray([missing if value is None else value for value in values])
        if present and is_text(values) and not isinstance(missing, str):
            raise DataError(f"column {name!r} mixes text with other values: make it all text, or all numbers")
    if is_text(values):
        return values.astype(TEXT)
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    raise DataError(f"column {name!r} holds {values.dtype}: a column holds numbers or text")


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of one length, in order.

    A column of numbers is float64 with NaN where a value is missing; a column of text is an array of
    NumPy's ``StringDType`` with ``''`` there. Lists and other arrays are turned into these, ``None``
    into what stands for missing. ``kinds`` says of columns that were read from a file what they were there:
    'number', 'truth' (0 and 1), 'date' (days since 1970) or 'text'.

    Raises:
        DataError: no columns, lengths that differ, or a column that is neither numbers nor text.

    Examples:
        >>> table = hg.data.Table({"height": [1.5, None], "name": ["a", "b"]})
        >>> print(table.columns["height"], table.columns["name"])
        [1.5 nan] ['a' 'b']
    """

    columns: Mapping[str, np.ndarray]
    kinds: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = {str(name): column(str(name), values) for name, values in self.columns.items()}
        lengths = {name: len(values) for name, values in columns.items()}
        if not columns:
            raise DataError("a table without columns: give it at least one")
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns of a table differ in length: {lengths}")
        object.__setattr__(self, "columns", columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def take(self, indices: Any) -> Table:
        """The rows at ``indices``, in their order, copied."""
        return Table({name: values[indices] for name, values in self.columns.items()}, self.kinds)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples and their targets.

    x: raw inputs, an array (N, ...) of numbers (perhaps a read-only memory map, or ``Rows`` of one) or a
        ``Table``; a list is made an array.
    t: class indices (N,), kept as int64; or targets (N,) or (N, M), kept as float64; or several labels of
        each, bool (N, M); or None where there are none.
    classes: the name of each class, or None where the targets are numbers.
    name: what to call it.
    examples: a name for each example where its source has one (the files of a folder), or None.
    groups: what each example belongs to, such as a patient, where splits are to keep these whole, or None.
    targets: the names of several targets or labels, or None.
    parts: of each example "train", "validation" or "test", where its source says which it is of, or None.

    Raises:
        DataError: lengths of x, t and examples differ; x holds no numbers; t is no class index, or not
            finite.

    Examples:
        >>> data = hg.data.Dataset(np.ones((10, 3)), np.arange(10.0))
        >>> train, test = data.split(test=0.2, seed=0)
        >>> len(train), len(test)
        (8, 2)
    """

    x: np.ndarray | Rows | Table
    t: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    name: str = "data"
    examples: tuple[str, ...] | None = None
    groups: np.ndarray | None = None
    parts: np.ndarray | None = None
    targets: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        x: Any = self.x
        if not isinstance(x, (np.ndarray, Rows, Table)):
            object.__setattr__(self, "x", array_of(x, self.name))
        if self.classes is not None:
            object.__setattr__(self, "classes", check_classes(self.classes))
        if self.examples is not None and len(self.examples) != len(self.x):
            raise DataError(f"{self.name}: {len(self.x):,} examples in x but {len(self.examples):,} names")
        for what, values in {"groups": self.groups, "parts": self.parts}.items():
            if values is not None and len(values) != len(self.x):
                raise DataError(f"{self.name}: {len(self.x):,} examples in x but {len(values):,} {what}")
        if self.t is not None:
            object.__setattr__(self, "t", self._targets(np.asarray(self.t)))

    def _targets(self, t: np.ndarray) -> np.ndarray:
        if t.ndim == 0 or len(t) != len(self.x):
            raise DataError(f"{self.name}: {len(self.x):,} examples in x but {t.size:,} targets in t")
        if self.classes is not None:
            check_indices(t, len(self.classes), self.name)
            return t.astype(np.int64, copy=False)
        if t.dtype == np.bool_ and t.ndim == 2:
            return t
        if t.dtype.kind != "f" or not np.isfinite(t).all():
            raise DataError(f"{self.name}: t is {t.dtype}; targets without classes are finite floats")
        return t.astype(np.float64, copy=False)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def task(self) -> str | None:
        """``'classification'`` where there are classes, ``'multi-label'`` where there are labels,
        ``'regression'`` where there are only targets, None where there is neither."""
        if self.classes is not None:
            return "classification"
        if self.t is None:
            return None
        return "multi-label" if self.t.dtype == np.bool_ else "regression"

    def take(self, indices: Any) -> Dataset:
        """The examples at ``indices``, in their order: copied, or as ``Rows`` of a large memory map.

        indices: whole numbers, or one bool for each example.
        """
        indices = np.asarray(indices)
        if indices.dtype == np.bool_ and indices.shape == (len(self),):
            indices = np.flatnonzero(indices)
        if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
            raise DataError(
                f"indices are whole numbers, or {len(self):,} bools, not {indices.dtype} {indices.shape}"
            )
        indices = indices.astype(np.int64)
        return replace(
            self,
            x=self.x.take(indices) if isinstance(self.x, Table) else taken(self.x, indices),
            t=None if self.t is None else self.t[indices],
            examples=None if self.examples is None else tuple(self.examples[i] for i in indices),
            groups=None if self.groups is None else self.groups[indices],
            parts=None if self.parts is None else self.parts[indices],
        )

    def part(self, name: str) -> Dataset | None:
        """The examples of "train", "validation" or "test"; None where the source has no such part."""
        if self.parts is None or name not in self.parts:
            return None
        return self.take(self.parts == name)

    def split(self, test: float = 0.2, seed: int = 0, stratify: bool = False) -> tuple[Dataset, Dataset]:
        """``(train, test)``: shuffled by ``seed``, each example in exactly one of the two.

        test: the fraction in (0, 1) that goes to the test part, or how many examples.
        stratify: whether each class is in both by its share. Where there are ``groups``, none is in both.

        Raises:
            DataError: either part would be empty; or there are no classes, or groups as well, to stratify by.
        """
        train_rows, test_rows = split_rows(len(self), test, seed, self._strata(stratify), self.groups)
        return self.take(train_rows), self.take(test_rows)

    def folds(self, k: int, seed: int = 0, stratify: bool = False) -> list[tuple[Dataset, Dataset]]:
        """k times ``(train, test)``: each example is in one test part. Options as of ``split``.

        Raises:
            DataError: as ``split``; fewer than 2 folds, or more than examples or groups.
        """
        rows = folds(len(self), k, seed, self._strata(stratify), self.groups)
        return [(self.take(train), self.take(test)) for train, test in rows]

    def _strata(self, stratify: bool) -> np.ndarray | None:
        if not stratify:
            return None
        if self.classes is None or self.groups is not None:
            what = "by groups" if self.groups is not None else "of numbers"
            raise DataError(f"{self.name} is split {what}: only classes can be stratified")
        return self.t


def array_of(x: Any, name: str) -> np.ndarray:
    if hasattr(x, "columns"):
        raise DataError(
            f"{name}: x is a {type(x).__name__}; handgrad.data.from_frame makes a data set of a frame"
        )
    x = np.asarray(x)
    if x.ndim == 0 or x.dtype.kind not in "biuf":
        raise DataError(f"{name}: x is {x.dtype} of shape {x.shape}; inputs are numbers (N, ...), or a Table")
    return x


def check_indices(t: np.ndarray, count: int, name: str) -> None:
    if t.dtype.kind not in "iu" or t.ndim != 1:
        raise DataError(f"{name}: t is {t.dtype} {t.shape}; class indices are integers (N,)")
    if len(t) and not 0 <= t.min() <= t.max() < count:
        raise DataError(f"{name}: t holds {t.min()} to {t.max()}; {count} classes are 0 to {count - 1}")


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    if isinstance(classes, str):
        raise DataError(f"classes are names, such as ({classes!r}, ...), not the one text {classes!r}")
    names = tuple(map(str, classes))
    if not names or len(set(names)) < len(names):
        raise DataError(f"classes are {names}: give at least one, and each once")
    return names
