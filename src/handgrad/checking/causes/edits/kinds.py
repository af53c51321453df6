"""Which mistake a number, a name or a factor speaks of."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from handgrad.checking.causes.edits.scope import Scope, is_array, is_mask
from handgrad.checking.causes.edits.slots import Slot
from handgrad.checking.causes.edits.syntax import LIBRARIES, called
from handgrad.checking.kinds import Kind

NAMED = {
    "axis": Kind.WRONG_AXIS,
    "stride": Kind.STRIDE,
    "strides": Kind.STRIDE,
    "dilation": Kind.STRIDE,
    "step": Kind.STRIDE,
    "groups": Kind.GROUP,
    "heads": Kind.GROUP,
    "seed": Kind.RANDOM,
}


def named_kind(text: str, otherwise: Kind) -> Kind:
    """Names that tell what a number is for."""
    low = text.lower()
    for name, kind in NAMED.items():
        if name in low:
            return kind
    return Kind.EPSILON if "eps" in low else otherwise


def factor_kind(node: Any, scope: Scope) -> Kind:
    """What a factor is, by what it holds."""
    text, value = ast.unparse(node), scope.held(node)
    if is_scalar(value) or _is_number(node, scope):
        return Kind.FACTOR
    if is_mask(value):
        return Kind.MASK
    if isinstance(node, ast.Call) and called(node) in ("len", "prod", "float"):
        return Kind.FACTOR
    if isinstance(node, (ast.Attribute, ast.Subscript)) and (".shape" in text or ".size" in text):
        return Kind.FACTOR
    if isinstance(node, ast.Compare):
        return Kind.MASK
    return Kind.LOCAL_DERIVATIVE


def _is_number(node: Any, scope: Scope) -> bool:
    """Whether it is made of numbers alone."""
    names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id not in LIBRARIES]
    return all(is_scalar(scope.values.get(name)) for name in names)


def is_scalar(value: Any) -> bool:
    return isinstance(value, (int, float)) or (is_array(value) and np.size(value) == 1)


def parameter_of(slot: Slot, scope: Scope) -> str | None:
    """The name of the parameter that an argument is given for, if the function is the author's own."""
    call = slot.parent
    if not (isinstance(call, ast.Call) and slot.name == "args" and isinstance(call.func, ast.Name)):
        return None
    code = getattr(scope.values.get(call.func.id), "__code__", None)
    if code is None or slot.index is None or slot.index >= code.co_argcount:
        return None
    return code.co_varnames[slot.index]
