"""Whether the backward of each rule in a picture is right on the values that it saw."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handgrad.arrays import shape
from handgrad.tree import leaves
from handgrad.view.summary import as_numpy

if TYPE_CHECKING:
    from handgrad.rules import Rule

RIGHT, WRONG, UNCLEAR, UNCHECKED = "right", "wrong", "unclear", "unchecked"


@dataclass(frozen=True)
class Verdict:
    """What the checker says of a backward, in one word and in a few."""

    kind: str
    text: str


NOT_CHECKED = Verdict(UNCHECKED, "not checked")


class Checks:
    """Verdicts of rules, each asked once for the same shapes and options, within a budget of seconds."""

    def __init__(self, budget: float):
        self.until = time.monotonic() + budget
        self.known: dict[tuple, Verdict] = {}

    def verdict(self, rule: Rule, inputs: tuple, options: dict[str, Any]) -> Verdict:
        kinds = [(shape(x), getattr(x, "dtype", type(x))) for x in leaves(list(inputs))]
        given = [as_numpy(x).tobytes() if hasattr(x, "dtype") else repr(x) for x in leaves(options)]
        key = (id(rule), *kinds, *options, *given)
        if key not in self.known:
            left = self.until - time.monotonic()
            if left <= 0:
                return NOT_CHECKED
            self.known[key] = checked(rule, inputs, options, left)
        return self.known[key]


def checked(rule: Rule, inputs: tuple, options: dict[str, Any], budget: float) -> Verdict:
    """The checker's verdict on a rule at these values."""
    from handgrad.checking import check

    try:
        report = check(rule, *inputs, options=options, budget=budget)
    except Exception as error:  # whatever an author's code may raise on other values
        return Verdict(UNCHECKED, f"not checked: {type(error).__name__}: {error}")
    if report.ok:
        kink = ", kinks aside" if report.kinks else ""
        return Verdict(RIGHT, f"proven to {report.digits:.0f} digits{kink}")
    if report.ok is False:
        cause = report.causes[0].sentence if report.causes else "its gradient is not that of its values"
        return Verdict(WRONG, f"wrong: {cause}")
    return Verdict(UNCLEAR, report.doubts[0] if report.doubts else "cannot tell")
