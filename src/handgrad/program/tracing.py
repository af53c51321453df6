"""From a function of rules to its program.

>>> print(trace(lambda x, W: x @ W, np.zeros((2, 3)), np.zeros((3, 4))))
program(a0: float64[2,3], a1: float64[3,4])
  t0: float64[2,4] = matmul(a0, a1)
return t0
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import numpy as np

from handgrad.arrays import is_array, shape
from handgrad.program.keys import Numbered
from handgrad.program.program import Program
from handgrad.program.symbol import Symbol, tracing
from handgrad.tape.interception import numpy_takes_recorded
from handgrad.tree import leaves, tree_map


def trace(f: Callable, *args: Any) -> Program:
    """The program of ``f(*args)``: run once on symbols in place of the arrays in ``args``.

    ``args`` may be nested; of arrays and numbers only shape and dtype matter, and anything else
    (slices, names) stays what it is. A Python number takes the dtype of the arrays that it is combined with,
    as it does in NumPy. Whatever ``f`` does with rules, its derivatives included, is written down; arrays and
    attributes that it closes over become constants: what they are now.

    Raises:
        TypeError: ``f`` branches on a value, or looks at one.
    """
    program = Program()
    names = (f"a{i}" for i in itertools.count())

    def in_place_of(x: Any) -> Any:
        if not is_array(x):
            return x
        return Symbol(next(names), shape(x), np.result_type(x), program, weak=not hasattr(x, "dtype"))

    program.inputs = tree_map(in_place_of, args)
    before = tracing.set(program)
    try:
        with numpy_takes_recorded:
            program.outputs = f(*program.inputs)
    finally:
        tracing.reset(before)
    program.check()
    return program


class Unstable(TypeError):
    """A function that computes something else when it is called again; the message says where it differs."""


def stable_trace(f: Callable, *args: Any) -> Program:
    """``trace``, done twice: what ``f`` computes must not change from one call to the next.

    A program keeps what was found when it was traced, so of a function that draws random numbers, or reads
    what changes, it would be the first run for ever.

    Raises:
        Unstable: the two differ; the message names the operation, its rule, or the constant.
        TypeError: as ``trace``.
    """
    program = trace(f, *args)
    found = difference(program, trace(f, *args))
    if found:
        raise Unstable(
            f"a second run computes something else: {found}. What changes must be an argument, or, if it is "
            f"random, be drawn by a key that is one"
        )
    return program


def difference(one: Program, other: Program) -> str:
    """Where two programs differ, in words; "" where they are the same, their constants to the last bit."""
    keys = (Numbered(one), Numbered(other))
    for a, b in zip(one.operations, other.operations, strict=False):
        where = f"{a.name}, in {a.origin}" if a.origin else a.name
        if a.name != b.name:
            return f"{where}, has become {b.name}"
        for x, y in zip_longest(leaves((a.args, a.options)), leaves((b.args, b.options))):
            if keys[0].of(x) != keys[1].of(y):
                return f"{where}, was given {_told(x)} and then {_told(y)}"
        if keys[0].of((a.args, a.options)) != keys[1].of((b.args, b.options)):
            return f"{where}, was given other arguments"
    count = len(one.operations), len(other.operations)
    if count[0] != count[1]:
        return f"{count[0]} operations have become {count[1]}"
    outputs = leaves(one.outputs), leaves(other.outputs)
    for x, y in zip_longest(*outputs):
        if keys[0].of(x) != keys[1].of(y):
            return f"it returned {_told(x)} and then {_told(y)}"
    return ""


def _told(x: Any) -> str:
    """An argument of an operation, in a few words."""
    if isinstance(x, Symbol) or np.size(x) > 4:
        return f"an array {shape(x)}" + ("" if isinstance(x, Symbol) else f", {np.ravel(x)[0]!s}, ...")
    return str(x)
