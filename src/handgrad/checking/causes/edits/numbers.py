"""Another number, or another axis, in place of the one that is written."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from handgrad.checking.causes.edits.kinds import named_kind, parameter_of
from handgrad.checking.causes.edits.scope import Scope
from handgrad.checking.causes.edits.slots import Edit, Slot
from handgrad.checking.causes.edits.syntax import LIBRARIES, called, expression, in_index, is_term
from handgrad.checking.kinds import Kind

AXIS_KEYWORDS = ("axis", "dim", "axes")
AXES = (0, 1, 2, 3, -1, -2, (0, 1), (0, 2), (1, 2), (0, 2, 3), (0, 1, 2), (2, 3), None)
REDUCERS = (
    *("sum", "mean", "max", "min", "amax", "amin", "var", "std", "prod", "any", "all"),
    *("cumsum", "cumprod", "argmax", "argmin", "sort", "argsort", "flip", "softmax", "expand_dims"),
)


def constants(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """What a number is for is seen from where it stands."""
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    keyword = next((n.arg for n in reversed(slot.path) if isinstance(n, ast.keyword)), None)
    if keyword in AXIS_KEYWORDS:
        return  # axes, below
    parameter = keyword or parameter_of(slot, scope) or ""
    if isinstance(value, int) and ("axis" in parameter or "dim" in parameter):
        for other in _others(value, (0, 1, 2, -1)):
            yield Edit(Kind.WRONG_AXIS, f"{parameter} {value} for {other}", 2, slot, ast.Constant(other))
    elif _of_shape(slot):
        for other in _others(value, range(4)):
            swapped = f"the size of axis {value} for that of axis {other}"
            yield Edit(Kind.FACTOR, swapped, 2, slot, ast.Constant(other))
    elif isinstance(value, int) and in_index(slot):
        yield from _steps(slot, node, value)
    else:
        if slot.within(ast.Compare):
            yield from _thresholds(slot, value, scope)
        yield from _factors(slot, value, parameter)


def _others(value: float, candidates: Iterable[Any]) -> Iterator[Any]:
    return (other for other in candidates if other != value)


def _steps(slot: Slot, node: ast.expr, value: int) -> Iterator[Edit]:
    if isinstance(slot.parent, ast.Call) and called(slot.parent) == "roll":
        yield Edit(Kind.FLIPPED, "shifted the wrong way", 2, slot, ast.UnaryOp(ast.USub(), node))
    for other in _others(value, (value - 1, value + 1, 0, 1, 2)):
        yield Edit(Kind.OFF_BY_ONE, f"{value} for {other}", 2, slot, ast.Constant(other))


def _thresholds(slot: Slot, value: float, scope: Scope) -> Iterator[Edit]:
    for other in _others(value, (0.0, 1.0, -1.0, -value, *scope.numbers())):
        yield Edit(Kind.MASK, f"the threshold {value} for {other:g}", 4, slot, ast.Constant(other))


def _factors(slot: Slot, value: float, parameter: str) -> Iterator[Edit]:
    """A factor or a power."""
    kind = named_kind(parameter, Kind.FACTOR)
    if isinstance(slot.parent, ast.BinOp) and isinstance(slot.parent.op, ast.Pow):
        kind = Kind.LOCAL_DERIVATIVE
    elif 0 < abs(value) < 0.02:
        kind = Kind.EPSILON
    candidates = [1, 2, 3, 0.5, 0, value + 1, value - 1, *([1 / value] if value else [])]
    for other in _others(value, dict.fromkeys(candidates)):
        is_path = value == 2 and other == 1 and is_term(slot)
        said = f"{value:g} for {other:g}"
        yield Edit(Kind.DOUBLE_PATH if is_path else kind, said, 4, slot, ast.Constant(other))


def _of_shape(slot: Slot) -> bool:
    """Whether this is the index in ``x.shape[0]``."""
    of = slot.parent.value if isinstance(slot.parent, ast.Subscript) else None
    return isinstance(of, ast.Attribute) and of.attr == "shape"


def axes(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """``axis=``, and the second argument of a reduction."""
    if not _holds_axis(slot):
        return
    try:
        now = ast.literal_eval(node)
    except ValueError:
        return
    for other in AXES:
        if other == now:
            continue
        wider = isinstance(other, tuple) and _is_among(now, other)
        fewer = isinstance(now, tuple) and isinstance(other, int) and other in now
        kind, choices = Kind.BROADCAST if wider else Kind.WRONG_AXIS, 4 if fewer else 2
        yield Edit(kind, f"axis {now} for {other}", choices, slot, expression(repr(other)))


def _holds_axis(slot: Slot) -> bool:
    parent = slot.parent
    if isinstance(parent, ast.keyword):
        return parent.arg in AXIS_KEYWORDS
    if not (isinstance(parent, ast.Call) and slot.name == "args" and called(parent) in REDUCERS):
        return False
    is_method = isinstance(parent.func, ast.Attribute) and ast.unparse(parent.func.value) not in LIBRARIES
    return slot.index == (0 if is_method else 1)


def _is_among(now: Any, other: tuple[int, ...]) -> bool:
    """Whether other axes are these and more."""
    return now in other if isinstance(now, int) else set(now or ()) < set(other)
