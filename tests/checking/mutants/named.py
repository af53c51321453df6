"""By which kind each mutant is named, in ``named.txt``: so that a change to the causes shows.

``python -m tests.checking.mutants.named`` checks them all and writes the file; with names, or parts of
names, those alone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from handgrad.checking import check
from tests.checking.mutants import corpus

FILE = Path(__file__).with_name("named.txt")


def stored() -> dict[str, str]:
    """The kinds by the mutants' names."""
    return dict(line.split(" ", 1) for line in FILE.read_text(encoding="utf-8").splitlines())


def kinds_of(entry: corpus.Entry, report: Any) -> str:
    """The first cause's kind; of two slips, the kinds of the first cause of each input."""
    if entry.slips == 1:
        return str(report.causes[0].kind)
    best = {cause.input: cause for cause in reversed(report.causes)}
    return ", ".join(sorted({kind for cause in best.values() for kind in cause.kinds}))


def renew(parts: list[str]) -> None:
    """Check the mutants whose names have one of these parts, or all, and store how they are named."""
    found = stored() if parts else {}
    for entry in corpus.load():
        if entry.causes and (not parts or any(part in entry.name for part in parts)):
            report = check(entry.fresh(), *entry.inputs(), **entry.options)
            found[entry.name] = kinds_of(entry, report)
    lines = (f"{name} {kinds}\n" for name, kinds in sorted(found.items()))
    FILE.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    renew(sys.argv[1:])
