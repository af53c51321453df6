"""What a function keeps between calls: the global arrays, lists and dicts that it names, and its own."""

from __future__ import annotations

import contextlib
import copy
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

KEPT = (dict, list, set, np.ndarray)


class Memory:
    """The mutable objects that a function can reach by name, and what they held at first."""

    def __init__(self, f: Callable):
        self.objects: list[Any] = []
        if isinstance(f, types.FunctionType):
            seen: set[int] = set()
            for held in reachable(f, set()):
                if isinstance(held, KEPT) and id(held) not in seen:
                    seen.add(id(held))
                    self.objects.append(held)
        self.first = [copied(held) for held in self.objects]

    def restore(self) -> None:
        """Everything as it was at first."""
        for held, first in zip(self.objects, self.first, strict=True):
            put(held, copied(first))

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Inside, it starts as it was at first; after, it is as it was before."""
        if not self.objects:
            yield
            return
        before = [copied(held) for held in self.objects]
        self.restore()
        try:
            yield
        finally:
            for held, old in zip(self.objects, before, strict=True):
                put(held, old)

    def changed(self) -> bool:
        """Whether anything is not as it was at first."""
        return any(not equal(held, first) for held, first in zip(self.objects, self.first, strict=True))


def reachable(f: types.FunctionType, seen: set[int]) -> Iterator[Any]:
    """What a function names: globals, cells, defaults, its attributes; and so for functions beside it."""
    if id(f) in seen:
        return
    seen.add(id(f))
    named = [f.__globals__.get(name) for name in names_of(f.__code__)]
    defaults = [*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]
    for held in [*named, *enclosed(f), *defaults, *vars(f).values()]:
        if isinstance(held, types.FunctionType) and held.__globals__ is f.__globals__:
            yield from reachable(held, seen)
        else:
            yield held


def enclosed(f: types.FunctionType) -> Iterator[Any]:
    """What its cells hold, but for those that are still empty."""
    for cell in f.__closure__ or ():
        with contextlib.suppress(ValueError):
            yield cell.cell_contents


def names_of(code: types.CodeType) -> Iterator[str]:
    """The names in a function's code, and in that of the functions inside it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from names_of(inner)


def copied(held: Any) -> Any:
    try:
        return copy.deepcopy(held)
    except Exception:  # what cannot be copied is left alone
        return held


def put(held: Any, content: Any) -> None:
    """Make the object hold this, in place."""
    if content is held:
        return
    if isinstance(held, np.ndarray):
        if held.flags.writeable and held.shape == content.shape:
            held[...] = content
    elif isinstance(held, list):
        held[:] = content
    elif isinstance(held, (dict, set)):
        held.clear()
        held.update(content)


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        is_like = isinstance(b, np.ndarray) and a.shape == b.shape
        return is_like and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    try:
        return bool(a == b)
    except Exception:
        return a is b
