"""Symbols: arrays of a shape and a dtype and no numbers. Each operation on one writes a line of a program."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import Operators
from handgrad.program.inference import DTYPES, ELEMENTWISE, REDUCTIONS, result
from handgrad.program.program import Operation, Program
from handgrad.rules import rule
from handgrad.tree import leaves

RULE_FILE = rule.__code__.co_filename


class SymbolNamespace:
    """``xp`` for symbols: every function of the standard that rules use writes an operation."""

    isdtype = staticmethod(np.isdtype)
    arange_like = staticmethod(lambda x, n: np.arange(n))
    stop_gradient = staticmethod(lambda x: x)

    def __getattr__(self, name: str) -> Callable:
        if name not in ELEMENTWISE | REDUCTIONS | DTYPES.keys():
            raise AttributeError(f"symbols have no operation {name}; add it to program/inference.py")

        def function(*args: Any, **options: Any) -> Symbol:
            return emit(name, args, options)

        setattr(self, name, function)
        return function


def emit(name: str, args: tuple, options: dict) -> Symbol:
    """Write one operation to the program of its arguments, and return its output."""
    program = next(x.program for x in leaves((args, options)) if isinstance(x, Symbol))
    found_shape, dtype = result(name, args, options)
    out = Symbol(program.fresh_name(), found_shape, dtype, program)
    program.operations.append(Operation(out, name, args, options, rule_at_work()))
    return out


def rule_at_work() -> str:
    """The rule whose body or backward is running, found among the callers; "" if there is none."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        caller = frame.f_back.f_code
        if caller.co_filename == RULE_FILE and caller.co_name in ("run_body", "backward"):
            rule, _, inner = frame.f_code.co_qualname.partition(".<locals>.")
            return f"{inner} of {rule}" if inner else rule
        frame = frame.f_back
    return ""


def watch(x: Any) -> Any:
    """x itself, of which a compiled program notes when it is not finite."""
    return emit("watch", (x,), {}) if isinstance(x, Symbol) else x


class Symbol(Operators):
    """An array of a program: its name, shape and dtype."""

    namespace = SymbolNamespace()
    __array_ufunc__ = None  # so that ndarray ∘ symbol comes to the symbol's operator

    def __init__(self, name: str, shape: tuple[int, ...], dtype: Any, program: Program):
        self.name = name
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.program = program

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return self.namespace

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("a symbol has no values for NumPy to look at: use handgrad's functions, or xp's")

    def meets(self, other: Any) -> bool:
        return isinstance(other, (Symbol, np.ndarray, np.generic, int, float))

    def __repr__(self) -> str:
        return self.name

    def __bool__(self) -> bool:
        raise TypeError(
            "a symbol has no value to branch on: pick with where(condition, x, y), "
            "which is the same for every value"
        )

    ndim = property(lambda self: len(self.shape))
    T = property(lambda self: emit("permute_dims", (self, tuple(reversed(range(len(self.shape))))), {}))

    def __len__(self) -> int:
        return self.shape[0]
