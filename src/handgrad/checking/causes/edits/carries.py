"""What a loop hands from turn to turn, and never sets anew."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from handgrad.checking.causes.edits.scope import Scope
from handgrad.checking.causes.edits.slots import Edit, Slot
from handgrad.checking.causes.edits.syntax import is_load
from handgrad.checking.kinds import Kind

MOST = 4  # values that each of them may be set to


def carries(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """``dnext = dprev`` at the end of a loop that reads ``dnext`` and sets it nowhere."""
    if not isinstance(node, ast.For):
        return
    stored, read = names(node, loads=False), names(node, loads=True)
    before = names(slot.path[0], loads=False) - stored
    stale = [name for name in sorted(before & read) if scope.values.get(name) is not None]
    found = [[(name, other) for other in like(name, stored, scope)][:MOST] for name in stale]
    whole = Slot(node, "body", None, (*slot.path, node))
    for chosen in (c for c in found if c):
        for name, other in chosen:
            yield _set(whole, node, (name, other))
    likeliest = sorted((c for c in found if c), key=lambda c: -shared(*c[0]))[:2]
    for first, second in itertools.product(*likeliest) if len(likeliest) == 2 else ():
        yield _set(whole, node, first, second)


def _set(whole: Slot, loop: ast.For, *pairs: tuple[str, str]) -> Edit:
    """The loop with ``a, b = c, d`` at its end."""
    said = ", ".join(name for name, _ in pairs)
    text = f"{said} = {', '.join(other for _, other in pairs)}"
    added, last = ast.parse(text).body[0], loop.body[-1]
    ast.copy_location(added, last)
    made = [*loop.body, ast.fix_missing_locations(added)]
    is_simple = "\n" not in ast.unparse(last)
    shown = last, f"{ast.unparse(last)}; {text}" if is_simple else None
    return Edit(Kind.CARRY, f"{said} never set in the loop: {text} at its end", 2, whole, made, shown=shown)


def like(name: str, stored: Iterable[str], scope: Scope) -> Iterator[str]:
    """What the loop makes that could be the next one's: of its shape, those that read like it first."""
    shape = scope.shape(ast.Name(name, ast.Load()))
    if shape is None:
        return
    fitting = [n for n in sorted(stored) if scope.shape(ast.Name(n, ast.Load())) == shape]
    yield from sorted(fitting, key=lambda other: -shared(name, other))


def shared(a: str, b: str) -> int:
    """How many letters two names have in common at their beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def names(node: ast.AST, loads: bool) -> set[str]:
    """The names that are read, or set, anywhere in it."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and is_load(n) == loads}
