"""What a backward keeps until it is called: the arrays in its closure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from handgrad.arrays import stripped
from handgrad.rules.rule import as_written
from handgrad.tree import leaves


def kept(backward: Callable) -> list[tuple[str, Any]]:
    """The arrays that a rule's backward holds on to, each once, by the names that its author gave them."""
    found: dict[int, tuple[str, Any]] = {}
    for name, x in _held(as_written(backward), set()):
        found.setdefault(id(x), (name, x))
    return list(found.values())


def _cells(function: FunctionType) -> dict[str, Any]:
    held = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            held[name] = cell.cell_contents
        except ValueError:  # a name that was never assigned to
            continue
    return held


def _held(function: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if not isinstance(function, FunctionType) or id(function) in seen:
        return
    seen.add(id(function))
    for name, value in _cells(function).items():
        if isinstance(value, FunctionType):
            yield from _held(value, seen)
        for x in leaves(value) if isinstance(value, (list, tuple, dict)) else [value]:
            x = stripped(x)
            if hasattr(x, "shape") and hasattr(x, "dtype"):
                yield name, x


def byte_count(x: Any) -> int:
    return int(getattr(x, "nbytes", 0))
