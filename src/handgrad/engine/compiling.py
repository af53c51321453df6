"""``compile``: any function of rules as native code, specialised to the shapes that it is called with."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.engine.compiled import SMALL_CALL, Code, NotCompiledWarning
from handgrad.program import trace
from handgrad.rules.rule import told
from handgrad.tree import leaves, tree_map, unflatten


class Compiled:
    """A function of rules as native code. ``codes`` holds one ``Code`` for each kind of arguments.

    Arrays are arguments by shape and dtype; anything else (Python numbers, slices, names) is part of the
    code, which is made anew for another value.
    """

    def __init__(self, f: Callable, threads: int | None = None, bfloat16: bool = False):
        functools.update_wrapper(self, f)
        self.f = f
        self.threads = threads
        self.bfloat16 = bfloat16
        self.codes: dict[Any, tuple[Code, Any] | None] = {}

    def __call__(self, *args: Any) -> Any:
        """f(*args), in arrays of its own.

        Raises:
            IndexError: an index is out of range for its axis.
        """
        arrays = [np.asarray(x) for x in leaves(args) if hasattr(x, "dtype")]
        found = self.code(args, arrays)
        if found is None:
            return self.f(*args)
        code, result = found
        arrays = [np.ascontiguousarray(x).reshape(x.shape) for x in arrays]
        outs = [np.empty(x.shape, x.dtype) for x in leaves(result) if hasattr(x, "dtype")]
        code(arrays, outs)
        made = iter(outs)
        return tree_map(lambda x: next(made)[()] if hasattr(x, "dtype") else x, result)

    def code(self, args: tuple, arrays: list[np.ndarray]) -> tuple[Code, Any] | None:
        """The code for arguments like these; None where the function cannot be compiled."""
        kinds = tree_map(lambda x: (x.shape, np.dtype(x.dtype)) if hasattr(x, "dtype") else repr(x), args)
        key = repr(kinds)
        if key not in self.codes:
            self.codes[key] = self.compiled(args, arrays)
        return self.codes[key]

    def compiled(self, args: tuple, arrays: list[np.ndarray]) -> tuple[Code, Any] | None:
        try:
            program = trace(self.traced(args), *arrays)
        except (TypeError, AttributeError) as error:
            name = getattr(self.f, "__name__", type(self.f).__name__)
            message = f"{name} runs on NumPy, uncompiled: {told(error)}"
            warnings.warn(message, NotCompiledWarning, stacklevel=4)
            return None
        code = Code(program, workers=self.threads, small=SMALL_CALL, bfloat16=self.bfloat16)
        return code, program.outputs

    def traced(self, args: tuple) -> Callable:
        """The function of its arrays alone."""

        def function(*arrays: Any) -> Any:
            given = iter(arrays)
            mixed = [next(given) if hasattr(x, "dtype") else x for x in leaves(args)]
            return self.f(*unflatten(args, mixed))

        return function

    def explain(self, ir: bool = False) -> str:
        """What was made of each kind of arguments that it was called with: see ``engine.explain``."""
        from handgrad.engine.explaining import explain

        parts = [explain(found[0], ir) for found in self.codes.values() if found is not None]
        return "\n\n".join(parts) or "nothing is compiled yet: call the function first"


def compile(f: Callable, threads: int | None = None, bfloat16: bool = False) -> Compiled:
    """``f`` as native code, made when it is first called with arrays of some shapes, and kept.

    ``f`` is any function of rules, its derivatives included: ``compile(value_and_grad(loss))``. Results are
    those of NumPy up to rounding: sums run in another order, products and sums may be rounded once, exp, log,
    tanh and erf are within 2 ulp, and subnormal numbers are 0. They are the same bits for any number of
    ``threads`` (as many as the process may use, for large programs, if not said).

    With ``bfloat16`` matrix products of float32 round their factors to bfloat16 (8 bits of mantissa) and sum
    in float32, by the processor's instruction for it; without one that is a ValueError when it is called.
    Products with a vector, which are sums, round nothing.

    Where there is no native code for a function, it runs on NumPy, and a ``NotCompiledWarning`` says why.
    """
    return Compiled(f, threads, bfloat16)
