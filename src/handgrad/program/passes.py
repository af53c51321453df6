"""A program made into a shorter one that means the same, to the last bit.

>>> program = trace(lambda x: (x / 1 - 0.0) ** 2, np.zeros(3))
>>> print(optimise(program))
program(a0: float64[3])
  t0: float64[3] = multiply(a0, a0)
return t0

Each pass makes a new program, and looks at each operation once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import shape
from handgrad.program.algebra import algebra
from handgrad.program.draft import Draft, keep, rewrite, symbols
from handgrad.program.inference import REDUCTIONS
from handgrad.program.keys import Keys
from handgrad.program.layout import layout
from handgrad.program.program import Operation, Program
from handgrad.program.symbol import Symbol

__all__ = ["PASSES", "algebra", "common_subexpressions", "constants", "dead_code", "layout", "optimise"]

COMMUTATIVE = frozenset("add multiply equal not_equal logical_and logical_or".split())


def optimise(program: Program) -> Program:
    """All passes, in order.

    Raises:
        ValueError: a pass went wrong; its program is not sound.
    """
    with np.errstate(all="ignore"):
        for step in PASSES:
            program = step(program)
            program.check()
    return program


def dead_code(program: Program) -> Program:
    """Without the operations whose result reaches no output."""
    alive = {id(x) for x in symbols(program.outputs)}
    for operation in reversed(program.operations):
        if id(operation.out) in alive:
            alive.update(id(x) for x in symbols((operation.args, list(operation.options.values()))))
    draft = Draft(program)
    for operation in program.operations:
        if id(operation.out) in alive:
            draft.became[id(operation.out)] = keep(draft, draft.updated(operation))
    return draft.finish()


def common_subexpressions(program: Program) -> Program:
    """Each value computed once; a sum that keeps its axes is a reshape of the same sum that does not."""
    keys = Keys()
    known: dict[Any, Symbol] = {}

    def first(draft: Draft, operation: Operation) -> Any:
        key = _key(operation, keys)
        if key not in known:
            known[key] = keep(draft, operation)
        found, out = known[key], operation.out
        if found.shape == out.shape:
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
    if symbols((operation.args, list(operation.options.values()))):
        return None
    return draft.emit(name, *operation.args, **operation.options)


ROUND: tuple[Callable[[Program], Program], ...] = (constants, common_subexpressions, layout, algebra)
PASSES = (dead_code, *ROUND, dead_code, *ROUND, common_subexpressions, dead_code)
