"""Where in the author's file a gradient is returned."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line of a source file."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.number}: {self.text}"


@dataclass
class Parsed:
    """The syntax tree of a function or class, and where it stands."""

    tree: ast.AST
    file: str
    offset: int  # what to add to the tree's line numbers

    def line(self, number: int) -> Line:
        number += self.offset
        return Line(self.file, number, linecache.getline(self.file, number).strip())


def parsed(code: Any) -> Parsed | None:
    """None where the source cannot be had: built-ins, the interpreter's prompt."""
    try:
        code = inspect.unwrap(code) if callable(code) else code
        lines, first = inspect.getsourcelines(code)
        file = inspect.getsourcefile(code) or ""
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            node.decorator_list = []
    return Parsed(tree, file, first - 1 if first else 0)


FunctionDef = ast.FunctionDef | ast.Lambda


def backwards(tree: ast.AST) -> Iterator[ast.AST]:
    """The functions in a source that may be the backward, the likeliest first."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    yield from (f for f in functions if f.name in ("backward", "_backward", "bwd", "vjp"))
    yield from (f for f in functions if "back" in f.name or "bwd" in f.name or "grad" in f.name)
    yield from (n for n in ast.walk(tree) if isinstance(n, ast.Lambda))
    yield from functions


def line_of_gradient(code: list[Callable], index: int, parameter: str | None = None) -> Line | None:
    """The line that computes the gradient number ``index``, or that of a layer's ``parameter``."""
    for each in code:
        source = parsed(each)
        if source is None:
            continue
        for function in backwards(source.tree):
            node = _assigned_to_self(function, parameter) if parameter else _returned(function, index)
            if node is not None:
                return source.line(node.lineno)
    return None


def _returned(function: ast.AST, index: int) -> ast.expr | None:
    if isinstance(function, ast.Lambda):
        body = function.body
        return _element(body, index)
    returns = [n for n in _own_nodes(function) if isinstance(n, ast.Return) and n.value is not None]
    if not returns:
        return None
    value = returns[-1].value
    assert value is not None
    found = _element(value, index)
    if isinstance(found, ast.Name):
        return _last_assignment(function, found.id) or found
    return found


def _element(value: ast.expr, index: int) -> ast.expr:
    if isinstance(value, ast.Tuple) and index < len(value.elts):
        return value.elts[index]
    return value


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function, without those of functions inside it."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, (ast.FunctionDef, ast.Lambda)):
            continue
        yield child
        yield from _own_nodes(child)


def _targets(statement: ast.AST) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return [
            t
            for target in statement.targets
            for t in (target.elts if isinstance(target, ast.Tuple) else [target])
        ]
    return [statement.target] if isinstance(statement, (ast.AugAssign, ast.AnnAssign)) else []


def _base(target: ast.expr) -> ast.expr:
    while isinstance(target, ast.Subscript):
        target = target.value
    return target


def _last_assignment(function: ast.AST, name: str) -> Any:
    found = [
        n for n in _own_nodes(function)
        if any(isinstance(_base(t), ast.Name) and _base(t).id == name for t in _targets(n))  # type: ignore[attr-defined]
    ]  # fmt: skip
    return max(found, key=lambda n: n.lineno, default=None)  # type: ignore[attr-defined]


def _assigned_to_self(function: ast.AST, parameter: str) -> Any:
    """``self.dW = ...``, ``self.grads["W"] = ...`` or ``self.dW[...] = ...``."""
    from handgrad.check.layers import gradient_names

    names = {*gradient_names(parameter), parameter}
    found = []
    for node in _own_nodes(function):
        for target in _targets(node):
            base = _base(target)
            if not isinstance(base, ast.Attribute):
                continue
            keyed = isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant)
            if base.attr in names or (keyed and str(target.slice.value) in names):  # type: ignore[attr-defined]
                found.append(node)
    return max(found, key=lambda n: n.lineno, default=None)  # type: ignore[attr-defined]
