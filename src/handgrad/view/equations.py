"""The chain rule with its numbers: upstream gradient × local derivative = downstream gradient."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from handgrad.arrays import shape, size, stripped
from handgrad.tape.variable import ones
from handgrad.view.formulas.formula import Formulas, mathml
from handgrad.view.graph import SYMBOLS, Array, Op
from handgrad.view.summary import is_spelled, spelled, summary


def local_derivatives(op: Op) -> list[Any]:
    """For each input ∂out/∂x, where it has the shape of x: of numbers, and of rules that go by element.

    A backward is linear in ``dout``, so there its answer to ones is the derivative itself. None elsewhere:
    the derivative is a matrix, of which the backward gives a product alone.
    """
    nothing: list[Any] = [None] * len(op.inputs)
    if len(op.outputs) != 1 or not op.has_gradient:
        return nothing
    out = op.outputs[0].value
    if not (op.rule.broadcasts or size(out) == 1):
        return nothing
    with np.errstate(all="ignore"):
        dxs = op.backward(ones(out))
    if len(dxs) != len(op.inputs):  # some are nested
        return nothing
    return [
        None if dx is None or use.array is None or shape(use.array.value) != shape(out) else stripped(dx)
        for use, dx in zip(op.inputs, dxs, strict=True)
    ]


def chain(op: Op, place: int, local: Any) -> str | None:
    """``1 × 100 = 100``, where the numbers of one input can be written out."""
    dout, dx = op.outputs[0].grad, op.inputs[place].dx
    if any(x is None or not is_spelled(shape(x)) for x in (dout, local, dx)):
        return None
    return f"{enclosed(spelled(dout))} × {enclosed(spelled(local))} = {spelled(dx)}"


def enclosed(number: str) -> str:
    """A negative number in parentheses, as a factor is written."""
    return f"({number})" if number.startswith("−") else number


def fan_out(array: Array) -> str | None:
    """Where gradients come back to an array several ways: their sum, ``0.3 + 0.7 = 1``.

    Its ways are its uses, and of an output the gradient that it was given.
    """
    dxs = [dx for dx in (array.dout, *(use.dx for use in array.uses)) if dx is not None]
    if len(dxs) < 2 or array.grad is None:
        return None
    if size(array.grad) > 1 or len(dxs) > 4:
        return f"sum of {len(dxs)} gradients"
    return f"{' + '.join(enclosed(spelled(dx)) for dx in dxs)} = {spelled(array.grad)}"


def forward(op: Op) -> str:
    """What a rule did, with its numbers where they fit: ``100 × 2 = 200``, ``tanh(0.5) = 0.4621``."""
    given = [use.literal if use.array is None else told(use.array.value, use.array.name) for use in op.inputs]
    result = " · ".join(", ".join(summary(out.value).lines[:2]) for out in op.outputs)
    if op.name in SYMBOLS and len(given) == 2:
        return f" {SYMBOLS[op.name]} ".join(map(enclosed, given)) + f" = {result}"
    return f"{op.name}({', '.join(given)}) = {result}"


def told(x: Any, name: str) -> str:
    """An array's numbers where they can be written out, else its name."""
    return spelled(x) if is_spelled(shape(x)) else name


def partial_sums(array: Array) -> dict[int, Any]:
    """By the number of a box: the gradient that comes back from it, where that is of some uses of several."""
    inside: dict[int, list[Any]] = {}
    for use in array.uses:
        for box in use.op.box.above():
            inside.setdefault(box.number, []).append(use.dx)
    ways = len(array.uses) + array.is_output
    some = {number: dxs for number, dxs in inside.items() if 1 < len(dxs) < ways}
    answered = {number: [dx for dx in dxs if dx is not None] for number, dxs in some.items()}
    return {number: functools.reduce(operator.add, dxs) for number, dxs in answered.items() if dxs}


def plugged(op: Op, formulas: Formulas) -> dict[str, list[list]]:
    """A rule's formulas with the numbers plugged in, ``out = 100 · 2 = 200``; none where there are arrays."""
    arrays = [use.array for use in op.inputs if use.array is not None]
    if len(op.outputs) != 1 or any(size(array.value) != 1 for array in (*arrays, op.outputs[0])):
        return {"forward": [], "backward": []}
    numbers = {use.name: use.literal if use.array is None else spelled(use.array.value) for use in op.inputs}
    out = op.outputs[0]
    general = [formulas.forward] if formulas.forward else []
    made = {"forward": [worked_out(f, numbers, spelled(out.value)) for f in general], "backward": []}
    if out.grad is not None:
        numbers |= {"out": spelled(out.value), "dout": spelled(out.grad)}
        dxs = {f"d{use.name}": use.dx for use in op.inputs if use.dx is not None}
        for formula in formulas.backward:
            dx = dxs.get(formula.partition("=")[0].strip())
            made["backward"].append(worked_out(formula, numbers, spelled(dx) if dx is not None else ""))
    return made


def worked_out(formula: str, numbers: dict[str, str], result: str) -> list:
    """The formula with numbers on its right, and what they come to."""
    left, _, right = formula.partition("=")
    end = [["mo", "="], ["mn", result]] if result else []
    return ["mrow", mathml(left.strip()), ["mo", "="], mathml(right.strip(), numbers), *end]
