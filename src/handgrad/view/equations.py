"""The chain rule with its numbers: upstream gradient × local derivative = downstream gradient."""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import shape, size, stripped
from handgrad.tape.variable import ones
from handgrad.view.formulas.formula import Formulas, defaults_of, mathml
from handgrad.view.graph import SYMBOLS, Array, Op, Use
from handgrad.view.summary import Summary, as_numpy, short, spelled, summary

WITH = " with "  # what comes after it says what a formula's letters are
ROOM = 34  # letters of a sum at a node
TOLD = 1e-3  # how far a product may be off, for rounding, and be called equal


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


@dataclass(frozen=True)
class Product:
    """Upstream × local derivative = downstream, of one element."""

    at: str  # its place: [2, 0]; nothing where there is only one
    words: str  # 0.5 × 3 = 1.5

    def told(self, name: str) -> str:
        return f"{name}{self.at} = {self.words}"


def product(op: Op, place: int, local: Any, row: int | None = None) -> Product | None:
    """``1 × 100 = 100``: of an array, where its gradient is largest; of one row of a batch, largest there.

    None where the derivative is a matrix, or one of the three is not finite.
    """
    dout, dx = op.outputs[0].grad, op.inputs[place].dx
    if dout is None or local is None or dx is None or shape(dout) != shape(dx):
        return None
    factors = [as_numpy(x).astype(float) for x in (dout, local, dx)]
    if factors[2].size == 1:
        return of_numbers([float(x.reshape(())) for x in factors])
    with np.errstate(invalid="ignore", over="ignore"):
        exact = np.isclose(factors[0] * factors[1], factors[2], rtol=TOLD, atol=0)
    eligible = np.logical_and.reduce([exact, *map(np.isfinite, factors)])
    if row is not None:
        eligible &= np.arange(len(eligible)).reshape(-1, *[1] * (eligible.ndim - 1)) == row
    if not np.any(eligible):
        return None
    at = np.unravel_index(np.argmax(np.where(eligible, np.abs(factors[2]), -1.0)), eligible.shape)
    return of_numbers([float(x[at]) for x in factors], at=f"[{', '.join(map(str, at))}]")


def of_numbers(numbers: list[float], at: str = "") -> Product | None:
    """Three numbers as a product, if they are one."""
    dout, local, dx = numbers
    if not (math.isfinite(dout) and math.isfinite(local) and math.isclose(dout * local, dx, rel_tol=TOLD)):
        return None
    upstream, derivative, downstream = map(short, numbers)
    return Product(at, f"{enclosed(upstream)} × {enclosed(derivative)} = {downstream}")


def enclosed(number: str) -> str:
    """A negative number in parentheses, as a factor is written."""
    return f"({number})" if number.startswith("−") else number


def fan_out(array: Array, room: int = ROOM) -> tuple[str, ...]:
    """Where gradients come back to an array several ways: their sum, ``0.3 + 0.7 = 1``.

    Its ways are its uses, and of an output the gradient that it was given. Terms are left out of the middle
    where there is no room for that many letters; of arrays there is the number of terms, and in a second line
    what they come to.
    """
    dxs = [dx for dx in (array.dout, *(use.dx for use in array.uses)) if dx is not None]
    if len(dxs) < 2 or array.grad is None:
        return ()
    total = array.told_grad
    if size(array.grad) > 1:
        return f"sum of {len(dxs):,} gradients:", total.text
    terms, end = [enclosed(spelled(dx)) for dx in dxs], f" = {total.text}"
    for kept in [len(terms), *range(len(terms) - 1, 2, -1)]:
        some = terms if kept == len(terms) else [*terms[: kept - 1], "…", terms[-1]]
        if len(words := " + ".join(some) + end) <= room:
            return (words,)
    return f"sum of {len(dxs):,} gradients:", total.text


def forward(op: Op, row: int | None = None, own: str = "") -> str:
    """What a rule did, with its numbers where they fit: ``100 × 2 = 200``, ``tanh(0.5) = 0.4621``.

    Of one row of a batch: what it did there, and where it makes one number of all, that of this row alone.
    """
    given = [use.literal if use.array is None else named(use.array, row) for use in op.inputs]
    result = own or " · ".join(", ".join(of_row(out, row).lines[:2]) for out in op.outputs)
    if op.name in SYMBOLS and len(given) == 2:
        return f" {SYMBOLS[op.name]} ".join(map(enclosed, given)) + f" = {result}"
    return f"{op.name}({', '.join(given)}) = {result}"


def of_row(array: Array, row: int | None) -> Summary:
    """What is told of a value, or of one row of it."""
    if row is None or not array.per_example:
        return array.told
    return summary(as_numpy(array.value)[row], is_labels=array.is_labels)


def named(array: Array, row: int | None) -> str:
    """An array's numbers where they can be written out, else its name."""
    told = of_row(array, row)
    return told.text if told.is_spelled else array.name


def returned(uses: Sequence[Use], dout: Any = None) -> tuple[Any, float]:
    """The gradient that comes back by some uses of an array, and how far rounding moves it."""
    dxs = [dx for dx in (*(use.dx for use in uses), dout) if dx is not None]
    return functools.reduce(operator.add, dxs) if dxs else None, sum(use.noise for use in uses)


def partial_sums(array: Array) -> dict[int, tuple[Any, float]]:
    """By the number of a box: the gradient that comes back from it, where that is of several uses."""
    inside: dict[int, list[Use]] = {}
    for use in array.uses:
        for box in use.op.box.above():
            inside.setdefault(box.number, []).append(use)
    return {number: returned(uses) for number, uses in inside.items() if len(uses) > 1 and number >= 0}


def plugged(op: Op, formulas: Formulas) -> dict[str, list[list | None]]:
    """A rule's formulas with the numbers plugged in, ``out = 100 · 2 = 200``; none where there are arrays.

    None in the place of a gradient that nobody asked for, as that by the 2 of x².
    """
    arrays = [use.array for use in op.inputs if use.array is not None]
    if len(op.outputs) != 1 or any(size(array.value) != 1 for array in (*arrays, op.outputs[0])):
        return {"forward": [], "backward": []}
    numbers = {use.name: use.literal if use.array is None else spelled(use.array.value) for use in op.inputs}
    numbers |= {name: short(float(x)) for name, x in (sizes(op, formulas) | numeric_options(op)).items()}
    out = op.outputs[0]
    general = [formulas.forward] if formulas.forward else []
    made: dict[str, list[list | None]] = {"forward": [], "backward": []}
    made["forward"] += [worked_out(f, numbers, spelled(out.value)) for f in general]
    if out.grad is not None:
        numbers |= {"out": spelled(out.value), "dout": spelled(out.grad)}
        dxs = {f"d{use.name}": use.dx for use in op.inputs if use.dx is not None}
        numbers |= {name: spelled(dx) for name, dx in dxs.items()}
        for formula in formulas.backward:
            dx = dxs.get(left_of(formula))
            said = worked_out(formula, numbers, spelled(dx) if dx is not None else "")
            made["backward"].append(None if left_of(formula) in not_asked_for(op) else said)
    return made


def left_of(formula: str) -> str:
    return formula.partition("=")[0].strip()


def not_asked_for(op: Op) -> set[str]:
    """The gradients by inputs that have none."""
    return {f"d{use.name}" for use in op.inputs if use.dx is None}


def meanings(op: Op, formulas: Formulas) -> list[str]:
    """What letters of a formula are here: N = 4, and of labels that they stand for one-hot rows."""
    found = [f"{name} = {short(count)}" for name, count in sizes(op, formulas).items()]
    if "one-hot" in (formulas.forward or ""):
        labels = [use.name for use in op.inputs if use.array is not None and use.array.is_labels]
        found += [f"{name}: each class index as its one-hot row" for name in labels]
    return found


def sizes(op: Op, formulas: Formulas) -> dict[str, float]:
    """What the forward's formula divides by: n elements that a mean is of, N rows, and m, what rows weigh."""
    x = op.inputs[0].array
    names = set(re.findall(r"\b[nNm]\b", formulas.forward or ""))
    if not is_ours(op) or x is None or not names or not size(x.value):
        return {}
    count = size(x.value)
    found: dict[str, float] = {"n": count / max(size(op.outputs[0].value), 1)}
    found["N"] = count / max(shape(x.value)[-1:] or (1,))
    if "m" in names:
        found["m"] = weighed(op)
    return {name: found[name] for name in sorted(names) if np.isfinite(found[name])}


def is_ours(op: Op) -> bool:
    """Whether its formulas mean by n, N and m what ours do."""
    return op.rule.body.__module__.startswith("handgrad.rules.")


def weighed(op: Op) -> float:
    """Of a loss that is a mean: what its sum is divided by."""
    arrays = tuple(None if use.array is None else use.array.value for use in op.inputs)
    with np.errstate(all="ignore"):
        whole = op.rule.pair(arrays, op.options | {"reduction": "sum"})[0]
        return float(np.float64(as_numpy(whole)) / as_numpy(op.outputs[0].value))


def numeric_options(op: Op) -> dict[str, float]:
    """The options that are numbers, as given or else by default."""
    given = defaults_of(op.rule) | op.options
    return {name: x for name, x in given.items() if isinstance(x, (int, float)) and not isinstance(x, bool)}


def worked_out(formula: str, numbers: dict[str, str], result: str) -> list:
    """The formula with numbers on its right, and what they come to."""
    left, _, right = formula.partition(WITH)[0].partition("=")
    tree = mathml(right.strip(), numbers)
    if not result:
        return ["mrow", mathml(left.strip()), ["mo", "="], tree]
    if re.search(r"\b(where|else)\b", right):
        tree = ["mrow", ["mo", "("], tree, ["mo", ")"]]
    return ["mrow", mathml(left.strip()), ["mo", "="], tree, ["mo", "="], ["mn", result]]
