"""Loops in programs: ``scan``, an operation with a program of its own inside.

    c, ..., ys, ... = scan([w, ...], [c, ...], [x, ...], body, length=T, reverse=False)
    body = program([w, ...], [c, ...], [x, ...]) -> ([c, ...], [y, ...])

and ``iterate``, which ``repeating`` makes. The body sees what it closes over as inputs of its own, which are
the same in each step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from handgrad.arrays import NUMPY, loops, shape

if TYPE_CHECKING:
    from handgrad.program.program import Program


def types(values: list) -> list:
    return [(shape(x), np.result_type(getattr(x, "dtype", x))) for x in values]


def run(weights: list, carry: list, xs: list, body: Program, length: int, reverse: bool = False) -> tuple:
    """A scan as NumPy computes it: the meaning of the operation."""
    ys: list[list] = []
    for t in loops.order(length, reverse):
        carry, y = body(weights, carry, [x[t] for x in xs])
        ys.append(y)
    ys = ys[::-1] if reverse else ys
    stacked = [
        np.stack([y[i] for y in ys]) if ys else np.zeros((0, *own), dtype)
        for i, (own, dtype) in enumerate(types(body.outputs[1]))
    ]
    return (*map(np.asarray, carry), *stacked)


def inferred(weights: list, carry: list, xs: list, body: Program, length: int, reverse: bool = False) -> list:
    """Shape and dtype of each result.

    Raises:
        ValueError: what it is given is not what the body takes, or the carry changes.
    """

    parts = [(own[1:], dtype) for own, dtype in types(xs)]
    given = [types(weights), types(carry), parts]
    if given != [types(group) for group in body.inputs]:
        raise ValueError(f"the body takes {[types(group) for group in body.inputs]}, and is given {given}")
    if types(body.outputs[0]) != types(carry) or any(own[:1] != (length,) for own, _ in types(xs)):
        raise ValueError("the carry of a scan, or the length of a sequence, is not what its body says")
    return [*types(carry), *(((length, *own), dtype) for own, dtype in types(body.outputs[1]))]


def iterate(weights: list, carry: list, xs: list, steps: int, body: Program, length: int) -> tuple:
    """So many of the steps of a scan, and how many these are."""
    made = min(int(steps), length)
    results = run(weights, carry, [x[:made] for x in xs], body, made)
    after, ys = results[: len(carry)], results[len(carry) :]
    rest = [np.zeros((length - made, *y.shape[1:]), y.dtype) for y in ys]
    return (*after, np.asarray(made), *map(np.concatenate, zip(ys, rest, strict=True)))


def inferred_of_iterate(weights: list, carry: list, xs: list, steps: int, body: Program, length: int) -> list:
    found = inferred(weights, carry, xs, body, length)
    return [*found[: len(carry)], ((), np.dtype(np.int64)), *found[len(carry) :]]


LOOPS: dict[str, tuple[Callable, Callable]] = {
    "scan": (run, inferred),
    "iterate": (iterate, inferred_of_iterate),
}
"""What each kind of loop means, and the shape and dtype of each of its results."""


def meaning(name: str) -> Callable:
    """The function that an operation of that name is."""
    return LOOPS[name][0] if name in LOOPS else getattr(NUMPY, name)
