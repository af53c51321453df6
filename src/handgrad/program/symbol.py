"""Symbols: arrays of a shape and a dtype and no numbers. Each operation on one writes a line of a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.program.inference import DTYPES, ELEMENTWISE, REDUCTIONS, result
from handgrad.program.program import Operation, Program
from handgrad.tree import leaves


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
    program.operations.append(Operation(out, name, args, options))
    return out


def _operators(name: str) -> tuple[Callable, Callable]:
    """``x ∘ y`` with the symbol on the left, and on the right."""

    def operator(self: Symbol, other: Any) -> Symbol:
        return emit(name, (self, other), {}) if _is_operand(other) else NotImplemented

    def swapped(self: Symbol, other: Any) -> Symbol:
        return emit(name, (other, self), {}) if _is_operand(other) else NotImplemented

    return operator, swapped


def _is_operand(x: Any) -> bool:
    return isinstance(x, (Symbol, np.ndarray, np.generic, int, float))


class Symbol:
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

    def __getitem__(self, index: Any) -> Symbol:
        return emit("getitem", (self, index), {})

    def __neg__(self) -> Symbol:
        return emit("negative", (self,), {})

    def __invert__(self) -> Symbol:
        return emit("logical_not", (self,), {})

    def __abs__(self) -> Symbol:
        return emit("abs", (self,), {})

    __add__, __radd__ = _operators("add")
    __sub__, __rsub__ = _operators("subtract")
    __mul__, __rmul__ = _operators("multiply")
    __truediv__, __rtruediv__ = _operators("divide")
    __pow__, __rpow__ = _operators("power")
    __matmul__, __rmatmul__ = _operators("matmul")
    __and__, __rand__ = _operators("logical_and")
    __or__, __ror__ = _operators("logical_or")
    __lt__, __gt__ = _operators("less")[0], _operators("greater")[0]
    __le__, __ge__ = _operators("less_equal")[0], _operators("greater_equal")[0]
    __eq__, __ne__ = _operators("equal")[0], _operators("not_equal")[0]
    __hash__ = object.__hash__
