"""What a column of text holds: numbers, dates, yes or no, categories; and what is told of one that is odd."""

from __future__ import annotations

import datetime
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handgrad.data.dataset import TEXT
from handgrad.data.errors import DataWarning, counted, listed

NULLS = frozenset(
    ["", "na", "n/a", "nan", "-nan", "null", "#n/a", "#na", "#n/a n/a", "1.#ind", "-1.#ind", "1.#qnan"]
)
# Missing, where all the rest are numbers; else a category like any other.
MARKS = frozenset("? - -- --- . .. none nil unknown missing undefined n.a.".split()) | {"not available"}
TRUTHS = {"true": True, "false": False}
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?")
WRITTEN = re.compile(
    r"[^\w\s.,]{0,2}\s?[-+]?(\d{1,3}([.,' ]\d{3})+([.,]\d+)?|\d+([.,]\d+)?)\s?([^\W\d_]{1,3}|[%)])?"
)
MOSTLY = 0.9  # so large a share of a column tells what its author took it for
FEW = 20  # so few different values of numbers may well be categories or classes
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Column:
    """A column as it was taken: float64 with NaN, or text with ''. kind: number, date, truth or text."""

    values: np.ndarray
    kind: str


def typed(texts: np.ndarray, where: str) -> Column:
    """What a column of a file without types holds. StringDType (N,)

    Missing are NULLS, and among numbers MARKS, which is told. What is nearly numbers stays text, and is told.
    """
    numbers = plain_numbers(texts)
    if numbers is not None:
        return Column(numbers, "number")
    values, inverse, counts = np.unique(texts, return_inverse=True, return_counts=True)
    words = values.tolist()
    null = np.array([word.lower() in NULLS for word in words])
    if null.all():
        return Column(np.full(len(texts), np.nan), "number")
    for read, kind in ((truth, "truth"), (days, "date")):
        found = np.array(
            [np.nan if missing else read(word) for word, missing in zip(words, null, strict=True)]
        )
        if not np.isnan(found[~null]).any():
            return Column(found[inverse], kind)
    found = np.array([number(word) for word in words])
    marks = np.array([word.lower() in MARKS for word in words])
    if np.all(null | marks | ~np.isnan(found)) and is_numeric(found, marks, counts):
        if marks.any():
            told = listed((repr(word) for word in values[marks].tolist()), 3)
            rows = counted(int(counts[marks].sum()), "row")
            tell(f"{where}: {told} in {rows} is taken for missing, as the others are numbers")
        return Column(found[inverse], "number")
    tell_of_text(words, null, counts, where)
    return Column(texts, "text")


def plain_numbers(texts: np.ndarray) -> np.ndarray | None:
    """The numbers of a column that holds nothing else but empty fields; None for any other."""
    empty = texts == ""
    if empty.all() or (np.strings.find(texts, "_") >= 0).any():
        return None
    try:
        return np.where(empty, "nan", texts).astype(np.float64)
    except ValueError:
        return None


def number(word: str) -> float:
    """nan where it is none."""
    try:
        return float(word) if "_" not in word else np.nan
    except ValueError:
        return np.nan


def truth(word: str) -> float:
    return TRUTHS.get(word.lower(), np.nan)


def days(word: str) -> float:
    """Days since 1970 of an ISO date or time, which without a zone is taken for UTC."""
    if not DATE.fullmatch(word):
        return np.nan
    try:
        at = datetime.datetime.fromisoformat(word)
    except ValueError:
        return np.nan
    return ((at if at.tzinfo else at.replace(tzinfo=datetime.UTC)) - EPOCH) / DAY


def is_numeric(found: np.ndarray, marks: np.ndarray, counts: np.ndarray) -> bool:
    """Whether a column of numbers and marks is one of numbers: by their share, or by how many differ."""
    numbers = ~np.isnan(found)
    share = counts[numbers].sum() / max(1, counts[numbers | marks].sum())
    return bool(share >= MOSTLY or (share >= 0.5 and numbers.sum() > FEW))


def tell_of_text(words: list[str], null: np.ndarray, counts: np.ndarray, where: str) -> None:
    """Say so where text is nearly numbers, or nearly all different: few would want these as categories."""
    present = [
        (word, n) for word, n, missing in zip(words, counts.tolist(), null, strict=True) if not missing
    ]
    rows = sum(n for _, n in present)
    odd = [(word, n) for word, n in present if np.isnan(number(word))]
    mend = "Leave the column out, or group its values"
    if len(present) <= FEW:
        return
    if sum(n for _, n in odd) <= (1 - MOSTLY) * rows:
        what = f"nearly all numbers, but for {sum(n for _, n in odd):,} of {rows:,}"
        mend = "Mend these, or leave their fields empty"
    elif sum(n for word, n in odd if not WRITTEN.fullmatch(word)) <= (1 - MOSTLY) * rows:
        what = f"numbers that are not written plainly in {sum(n for _, n in odd):,} of {counted(rows, 'row')}"
        mend = "Write them like 1234.5"
    elif len(present) >= MOSTLY * rows:
        what, odd = f"nearly all different, {len(present):,} in {counted(rows, 'row')}", present
    else:
        return
    such = listed((repr(word) for word, _ in odd), 3)
    tell(f"{where}: {what} ({such}): it is text, with {len(present):,} categories. {mend}")


def tell(sentence: str, python: str = "", command: str = "") -> None:
    warnings.warn(DataWarning(sentence, python, command), stacklevel=2)


def to_text(words: Sequence[str]) -> np.ndarray:
    return np.strings.strip(np.array(words, TEXT))
