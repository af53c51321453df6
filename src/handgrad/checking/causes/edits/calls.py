"""One function for its neighbour, a function too many, a keyword too many."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator
from typing import Any

from handgrad.checking.causes.edits.scope import Scope, is_array
from handgrad.checking.causes.edits.slots import Edit, Slot
from handgrad.checking.causes.edits.syntax import called, expression
from handgrad.checking.kinds import Kind

NEIGHBOURS: tuple[tuple[str, str, Kind], ...] = (
    ("mean", "sum", Kind.FACTOR),
    ("max", "min", Kind.MASK),
    ("argmax", "argmin", Kind.MASK),
    ("maximum", "minimum", Kind.MASK),
    ("tril", "triu", Kind.MASK),
    ("greater", "less", Kind.MASK),
    ("sin", "cos", Kind.LOCAL_DERIVATIVE),
    ("sinh", "cosh", Kind.LOCAL_DERIVATIVE),
    ("zeros_like", "ones_like", Kind.MASK),
    ("cumsum", "sum", Kind.MISSING_PATH),
    ("repeat", "tile", Kind.STRIDE),
    ("var", "std", Kind.LOCAL_DERIVATIVE),
    ("vstack", "hstack", Kind.WRONG_AXIS),
    ("exp", "expm1", Kind.LOCAL_DERIVATIVE),
    ("flipud", "fliplr", Kind.WRONG_AXIS),
)

TOO_MANY = {
    Kind.MASK: "abs maximum",
    Kind.LOCAL_DERIVATIVE: "sqrt square sigmoid",
    Kind.WRONG_ARRAY: "exp log tanh",
    Kind.INTEGER: "round floor trunc rint int",
    Kind.FLIPPED: "flip fliplr flipud reversed",
    Kind.TRANSPOSED: "transpose",
    Kind.BROADCAST: "sum mean",
    Kind.PRECISION: "float32 float16",
    Kind.FACTOR: "sign",
    Kind.MISSING_PATH: "cumsum",
    Kind.OFF_BY_ONE: "roll",
}
UNWRAPPED: dict[str, Kind] = {name: kind for kind, names in TOO_MANY.items() for name in names.split()}

CASTS = ("astype", "round", "conj", "double", "float", "half", "to", "int", "long")
KEYWORDS = {
    "order": Kind.TRANSPOSED,
    "dtype": Kind.PRECISION,
    "mode": Kind.OFF_BY_ONE,
    "keepdims": Kind.BROADCAST,
}


def calls(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """A mean for a sum, a sum too many, a float32 too many."""
    if not isinstance(node, ast.Call):
        return
    name = called(node)
    for one, two, kind in NEIGHBOURS:
        if name in (one, two):
            other = two if name == one else one
            yield Edit(kind, f"{name} for {other}", 2, slot, _renamed(node, other))
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    argument = node.args[0] if node.args else owner
    if argument is not None and name in UNWRAPPED:
        yield Edit(UNWRAPPED[name], f"{name} too many", 12, slot, argument)
    if owner is not None and name in CASTS:
        to = f"{name} {' '.join(map(ast.unparse, node.args))}"
        kind = Kind.INTEGER if any(word in to for word in ("int", "round", "long")) else Kind.PRECISION
        yield Edit(kind, ast.unparse(node), 2, slot, owner)
    if name in ("cumsum", "cumprod") and ast.unparse(node.func).startswith("np."):
        of, *axis = map(ast.unparse, [*node.args, *(k.value for k in node.keywords if k.arg == "axis")])
        at = f", {axis[0]}" if axis else ""
        last = expression(f"np.flip({name}(np.flip({of}{at}){at}){at})".replace(f"({name}(", f"(np.{name}("))
        yield Edit(Kind.FLIPPED, f"{name} from the first for one from the last", 2, slot, last)
    yield from _slopes(slot, node, scope)
    yield from _other_functions(slot, node, scope)
    yield from _without_keywords(slot, node)


def roots(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """A root missing below a line: the variance for the deviation."""
    is_quotient = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    if is_quotient and not isinstance(node.right, ast.Constant):
        root = ast.BinOp(node.right, ast.Pow(), ast.Constant(0.5))
        said = f"the root of {ast.unparse(node.right)} missing"
        yield Edit(Kind.LOCAL_DERIVATIVE, said, 4, slot, ast.BinOp(node.left, node.op, root))


def _slopes(slot: Slot, node: ast.Call, scope: Scope) -> Iterator[Edit]:
    """``z * (1 - z)`` for ``sigmoid(z)``, where z is its output and not its input; so of tanh."""
    z = ast.unparse(node.args[0]) if len(node.args) == 1 else ""
    for slope in (f"{z} * (1 - {z})", f"1 - {z} ** 2") if is_array(scope.values.get(z)) else ():
        said = f"{ast.unparse(node)} for {slope}"
        yield Edit(Kind.LOCAL_DERIVATIVE, said, 2, slot, expression(slope))


def _other_functions(slot: Slot, node: ast.Call, scope: Scope) -> Iterator[Edit]:
    """One function of the author's for another in reach: ``sigmoid(f)`` for ``slope_of_sigmoid(f)``."""
    held = scope.held(node.func)
    if not isinstance(held, types.FunctionType):
        return
    functions = {n: f for n, f in scope.values.items() if isinstance(f, types.FunctionType) and f is not held}
    names = [n for n, f in functions.items() if _takes(f, len(node.args))]
    for name in names:
        said = f"{called(node)} for {name}"
        yield Edit(Kind.LOCAL_DERIVATIVE, said, len(names), slot, ast.Call(expression(name), node.args, []))


def _takes(f: types.FunctionType, count: int) -> bool:
    most = f.__code__.co_argcount
    return most - len(f.__defaults__ or ()) <= count <= most


def _without_keywords(slot: Slot, node: ast.Call) -> Iterator[Edit]:
    for keyword in node.keywords:
        if keyword.arg not in KEYWORDS:
            continue
        is_integer = keyword.arg == "dtype" and "int" in ast.unparse(keyword.value)
        kind = Kind.INTEGER if is_integer else KEYWORDS[keyword.arg]
        rest = [k for k in node.keywords if k is not keyword]
        yield Edit(kind, ast.unparse(keyword), 2, slot, ast.Call(node.func, node.args, rest))


def _renamed(node: ast.Call, name: str) -> ast.Call:
    f: ast.expr = ast.Name(name, ast.Load())
    if isinstance(node.func, ast.Attribute):
        f = ast.Attribute(node.func.value, name, ast.Load())
    return ast.Call(f, node.args, node.keywords)
