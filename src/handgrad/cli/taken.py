"""What each column of a data set, and its target, was taken for."""

from __future__ import annotations

from collections import Counter

import numpy as np

from handgrad.data import Dataset, Preparation, Table
from handgrad.data.errors import counted, listed
from handgrad.data.tabular import Category, Tabular

MOST = 16  # columns told one by one
KINDS = {"number": "number", "date": "date, as days since 1970", "truth": "true or false, as 1 or 0"}
SHORT = 60  # characters of a list of names


def taken_for(data: Dataset, preparation: Preparation, target: str | None) -> list[str]:
    """Lines that say it: one a column of a table, and one for the target."""
    columns = dict(kinds(data.x, preparation)) if isinstance(data.x, Table) else {}
    shown = dict(list(columns.items())[: MOST if len(columns) <= MOST else MOST // 2])
    name = target or "target"
    width = max(map(len, [*shown, name]))
    lines = [f"{column:<{width}}  {kind}" for column, kind in shown.items()]
    rest = Counter(kind.partition(",")[0] for kind in list(columns.values())[len(shown) :])
    if rest:
        told = ", ".join(f"{n:,} {kind}" for kind, n in rest.items())
        lines.append(f"... {sum(rest.values()):,} more: {told}")
    return [*lines, f"{name:<{width}}  {of_target(data)}  (to be predicted)"]


def kinds(table: Table, preparation: Preparation) -> list[tuple[str, str]]:
    assert isinstance(preparation, Tabular)
    numbers = {name: KINDS.get(kind, "number") for name, kind in table.kinds.items()}
    return [
        (part.name, of_text(part) if isinstance(part, Category) else numbers.get(part.name, "number"))
        for part in preparation.parts
    ]


def of_text(part: Category) -> str:
    return f"text, {counted(len(part.levels), 'level')}: {brief(part.levels)}"


def of_target(data: Dataset) -> str:
    if data.classes is not None:
        return f"{len(data.classes):,} classes: {brief(data.classes)}"
    t = np.asarray(data.t)
    if data.task == "multi-label":
        return f"{counted(t.shape[1], 'label')} of each, true or false; true in {t.mean(axis=0).round(2)}"
    several = f"{t.shape[1]:,} numbers" if t.ndim == 2 and t.shape[1] > 1 else "number"
    return f"{several}, {t.min():.4g} to {t.max():.4g}"


def without_targets(data: Dataset) -> str:
    """What is to be done where targets are needed and there are none."""
    if isinstance(data.x, Table):
        columns = listed(map(repr, data.x.names), 20)
        return f"{data.name} has no targets: name the column to predict with --target. It has {columns}"
    if data.examples is not None:
        return f"{data.name} has no targets: put the images of each class in a subfolder of its name"
    return (
        f"{data.name} has no targets: a .npz holds them as t (or --target), IDX in a file of labels beside it"
    )


def brief(names: tuple[str, ...]) -> str:
    """As many of the names as fit into a line."""
    most = 1
    while most < len(names) and len(", ".join(names[: most + 1])) <= SHORT:
        most += 1
    return listed(names, most)
