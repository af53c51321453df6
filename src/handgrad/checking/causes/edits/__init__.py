"""Single edits of a backward's source, each the reverse of a mistake that people make.

An edit is made in the syntax tree, tried, and undone. Its kind names the mistake that it takes back.
"""

from __future__ import annotations

import ast
import contextlib
import types
from collections.abc import Iterator

from handgrad.checking.causes.edits.anew import anew
from handgrad.checking.causes.edits.calls import calls, roots
from handgrad.checking.causes.edits.carries import carries
from handgrad.checking.causes.edits.factors import added, dropped, names
from handgrad.checking.causes.edits.indices import indices, letters
from handgrad.checking.causes.edits.masks import masks
from handgrad.checking.causes.edits.numbers import axes, constants
from handgrad.checking.causes.edits.order import reversals, swaps, transposes
from handgrad.checking.causes.edits.scope import Scope, is_array, nearly
from handgrad.checking.causes.edits.slots import Edit, Maker, Slot, slots
from handgrad.checking.causes.edits.statements import statements
from handgrad.checking.causes.edits.syntax import is_written
from handgrad.checking.causes.edits.throughout import throughout

MAKERS: tuple[Maker, ...] = (
    statements,
    carries,
    axes,
    constants,
    masks,
    transposes,
    swaps,
    reversals,
    indices,
    letters,
    calls,
    roots,
    names,
    dropped,
    added,
)

GIVEN = 4


def edits(function: ast.AST, scope: Scope) -> list[Edit]:
    """All edits, in no order."""
    found = list(single(function, scope))
    return [*found, *throughout(found)]


def single(function: ast.AST, scope: Scope) -> Iterator[Edit]:
    """Those in one place."""
    for slot in list(slots(function)):
        if is_written(slot):
            continue  # written into another array, this one would be as it was: no repair of it
        node = slot.get()
        for maker in MAKERS:
            with contextlib.suppress(SyntaxError):  # a part that is no expression by itself
                yield from (likelier_inside(edit, scope) for edit in maker(slot, node, scope))


def likelier_inside(edit: Edit, scope: Scope) -> Edit:
    """What an author's function is given is right more often than what it does with it."""
    for node in (*edit.slot.path, edit.slot.get()):
        if isinstance(node, ast.Call) and isinstance(scope.held(node.func), types.FunctionType):
            edit.choices, edit.is_given = GIVEN * edit.choices, True
            break
    return edit


__all__ = ["Edit", "Scope", "Slot", "anew", "edits", "is_array", "nearly"]
