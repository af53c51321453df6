"""One function for its neighbour, a function too many, a keyword too many."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from handgrad.checking.causes.edits.kinds import named_kind
from handgrad.checking.causes.edits.scope import Scope
from handgrad.checking.causes.edits.slots import Edit, Slot
from handgrad.checking.causes.edits.syntax import called, expression

NEIGHBOURS: tuple[tuple[str, str, str], ...] = (
    ("mean", "sum", "factor"),
    ("max", "min", "mask"),
    ("argmax", "argmin", "mask"),
    ("maximum", "minimum", "mask"),
    ("tril", "triu", "mask"),
    ("greater", "less", "mask"),
    ("sin", "cos", "local-derivative"),
    ("sinh", "cosh", "local-derivative"),
    ("zeros_like", "ones_like", "mask"),
    ("cumsum", "sum", "missing-path"),
    ("repeat", "tile", "stride"),
    ("var", "std", "local-derivative"),
    ("vstack", "hstack", "wrong-axis"),
    ("exp", "expm1", "local-derivative"),
    ("flipud", "fliplr", "wrong-axis"),
)

TOO_MANY = {
    "mask": "abs maximum",
    "local-derivative": "sqrt square sigmoid",
    "wrong-array": "exp log tanh",
    "integer": "round floor trunc rint int",
    "flipped": "flip fliplr flipud reversed",
    "transposed": "transpose",
    "broadcast": "sum mean",
    "precision": "float32 float16",
    "factor": "sign",
    "missing-path": "cumsum",
    "off-by-one": "roll",
}
UNWRAPPED = {name: kind for kind, names in TOO_MANY.items() for name in names.split()}

CASTS = ("astype", "round", "conj", "double", "float", "half", "to", "int", "long")
KEYWORDS = {"order": "transposed", "dtype": "precision", "mode": "off-by-one", "keepdims": "broadcast"}


def calls(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """A mean for a sum, a sum too many, a float32 too many."""
    if not isinstance(node, ast.Call):
        return
    name = called(node)
    for one, two, kind in NEIGHBOURS:
        if name in (one, two):
            other = two if name == one else one
            yield Edit(kind, f"{name} for {other}", 2.4, slot, _renamed(node, other))
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    argument = node.args[0] if node.args else owner
    if argument is not None and name in UNWRAPPED:
        yield Edit(UNWRAPPED[name], f"{name} too many", 2.9, slot, argument)
    if owner is not None and name in CASTS:
        to = f"{name} {' '.join(map(ast.unparse, node.args))}"
        kind = "integer" if any(word in to for word in ("int", "round", "long")) else "precision"
        yield Edit(kind, ast.unparse(node), 2.2, slot, owner)
    yield from _without_keywords(slot, node)
    yield from _with_keywords(slot, node, scope)


def _without_keywords(slot: Slot, node: ast.Call) -> Iterator[Edit]:
    for keyword in node.keywords:
        if keyword.arg not in KEYWORDS:
            continue
        is_integer = keyword.arg == "dtype" and "int" in ast.unparse(keyword.value)
        kind = "integer" if is_integer else KEYWORDS[keyword.arg]
        rest = [k for k in node.keywords if k is not keyword]
        yield Edit(kind, ast.unparse(keyword), 2.4, slot, ast.Call(node.func, node.args, rest))


def _with_keywords(slot: Slot, node: ast.Call, scope: Scope) -> Iterator[Edit]:
    """What the author's own function could have been given, and was not: ``stride=stride``."""
    code = getattr(scope.held(node.func), "__code__", None)
    if code is None:
        return
    given = {keyword.arg for keyword in node.keywords}
    for name in code.co_varnames[len(node.args) : code.co_argcount]:
        if name in scope.values and name not in given:
            keyword = ast.keyword(name, expression(name))
            made = ast.Call(node.func, node.args, [*node.keywords, keyword])
            yield Edit(named_kind(name, "factor"), f"{name} is not handed on", 2.5, slot, made)


def _renamed(node: ast.Call, name: str) -> ast.Call:
    f: ast.expr = ast.Name(name, ast.Load())
    if isinstance(node.func, ast.Attribute):
        f = ast.Attribute(node.func.value, name, ast.Load())
    return ast.Call(f, node.args, node.keywords)
