"""The author's loops, as they stand in the code: for t in range(20)."""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Place = tuple[str, int]
"""A file, and a line of it."""

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Loop:
    """What repeats some lines of a file."""

    words: str
    first: int
    last: int
    is_statement: bool

    def holds(self, line: int) -> bool:
        return self.first <= line <= self.last


def loop_around(rules: Sequence[Sequence[Place]], known: frozenset[str] = frozenset()) -> str:
    """The innermost loop around what used some rules, other than those that are known; nothing for none.

    Args:
        rules: of each rule the lines that used it, the innermost first.
        known: loops inside that one, by their words.

    Lines alone do not tell whether a rule is in a comprehension or beside it, so of a line that is in both a
    comprehension and a statement nothing is said.
    """
    first, *others = rules
    for file, line in first:
        around = [loop for loop in loops_of(file) if loop.holds(line)]
        if len({loop.is_statement for loop in around}) > 1:
            return ""
        for loop in sorted(around, key=lambda loop: loop.last - loop.first):
            if loop.words not in known and all(holds_one_of(file, loop, places) for places in others):
                return loop.words
    return ""


def holds_one_of(file: str, loop: Loop, places: Sequence[Place]) -> bool:
    return any(where == file and loop.holds(line) for where, line in places)


def loops_of(file: str) -> tuple[Loop, ...]:
    return loops_in("".join(linecache.getlines(file)))


@functools.lru_cache(maxsize=64)
def loops_in(text: str) -> tuple[Loop, ...]:
    try:
        return tuple(found(ast.parse(text)))
    except SyntaxError:  # a notebook's cell with a command of its own, say
        return ()


def found(tree: ast.AST) -> Iterator[Loop]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.While)):
            end = node.body[-1]
            yield Loop(words_of(node), node.body[0].lineno, end.end_lineno or end.lineno, True)
        elif isinstance(node, COMPREHENSIONS):
            words = " ".join(ast.unparse(part).strip() for part in node.generators)
            yield Loop(words, node.lineno, node.end_lineno or node.lineno, False)


def words_of(node: ast.For | ast.While) -> str:
    if isinstance(node, ast.While):
        return f"while {ast.unparse(node.test)}"
    return f"for {ast.unparse(node.target)} in {ast.unparse(node.iter)}"
