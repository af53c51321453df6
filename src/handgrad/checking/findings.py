"""What a check found: causes and notes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from handgrad.checking.clock import OutOfTime
from handgrad.checking.source import Line
from handgrad.checking.subject import BackwardFailed, Unfit


@dataclass
class Cause:
    """A mistake: its kind (a key of ``KINDS``), the input that it spoils, and one sentence with evidence.

    ``rank``: the lower, the better it explains what was seen.
    """

    kind: str
    sentence: str
    input: str | None = None
    rank: float = 50.0
    line: Line | None = None
    fix: str | None = None  # the line as it would be right

    def __str__(self) -> str:
        return self.sentence


EXPECTED: tuple[type[Exception], ...] = (OutOfTime, Unfit, BackwardFailed)


@dataclass
class Findings:
    """Causes, which make a target wrong, and notes, which do not."""

    causes: list[Cause] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def ours(self, doing: str, is_needed: bool = False) -> Iterator[None]:
        """A fault of the checker's own inside is told as such, and the check goes on.

        ``is_needed``: without what is done inside there is no verdict.
        """
        try:
            yield
        except EXPECTED:
            raise
        except Exception as error:
            said = " ".join(str(error).split())[:200]
            told = f"{doing}: {type(error).__name__}: {said} (handgrad's fault, not yours; please report it)"
            (self.doubts if is_needed else self.notes).append(told)

    def wrong(self, kind: str, sentence: str, name: str | None = None, rank: float = 20.0) -> None:
        self.causes.append(Cause(kind, sentence, name, rank))
