"""A program made into a shorter one that means the same, to the last bit.

>>> program = trace(lambda x: (x / 1 - 0.0) ** 2, np.zeros(3))
>>> print(optimise(program))
program(a0: float64[3])
  t0: float64[3] = multiply(a0, a0)
return t0

Each pass looks at each operation once, and makes a new program, or gives the same where it changes nothing.
"""

from __future__ import annotations

import dataclasses
import operator
from typing import Any

import numpy as np

from handgrad.arrays import shape
from handgrad.program import loops
from handgrad.program.algebra import algebra
from handgrad.program.contracting import contractions, transposed_windows
from handgrad.program.draft import Draft, rewrite
from handgrad.program.inference import REDUCTIONS
from handgrad.program.keys import Keys
from handgrad.program.layout import layout
from handgrad.program.looping import hoisted, kept, pruned, summed, sunk
from handgrad.program.program import Operation, Program, symbols
from handgrad.program.symbol import Symbol

__all__ = [
    "PASSES",
    "algebra",
    "common_subexpressions",
    "constants",
    "contractions",
    "dead_code",
    "layout",
    "optimise",
]

COMMUTATIVE = frozenset("add multiply equal not_equal logical_and logical_or".split())


def optimise(program: Program) -> Program:
    """All passes, until they change nothing, but at most so many rounds that the time stays linear.

    Raises:
        ValueError: a pass went wrong; its program is not sound.
    """
    if program.is_optimised:
        return program
    with np.errstate(all="ignore"):
        for _ in range(ROUNDS):
            before = program
            for step in PASSES:
                made = step(program)
                if made is not program:
                    made.check()
                program = made
            if program is before:
                program.is_optimised = True
                break
    return program


def bodies(program: Program) -> Program:
    """The bodies of loops, each by all passes."""
    for name in loops.LOOPS:
        program = rewrite(program, _body, of=name)
    return program


def _body(draft: Draft, operation: Operation) -> Any:
    body = optimise(operation.options["body"])
    if body is operation.options["body"]:
        return None
    return draft.keep(dataclasses.replace(operation, options={**operation.options, "body": body}))


def dead_code(program: Program) -> Program:
    """Without the operations whose result reaches no output."""
    alive = set(map(id, symbols(program.outputs)))
    living = []
    for operation in reversed(program.operations):
        if not alive.isdisjoint(map(id, operation.outs)):
            operation = pruned(operation, alive) if operation.name == "scan" else operation
            alive |= operation.uses
            living.append(operation)
    living.reverse()
    if len(living) == len(program.operations) and all(map(operator.is_, living, program.operations)):
        return program
    made = Program(program.outer)
    made.inputs, made.operations, made.outputs = program.inputs, living, program.outputs
    return made


def common_subexpressions(program: Program) -> Program:
    """Each value computed once; a sum that keeps its axes is a reshape of the same sum that does not."""
    keys = Keys()
    known: dict[Any, Symbol] = {}

    def first(draft: Draft, operation: Operation) -> Any:
        key = _key(operation, keys)
        if key not in known:
            known[key] = draft.keep(operation)
        found, out = known[key], operation.out
        if isinstance(out, tuple) or found.shape == out.shape:
            return found
        return first(draft, Operation(out, "reshape", (found, out.shape), {}))

    return rewrite(program, first)


def _key(operation: Operation, keys: Keys) -> Any:
    name, options = operation.name, operation.options
    if name in REDUCTIONS:
        axis, ndim = options.get("axis"), len(shape(operation.args[0]))
        axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        return (name, keys.of(operation.args), frozenset(a % ndim for a in axes))
    args = keys.of(operation.args)
    return (name, frozenset(args[1:]) if name in COMMUTATIVE else args, keys.of(options))


def constants(program: Program) -> Program:
    """What hangs on constants alone is computed; zeros and ones like another array are a number, repeated."""
    return rewrite(program, _computed)


def _computed(draft: Draft, operation: Operation) -> Any:
    out, name = operation.out, operation.name
    if name in ("zeros_like", "ones_like"):
        number = np.asarray(name == "ones_like", out.dtype)
        return draft.emit("broadcast_to", number, out.shape) if out.shape else number
    if operation.symbols or name == "scan":
        return None
    return draft.emit(name, *operation.args, **operation.options)


LOOPS = (bodies, kept, hoisted, summed, sunk)
PASSES = (
    dead_code,
    transposed_windows,
    contractions,
    constants,
    common_subexpressions,
    *LOOPS,
    layout,
    algebra,
)
ROUNDS = 6  # nearly always the third changes nothing
