"""Factors and terms too many or missing, and names in each other's place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.checking.causes.edits.kinds import factor_kind, is_scalar, named_kind, parameter_of
from handgrad.checking.causes.edits.scope import Scope, is_array, is_mask, nearly
from handgrad.checking.causes.edits.slots import Edit, Slot
from handgrad.checking.causes.edits.syntax import called, expression, in_index, is_load, is_name, is_term
from handgrad.checking.kinds import Kind

# Too many.


def dropped(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """A factor or a term too many."""
    if not isinstance(node, ast.BinOp) or in_index(slot):
        return
    for kept, gone in ((node.left, node.right), (node.right, node.left)):
        said = ast.unparse(gone)
        is_right = gone is node.right
        if _is_set(slot, kept) and not isinstance(node.op, (ast.Add, ast.Sub)):
            over = f"{ast.unparse(slot.parent)} writes over {ast.unparse(kept)}: {said} too many"
            yield Edit(Kind.WRONG_ARRAY, over, 3, slot, kept)
        if isinstance(node.op, ast.Mult) or (isinstance(node.op, ast.Div) and is_right):
            yield Edit(_kind_of_factor(slot, gone, scope), f"{said} too many", 4, slot, kept)
        elif isinstance(node.op, (ast.Add, ast.Sub)):
            yield Edit(_kind_of_term(node, gone, kept, scope), f"{said} too many", 4, slot, kept)
        elif isinstance(node.op, ast.Pow) and is_right:
            yield Edit(Kind.LOCAL_DERIVATIVE, f"the power {said} too many", 4, slot, kept)


def _is_set(slot: Slot, kept: ast.expr) -> bool:
    """Whether this is what a name is set to that is in it: ``x = x * r``."""
    outer = slot.parent
    targets = outer.targets if isinstance(outer, ast.Assign) and slot.name == "value" else []
    return is_name(kept) and ast.unparse(kept) in map(ast.unparse, targets)


def _kind_of_factor(slot: Slot, factor: ast.expr, scope: Scope) -> Kind:
    text = ast.unparse(factor)
    if text == "2" and is_term(slot):
        return Kind.DOUBLE_PATH
    return Kind.UPSTREAM_TWICE if text in scope.douts else named_kind(text, factor_kind(factor, scope))


def _kind_of_term(node: ast.BinOp, term: ast.expr, kept: ast.expr, scope: Scope) -> Kind:
    if isinstance(term, ast.Constant) and isinstance(term.value, int):
        is_complement = isinstance(node.op, ast.Sub) and term is node.left and scope.shape(kept)
        return Kind.SWAPPED if is_complement else named_kind(ast.unparse(kept), Kind.OFF_BY_ONE)
    if isinstance(node.op, ast.Sub) and ast.unparse(kept) in scope.inputs and _is_step(term, scope):
        return Kind.UPDATED_WEIGHTS
    is_epsilon = isinstance(term, ast.Constant) or "eps" in ast.unparse(term).lower()
    return Kind.EPSILON if is_epsilon else Kind.DOUBLE_PATH


def _is_step(term: ast.expr, scope: Scope) -> bool:
    """Whether what is taken from a weight is made of its gradient."""
    return any(
        isinstance(n, (ast.Name, ast.Attribute)) and ast.unparse(n) in scope.grads for n in ast.walk(term)
    )


# Missing.


def added(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """A factor or a term missing: any name in reach. A whole result first, then what it is made of."""
    if not isinstance(node, ast.expr) or not is_load(node):
        return
    if isinstance(node, (ast.Constant, ast.Tuple, ast.Slice)) or in_index(slot) or slot.within(ast.Compare):
        return
    is_result = _is_result(slot)
    if not is_result and not _is_operand(slot):
        return
    for name, value in scope.names():
        yield from _with_name(slot, node, scope, name, value, 1 if is_result else 2)
    if is_result:
        yield from _with_sizes(slot, node, scope)
        yield Edit(Kind.FACTOR, "a minus missing", 4, slot, ast.UnaryOp(ast.USub(), node))


def _is_result(slot: Slot) -> bool:
    """Whether this is the whole of what is assigned or returned, or an element of it."""
    if isinstance(slot.parent, (ast.Assign, ast.Return, ast.AugAssign)):
        return slot.name == "value"
    return isinstance(slot.parent, (ast.Tuple, ast.List)) and slot.within(ast.Return)


def _is_operand(slot: Slot) -> bool:
    where = {ast.Call: "args", ast.Lambda: "body"}
    return isinstance(slot.parent, ast.BinOp) or where.get(type(slot.parent)) == slot.name


def _with_name(slot: Slot, node: ast.expr, scope: Scope, name: str, value: Any, far: int) -> Iterator[Edit]:
    """What is missing is made of one name: a factor, a term, a local derivative, a mask."""
    other, text, scalar = expression(name), ast.unparse(node), is_scalar(value)

    def edit(kind: Kind, missing: str, made: ast.expr, choices: int = 12) -> Edit:
        return Edit(kind, f"{missing} missing", far * choices, slot, made)

    kind = named_kind(name, Kind.FACTOR if scalar else Kind.LOCAL_DERIVATIVE)
    if name in scope.douts:
        kind = Kind.UPSTREAM_IGNORED
    elif is_mask(value):
        kind = Kind.MASK
    yield edit(kind, f"{name}, a factor,", ast.BinOp(node, ast.Mult(), other))
    if is_mask(value):
        return
    yield edit(kind, f"a division by {name}", ast.BinOp(node, ast.Div(), other), 14)
    if scalar:
        if "eps" in name.lower():
            yield edit(Kind.EPSILON, name, ast.BinOp(node, ast.Add(), other), 4)
        if not isinstance(value, np.floating):  # given, not computed
            return
    else:
        yield edit(Kind.MISSING_PATH, f"the term {name}", ast.BinOp(node, ast.Add(), other), 14)
        yield edit(Kind.MISSING_PATH, f"the term -{name}", ast.BinOp(node, ast.Sub(), other), 16)
    for kind, said, factor in (
        (Kind.LOCAL_DERIVATIVE, f"the factor 1 - {name}²", f"(1 - {name} ** 2)"),
        (Kind.LOCAL_DERIVATIVE, f"the factor {name}·(1 - {name})", f"{name} * (1 - {name})"),
        (Kind.LOCAL_DERIVATIVE, f"the factor 1 - {name}", f"(1 - {name})"),
        (Kind.MASK, f"the mask {name} > 0", f"({name} > 0)"),
    ):
        yield edit(kind, said, expression(f"({text}) * {factor}"), 16)


def _with_sizes(slot: Slot, node: ast.expr, scope: Scope) -> Iterator[Edit]:
    for n in dict.fromkeys((2, *scope.sizes)):
        if n > 1:
            times = ast.BinOp(node, ast.Mult(), ast.Constant(n))
            yield Edit(Kind.FACTOR, f"the factor {n} missing", 12, slot, times)
            divided = ast.BinOp(node, ast.Div(), ast.Constant(n))
            yield Edit(Kind.FACTOR, f"a division by {n} missing", 12, slot, divided)


# Another.


def names(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """Another array, or another number, in place of the one that is named."""
    if not is_name(node):
        return
    text, value = ast.unparse(node), scope.held(node)
    if not (is_array(value) or isinstance(value, (int, float))):
        return
    for name, other in scope.names():
        if name == text or is_array(other) != is_array(value):
            continue
        if is_array(value):
            kind, choices = _kind_of_array(slot, scope, name, value, other)
        else:
            words = f"{text} {name} {parameter_of(slot, scope) or ''}"
            kind, choices = named_kind(words, Kind.OFF_BY_ONE if in_index(slot) else Kind.FACTOR), 4
        yield Edit(kind, f"{text} for {name}", choices, slot, expression(name))


def _kind_of_array(slot: Slot, scope: Scope, name: str, value: Any, other: Any) -> tuple[Kind, int]:
    """What it means that this array is taken and not the one of that name, and among how many."""
    if name in scope.douts:
        is_zeroed = ast.unparse(slot.get()) in scope.grads and _is_part(value, other)
        return Kind.MASK if is_zeroed else Kind.UPSTREAM_IGNORED, 4
    if called(slot.parent).endswith("_like") and _is_whole(value) and not _is_whole(other):
        return Kind.INTEGER, 1  # made to hold whole numbers, because what it is made like does
    if np.shape(value) != np.shape(other):
        return Kind.WRONG_ARRAY, 4
    if nearly(value, other):
        return Kind.PRECISION, 4
    return Kind.MASK if _is_masked(value, other) else Kind.WRONG_ARRAY, 4


def _is_whole(value: Any) -> bool:
    return any(name in str(value.dtype) for name in ("int", "bool"))


def _is_part(value: Any, other: Any) -> bool:
    """Whether this is the other array with zeros in some places."""
    try:
        value, other = np.asarray(value), np.asarray(other)
    except Exception:  # a tracer has no values
        return False
    there = value != 0
    return bool(
        np.shape(value) == np.shape(other)
        and there.any()
        and not there.all()
        and np.all((value == other)[there])
    )


def _is_masked(value: Any, other: Any) -> bool:
    """Whether the other array is 0 in places where this one is nowhere 0."""
    try:
        value, other = np.asarray(value), np.asarray(other)
    except Exception:  # a tracer has no values
        return False
    return bool(np.all(value != 0) and np.any(other == 0) and np.any(other != 0))
