"""One target on several sets of inputs: the report that matters, and what the others say."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from handgrad.checking.checker import check
from handgrad.checking.inputs import Sets
from handgrad.checking.report import Report
from handgrad.checking.specs import shapes_text
from handgrad.checking.subject import label


@dataclass
class Several:
    """Reports by what their inputs are called, up to the first wrong one."""

    reports: list[tuple[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # for want of time
    count: int = 1  # of sets, those after the first wrong one too

    @property
    def report(self) -> Any:
        """The first wrong report, else that of the first set."""
        return next((r for _, r in self.reports if r.ok is False), self.reports[0][1])

    @property
    def ok(self) -> bool | None:
        return self.report.ok

    def others(self) -> str:
        """What came of the other sets, on one line; empty where there are none."""
        shown = self.report
        by_verdict: dict[str, list[str]] = {}
        for said, report in self.reports:
            if report is not shown:
                by_verdict.setdefault("right" if report.ok else report.verdict, []).append(said)
        if self.left_out:
            by_verdict["not checked within the budget"] = self.left_out
        parts = [
            f"{verdict} for {_more(len(names))}: {'; '.join(names)}" for verdict, names in by_verdict.items()
        ]
        if shown.ok is False and self.count > 1:
            at = next(said for said, report in self.reports if report is shown)
            parts.insert(0, f"this was with {at}")
        return ", and ".join(parts)

    def __str__(self) -> str:
        others = self.others()
        return f"{self.report}\n  {others}" if others else str(self.report)


def _more(count: int) -> str:
    return f"{count} more {'shape' if count == 1 else 'shapes'}"


def check_all(
    target: Any,
    sets: Sets,
    budget: float | None = None,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Several:
    """``check`` with each set of inputs until one is wrong; the budget is for all of them.

    Raises:
        ValueError: the target raises on the inputs; the message names their shapes.
        TypeError: the target is nothing that can be checked.
    """
    began = time.perf_counter()
    several = Several(count=len(sets))
    for said, inputs in sets:
        left = None if budget is None else budget - (time.perf_counter() - began)
        if left is not None and left <= 0 and several.reports:
            several.left_out.append(said)
            continue
        tell = None if progress is None else _telling(progress, said, len(sets))
        report = _checked(target, inputs, budget=left, progress=tell, **options)
        several.reports.append((said, report))
        if report.ok is False:
            break
    return several


def _telling(progress: Callable[[str], None], said: str, count: int) -> Callable[[str], None]:
    return (lambda doing: progress(f"{said}: {doing}")) if count > 1 else progress


def _checked(target: Any, inputs: tuple, **options: Any) -> Report:
    try:
        return check(target, *inputs, **options)
    except (TypeError, ArithmeticError, MemoryError):
        raise
    except Exception as error:  # the author's code may raise anything
        said = " ".join(str(error).split())
        raise ValueError(
            f"{label(target)} raises {type(error).__name__} on inputs {shapes_text(inputs)}: {said}"
        ) from error
