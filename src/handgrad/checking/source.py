"""Where in the author's file a gradient is returned."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handgrad.checking.watching import watching


@dataclass(frozen=True)
class Line:
    """One line of a source file."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        name = "a cell" if "ipykernel" in self.file else Path(self.file).name
        return f"{name}:{self.number}: {self.text}"


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


Ran = set[tuple[str, int]]  # files and lines


def lines_run(run: Callable[[], object], files: Iterable[str]) -> Ran:
    """The lines on which functions of some files returned while ``run()`` ran."""
    wanted, found = set(files), set()

    def watch(frame: Any, event: str, result: Any) -> None:
        if event == "return" and frame.f_code.co_filename in wanted:
            found.add((frame.f_code.co_filename, frame.f_lineno))

    with watching(watch):
        run()
    return found


def line_of_error(error: BaseException | None, files: Iterable[str]) -> Line | None:
    """The last line in some files that an error came through."""
    wanted, found = set(files), None
    trace = error.__traceback__ if error is not None else None
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file in wanted:
            found = Line(file, trace.tb_lineno, linecache.getline(file, trace.tb_lineno).strip())
        trace = trace.tb_next
    return found


def backwards(tree: ast.AST) -> Iterator[ast.AST]:
    """The functions in a source that may be the backward, the likeliest first."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    yield from (f for f in functions if f.name in ("backward", "_backward", "bwd", "vjp"))
    yield from (f for f in functions if "back" in f.name or "bwd" in f.name or "grad" in f.name)
    yield from (n for n in ast.walk(tree) if isinstance(n, ast.Lambda))
    yield from functions


def line_of_gradient(
    code: list[Callable], index: int, parameter: str | None = None, ran: Ran | None = None
) -> Line | None:
    """The line that computes the gradient number ``index``, or that of a layer's ``parameter``.

    Of several returns, the last of those that ``ran`` (see ``lines_run``), if it is given.
    """
    for each in code:
        source = parsed(each)
        if source is None:
            continue
        lines = {line - source.offset for file, line in ran or () if file == source.file}
        for function in backwards(source.tree):
            node = _assigned_to_self(function, parameter) if parameter else _returned(function, index, lines)
            if node is not None:
                return source.line(node.lineno)
    return None


def _returned(function: ast.AST, index: int, ran: set[int]) -> ast.expr | ast.stmt | None:
    """Where what is returned was computed: the last assignment to the name, or the expression itself."""
    if isinstance(function, ast.Lambda):
        return _element(function.body, index)
    returns = [n for n in _statements(function) if isinstance(n, ast.Return) and n.value is not None]
    met = [n for n in returns if ran & set(range(n.lineno, (n.end_lineno or n.lineno) + 1))]
    last = next(reversed(met or returns), None)
    if last is None or last.value is None:
        return None
    found = _element(last.value, index)
    if isinstance(found, ast.Name):
        return _last_assignment(function, found.id, last.lineno) or found
    return found


def _element(value: ast.expr, index: int) -> ast.expr:
    if isinstance(value, ast.Tuple) and index < len(value.elts):
        return value.elts[index]
    return value


def _statements(function: ast.AST) -> Iterator[ast.stmt]:
    """The statements of a function, without those of functions inside it."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, (ast.FunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.stmt):
            yield child
        yield from _statements(child)


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        whole = statement.targets
        return [t for target in whole for t in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return [statement.target] if isinstance(statement, (ast.AugAssign, ast.AnnAssign)) else []


def _base(target: ast.expr) -> ast.expr:
    while isinstance(target, ast.Subscript):
        target = target.value
    return target


def _last_assignment(function: ast.AST, name: str, until: int) -> ast.stmt | None:
    """The last statement that makes or changes what a name holds, of those up to a line."""

    def assigns(statement: ast.stmt) -> bool:
        bases = map(_base, _targets(statement))
        return any(isinstance(base, ast.Name) and base.id == name for base in bases)

    found = [s for s in _statements(function) if assigns(s) and s.lineno <= until]
    return max(found, key=lambda s: s.lineno, default=None)


def _assigned_to_self(function: ast.AST, parameter: str) -> ast.stmt | None:
    """``self.dW = ...``, ``self.grads["W"] = ...`` or ``self.dW[...] = ...``."""
    from handgrad.checking.layers import gradient_names

    names = {*gradient_names(parameter), parameter}

    def is_its(target: ast.expr) -> bool:
        base, key = _base(target), None
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            key = str(target.slice.value)
        return isinstance(base, ast.Attribute) and (base.attr in names or key in names)

    found = [s for s in _statements(function) if any(map(is_its, _targets(s)))]
    return max(found, key=lambda s: s.lineno, default=None)
