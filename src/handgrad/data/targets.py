"""Labels as a source holds them -> the targets that training reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handgrad.data.dataset import check_classes, is_text
from handgrad.data.errors import DataError, listed

TASKS = ("classification", "regression")
# A whole number in a table may be a label or a count: so many different ones at most are labels.
FEW = 20


def targets_of(
    labels: np.ndarray,
    where: str,
    classes: Sequence[str] | None = None,
    task: str | None = None,
    few: int | None = None,
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """``(t, classes)``: class indices int64 (N,) and their names, or float64 targets and None.

    Where neither ``classes`` nor ``task`` says which, text, booleans and integers are classes and
    floats are numbers. With ``few``, integers of more than so many different values are numbers too.

    Raises:
        DataError: labels of another dtype, missing or infinite ones, ones that are not in ``classes``.
    """
    if task not in (None, *TASKS):
        raise DataError(f"task is {task!r}: it is one of {listed(TASKS)}")
    if labels.dtype.kind not in "biufUT":
        raise DataError(f"{where} holds {labels.dtype}: targets are integers, floats, booleans or text")
    check_present(labels, where)
    task = task or ("classification" if classes is not None else guessed_task(labels, few))
    if task == "classification":
        return class_indices(labels, where, classes)
    if classes is not None:
        raise DataError(f"{where}: classes were given for regression: leave one of the two out")
    return numbers(labels, where), None


def guessed_task(labels: np.ndarray, few: int | None) -> str:
    many = few is not None and labels.dtype.kind in "iu" and len(np.unique(labels)) > few
    return "regression" if labels.dtype.kind == "f" or many else "classification"


def check_present(labels: np.ndarray, where: str) -> None:
    missing = labels == "" if is_text(labels) else ~np.isfinite(labels)
    rows = np.unique(np.nonzero(missing)[0])
    if len(rows):
        raise DataError(
            f"{where} is missing or infinite in {len(rows):,} of {len(labels):,} rows, first in row"
            f" {rows[0] + 1:,}: remove these rows, or leave the target out to predict it"
        )


def numbers(labels: np.ndarray, where: str) -> np.ndarray:
    if is_text(labels):
        raise DataError(f"{where} holds text such as {str(labels.flat[0])!r}: regression needs numbers")
    if labels.ndim not in (1, 2):
        raise DataError(f"{where} has shape {labels.shape}: targets have the shape (N,) or (N, M)")
    return labels.astype(np.float64)


def class_indices(
    labels: np.ndarray, where: str, classes: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Without ``classes``, the different labels are the classes, in their own order."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(f"{where} has shape {labels.shape}: classification takes one label an example, (N,)")
    values, inverse = np.unique(labels, return_inverse=True)
    names = [label_text(value) for value in values.tolist()]
    known = check_classes(names if classes is None else classes)
    index = {name: i for i, name in enumerate(known)}
    unknown = [name for name in names if name not in index]
    if unknown:
        raise DataError(
            f"{where} holds labels that are not among the classes: {listed(map(repr, unknown))};"
            f" the classes are {listed(map(repr, known))}"
        )
    return np.array([index[name] for name in names], dtype=np.int64)[inverse], known


def label_text(value: object) -> str:
    """A whole float reads as its integer, since a file may hold 1 where another holds 1.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)
