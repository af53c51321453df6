"""Small questions about nodes of a syntax tree, and small nodes made."""

from __future__ import annotations

import ast
import itertools
from typing import Any

from handgrad.checking.causes.edits.slots import Slot

LIBRARIES = ("np", "numpy", "jnp", "torch", "xp")
STEPPERS = ("range", "arange", "eye", "tril", "triu", "roll", "pad", "diff", "tri")  # given whole numbers


def expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def is_load(node: Any) -> bool:
    return isinstance(getattr(node, "ctx", ast.Load()), ast.Load)


def is_name(node: Any) -> bool:
    """``x`` or ``self.x``, where it is read."""
    return isinstance(node, (ast.Name, ast.Attribute)) and is_load(node)


def is_written(slot: Slot) -> bool:
    """Whether this is the array in ``x[i] = ...``."""
    outer = slot.parent
    return isinstance(outer, ast.Subscript) and slot.name == "value" and not is_load(outer)


def is_aligned(node: Any) -> bool:
    """``x[:, None]``: an array laid along an axis."""
    return isinstance(node, ast.Subscript) and any(ast.unparse(part) == "None" for part in parts(node))


def called(node: Any) -> str:
    """The last name of what a call calls."""
    f = node.func if isinstance(node, ast.Call) else node
    return f.attr if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else ""


def in_index(slot: Slot) -> bool:
    """Whether this is inside an index, a slice, or a range."""
    for outer, inner in itertools.pairwise([*slot.path, slot.get()]):
        if isinstance(outer, ast.Subscript) and inner is outer.slice:
            return True
        if isinstance(outer, ast.Call) and called(outer) in STEPPERS:
            return True
    return False


def is_term(slot: Slot) -> bool:
    """Whether this stands in a term of a sum."""
    return any(
        isinstance(n, (ast.BinOp, ast.AugAssign)) and isinstance(n.op, (ast.Add, ast.Sub)) for n in slot.path
    )


def parts(node: ast.Subscript) -> list[ast.expr]:
    """The indices of ``x[i, j]``, one for each axis."""
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def with_part(node: ast.Subscript, i: int, part: Any) -> ast.Subscript:
    """``x[i, j]`` with another index along one axis."""
    if not isinstance(node.slice, ast.Tuple):
        return ast.Subscript(node.value, part, node.ctx)
    changed = list(node.slice.elts)
    changed[i] = part
    return ast.Subscript(node.value, ast.Tuple(changed, ast.Load()), node.ctx)
