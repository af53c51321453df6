"""What a check found: causes and notes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from math import log10

from handgrad.checking.clock import OutOfTime
from handgrad.checking.kinds import Kind
from handgrad.checking.source import Line
from handgrad.checking.subject import BackwardFailed, Unfit


class Explains(IntEnum):
    """How much of what was seen a hypothesis accounts for: the lower, the more."""

    DEED = 0  # the deed itself was seen: random numbers drawn, weights written into
    LAW = 1  # what was returned breaks a law of every gradient: its shape, that it is linear in dout
    NUMBERS = 2  # each number that was returned follows from it, or the code is right without it
    SOME = 5  # where the wrong elements are, or the form of what they are off by
    LITTLE = 10  # how large the error is; or a mistake beside it, which need not be what made it
    NOTHING = 50


def score(explains: Explains, choices: int) -> float:
    """The lower, the better a hypothesis: what it explains, less what its free choices explain by chance.

    A hypothesis that was picked among ten as open is worth one less: a tenth of the chance that it is the
    author's mistake and not one that happens to give the same.
    """
    return explains + log10(choices)


@dataclass
class Cause:
    """A mistake: its kind, the input that it spoils, and one sentence with evidence.

    ``explains`` and ``choices``: how much of what was seen it accounts for, and about how many hypotheses of
    its form were open.

    Examples:
        >>> def halved(x):
        ...     return x * x, lambda dout: x * dout
        >>> report = hg.check(halved, np.array([1.0, 2.0, 3.0]))
        >>> print(report.causes[0].sentence.partition(";")[0])
        dx is 2x too small on all 3 elements
    """

    kind: Kind
    sentence: str
    input: str | None = None
    explains: Explains = Explains.NOTHING
    choices: int = 1
    line: Line | None = None
    fix: str | None = None  # the line as it would be right
    second: Cause | None = None  # of two mistakes at once, the other

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Its kind; of two mistakes at once, both."""
        return (self.kind,) if self.second is None else (self.kind, self.second.kind)

    @property
    def rank(self) -> tuple[float, bool]:
        """The score; of two that are as good, first the one that knows its line: it was tried."""
        return score(self.explains, self.choices), self.line is None

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

    def wrong(
        self,
        kind: Kind,
        sentence: str,
        name: str | None = None,
        explains: Explains = Explains.LITTLE,
        choices: int = 1,
    ) -> None:
        self.causes.append(Cause(kind, sentence, name, explains, choices))
