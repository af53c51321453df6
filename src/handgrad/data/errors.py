"""The error and the warning of this package, and how their sentences list things."""

from __future__ import annotations

from collections.abc import Iterable


class Told(Exception):
    """A sentence, and what to do: as who calls from ``python`` can, and as who uses the ``command`` can."""

    def __init__(self, sentence: str, python: str = "", command: str = ""):
        super().__init__(" ".join(filter(None, [sentence, python])))
        self.for_command = " ".join(filter(None, [sentence, command]))


class DataError(Told, ValueError):
    """Data that cannot be used as asked: what came in, what was expected, what to do.

    Examples:
        >>> hg.data.load("nothing.csv")
        Traceback (most recent call last):
            ...
        handgrad.data.errors.DataError: no built-in set and no file 'nothing.csv': built in are digi...
    """


class DataWarning(Told, UserWarning):
    """Data that can be used, but was perhaps meant otherwise.

    Examples:
        >>> issubclass(hg.data.DataWarning, UserWarning)
        True
    """


def listed(items: Iterable[object], most: int = 12) -> str:
    """``a, b, c``, cut short after ``most``."""
    words = [str(item) for item in items]
    rest = len(words) - most
    return ", ".join(words[:most]) + (f" and {rest:,} more" if rest > 0 else "") if words else "none"


def counted(count: int, what: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def needs_extra(package: str, task: str) -> DataError:
    """The error for an optional package that is not installed."""
    return DataError(f'{task} needs {package}, which is not installed: pip install "handgrad[data]"')
