"""The same change in several places: on each line that makes a part of one array, or everywhere."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from handgrad.checking.causes.edits.slots import Edit
from handgrad.checking.kinds import Kind


def throughout(found: Iterable[Edit]) -> Iterator[Edit]:
    """Of edits that take back the same, all at once, and those on the lines that set one name at once."""
    alike: dict[tuple, list[Edit]] = defaultdict(list)
    assigned: list[Edit] = []
    for edit in found:
        if not isinstance(edit.slot.get(), (list, ast.stmt)) and not edit.also:
            alike[edit.kind, edit.said].append(edit)
        elif edit.kind is Kind.ASSIGNED and isinstance(edit.node, ast.AugAssign):
            assigned.append(edit)
    yield from on_lines_of_one_name(assigned)
    for edits in alike.values():
        if 1 < len(edits) <= MOST and (edits[0].said.startswith(EVERYWHERE) or is_one_call(edits)):
            yield together(edits)
        yield from in_one_statement(edits)
        yield from on_lines_of_one_name(edits)


EVERYWHERE = ("axis ", "dim ", "the comparison ")
MOST = 12


def is_one_call(edits: list[Edit]) -> bool:
    """Whether what they change is one and the same call, written more than once."""
    texts = {ast.unparse(edit.slot.get()) for edit in edits}
    return len(texts) == 1 and all(isinstance(edit.slot.get(), ast.Call) for edit in edits)


def in_one_statement(edits: list[Edit]) -> Iterator[Edit]:
    """A name or a number that is in a statement more than once: ``i * (1 - i)`` for ``o * (1 - o)``."""
    by_statement: dict[int, list[Edit]] = defaultdict(list)
    for edit in edits:
        if isinstance(edit.slot.get(), (ast.Name, ast.Attribute, ast.Constant)) and isinstance(
            edit.node, ast.expr
        ):
            by_statement[id(edit.slot.statement)].append(edit)
    for same in by_statement.values():
        if 1 < len(same) <= MOST and len({ast.unparse(edit.slot.get()) for edit in same}) == 1:
            yield together(same)


def on_lines_of_one_name(edits: list[Edit]) -> Iterator[Edit]:
    """Edits of whole results: ``dw[0] = ...``, ``dw[1] = ...``."""
    by_name: dict[str, list[Edit]] = defaultdict(list)
    for edit in edits:
        old = edit.slot.get()
        statement = old if isinstance(old, ast.stmt) else edit.slot.statement
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        target = targets[0]
        if isinstance(target, ast.Subscript) and (old is statement or edit.slot.parent is statement):
            by_name[ast.unparse(target.value)].append(edit)
    for same in by_name.values():
        if 1 < len(same) <= MOST:
            yield together(same)


def together(edits: list[Edit]) -> Edit:
    first, *rest = edits
    said = f"{first.said}, in {len(edits)} places"
    return Edit(first.kind, said, 2 * first.choices, first.slot, first.node, tuple(rest))
