"""What the parts of this benchmark share: the corpus anew, a part of a list, progress, tables."""

from __future__ import annotations

import statistics
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tests.checking.mutants import corpus
from tests.checking.mutants.corpus import Entry

SHOWN = 40  # names of a list that are printed


def fresh_entries() -> list[Entry]:
    """The corpus, its modules executed anew: what one checker left in a cache, the next does not meet."""
    folder = corpus.__package__
    for name in [name for name in sys.modules if name.startswith(f"{folder}.") and name != corpus.__name__]:
        del sys.modules[name]
    corpus.ENTRIES.clear()
    return corpus.load()


def some(items: Sequence, limit: int | None) -> Sequence:
    """At most ``limit`` of them, evenly spaced."""
    if limit is None or len(items) <= limit:
        return items
    return [items[i * len(items) // limit] for i in range(limit)]


def progress(items: Sequence, label: str) -> Iterator:
    """The items; how far they are is told on stderr, at every item of a terminal and every hundredth else."""
    end, step = ("\r", 1) if sys.stderr.isatty() else ("\n", 100)
    for number, item in enumerate(items, 1):
        if number % step == 0 or number == len(items):
            print(f"{label}: {number} of {len(items)}", end=end, file=sys.stderr, flush=True)
        yield item


@contextmanager
def silence() -> Iterator[None]:
    """Without the warnings of wrong code and of checkers."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def table(*rows: Iterable[Any]) -> Iterator[str]:
    """Markdown; the first row is the head."""
    head, *body = [[str(cell) for cell in row] for row in rows]
    yield f"| {' | '.join(head)} |"
    yield "|---" + "|---:" * (len(head) - 1) + "|"
    for row in body:
        yield f"| {' | '.join(row)} |"


def listed(title: str, lines: Sequence[str]) -> Iterator[str]:
    """A list under a title, its tail counted."""
    if lines:
        yield f"\n{title} ({len(lines)}):\n"
        yield from (f"- {line}" for line in lines[:SHOWN])
        if len(lines) > SHOWN:
            yield f"- and {len(lines) - SHOWN} more"


def count(items: Iterable, wanted: Callable[[Any], bool]) -> int:
    return sum(1 for item in items if wanted(item))


def median_ms(seconds: Iterable[float]) -> str:
    found = list(seconds)
    return f"{1e3 * statistics.median(found):.1f}" if found else "-"


def one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:110]}".rstrip(": ")
