"""Writes in place, each made into a new array, or left out: what was saved before stays as it was."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from handgrad.checking.causes.edits.slots import Edit, slots
from handgrad.checking.causes.edits.syntax import called, expression
from handgrad.checking.kinds import Kind


def anew(function: ast.FunctionDef) -> Iterator[Edit]:
    """The edits of a function's own statements, not of those of the functions inside it."""
    for slot in list(slots(function)):
        node = slot.get()
        made = None if _is_inside(slot.path[1:]) else _new(node)
        if made is None:
            continue
        said = f"{ast.unparse(node)} writes into an array that was saved"
        yield Edit(Kind.STALE_CACHE, f"{said}, and a new one is due", 1, slot, made)
        if isinstance(node, ast.stmt):
            yield Edit(Kind.STALE_CACHE, said, 1, slot, ast.Pass())


def _is_inside(path: tuple[ast.AST, ...]) -> bool:
    return any(isinstance(node, (ast.FunctionDef, ast.Lambda)) for node in path)


def _new(node: Any) -> ast.AST | None:
    """The same, into a new array; None where nothing is written in place."""
    if isinstance(node, ast.AugAssign) and not isinstance(node.target, ast.Subscript):
        return _assigned(node.target, ast.BinOp(expression(ast.unparse(node.target)), node.op, node.value))
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        if isinstance(target, ast.Subscript) and ast.unparse(target.slice) in (":", "..."):
            return _assigned(target.value, node.value)
        return None
    written = _written(node.value if isinstance(node, ast.Expr) else node)
    if written is None or not isinstance(node, ast.Expr):
        return written and written[1]
    return _assigned(*written)


def _written(node: Any) -> tuple[ast.expr, ast.expr] | None:
    """``np.exp(x, out=y)`` and ``x.exp_()``: the array that is written into, and a call that makes it."""
    if not isinstance(node, ast.Call):
        return None
    for keyword in node.keywords:
        if keyword.arg == "out":
            rest = [k for k in node.keywords if k is not keyword]
            return keyword.value, ast.Call(node.func, node.args, rest)
    name = called(node)
    if not isinstance(node.func, ast.Attribute) or not name.endswith("_") or name.startswith("_"):
        return None
    owner = node.func.value
    return owner, ast.Call(ast.Attribute(owner, name[:-1], ast.Load()), node.args, node.keywords)


def _assigned(target: ast.expr, value: ast.expr) -> ast.Assign | None:
    """An assignment to a name or an attribute."""
    if not isinstance(target, (ast.Name, ast.Attribute)):
        return None
    made = ast.parse(f"{ast.unparse(target)} = 0").body[0]
    assert isinstance(made, ast.Assign)
    return ast.Assign(made.targets, value)
