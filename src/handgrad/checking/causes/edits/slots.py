"""Where in a syntax tree an expression can be put in another's place."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from handgrad.checking.causes.edits.scope import Scope
from handgrad.checking.kinds import Kind


@dataclass
class Slot:
    """A place in the tree that holds an expression."""

    parent: ast.AST
    name: str
    index: int | None
    path: tuple[ast.AST, ...]  # from the function down to the parent

    def get(self) -> Any:
        held = getattr(self.parent, self.name)
        return held if self.index is None else held[self.index]

    def put(self, node: Any) -> None:
        if self.index is None:
            setattr(self.parent, self.name, node)
        else:
            getattr(self.parent, self.name)[self.index] = node

    @property
    def statement(self) -> Any:
        return next((n for n in reversed(self.path) if isinstance(n, ast.stmt)), self.path[0])

    def within(self, kind: type) -> bool:
        return any(isinstance(n, kind) for n in self.path)


@dataclass
class Edit:
    """One change: what it takes back, and among how many."""

    kind: Kind
    said: str
    choices: int  # about how many edits as plausible there are
    slot: Slot
    node: Any
    also: tuple[Edit, ...] = ()  # made together with it
    shown: tuple[ast.stmt, str | None] | None = None  # of a body: the line it is about, and as it is right
    is_given: bool = False  # in what a function of the author's is given

    def all(self) -> tuple[Edit, ...]:
        return (self, *self.also)


Maker = Callable[[Slot, Any, Scope], Iterator[Edit]]


def slots(function: ast.AST) -> Iterator[Slot]:
    """Every expression and statement of a function, outermost first, not its arguments."""
    queue: list[tuple[ast.AST, tuple[ast.AST, ...]]] = [(function, (function,))]
    while queue:
        parent, path = queue.pop(0)
        for name, index, child in _children(parent):
            if isinstance(child, (ast.expr, ast.stmt)):
                yield Slot(parent, name, index, path)
            queue.append((child, (*path, child)))


def _children(parent: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    is_function = isinstance(parent, (ast.FunctionDef, ast.Lambda))
    for name, held in ast.iter_fields(parent):
        if is_function and name in ("args", "decorator_list", "returns"):
            continue
        members = list(enumerate(held)) if isinstance(held, list) else [(None, held)]
        for index, child in members:
            is_bare = isinstance(child, (ast.expr_context, ast.operator, ast.cmpop))
            if isinstance(child, ast.AST) and not is_bare:
                yield name, index, child
