"""The text of rules and of the lines that used them, for people to read."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import os
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from handgrad.rules import Rule

PACKAGE = Path(__file__).parent.parent

EXAMPLES = re.compile(r'\n+ *Examples:\n(?:(?!.*""").*\n)*')  # of a docstring, up to its end


@dataclass(frozen=True)
class Source:
    """A rule's own text, and which of its lines are at work forward and backward (from 0)."""

    file: str
    first: int
    lines: tuple[str, ...]
    forward: tuple[int, ...]
    backward: tuple[int, ...]


def source_of(rule: Rule) -> Source | None:
    """None where the source cannot be had: rules typed at the interpreter's prompt."""
    try:
        lines, first = inspect.getsourcelines(rule.body)
        said = EXAMPLES.sub("\n", textwrap.dedent("".join(lines)))
        tree = ast.parse(said)
    except (OSError, TypeError, SyntaxError):
        return None
    function = tree.body[0]
    text = tuple(said.splitlines())
    file = shown_path(inspect.getsourcefile(rule.body) or "")
    if not isinstance(function, ast.FunctionDef):
        return Source(file, first, text, (), ())
    inner = [s for s in function.body if isinstance(s, ast.FunctionDef)]
    returns = [s for s in function.body if isinstance(s, ast.Return)]
    backward = [s for s in inner if s.name == "backward"] or inner[-1:]
    steps = [step for s in backward for step in s.body]
    return Source(file, first, text, _spanned(returns), _spanned(steps))


def _spanned(statements: list) -> tuple[int, ...]:
    return tuple(n - 1 for s in statements for n in range(s.lineno, (s.end_lineno or s.lineno) + 1))


def shown_path(file: str) -> str:
    """A file as its reader knows it: from the package, from where he works, or its name."""
    return _shown_path(file, os.getcwd())


@functools.cache
def _shown_path(file: str, here: str) -> str:
    path = Path(file)
    if file.startswith("<") or "ipykernel" in file:
        return "a cell"
    for base, lead in ((PACKAGE, PACKAGE.name), (Path(here), "")):
        if path.is_relative_to(base):
            return str(Path(lead) / path.relative_to(base))
    return path.name


def line_at(file: str, number: int) -> tuple[str, int, str]:
    """Where a line is, and what it says."""
    return shown_path(file), number, linecache.getline(file, number).strip()
