"""Whether the backward of each rule in a picture is right on the values that it saw."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.arrays import shape
from handgrad.tree import leaves
from handgrad.view.summary import as_numpy

if TYPE_CHECKING:
    from handgrad.rules import Rule
    from handgrad.view.graph import Op

RIGHT, WRONG, UNDEFINED, UNCLEAR, UNCHECKED = "right", "wrong", "undefined", "unclear", "unchecked"


@dataclass(frozen=True)
class Verdict:
    """What the checker says of a backward, in one word and in a few."""

    kind: str
    text: str


NOT_CHECKED = Verdict(UNCHECKED, "not checked")


class Checks:
    """Verdicts of rules, each asked once for the same shapes and options, within a budget of seconds.

    Where a use of a rule has numbers that are not finite, the verdict is about those, and for no other use.
    """

    def __init__(self, budget: float):
        self.left = budget
        self.known: dict[tuple, Verdict] = {}

    def verdict(self, op: Op, inputs: tuple, options: dict[str, Any]) -> Verdict:
        rule = op.rule
        kinds = [(shape(x), getattr(x, "dtype", type(x))) for x in leaves(list(inputs))]
        given = [as_numpy(x).tobytes() if hasattr(x, "dtype") else repr(x) for x in leaves(options)]
        seen = () if is_finite(op) else tuple(as_numpy(x).tobytes() for x in floats(inputs))
        key = (id(rule), *kinds, *options, *given, *seen)
        if key not in self.known:
            if self.left <= 0:
                return NOT_CHECKED
            began = time.monotonic()
            self.known[key] = checked(rule, inputs, options, self.left)
            self.left -= time.monotonic() - began
        return self.known[key]


def floats(inputs: tuple) -> list[Any]:
    return [x for x in leaves(list(inputs)) if as_numpy(x).dtype.kind == "f"]


def is_finite(op: Op) -> bool:
    """Whether the outputs and the gradients of one use of a rule are finite throughout."""
    numbers = [*(out.value for out in op.outputs), *(use.dx for use in op.inputs if use.dx is not None)]
    return all(np.isfinite(as_numpy(x)).all() for x in numbers if as_numpy(x).dtype.kind == "f")


def checked(rule: Rule, inputs: tuple, options: dict[str, Any], budget: float) -> Verdict:
    """The checker's verdict on a rule at these values."""
    from handgrad.checking import check
    from handgrad.checking.report import UNDEFINED as NO_DERIVATIVE

    try:
        report = check(rule, *inputs, options=options, budget=budget)
    except Exception as error:  # whatever an author's code may raise on other values
        return Verdict(UNCHECKED, f"not checked: {type(error).__name__}: {error}")
    if report.ok:
        but = ", kinks aside" if report.kinks else ""
        but += ", where there is a derivative" if report.off else ""
        return Verdict(RIGHT, f"proven to {report.digits:.0f} digits{but}")
    if report.ok is False:
        cause = report.causes[0].sentence if report.causes else "its gradient is not that of its values"
        return Verdict(WRONG, f"wrong: {cause}")
    if report.verdict == NO_DERIVATIVE:
        return Verdict(UNDEFINED, ": ".join([NO_DERIVATIVE, *report.notes[:1]]))
    return Verdict(UNCLEAR, report.doubts[0] if report.doubts else "cannot tell")
