"""Comparisons turned, masks inverted."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from handgrad.checking.causes.edits.scope import Scope, is_mask
from handgrad.checking.causes.edits.slots import Edit, Slot
from handgrad.checking.causes.edits.syntax import is_name
from handgrad.checking.kinds import Kind

TURNED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Gt: (ast.GtE, ast.Lt, ast.LtE),
    ast.GtE: (ast.Gt, ast.LtE, ast.Lt),
    ast.Lt: (ast.LtE, ast.Gt, ast.GtE),
    ast.LtE: (ast.Lt, ast.GtE, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}


def masks(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        kind = Kind.OFF_BY_ONE if _counts(node, scope) else Kind.MASK
        for other in TURNED.get(type(node.ops[0]), ()):
            turned = ast.Compare(node.left, [other()], node.comparators)
            yield Edit(kind, f"the comparison {ast.unparse(node)}", 2, slot, turned)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Invert, ast.Not)):
        yield Edit(Kind.MASK, "a mask inverted", 2, slot, node.operand)
    if is_name(node) and is_mask(scope.held(node)):
        inverted = ast.UnaryOp(ast.Invert(), node)
        yield Edit(Kind.MASK, f"the mask {ast.unparse(node)} inverted", 2, slot, inverted)


def _counts(node: ast.Compare, scope: Scope) -> bool:
    """Whether whole numbers are compared: steps, not values."""
    sides = (node.left, *node.comparators)
    held = [side.value if isinstance(side, ast.Constant) else scope.held(side) for side in sides]
    is_step = (
        isinstance(node.left, ast.Name) and len(node.left.id) == 1 and held[0] is None
    )  # of a loop inside
    return all(isinstance(h, int) and not isinstance(h, bool) for h in (held[1:] if is_step else held))
