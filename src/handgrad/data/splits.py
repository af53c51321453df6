"""Which examples are held out: by chance, class by class, or group by group; once, or in folds."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.data.errors import DataError


def split_rows(
    n: int, test: float = 0.2, seed: int = 0, strata: Any = None, groups: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the training part and of the test part, two int64 arrays.

    Args:
        test: the fraction in (0, 1) that goes to the test part, or how many examples.
        strata: a class for each row; each is in both parts by its share, as far as whole numbers allow.
        groups: a group for each row; none is in both parts. Those that are drawn first are held out, until
            the test part is as large as it should be.

    Raises:
        DataError: either part would be empty, or ``test`` or ``seed`` cannot be.

    Examples:
        >>> train, test = hg.data.split_rows(10, test=0.2, seed=0)
        >>> len(train), len(test), sorted([*train.tolist(), *test.tolist()]) == list(range(10))
        (8, 2, True)
        >>> classes = np.repeat([0, 1], [15, 5])
        >>> np.bincount(classes[hg.data.split_rows(20, 0.2, strata=classes)[1]]).tolist()
        [3, 1]
    """
    count = held_out(n, test)
    order = shuffled(n, seed)
    if groups is not None:
        return by_group(order, count, np.asarray(groups), test)
    if strata is None:
        return order[count:], order[:count]
    ranked = spread(order, np.asarray(strata))
    return ranked[count:], ranked[:count]


def held_out(n: int, test: Any) -> int:
    if not isinstance(test, (int, float, np.number)) or isinstance(test, bool):
        raise DataError(f"test is {test!r}: give a fraction between 0 and 1, or a count of at least 1")
    if 0 < test < 1:
        count = round(n * test)
    elif isinstance(test, (int, np.integer)) and test >= 1:
        count = int(test)
    else:
        raise DataError(f"test is {test}: give a fraction between 0 and 1, or a count of at least 1")
    if not 0 < count < n:
        part = "test" if count < 1 else "training"
        raise DataError(f"test={test} of {n:,} examples leaves the {part} part empty: choose another")
    return count


def shuffled(n: int, seed: Any) -> np.ndarray:
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise DataError(f"seed is {seed!r}: give a whole number from 0")
    return np.random.Generator(np.random.PCG64(seed)).permutation(n)


def spread(order: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """The rows in an order of which each beginning has each class by its share, to less than one example.

    The i-th of m rows of a class has the place (i + 1/2) / m.
    """
    place = np.empty(len(order))
    for value in np.unique(strata):
        own = order[strata[order] == value]
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return order[np.argsort(place[order], kind="stable")]


def by_group(order: np.ndarray, count: int, groups: np.ndarray, test: Any) -> tuple[np.ndarray, np.ndarray]:
    values, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    first = np.unique(place[order], return_index=True)[1]
    drawn = np.argsort(first)  # groups in the order in which their first rows come
    before = np.cumsum(sizes[drawn]) - sizes[drawn]
    is_test = np.zeros(len(values), bool)
    is_test[drawn] = before < count
    if is_test.all() or not is_test.any():
        raise DataError(
            f"test={test} of {len(values)} groups leaves a part empty: choose another, or more groups"
        )
    rows = is_test[place[order]]
    return order[~rows], order[rows]


def folds(
    n: int, k: int, seed: int = 0, strata: Any = None, groups: Any = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """k times the rows of a training and a test part; each row is in one test part.

    Args: as of ``split_rows``; groups go whole to the fold that is smallest so far, the largest first.

    Raises:
        DataError: fewer than 2 folds, or more than there are rows or groups.

    Examples:
        >>> [len(test) for _, test in hg.data.folds(11, 3, seed=0)]
        [4, 4, 3]
    """
    things = n if groups is None else len(np.unique(np.asarray(groups)))
    if not 2 <= k <= things:
        what = "examples" if groups is None else "groups"
        raise DataError(f"{k} folds of {things:,} {what}: there are at least 2 folds, each with one of these")
    order = shuffled(n, seed)
    if groups is not None:
        fold = fold_of_groups(order, k, np.asarray(groups))
    else:
        ranked = order if strata is None else order[np.argsort(np.asarray(strata)[order], kind="stable")]
        fold = np.empty(n, np.int64)
        fold[ranked] = np.arange(n) % k
    return [(order[fold[order] != i], order[fold[order] == i]) for i in range(k)]


def fold_of_groups(order: np.ndarray, k: int, groups: np.ndarray) -> np.ndarray:
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    first = np.unique(place[order], return_index=True)[1]
    loads, chosen = np.zeros(k, np.int64), np.zeros(len(sizes), np.int64)
    for group in np.lexsort((first, -sizes)).tolist():
        chosen[group] = loads.argmin()
        loads[chosen[group]] += sizes[group]
    return chosen[place]
