"""Single edits of a backward's source, each the reverse of a mistake that people make.

An edit is made in the syntax tree, tried, and undone. Its kind names the mistake that it takes back.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator

from handgrad.check.causes.edits.anew import anew
from handgrad.check.causes.edits.calls import calls
from handgrad.check.causes.edits.factors import added, dropped, names
from handgrad.check.causes.edits.indices import indices, letters
from handgrad.check.causes.edits.masks import masks
from handgrad.check.causes.edits.numbers import axes, constants
from handgrad.check.causes.edits.order import reversals, swaps, transposes
from handgrad.check.causes.edits.scope import Scope, is_array, nearly
from handgrad.check.causes.edits.slots import Edit, Maker, Slot, slots
from handgrad.check.causes.edits.statements import statements
from handgrad.check.causes.edits.syntax import is_written
from handgrad.check.causes.edits.throughout import throughout

MAKERS: tuple[Maker, ...] = (
    statements,
    axes,
    constants,
    masks,
    transposes,
    swaps,
    reversals,
    indices,
    letters,
    calls,
    names,
    dropped,
    added,
)


def edits(function: ast.AST, scope: Scope) -> Iterator[Edit]:
    """All edits, in no order."""
    for slot in list(slots(function)):
        if is_written(slot):
            continue  # written into another array, this one would be as it was: no repair of it
        node = slot.get()
        for maker in MAKERS:
            with contextlib.suppress(SyntaxError):  # a part that is no expression by itself
                yield from maker(slot, node, scope)
    yield from throughout(function)


__all__ = ["Edit", "Scope", "Slot", "anew", "edits", "is_array", "nearly"]
