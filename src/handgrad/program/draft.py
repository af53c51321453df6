"""A program being written from another, operation by operation: what every pass is made with."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import NUMPY
from handgrad.program.inference import Shape, result
from handgrad.program.program import Operation, Program, symbols
from handgrad.program.symbol import Symbol
from handgrad.tree import leaves, tree_map

FOLDED = 4096  # constants larger than this are not made of smaller ones


class Draft:
    """The program so far, and what symbols of the given one have become: other symbols, or constants.

    An operation that stands as it was is the same object in both programs, and so is its result.
    """

    def __init__(self, given: Program):
        self.given = given
        self.program = Program(given.outer)
        self.program.inputs = given.inputs
        self.became: dict[int, Any] = {}
        self.makers: dict[int, Operation] = {}
        self.replaced: Operation | None = None  # what the lines being written stand for

    def now(self, tree: Any) -> Any:
        """Arguments of the given program, in what they have become."""
        if not isinstance(tree, (list, tuple, dict)):
            return self.became.get(id(tree), tree)
        return tree_map(self.now, tree)

    def updated(self, operation: Operation) -> Operation:
        """The operation of the given program, in what its arguments have become."""
        if not operation.uses.isdisjoint(self.became):
            args, options = self.now(operation.args), self.now(operation.options)
            operation = dataclasses.replace(operation, args=args, options=options)
        self.replaced = operation
        return operation

    def finish(self) -> Program:
        """The program that was written; the given one, where nothing has changed."""
        self.program.outputs = self.now(self.given.outputs)
        before, after = self.given.operations, self.program.operations
        is_changed = len(before) != len(after) or not all(map(operator.is_, before, after))
        return self.program if is_changed or self.became else self.given

    # Writing.

    def write(self, name: str, args: tuple, options: dict, found: Shape, dtype: np.dtype) -> Symbol:
        """One line, whose shape and dtype are known: the old one, if that says the same."""
        old = self.replaced
        if old is not None and _says(old, name, args, options) and id(old.out) not in self.makers:
            return self.keep(old)
        out = Symbol(self.program.fresh_name(), found, dtype, self.program)
        return self.keep(Operation(out, name, args, options, old.origin if old is not None else ""))

    def keep(self, operation: Operation) -> Any:
        """The operation as it stands."""
        self.program.operations.append(operation)
        self.makers.update(dict.fromkeys(map(id, operation.outs), operation))
        return operation.out

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


def rewrite(program: Program, rule: Callable[[Draft, Operation], Any], of: str = "") -> Program:
    """Each operation, its arguments brought up to date, is what ``rule`` makes of it; None lets it stand.

    With ``of`` only operations of that name are asked about.
    """
    if of and not any(operation.name == of for operation in program.operations):
        return program
    draft = Draft(program)
    for given in program.operations:
        operation = draft.updated(given)
        made = rule(draft, operation) if operation.name == of or not of else None
        if made is None:
            draft.keep(operation)
        elif made is not given.out:
            results = made if isinstance(given.out, tuple) else (made,)
            draft.became.update(zip(map(id, given.outs), results, strict=True))
    return draft.finish()


def _says(operation: Operation, name: str, args: tuple, options: dict) -> bool:
    """Whether an operation is that one, of the same objects, axes and sizes."""
    if operation.name != name or operation.options or options or len(operation.args) != len(args):
        return False
    return all(
        x is y or (isinstance(x, tuple) and isinstance(y, tuple) and set(map(type, x)) <= {int} and x == y)
        for x, y in zip(operation.args, args, strict=True)
    )


def is_folded(name: str, args: tuple, options: dict, found: Shape) -> bool:
    """Whether an operation is to be computed: its arguments are constants, and it makes nothing large."""
    if symbols((args, options)):
        return False
    parts = leaves((args, options))
    most = max((x.size for x in parts if isinstance(x, (np.ndarray, np.generic))), default=1)
    allowed = most if name == "broadcast_to" else max(most, FOLDED)
    return math.prod(found) <= allowed
