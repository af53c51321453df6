"""A program being written from another, operation by operation: what every pass is made with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import NUMPY
from handgrad.program.inference import Shape, result
from handgrad.program.program import Operation, Program
from handgrad.program.symbol import Symbol
from handgrad.tree import leaves, tree_map

FOLDED = 4096  # constants larger than this are not made of smaller ones


class Draft:
    """The program so far, and what each symbol of the given one has become: a symbol, or a constant."""

    def __init__(self, given: Program):
        self.given = given
        self.program = Program()
        self.program.inputs = given.inputs
        self.became: dict[int, Any] = {}
        self.makers: dict[int, Operation] = {}
        self.origin = ""  # of the lines being written

    def now(self, tree: Any) -> Any:
        """Arguments of the given program, in what they have become."""
        if not isinstance(tree, (list, tuple, dict)):
            return self.became.get(id(tree), tree)
        return tree_map(self.now, tree)

    def updated(self, operation: Operation) -> Operation:
        """The operation of the given program, in what its arguments have become."""
        args = tuple(map(self.now, operation.args))
        self.origin = operation.origin
        return Operation(operation.out, operation.name, args, self.now(operation.options), self.origin)

    def finish(self) -> Program:
        self.program.outputs = self.now(self.given.outputs)
        return self.program

    # Writing.

    def write(self, name: str, args: tuple, options: dict, found: Shape, dtype: np.dtype) -> Symbol:
        """One line, whose shape and dtype are known."""
        out = Symbol(self.program.fresh_name(), found, dtype, self.program)
        operation = Operation(out, name, args, options, self.origin)
        self.program.operations.append(operation)
        self.makers[id(out)] = operation
        return out

    def emit(self, name: str, *args: Any, **options: Any) -> Any:
        """One line; of constants, unless it is large, the constant that it computes."""
        found, dtype = result(name, args, options)
        if is_folded(name, args, options, found):
            with np.errstate(all="ignore"):
                return np.asarray(getattr(NUMPY, name)(*args, **options))
        return self.write(name, args, options, found, dtype)

    def instead(self, out: Symbol, name: str, *args: Any) -> Any:
        """One line in the place of ``out``, or None where it would have another shape or dtype."""
        found = result(name, args, {}) == (out.shape, out.dtype)
        return self.emit(name, *args) if found else None

    # Reading what was written.

    def maker(self, x: Any, name: str) -> Operation | None:
        """The operation that gave x, if it is one of that name."""
        found = self.makers.get(id(x)) if isinstance(x, Symbol) else None
        return found if found is not None and found.name == name else None

    def argument(self, x: Any, name: str) -> Any:
        """What the operation of that name which gave x was applied to; None where another gave it."""
        found = self.maker(x, name)
        return None if found is None else found.args[0]

    def uniform(self, x: Any) -> Any:
        """The number that all elements of x are known to be, or None."""
        repeated = self.argument(x, "broadcast_to")
        x = x if repeated is None else repeated
        if isinstance(x, (np.ndarray, np.generic)):
            return x.item() if x.size == 1 else None
        return x if isinstance(x, (int, float)) else None


def rewrite(program: Program, rule: Callable[[Draft, Operation], Any]) -> Program:
    """Each operation, its arguments brought up to date, is what ``rule`` makes of it; None lets it stand."""
    draft = Draft(program)
    for given in program.operations:
        operation = draft.updated(given)
        made = rule(draft, operation)
        draft.became[id(given.out)] = keep(draft, operation) if made is None else made
    return draft.finish()


def keep(draft: Draft, operation: Operation) -> Symbol:
    """The operation as it stands."""
    out = operation.out
    return draft.write(operation.name, operation.args, operation.options, out.shape, out.dtype)


def symbols(tree: Any) -> list[Symbol]:
    return [x for x in leaves(tree) if isinstance(x, Symbol)]


def is_folded(name: str, args: tuple, options: dict, found: Shape) -> bool:
    """Whether an operation is to be computed: its arguments are constants, and it makes nothing large."""
    parts = leaves((args, list(options.values())))
    if any(isinstance(x, Symbol) for x in parts):
        return False
    most = max((x.size for x in parts if isinstance(x, (np.ndarray, np.generic))), default=1)
    allowed = most if name == "broadcast_to" else max(most, FOLDED)
    return math.prod(found) <= allowed
