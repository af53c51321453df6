"""Formulas whose numbers are filled in later: where each comes, and when it stands in parentheses."""

from __future__ import annotations

import re
from typing import Any

from handgrad.arrays import size
from handgrad.view.equations import WITH, left_of, not_asked_for, numeric_options, sizes
from handgrad.view.formulas.formula import Formulas, mathml
from handgrad.view.formulas.notation import Slot, kinds_of, signed, template
from handgrad.view.graph import Op
from handgrad.view.summary import short

SLOT = "slot"
KINDS = ((False, True), (True, False), (False, False))  # plain, negative, and neither


def forms(op: Op, formulas: Formulas) -> dict[str, Any] | None:
    """The formulas of a rule of numbers, as the page fills them in; None where there are arrays.

    Each is [its left side, its right side with slots, whether that is in parentheses before = result, the
    name of the result], or None of a gradient that nobody asked for. Slots are ["slot", name, whether a
    negative number is in parentheses, whether any is that is not digits alone].
    """
    arrays = [use.array for use in op.inputs if use.array is not None]
    if len(op.outputs) != 1 or any(size(array.value) != 1 for array in (*arrays, op.outputs[0])):
        return None
    fixed = {use.name: use.literal for use in op.inputs if use.array is None}
    fixed |= {name: short(float(x)) for name, x in (sizes(op, formulas) | numeric_options(op)).items()}
    filled_in = [use.name for use in op.inputs if use.array is not None]
    has_gradient = op.outputs[0].grad is not None
    forward = [formulas.forward] if formulas.forward else []
    gradients = [f"d{use.name}" for use in op.inputs if use.dx is not None]
    backward = formulas.backward if has_gradient else ()
    back = [*filled_in, "out", "dout", *gradients] if has_gradient else filled_in
    return {
        "forward": [form(f, filled_in, fixed, "out") for f in forward],
        "backward": [
            None if left_of(f) in not_asked_for(op) else form(f, back, fixed, left_of(f)) for f in backward
        ],
    }


def form(formula: str, names: list[str], fixed: dict[str, str], result: str) -> list[Any]:
    left, _, right = formula.partition(WITH)[0].partition("=")
    written = {name: signed(number) for name, number in fixed.items()}
    trees = [
        template(right.strip(), kinds_of(written) + tuple((name, *kind) for name in names)) for kind in KINDS
    ]
    is_fenced = re.search(r"\b(where|else)\b", right) is not None
    return [mathml(left.strip()), slotted(written, *trees), is_fenced, result]


def slotted(written: dict[str, str], plain: Any, negative: Any, long: Any) -> Any:
    """A formula with slots, from the same with three kinds of numbers in their places."""
    if isinstance(plain, str):
        return written.get(plain, plain) if isinstance(plain, Slot) else plain
    if plain[0] == "mn" and isinstance(plain[1], Slot) and plain[1] not in written:
        return [SLOT, str(plain[1]), *(each[0] == "mrow" for each in (negative, long))]
    return [slotted(written, *parts) for parts in zip(plain, negative, long, strict=True)]
