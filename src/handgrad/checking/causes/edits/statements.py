"""Assigned or added up, a statement too many, a loop that is left too early."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.checking.causes.edits.scope import Scope
from handgrad.checking.causes.edits.slots import Edit, Slot
from handgrad.checking.causes.edits.syntax import expression
from handgrad.checking.kinds import Kind


def statements(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and not isinstance(node.value, ast.Constant):
        yield from _assigned(slot, node.targets[0], node.value)
    if isinstance(node, ast.AugAssign):
        yield from _added(slot, node, scope)
    if isinstance(node, (ast.AugAssign, ast.Expr)) and isinstance(slot.index, int):
        is_step = isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub)
        kind = Kind.UPDATED_WEIGHTS if is_step else Kind.DOUBLE_PATH
        yield Edit(kind, f"the statement {ast.unparse(node)}", 4, slot, ast.Pass())
    if isinstance(node, ast.For) and isinstance(slot.index, int):
        yield from _left_early(slot, node)
        yield from _added_up(slot, node)


def _left_early(slot: Slot, loop: ast.For) -> Iterator[Edit]:
    """A return as the last statement of a loop, which is due after it."""
    *others, last = loop.body
    if isinstance(last, ast.Return) and others and slot.index is not None:
        whole = Slot(slot.parent, slot.name, None, slot.path)
        before, after = whole.get()[: slot.index], whole.get()[slot.index + 1 :]
        turns = ast.For(loop.target, loop.iter, others, loop.orelse)
        ast.copy_location(turns, loop)
        said = f"{ast.unparse(last)} after the loop, which it leaves in the first turn"
        yield Edit(Kind.ASSIGNED, said, 1, whole, [*before, turns, last, *after], shown=(last, None))


def _added_up(slot: Slot, loop: ast.For) -> Iterator[Edit]:
    """What each turn of a loop sets, added up from 0 on."""
    whole = Slot(slot.parent, slot.name, None, slot.path)
    before, after = whole.get()[: slot.index], whole.get()[slot.index :][1:]
    for n, node in enumerate(loop.body):
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if not isinstance(node, ast.Assign) or not isinstance(target, (ast.Name, ast.Attribute)):
            continue
        zero = ast.Assign([target], ast.Constant(0))
        added = ast.AugAssign(target, ast.Add(), node.value)
        turns = ast.For(loop.target, loop.iter, [*loop.body[:n], added, *loop.body[n + 1 :]], loop.orelse)
        made: list[ast.stmt] = [zero, turns]
        for new in (added, *made):
            ast.copy_location(new, node)
        name = ast.unparse(target)
        said = f"{name} added up in the loop (+=), from {name} = 0 before it, not assigned"
        yield Edit(Kind.ASSIGNED, said, 1, whole, [*before, *made, *after], shown=(node, None))


def _assigned(slot: Slot, target: ast.expr, value: ast.expr) -> Iterator[Edit]:
    """= where += is due."""
    if not isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
        return
    if isinstance(target, ast.Subscript) or slot.within(ast.For):
        yield Edit(Kind.ASSIGNED, "= for +=", 1, slot, ast.AugAssign(target, ast.Add(), value))
    if isinstance(target, ast.Subscript):
        yield Edit(Kind.ASSIGNED, "assigned at an index, not added up", 1, slot, _added_at(target, value))


def _added(slot: Slot, node: ast.AugAssign, scope: Scope) -> Iterator[Edit]:
    """+= where = or np.add.at is due."""
    if isinstance(node.op, ast.Add):
        yield Edit(Kind.DOUBLE_PATH, "+= for =", 4, slot, ast.Assign([node.target], node.value))
        if isinstance(node.target, ast.Subscript):
            said = "+= at an index that repeats, for np.add.at"
            yield Edit(Kind.ASSIGNED, said, 1, slot, _added_at(node.target, node.value))
        elif overlaps(scope.held(node.target)):
            said = f"+= into {ast.unparse(node.target)}, a view in which elements share memory, for np.add.at"
            whole = ast.Subscript(node.target, ast.Constant(...), ast.Load())
            yield Edit(Kind.ASSIGNED, said, 1, slot, _added_at(whole, node.value))


def overlaps(x: Any) -> bool:
    """Whether an array has fewer places in memory than elements, as windows that overlap have."""
    if not isinstance(x, np.ndarray) or x.size == 0:
        return False
    extent = sum((n - 1) * abs(s) for n, s in zip(x.shape, x.strides, strict=True)) + x.itemsize
    return x.size * x.itemsize > extent


def _added_at(target: ast.Subscript, value: ast.expr) -> ast.Expr:
    """``np.add.at(x, i, value)`` for ``x[i] = value``."""
    index: ast.expr = target.slice
    members = index.elts if isinstance(index, ast.Tuple) else [index]
    if any(isinstance(part, ast.Slice) for part in members):
        index = ast.Subscript(expression("np.s_"), index, ast.Load())  # a slice is no expression by itself
    call = expression("np.add.at(x, i, v)")
    assert isinstance(call, ast.Call)
    call.args = [expression(ast.unparse(target.value)), index, value]
    return ast.Expr(call)
