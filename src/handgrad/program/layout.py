"""Where elements lie, and how often: views composed, and numbers computed before they are repeated."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import shape, size
from handgrad.program.algebra import takes_all_in_order
from handgrad.program.draft import Draft, rewrite
from handgrad.program.inference import ELEMENTWISE, REDUCTIONS, Shape
from handgrad.program.program import Operation, Program
from handgrad.program.views import axis_order, bare, permuted, repeated, reshaped

BROADCASTING = (ELEMENTWISE | {"astype"}) - {"zeros_like", "ones_like", "pow", "power"}
"""Elementwise operations that give an element the same bits however it is laid out; NumPy's power takes a
shorter way where the exponent is one number."""

EXACT_OF_ONE = frozenset("prod max min any all".split())
"""Reductions that leave one element as it is. A sum of floats does not: it makes -0.0 to 0.0."""


def layout(program: Program) -> Program:
    """Reshapes, permutations and broadcasts composed; those of operands left to broadcasting."""
    return rewrite(program, _laid_out)


def _laid_out(draft: Draft, operation: Operation) -> Any:
    out, name = operation.out, operation.name
    if name in BROADCASTING:
        return _elementwise(draft, operation)
    if name in REDUCTIONS:
        return _reduction(draft, operation)
    if name not in ("reshape", "permute_dims", "broadcast_to", "getitem", "scatter_add"):
        return None
    x = operation.args[0]
    if name == "reshape":
        return reshaped(draft, x, out.shape)
    if name == "permute_dims":
        return permuted(draft, x, axis_order(operation))
    if name == "broadcast_to":
        return repeated(draft, x, out.shape)
    if name == "getitem":
        return _getitem(draft, out, x, operation.args[1])
    return _scatter_add(draft, out, x, operation.args[1])


def _elementwise(draft: Draft, operation: Operation) -> Any:
    """op(broadcast(x), y) = op(x, y), broadcast afterwards if y does not do it."""
    out = operation.out
    if size(out) == 0:
        return None
    operands = operation.args[:1] if operation.name == "astype" else operation.args
    stripped = _numbers([bare(draft, x) for x in operands])
    if all(x is y for x, y in zip(operands, stripped, strict=True)):
        return None
    small = np.broadcast_shapes(*map(shape, stripped))
    args = (*stripped, *operation.args[len(operands) :])
    computed = draft.emit(operation.name, *args, **operation.options)
    return _enlarged(draft, computed, small, out.shape)


def _numbers(operands: list) -> list:
    """Constants of one element without their axes, where the others have them too."""
    short = [x.reshape(()) if isinstance(x, np.ndarray) and x.size == 1 and x.ndim else x for x in operands]
    before, after = (np.broadcast_shapes(*map(shape, xs)) for xs in (operands, short))
    return short if after == before else operands


def _enlarged(draft: Draft, x: Any, small: Shape, target: Shape) -> Any:
    added = (1,) * (len(target) - len(small))
    return reshaped(draft, x, target) if added + small == target else repeated(draft, x, target)


def _reduction(draft: Draft, operation: Operation) -> Any:
    """Over axes of size one there is nothing to be done."""
    x, out = operation.args[0], operation.out
    exact = operation.name in EXACT_OF_ONE or out.dtype.kind != "f"
    if exact and size(x) == size(out) and x.dtype == out.dtype and size(x):
        return reshaped(draft, x, out.shape)
    return None


def _getitem(draft: Draft, out: Any, x: Any, index: Any) -> Any:
    if takes_all_in_order(x, index, out):
        return reshaped(draft, x, out.shape)
    source = draft.argument(x, "broadcast_to")
    if source is not None and size(source) == 1 and _is_basic(index):
        return repeated(draft, source, out.shape)
    return None


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is ... or isinstance(part, slice) or type(part) is int for part in parts)


def _scatter_add(draft: Draft, out: Any, x: Any, index: Any) -> Any:
    """Everything put where it was."""
    return reshaped(draft, x, out.shape) if takes_all_in_order(x, index, out) else None
