"""Transposes, swapped operands and arguments, and axes the wrong way round."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from typing import Any

from handgrad.checking.causes.edits.scope import Scope
from handgrad.checking.causes.edits.slots import Edit, Slot
from handgrad.checking.causes.edits.syntax import (
    LIBRARIES,
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

TRANSPOSERS = ("transpose", "swapaxes", "permute", "moveaxis")
OF_MATRICES = ("dot", "matmul", "outer", "solve", "einsum", "mm", "bmm", "det", "inv")


def transposes(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.MatMult)
        and not isinstance(slot.parent, ast.BinOp)
    ):
        other = ast.BinOp(transposed(node.right), node.op, transposed(node.left))
        yield Edit(Kind.TRANSPOSED, "a product the wrong way round", 4, slot, other)
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)) or not is_load(node):
        return
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield Edit(Kind.TRANSPOSED, f".{node.attr} too many", 2, slot, node.value)
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and called(node) in TRANSPOSERS:
        is_function = ast.unparse(node.func.value) in LIBRARIES and node.args
        base = node.args[0] if is_function else node.func.value
        yield Edit(Kind.TRANSPOSED, f"{called(node)} too many", 2, slot, base)
    parent = slot.parent
    in_product = (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.MatMult)) or (
        isinstance(parent, ast.Call) and called(parent) in OF_MATRICES
    )
    if in_product or isinstance(parent, (ast.Assign, ast.Return, ast.Tuple, ast.BinOp)):
        turned = ast.Attribute(node, "T", ast.Load())
        kind = Kind.WRONG_AXIS if is_aligned(node) else Kind.TRANSPOSED
        yield Edit(kind, "a transpose missing", 2 if in_product else 4, slot, turned)
    if in_product:
        swapaxes = ast.Attribute(node, "swapaxes", ast.Load())
        last_two = ast.Call(swapaxes, [ast.Constant(-1), ast.Constant(-2)], [])
        yield Edit(Kind.TRANSPOSED, "a transpose missing", 2, slot, last_two)
    elif isinstance(parent, ast.Call) and slot.name == "args":
        swapaxes = ast.Attribute(node, "swapaxes", ast.Load())
        first_two = ast.Call(swapaxes, [ast.Constant(0), ast.Constant(1)], [])
        yield Edit(Kind.TRANSPOSED, "axes 0 and 1 not swapped", 4, slot, first_two)


def transposed(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.Attribute(node, "T", ast.Load())


def swaps(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if isinstance(node, ast.BinOp):
        yield from _operators(slot, node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        if not isinstance(node.operand, ast.Constant):
            yield Edit(Kind.FACTOR, "a minus too many", 2, slot, node.operand)
    elif isinstance(node, (ast.Tuple, ast.List)) and (is_load(node) or isinstance(slot.parent, ast.Assign)):
        if len(node.elts) <= 5 and not in_index(slot):
            for i, j, elements in _swapped(node.elts):
                one, other = ast.unparse(node.elts[i]), ast.unparse(node.elts[j])
                kind = Kind.WRONG_ARRAY if not is_load(node) and "_" in (one, other) else Kind.SWAPPED
                yield Edit(kind, f"{one} and {other} swapped", 2, slot, type(node)(elements, node.ctx))
    elif isinstance(node, ast.Call):
        kind = {"where": Kind.MASK, "outer": Kind.TRANSPOSED}.get(called(node), Kind.SWAPPED)
        for _, _, arguments in _swapped(node.args):
            turned = ast.Call(node.func, arguments, node.keywords)
            yield Edit(kind, f"arguments of {called(node)} swapped", 3, slot, turned)


def _operators(slot: Slot, node: ast.BinOp) -> Iterator[Edit]:
    """Operands the other way round, and an operator for its opposite."""
    left, op, right = node.left, node.op, node.right
    if isinstance(op, ast.Sub):
        said = "a difference the wrong way round"
        yield Edit(Kind.FACTOR, said, 4, slot, ast.BinOp(right, op, left))
    elif isinstance(op, (ast.Div, ast.MatMult, ast.Pow)):
        yield Edit(Kind.SWAPPED, "operands swapped", 3, slot, ast.BinOp(right, op, left))
    if isinstance(op, ast.Div) and isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult):
        turned = ast.BinOp(ast.BinOp(left.left, ast.Mult(), right), op, left.right)
        yield Edit(Kind.SWAPPED, "a quotient the wrong way round", 4, slot, turned)
    if isinstance(op, (ast.Add, ast.Sub)):
        opposite: ast.operator = ast.Sub() if isinstance(op, ast.Add) else ast.Add()
        yield Edit(Kind.FACTOR, "the sign of a term", 2, slot, ast.BinOp(left, opposite, right))
    if isinstance(op, ast.FloorDiv):
        yield Edit(Kind.INTEGER, "// for /", 1, slot, ast.BinOp(left, ast.Div(), right))


def _swapped(items: list[ast.expr]) -> Iterator[tuple[int, int, list[ast.expr]]]:
    """Each two of the first five changed for each other."""
    for i, j in itertools.combinations(range(min(len(items), 5)), 2):
        turned = list(items)
        turned[i], turned[j] = turned[j], turned[i]
        yield i, j, turned


def reversals(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if isinstance(node, ast.Call) and called(node) in ("range", "arange") and not _reversed_around(slot):
        backwards = ast.Call(ast.Name("reversed", ast.Load()), [node], [])
        yield Edit(Kind.FLIPPED, "steps in the wrong order", 2, slot, backwards)
    if isinstance(node, ast.Subscript) and is_load(node):
        for i, part in enumerate(parts(node)):
            if isinstance(part, ast.Slice) and part.step is not None and ast.unparse(part.step) == "-1":
                forwards = with_part(node, i, ast.Slice(part.lower, part.upper, None))
                kind = Kind.SWAPPED if isinstance(scope.held(node.value), (tuple, list)) else Kind.FLIPPED
                yield Edit(kind, "[::-1] too many", 2, slot, forwards)
    if is_name(node) and _is_whole(slot):
        text, shape = ast.unparse(node), scope.shape(node) or ()
        yield from _flips(slot, text, shape, by_steps=not hasattr(scope.held(node), "flip"))
        yield from _aligned(slot, text, shape)


def _is_whole(slot: Slot) -> bool:
    """Whether an array is used as it is, or moved as a whole: nothing is indexed or asked of it."""
    if isinstance(slot.parent, ast.Attribute):
        return slot.parent.attr in (*TRANSPOSERS, "flip")
    return not isinstance(slot.parent, ast.Subscript)


def _flips(slot: Slot, name: str, shape: tuple[int, ...], by_steps: bool) -> Iterator[Edit]:
    """By steps backwards, or by what PyTorch's tensors have instead."""
    if len(shape) > 4:
        return
    for axis, n in enumerate(shape):
        if n > 1:
            index = ", ".join([":"] * axis + ["::-1"])
            turned = expression(f"{name}[{index}]" if by_steps else f"{name}.flip({axis})")
            yield Edit(Kind.FLIPPED, f"[::-1] missing on axis {axis}", 4, slot, turned)


def _aligned(slot: Slot, name: str, shape: tuple[int, ...]) -> Iterator[Edit]:
    """Along the axes before the last, where broadcasting lays an array along the last."""
    if shape and called(slot.parent) != "at":  # np.add.at is not safe with values of more axes
        aligned = expression(f"{name}[:, None]" if len(shape) == 1 else f"{name}[..., None]")
        yield Edit(Kind.WRONG_AXIS, f"{name} laid along the last axis", 4, slot, aligned)


def _reversed_around(slot: Slot) -> bool:
    return any(isinstance(n, ast.Call) and called(n) == "reversed" for n in slot.path)
