"""What a check found: causes and notes."""

from __future__ import annotations

from dataclasses import dataclass, field

from handgrad.checking.source import Line


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


@dataclass
class Findings:
    """Causes, which make a target wrong, and notes, which do not."""

    causes: list[Cause] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def wrong(self, kind: str, sentence: str, name: str | None = None, rank: float = 20.0) -> None:
        self.causes.append(Cause(kind, sentence, name, rank))
