"""``load``: a built-in set or a path -> a ``Dataset``."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from handgrad.data import idx, tables
from handgrad.data.builtin import BUILT_IN
from handgrad.data.columns import FEW
from handgrad.data.dataset import Dataset, Table, check_classes
from handgrad.data.errors import DataError, listed
from handgrad.data.images import read_folder
from handgrad.data.npz import read_npz
from handgrad.data.targets import targets_of

Raw = tuple[np.ndarray | Table, np.ndarray | None, tuple[str, ...]]
KINDS = (
    ".npz (arrays x and t), IDX (*-images-idx3-ubyte, .gz too), CSV (.csv, .tsv, .txt, .gz too),"
    " Parquet (.parquet), or a folder with a subfolder of images for each class"
)


def load(
    source: str | os.PathLike[str],
    target: str | None = None,
    classes: Sequence[str] | None = None,
    task: str | None = None,
    drop: Collection[str] = (),
    text: Collection[str] = (),
    group: str | None = None,
    resize: tuple[int, int] | None = None,
    fit: str = "crop",
    is_grey: bool | None = None,
) -> Dataset:
    """The examples of a built-in set (``digits``, ``mnist-5k``) or of a path.

    source: a built-in name, which goes before a path of that name (write ``./digits`` for the path), or
        ``.npz`` with arrays ``x`` (N, ...) and perhaps ``t``, mapped into memory if not compressed;
        IDX images with their labels beside them, mapped into memory if not gzipped;
        CSV, or Parquet through a memory map (needs pyarrow), with named columns;
        a folder of images, one subfolder for each class, perhaps in ``train/`` and ``val/`` or ``test/``
        (needs Pillow).
    target: the column of a table, or several, ``"a,b"``, or the array of an ``.npz``, that holds the
        targets. Without it a table has no targets: a file to predict.
    classes: the classes of a trained model; labels become indices into these.
    task: ``'classification'``, ``'regression'`` or ``'multi-label'``. Where neither this nor
        ``classes`` says which, text, booleans and integers are classes and floats are numbers; but integers
        of more than 20 different values in a column of a table are numbers too. Several columns are numbers,
        or where all are true or false, labels; or classes, where each row has one that is true.
    drop: columns of a table to leave out.
    text: columns of a CSV that are text whatever they hold, as the columns of a model may be.
    group: a column of a table that says what belongs together; splits keep it whole, and it is no input.
    resize: (H, W), to which the images of a folder are brought; without it they have one size. They are
        turned as their cameras say, put on white where they are transparent, and in colour if one is.
    fit: how images are brought there: ``'crop'`` scales them and cuts off what is over, ``'pad'`` fits them
        between black bars, ``'stretch'`` stretches them.
    is_grey: whether images are made grey, or RGB, whatever they are.

    Warns ``DataWarning`` of what was perhaps meant otherwise, such as a column of numbers but for some words.

    Raises:
        DataError: an unknown name or kind of file, a damaged file, no examples, a target that is absent,
            a label that is not among ``classes``; the sentence says what to do.

    Examples:
        >>> data = hg.data.load("digits")
        >>> data.x.shape, data.t.shape
        ((1797, 8, 8), (1797,))
    """
    name = str(source)
    x: np.ndarray | Table
    targets: tuple[str, ...] = ()
    examples, parts, groups = None, None, None
    if is_folder(source):
        check_tableless(name, target, drop)
        x, labels, examples, parts = read_folder(Path(source), resize, fit, is_grey)
    else:
        x, labels, targets = read(source, target, drop, text)
        if resize is not None:
            raise DataError(f"resize is of images, and {name} is no folder of them")
    if group is not None:
        x, groups = without_column(x, group, name)
    known = None if classes is None else check_classes(classes)
    if labels is None:
        return Dataset(x, None, known, name, examples, groups, parts)
    if labels.ndim == 0 or len(labels) != len(x):
        raise DataError(f"{name}: {len(x):,} examples, but the targets have shape {labels.shape}")
    where = f"{name}: the target" if target is None else f"{name}: {target!r}"
    several = targets if len(targets) > 1 else None
    t, known = targets_of(labels, where, known, task, FEW if isinstance(x, Table) else None, several)
    return Dataset(x, t, known, name, examples, groups, parts, None if known else several)


def without_column(x: np.ndarray | Table, group: str, name: str) -> tuple[Table, np.ndarray]:
    """A table without the column of its groups, and that."""
    if not isinstance(x, Table) or group not in x.columns:
        known = f"it has {listed(map(repr, x.names), 40)}" if isinstance(x, Table) else "it is no table"
        raise DataError(f"{name} has no column {group!r} of groups: {known}")
    left = {n: values for n, values in x.columns.items() if n != group}
    if not left:
        raise DataError(f"{name} has no column but the groups and the target: there is nothing to learn from")
    return Table(left, {n: kind for n, kind in x.kinds.items() if n != group}), x[group]


def is_folder(source: str | os.PathLike[str]) -> bool:
    return not (isinstance(source, str) and source in BUILT_IN) and Path(source).is_dir()


def check_tableless(name: str, target: str | None, drop: Collection[str]) -> None:
    """Names of columns are of tables alone."""
    if drop:
        raise DataError(f"{name} is no table: there is no column {next(iter(drop))!r} to leave out")
    if target is not None:
        raise DataError(f"target is {target!r}, but {name} has no names: only tables and .npz have")


def read(
    source: str | os.PathLike[str], target: str | None, drop: Collection[str] = (), text: Collection[str] = ()
) -> Raw:
    """Inputs, labels as they are or None, and of a table the names of these, of all but a folder."""
    name, path = str(source), Path(source)
    kind = path.name.lower()
    built_in = isinstance(source, str) and source in BUILT_IN
    if not built_in and not path.exists():
        raise DataError(
            f"no built-in set and no file {name!r}: built in are {listed(BUILT_IN)}; read are {KINDS}"
        )
    if not built_in and path.is_file() and kind.endswith(tables.CSV + tables.PARQUET):
        return tables.read_table(path, target, drop, text)
    is_npz = not built_in and path.is_file() and kind.endswith(".npz")
    check_tableless(name, None if is_npz else target, drop)
    if is_npz:
        x, labels = read_npz(path, target)
        return check_inputs(x, name), labels, ()
    if built_in:
        return *BUILT_IN[name](), ()
    if idx.NAME.search(kind):
        x, labels = idx.read_idx_pair(path)
        return check_inputs(x, name), labels, ()
    raise DataError(f"{name} is of an unknown kind: read are {KINDS}")


def check_inputs(x: np.ndarray, name: str) -> np.ndarray:
    if x.dtype.kind not in "biuf":
        raise DataError(f"{name}: x holds {x.dtype}: inputs are numbers (for text, use a table)")
    if x.size == 0 or x.ndim == 0:
        raise DataError(f"{name}: x has shape {x.shape}: there are no examples")
    return x[:, None] if x.ndim == 1 else x
