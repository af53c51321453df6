"""Copies of a target's functions that see other things in the place of some."""

from __future__ import annotations

import types
from typing import Any

FOREIGN = (  # the libraries whose functions are left as they are
    *("numpy", "scipy", "torch", "jax", "jaxlib", "handgrad", "builtins", "math", "functools"),
    *("itertools", "operator", "random", "contextlib", "typing", "dataclasses", "collections"),
)


class Rebinder:
    """Copies of functions, and of what they call, with objects replaced wherever they are named.

    Not ``deep``: only the functions that are named themselves, which is quick.
    """

    def __init__(self, replaced: dict[int, Any], deep: bool = True):
        self.replaced = dict(replaced)  # by the id of what is replaced
        self.deep = deep
        self.globals: dict[int, dict] = {}

    def function(self, f: Any) -> Any:
        if id(f) in self.replaced:
            return self.replaced[id(f)]
        if not self.deep or not isinstance(f, types.FunctionType) or is_foreign(f):
            return f
        made = types.FunctionType(f.__code__, self.namespace(f), f.__name__, f.__defaults__, f.__closure__)
        self.replaced[id(f)] = made
        if f.__closure__ is not None:
            cells = tuple(map(self._cell, f.__closure__))
            made = types.FunctionType(f.__code__, self.namespace(f), f.__name__, f.__defaults__, cells)
        made.__kwdefaults__ = f.__kwdefaults__
        made.__module__ = f.__module__
        self.replaced[id(f)] = made
        return made

    def _cell(self, cell: Any) -> Any:
        try:
            held = cell.cell_contents
        except ValueError:  # not filled yet
            return cell
        other = self.value(held)
        return cell if other is held else types.CellType(other)

    def namespace(self, f: Any) -> dict:
        """A copy of a function's globals, with what is in it replaced."""
        known = self.globals.get(id(f.__globals__))
        if known is None:
            known = self.globals[id(f.__globals__)] = dict(f.__globals__)
            for name, held in list(f.__globals__.items()):
                other = self.value(held)
                if other is not held:
                    known[name] = other
        return known

    def value(self, held: Any) -> Any:
        if id(held) in self.replaced:
            return self.replaced[id(held)]
        return self.function(held) if isinstance(held, types.FunctionType) else held

    def layer(self, made: Any) -> Any:
        """An object whose class's functions are copies."""
        made.__class__ = self.kind(type(made))
        return made

    def kind(self, cls: type) -> type:
        """A subclass whose functions are copies."""
        own: dict[str, Any] = {}
        for base in reversed(cls.__mro__[:-1]):
            if (base.__module__ or "").partition(".")[0] in FOREIGN:
                continue
            for name, value in vars(base).items():
                if isinstance(value, types.FunctionType):
                    own[name] = self.function(value)
                elif isinstance(value, (staticmethod, classmethod)) and isinstance(
                    value.__func__, types.FunctionType
                ):
                    own[name] = type(value)(self.function(value.__func__))
        return type(cls)(cls.__name__, (cls,), own)


def is_foreign(f: Any) -> bool:
    """Whether a function belongs to a library, not to the target's author."""
    return (f.__module__ or "").partition(".")[0] in FOREIGN
