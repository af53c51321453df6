"""Labels as a source holds them -> the targets that training reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handgrad.data.columns import FEW, tell
from handgrad.data.dataset import TEXT, check_classes, is_text
from handgrad.data.errors import DataError, listed

TASKS = ("classification", "regression", "multi-label")


def targets_of(
    labels: np.ndarray,
    where: str,
    classes: Sequence[str] | None = None,
    task: str | None = None,
    few: int | None = None,
    names: Sequence[str] | None = None,
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """``(t, classes)``: class indices int64 (N,) and their names, or float64 targets and None, or bool
    (N, M), of several labels each, and None.

    Where neither ``classes`` nor ``task`` says which, text, booleans and integers are classes and
    floats are numbers. With ``few``, integers of more than so many different values are numbers too.
    Booleans (N, M) are labels, but where each row has one that is true, classes, perhaps with ``names``.

    Raises:
        DataError: labels of another dtype, missing or infinite ones, ones that are not in ``classes``.
    """
    if task not in (None, *TASKS):
        raise DataError(f"task is {task!r}: it is one of {listed(TASKS)}")
    if labels.dtype.kind not in "biufUT":
        raise DataError(f"{where} holds {labels.dtype}: targets are integers, floats, booleans or text")
    check_present(labels, where)
    if task is None and classes is None:
        tell_of_doubt(labels, where)
    task = task or ("classification" if classes is not None else guessed_task(labels, few))
    if task == "classification":
        return class_indices(labels, where, classes, names)
    if task == "multi-label":
        return several(labels, where), None
    if classes is not None:
        raise DataError(f"{where}: classes were given for regression: leave one of the two out")
    return numbers(labels, where), None


def several(labels: np.ndarray, where: str) -> np.ndarray:
    if labels.ndim != 2 or labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        raise DataError(
            f"{where} is {labels.dtype} {labels.shape}: several labels of each example are zeros and ones"
            " (N, M), or true and false in several columns"
        )
    return labels.astype(bool)


def guessed_task(labels: np.ndarray, few: int | None) -> str:
    if labels.dtype.kind == "b" and labels.ndim == 2 and not is_one_hot(labels):
        return "multi-label"
    many = few is not None and labels.dtype.kind in "iu" and len(np.unique(labels)) > few
    return "regression" if labels.dtype.kind == "f" or many else "classification"


def tell_of_doubt(labels: np.ndarray, where: str) -> None:
    """Floats are taken for numbers; say so where they may have been meant for classes."""
    if labels.dtype.kind != "f":
        return
    values = np.unique(labels)
    if is_one_hot(labels):
        what = f"one 1 in each row of {labels.shape[1]} numbers"
    elif labels.ndim == 1 and 1 < len(values) <= min(FEW, len(labels) - 1) and is_whole(values):
        what = f"only {listed(map(label_text, values.tolist()))}"
    else:
        return
    taken = f"{where}: {what}, and as floats these are taken for numbers."
    tell(taken, "For classes, pass task='classification'", "For classes: --task classification")


def is_whole(values: np.ndarray) -> bool:
    return bool(np.all(values == np.rint(values)))


def is_one_hot(labels: np.ndarray) -> bool:
    """Whether each row of labels (N, C) is one 1 among zeros."""
    if labels.ndim != 2 or labels.shape[1] < 2 or labels.dtype.kind not in "biuf":
        return False
    return bool(np.all((labels == 0) | (labels == 1)) and np.all(labels.sum(axis=1) == 1))


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
    labels: np.ndarray, where: str, classes: Sequence[str] | None, names: Sequence[str] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Without ``classes``, the different labels are the classes, in their own order; or the places of a 1,
    which may have ``names``.
    """
    if is_one_hot(labels):
        places = list(names or map(str, range(labels.shape[1])))
        found = np.array(places, TEXT)[labels.argmax(axis=1)]
        return class_indices(found, where, places if classes is None else classes)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(f"{where} has shape {labels.shape}: classification takes one label an example, (N,)")
    values, inverse = np.unique(labels, return_inverse=True)
    words = [label_text(value) for value in values.tolist()]
    known = check_classes(words if classes is None else classes)
    if classes is None and len(words) > max(FEW, len(labels) / 2):
        taken = f"{where}: {len(words):,} different values in {len(labels):,} rows, each taken for a class."
        tell(taken, "For numbers, pass task='regression'", "For numbers: --task regression")
    index = {name: i for i, name in enumerate(known)}
    unknown = [word for word in words if word not in index]
    if unknown:
        raise DataError(
            f"{where} holds labels that are not among the classes: {listed(map(repr, unknown))};"
            f" the classes are {listed(map(repr, known))}"
        )
    return np.array([index[word] for word in words], dtype=np.int64)[inverse], known


def label_text(value: object) -> str:
    """A whole float reads as its integer, since a file may hold 1 where another holds 1.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)
