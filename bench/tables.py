"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = list(head)
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def time_of(seconds: float) -> str:
    """In µs or ms, to three digits where there are as many."""
    unit, scale = ("µs", 1e6) if seconds < 10e-3 else ("ms", 1e3)
    number = seconds * scale
    return f"{number:.{max(0, min(1, 2 - len(str(int(number)))))}f} {unit}"
