"""Symbols: arrays of a shape and a dtype and no numbers. Each operation on one writes a line of a program."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import (
    NUMPY,
    Operators,
    contraction,
    convolution as convolutions,
    linear_algebra,
    windowing,
)
from handgrad.program.inference import ELEMENTWISE, OPERATIONS, PYTHON, by_numpy, result, sample
from handgrad.program.program import Operation, Program
from handgrad.rules.rule import at_work
from handgrad.tape.numpy_functions import call_function, call_ufunc
from handgrad.tape.refusals import HistoryLost
from handgrad.tree import leaves, tree_map

ARRAY_API = {"absolute": "abs", "true_divide": "divide"}  # what NumPy calls otherwise
BITWISE = {"bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_invert": "logical_not"}
"""What Python's operators are for truth values."""


class SymbolNamespace:
    """``xp`` for symbols: every function of the standard that rules use writes an operation."""

    isdtype = staticmethod(np.isdtype)
    arange_like = staticmethod(lambda x, n: np.arange(n))
    stop_gradient = staticmethod(lambda x: x)
    has_loops = True

    @staticmethod
    def scan(*args: Any, **options: Any) -> Any:
        from handgrad.program.scanning import scan  # which makes symbols

        return scan(*args, **options)

    pad = staticmethod(windowing.pad)
    sum_of_windows = staticmethod(windowing.sum_of_windows)
    max_of_windows = staticmethod(windowing.max_of_windows)
    convolution = staticmethod(convolutions.convolution)
    convolution_dx = staticmethod(convolutions.convolution_dx)
    convolution_dW = staticmethod(convolutions.convolution_dW)

    @staticmethod
    def einsum(subscripts: str, *arrays: Any) -> Any:
        """Two arrays at a time, their letters spelled out."""

        def contract(said: str, x: Any, y: Any) -> Any:
            is_known = not isinstance(x, Symbol) and not isinstance(y, Symbol)
            return NUMPY.einsum(said, x, y) if is_known else emit("einsum", (said, x, y), {})

        return contraction.in_pairs(subscripts, list(arrays), contract)

    @staticmethod
    def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
        of_x, of_y, target = contraction.letters_of_tensordot(x.ndim, y.ndim, axes)
        return SymbolNamespace.einsum(f"{of_x},{of_y}->{target}", x, y)

    @staticmethod
    def windows(x: Any, size: Any, stride: Any = 1, dilation: Any = 1, axes: Any = None) -> Any:
        found = windowing.windowing(x.shape, size, stride, dilation, axes)
        return emit("windows", (x, found.size, found.stride, found.dilation, found.axes), {})

    @staticmethod
    def unwindows(x: Any, shape: Any, stride: Any = 1, dilation: Any = 1, axes: Any = None) -> Any:
        found = windowing.of_windows(x, shape, stride, dilation, axes)
        return emit("unwindows", (x, found.shape, found.stride, found.dilation, found.axes), {})

    slogdet = staticmethod(lambda x: factors("slogdet", x))
    qr = staticmethod(lambda x: factors("qr", x))
    eigh = staticmethod(lambda x, UPLO="L": factors("eigh", x, UPLO))
    svd = staticmethod(lambda x: factors("svd", x))

    def __getattr__(self, name: str) -> Callable:
        if name not in OPERATIONS and by_numpy(name) is None:
            raise AttributeError(f"symbols have no operation {name}, and NumPy has no function of that name")

        def function(*args: Any, **options: Any) -> Symbol:
            is_truth = name in BITWISE and all(np.result_type(sample(x)).kind == "b" for x in args)
            return emit(BITWISE[name] if is_truth else name, args, options)

        setattr(self, name, function)
        return function


def emit(name: str, args: tuple, options: dict) -> Symbol:
    """Write one operation to the program of its arguments, and return its output.

    Raises:
        TypeError: an argument is of another trace; or the operation is not one of a program's.
        ValueError: the shapes do not fit together.
    """
    symbols = [x for x in leaves((args, options)) if isinstance(x, Symbol)]
    program = symbols[0].program
    if any(x.program is not program for x in symbols):
        program = max((x.program for x in symbols), key=lambda p: p.depth)
        args, options = tree_map(lambda x: inside(program, x, name), (args, options))
    stays_weak = name in PYTHON and not any(hasattr(x, "dtype") and not is_weak(x) for x in args)
    args = args if stays_weak else strengthened(name, args)
    found_shape, dtype = result(name, args, options)
    out = Symbol(program.fresh_name(), found_shape, dtype, program, stays_weak)
    program.operations.append(Operation(out, name, args, options, at_work.get()))
    return out


def factors(name: str, x: Any, *how: Any) -> tuple:
    """What a factorisation gives: one operation, and the parts of its result."""
    return linear_algebra.unpacked(name, emit("factors", (name, x, *how), {}), x.shape)


def inside(program: Program, x: Any, name: str) -> Any:
    """x as that program sees it: a symbol of a program around it becomes one of its inputs.

    Raises:
        TypeError: it is of another trace.
    """
    if not isinstance(x, Symbol) or x.program is program:
        return x
    if program.outer is None:
        raise TypeError(
            f"{name} was given an array of another trace: something kept it from an earlier call, in an "
            f"attribute or a global; return it instead"
        )
    x = inside(program.outer, x, name)
    if id(x) not in program.captured:
        made = Symbol(f"w{len(program.captured)}", x.shape, x.dtype, program, x.weak)
        program.captured[id(x)] = (x, made)
    return program.captured[id(x)][1]


tracing: contextvars.ContextVar[Program | None] = contextvars.ContextVar("tracing", default=None)
"""The program that is being traced."""


def strengthened(name: str, args: tuple) -> tuple:
    """Arguments in which a weak symbol beside arrays has their dtype, as a Python number would (NEP 50)."""
    if name not in ELEMENTWISE or not any(map(is_weak, args)):
        return args
    values = args[1:] if name == "where" else args
    strong = [sample(x) for x in values if hasattr(x, "dtype") and not is_weak(x)]
    if not strong:
        return args

    def beside(x: Any) -> Any:
        if not is_weak(x):
            return x
        return emit("astype", (x, np.result_type(*strong, x.dtype.type(1).item())), {})

    return tuple(map(beside, args))


def is_weak(x: Any) -> bool:
    """Whether x stands for a Python number, which takes the dtype of what it is combined with."""
    return isinstance(x, Symbol) and x.weak


def check_finite(x: Any) -> Any:
    """x itself, of which a compiled program notes when it is not finite."""
    return emit("check_finite", (x,), {}) if isinstance(x, Symbol) else x


def _method(name: str) -> Callable:
    """A method that is NumPy's function of that name."""

    def method(self: Symbol, *args: Any, **options: Any) -> Any:
        return getattr(np, name)(self, *args, **options)

    method.__name__ = name
    return method


class Symbol(Operators):
    """An array of a program: its name, shape and dtype. NumPy's functions of it are handgrad's rules."""

    namespace = SymbolNamespace()

    def __init__(self, name: str, shape: tuple[int, ...], dtype: Any, program: Program, weak: bool = False):
        self.name = name
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.program = program
        self.weak = weak  # whether it stands for a Python number

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        name = ARRAY_API.get(ufunc.__name__, ufunc.__name__)
        is_numpys = getattr(np, ufunc.__name__, None) is ufunc  # and not a namesake
        if is_numpys and method == "__call__" and not options and (name in ELEMENTWISE or name == "matmul"):
            return emit(name, inputs, {})
        return call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: tuple, options: dict) -> Any:
        try:
            return call_function(function, args, options)
        except TypeError:
            name = function.__name__
            if by_numpy(name) is not function:
                raise
            return emit(name, args, options)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return self.namespace

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise HistoryLost(
            "a symbol has no values to make a NumPy array of: write np.stack for np.array, "
            "and use handgrad's functions"
        )

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

    mT = property(lambda self: np.swapaxes(self, -1, -2))

    def __len__(self) -> int:
        return self.shape[0]

    def __pos__(self) -> Any:
        return self

    def astype(self, dtype: Any) -> Any:
        return emit("astype", (self, dtype), {})

    def reshape(self, *shape: Any) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def flatten(self) -> Any:
        return self.reshape(-1)

    ravel = flatten
    sum, mean, prod, max, min, var, std = map(_method, "sum mean prod max min var std".split())
    argmax, argmin, all, any, cumsum = map(_method, "argmax argmin all any cumsum".split())
    squeeze, swapaxes, take, repeat = map(_method, "squeeze swapaxes take repeat".split())
    clip, dot, round = map(_method, "clip dot round".split())
