"""The same change wherever it can be made: one axis for another in every reduction."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator

from handgrad.checking.causes.edits.slots import Edit, Slot


def throughout(function: ast.AST) -> Iterator[Edit]:
    if not isinstance(function, ast.FunctionDef):
        return
    found = [held.value for held in _axes([function])]
    for now in {a for a in found if isinstance(a, int) and found.count(a) > 1}:
        for other in (0, 1, 2, -1):
            if other == now:
                continue
            body = copy.deepcopy(function.body)
            for held in _axes(body):
                if held.value == now:
                    held.value = other
            slot = Slot(function, "body", None, (function,))
            yield Edit("wrong-axis", f"axis {now} for {other} throughout", 2.35, slot, body)


def _axes(nodes: Iterable[ast.AST]) -> Iterator[ast.Constant]:
    """What ``axis=`` and ``dim=`` are given."""
    for node in nodes:
        for n in ast.walk(node):
            if isinstance(n, ast.keyword) and n.arg in ("axis", "dim") and isinstance(n.value, ast.Constant):
                yield n.value
