"""Bounds and indices off by one, slices where a sum is due, and the letters of an einsum."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from typing import Any

from handgrad.checking.causes.edits.kinds import named_kind
from handgrad.checking.causes.edits.scope import Scope
from handgrad.checking.causes.edits.slots import Edit, Slot
from handgrad.checking.causes.edits.syntax import (
    called,
    expression,
    in_index,
    is_aligned,
    is_load,
    is_name,
    parts,
    with_part,
)
from handgrad.checking.kinds import Kind

MOST_KEYS = 24
FEW = 8  # rows that are left out before the inside


def indices(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if isinstance(node, ast.Subscript):
        for i, part in enumerate(parts(node)):
            if isinstance(part, ast.Slice):
                yield from _bounds(slot, node, i, part)
        yield from _from(slot, node, scope)
        yield from _by_steps(slot, node, scope)
        if is_load(node):
            yield from _whole(slot, node, scope)
            yield from _other_keys(slot, node, scope)
    if isinstance(node, ast.Call) and called(node) in ("range", "arange") and len(node.args) >= 2:
        for by in (1, -1):
            first, last, *step = node.args
            made = ast.Call(node.func, [_moved(first, by), _moved(last, by), *step], node.keywords)
            yield Edit(Kind.OFF_BY_ONE, f"{ast.unparse(node)} for {ast.unparse(made)}", 2, slot, made)
    if _is_moved(slot, node):
        for by in (1, -1):
            moved = _moved(node, by)
            kind = named_kind(ast.unparse(node), Kind.OFF_BY_ONE) if is_name(node) else Kind.OFF_BY_ONE
            yield Edit(kind, f"{ast.unparse(node)} for {ast.unparse(moved)}", 2, slot, moved)


def _other_keys(slot: Slot, node: ast.Subscript, scope: Scope) -> Iterator[Edit]:
    """Another of a dict's keys: ``deltas["f"]`` for ``deltas["i"]``."""
    held, key = scope.held(node.value), node.slice
    if not isinstance(held, dict) or not isinstance(key, ast.Constant) or len(held) > MOST_KEYS:
        return
    for other in held:
        if isinstance(other, str) and other != key.value:
            made = ast.Subscript(node.value, ast.Constant(other), node.ctx)
            yield Edit(Kind.WRONG_ARRAY, f"{ast.unparse(node)} for {ast.unparse(made)}", 4, slot, made)


def _bounds(slot: Slot, node: ast.Subscript, i: int, part: ast.Slice) -> Iterator[Edit]:
    """Other bounds of one slice, and another step."""
    for lower, upper in _other_bounds(part.lower, part.upper):
        made = with_part(node, i, ast.Slice(lower, upper, part.step))
        if ast.unparse(made) == ast.unparse(node):
            continue
        is_whole = lower is None and upper is None
        ends = {ast.unparse(b) for b in (part.lower, part.upper) if b is not None}
        is_cut = is_whole and _summed(slot) and not ends & {"1", "-1"}
        is_first = is_whole and part.lower is None and ends == {"1"}
        kind = Kind.BROADCAST if is_cut else Kind.GROUP if is_first else Kind.OFF_BY_ONE
        yield Edit(kind, f"{ast.unparse(node)} for {ast.unparse(made)}", 2, slot, made)
    if part.step is None:
        yield from _strided(slot, node, i, part)


def _strided(slot: Slot, node: ast.Subscript, i: int, part: ast.Slice) -> Iterator[Edit]:
    """Every second element: of all that come after, and of ``x[k : k + n]`` as many."""
    for end in dict.fromkeys((None, _as_far_by_twos(part.lower, part.upper))):
        made = with_part(node, i, ast.Slice(part.lower, end, ast.Constant(2)))
        yield Edit(Kind.STRIDE, f"{ast.unparse(node)} without a step", 2, slot, made)


def _from(slot: Slot, node: ast.Subscript, scope: Scope) -> Iterator[Edit]:
    """``x[p : p + h, p : p + w]`` for ``x[:h, :w]``: what stands before the inside is left out."""
    before = [name for name, n in scope.names() if isinstance(n, int) and 0 < n <= FEW]
    for name in before if any(map(_is_head, parts(node))) else ():
        made = _with_parts(node, [_later(part, expression(name)) for part in parts(node)])
        yield Edit(Kind.OFF_BY_ONE, f"{ast.unparse(node)} for {ast.unparse(made)}", 4, slot, made)


def _is_head(part: ast.expr) -> bool:
    """``: h``"""
    return isinstance(part, ast.Slice) and part.upper is not None and not (part.lower or part.step)


def _later(part: ast.expr, by: ast.expr) -> ast.expr:
    """p : p + h for : h"""
    if isinstance(part, ast.Slice) and part.upper is not None and _is_head(part):
        return ast.Slice(by, ast.BinOp(part.upper, ast.Add(), by), None)
    return part


def _by_steps(slot: Slot, node: ast.Subscript, scope: Scope) -> Iterator[Edit]:
    """``x[s * i : s * i + n]`` for ``x[i : i + n]``, along all axes at once."""
    steps = [
        name
        for name, n in scope.names()
        if isinstance(n, int) and named_kind(name, Kind.FACTOR) is Kind.STRIDE
    ]
    for step in (*steps, "2"):
        changed = [_by_step(part, expression(step)) for part in parts(node)]
        if any(changed):
            members = [new or part for new, part in zip(changed, parts(node), strict=True)]
            made = _with_parts(node, members)
            yield Edit(Kind.STRIDE, f"{ast.unparse(node)} for {ast.unparse(made)}", 2, slot, made)


def _by_step(part: ast.expr, step: ast.expr) -> ast.Slice | None:
    """s·i : s·i + n for i : i + n"""
    low, high = getattr(part, "lower", None), getattr(part, "upper", None)
    if not isinstance(low, ast.Name) or not (isinstance(high, ast.BinOp) and isinstance(high.op, ast.Add)):
        return None
    if ast.unparse(high.left) != low.id:
        return None
    first = ast.BinOp(step, ast.Mult(), low)
    return ast.Slice(first, ast.BinOp(first, ast.Add(), high.right), None)


def _with_parts(node: ast.Subscript, members: list[ast.expr]) -> ast.Subscript:
    return ast.Subscript(
        node.value, ast.Tuple(members, ast.Load()) if len(members) > 1 else members[0], node.ctx
    )


def _as_far_by_twos(low: ast.expr | None, high: ast.expr | None) -> ast.expr | None:
    """k + 2n for k + n."""
    if low is None or not (isinstance(high, ast.BinOp) and isinstance(high.op, ast.Add)):
        return None
    is_beyond = ast.unparse(high.left) == ast.unparse(low)
    twice = ast.BinOp(ast.Constant(2), ast.Mult(), high.right)
    return ast.BinOp(low, ast.Add(), twice) if is_beyond else None


def _other_bounds(low: ast.expr | None, high: ast.expr | None) -> tuple[tuple[Any, Any], ...]:
    first, last = expression("1"), expression("-1")
    return (
        (None, None),
        (first, None),
        (None, last),
        (first, last),
        (_moved(low, 1), high),
        (_moved(low, -1), high),
        (low, _moved(high, 1)),
        (low, _moved(high, -1)),
        (_moved(low, 1), _moved(high, 1)),
        (_moved(low, -1), _moved(high, -1)),
    )


def _whole(slot: Slot, node: ast.Subscript, scope: Scope) -> Iterator[Edit]:
    """All of an array where a part of it is taken."""
    text, whole = ast.unparse(node), ast.unparse(node.value)
    first = parts(node)[0] if parts(node) else None
    if isinstance(first, ast.Constant) and isinstance(first.value, int):
        summed = expression(f"{whole}.sum(axis=0)")
        yield Edit(Kind.BROADCAST, f"{text}, a slice for a sum", 2, slot, summed)
    if scope.shape(node.value) != ():
        yield Edit(_kind_of_part(node, scope), f"{text} for {whole}", 12, slot, node.value)


def _kind_of_part(node: ast.Subscript, scope: Scope) -> Kind:
    """What it means that a part of an array was taken, and not all of it."""
    if is_aligned(node):
        return Kind.WRONG_AXIS
    if "::-1" in ast.unparse(node):
        return Kind.FLIPPED
    return Kind.UPSTREAM_IGNORED if ast.unparse(node.value) in scope.douts else Kind.BROADCAST


def _summed(slot: Slot) -> bool:
    """Whether this is the argument of a sum or a mean."""
    return any(isinstance(n, ast.Call) and called(n) in ("sum", "mean") for n in slot.path)


def _is_moved(slot: Slot, node: Any) -> bool:
    """Whether this counts steps: an index, not what is indexed."""
    if not isinstance(node, (ast.Name, ast.BinOp)) or not is_load(node) or not in_index(slot):
        return False
    is_indexed = isinstance(slot.parent, ast.Subscript) and slot.name == "value"
    return isinstance(slot.parent, (ast.Subscript, ast.Tuple, ast.Call)) and not is_indexed


def _moved(node: Any, by: int) -> Any:
    """i + 1 or i - 1, and i for i + 1 and -1."""
    if node is None:
        return None
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return ast.Constant(node.value + by)
    if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant) and node.right.value == 1:
        undone = ast.Sub if by > 0 else ast.Add
        if isinstance(node.op, undone):
            return node.left
    return ast.BinOp(node, ast.Add() if by > 0 else ast.Sub(), ast.Constant(1))


def letters(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """The letters of an einsum."""
    text = node.value if isinstance(node, ast.Constant) else None
    if not isinstance(text, str) or not ("->" in text or "," in text):
        return
    for part in text.replace("->", ",").split(","):
        for i, j in itertools.combinations(range(len(part)), 2):
            swapped = list(part)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            other = "".join(swapped)
            made = ast.Constant(text.replace(part, other, 1))
            yield Edit(Kind.TRANSPOSED, f"the letters {part!r} for {other!r}", 2, slot, made)
