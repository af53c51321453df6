"""Loops in programs: ``scan``, an operation with a program of its own inside.

    c, ..., ys, ... = scan([w, ...], [c, ...], [x, ...], body, length=T, reverse=False)
    body = program([w, ...], [c, ...], [x, ...]) -> ([c, ...], [y, ...])

The body sees what it closes over as inputs of its own, which are the same in each step.
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


def meaning(name: str) -> Callable:
    """The function that an operation of that name is."""
    return run if name == "scan" else getattr(NUMPY, name)
