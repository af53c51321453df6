"""``compile``: any function of rules as native code, specialised to the shapes that it is called with."""

from __future__ import annotations

import collections
import contextlib
import functools
import inspect
import os
import re
import types
import warnings
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import plain
from handgrad.engine.arguments import NoKey, checked, is_odd, is_of_another_kind, key_of
from handgrad.engine.code import SMALL_CALL, Code, NotCompiledWarning, OutOfRange
from handgrad.engine.runtime.threads import checked_threads
from handgrad.program import Symbol, stable_trace
from handgrad.rules.rule import told
from handgrad.tree import leaves, tree_map, unflatten

MOST = 64  # codes that a function keeps
PLAIN = (Symbol, np.ndarray, np.generic, bool, int, float, complex, str, bytes, type(None), slice)  # results


KINDS = "fiubcmM"  # of dtypes that programs have, if by NumPy


class Made(NamedTuple):
    """What was made for arguments of some kind: code, and what to put its results into."""

    code: Code
    result: Any
    takes_floats: bool  # as inputs; else they are a part of the code


class Compiled:
    """A function of rules as native code.

    ``codes`` holds what was made for each kind of arguments, None where that runs on NumPy; of more than
    ``MOST``, those that were not used for longest are let go.

    Examples:
        >>> f = hg.compile(lambda x: hg.sum(hg.exp(-x * x)))
        >>> isinstance(f, hg.engine.Compiled), f(np.zeros(3)).tolist()
        (True, 3.0)
    """

    def __init__(self, f: Callable, threads: int | None = None, bfloat16: bool = False):
        functools.update_wrapper(self, f)
        self.f = f
        self.threads = checked_threads(threads)
        self.bfloat16 = bfloat16
        self.codes: collections.OrderedDict[Hashable, Made | None] = collections.OrderedDict()
        self.by_value: set[Hashable] = set()  # kinds of arguments whose floats are looked at

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """f(...), in arrays of its own. Of recorded and traced arrays, and other libraries', f itself.

        Raises:
            TypeError: an argument that code cannot be kept for, such as an object of a class of one's own.
            IndexError: an index is out of range for its axis.
            ValueError: a label is out of range.
        """
        parts = leaves((args, keywords))
        if any(map(is_of_another_kind, parts)):
            return self.f(*args, **keywords)
        found = self.found(args, keywords, parts)
        if found is None:
            return self.f(*args, **keywords)
        code, result, takes_floats = found
        arrays = arrays_in(parts, takes_floats)
        outs = [np.empty(x.shape, x.dtype) for x in leaves(result) if hasattr(x, "dtype")]
        try:
            code(arrays, outs)
        except OutOfRange:
            self.f(*args, **keywords)  # which names the rule, the index and the axis
            raise
        made = iter(outs)
        return tree_map(lambda x: next(made)[()] if hasattr(x, "dtype") else x, result)

    def found(self, args: tuple, keywords: dict, parts: list) -> Made | None:
        """What was made for arguments like these, made now if they are the first; None for NumPy."""
        if any(map(is_odd, parts)):
            checked(self.f, args, keywords)
        given = (args, keywords)
        try:
            kind = key_of(given)
        except NoKey:
            checked(self.f, args, keywords)
            raise
        key = self.key(kind, given)
        try:
            self.codes.move_to_end(key)
            return self.codes[key]
        except KeyError:  # it is new, or another thread has let it go
            made = self.made(kind, given, parts)
        self.codes[self.key(kind, given)] = made
        while len(self.codes) > MOST:
            self.codes.popitem(last=False)
        return made

    def key(self, kind: Hashable, given: tuple) -> Hashable:
        return (kind, key_of(given, by_value=True)) if kind in self.by_value else kind

    def made(self, kind: Hashable, given: tuple, parts: list) -> Made | None:
        """Code for arguments like these; where floats must have values, for these values."""
        odd = [x.dtype for x in parts if is_input(x) and x.dtype.kind not in KINDS]
        if odd:
            self.warn(f"it was given an array of {odd[0]}")
            return None
        with contextlib.suppress(ValueError):  # it has no signature
            inspect.signature(self.f).bind(*given[0], **given[1])
        try:
            if kind not in self.by_value:
                try:
                    return self.compiled(given, parts, takes_floats=True)
                except (TypeError, AttributeError):
                    if float not in map(type, parts):
                        raise
            made = self.compiled(given, parts, takes_floats=False)
        except (TypeError, AttributeError) as error:
            self.warn(told(error))
            return None
        self.by_value.add(kind)
        return made

    def compiled(self, given: tuple, parts: list, takes_floats: bool) -> Made:
        inputs = [x for x in parts if is_input(x, takes_floats)]

        def function(*arrays: Any) -> Any:
            following = iter(arrays)
            mixed = [next(following) if is_input(x, takes_floats) else x for x in parts]
            args, keywords = unflatten(given, mixed)
            return self.f(*args, **keywords)

        like = [plain(x, kinds=KINDS) if is_input(x) else x for x in inputs]
        program = stable_trace(function, *like)
        for x in leaves(program.outputs):
            if not isinstance(x, PLAIN):
                raise TypeError(
                    f"it returns a {type(x).__name__}, and code gives arrays, in lists, tuples and dicts"
                )
        code = Code(program, workers=self.threads, small=SMALL_CALL, bfloat16=self.bfloat16)
        return Made(code, program.outputs, takes_floats)

    def warn(self, why: str) -> None:
        warnings.warn(f"{self.name} runs on NumPy, uncompiled: {why}", NotCompiledWarning, stacklevel=5)

    @property
    def name(self) -> str:
        return getattr(self.f, "__name__", type(self.f).__name__)

    def __repr__(self) -> str:
        return f"<compiled {self.name}, for {len(self.codes)} kinds of arguments>"

    def __reduce__(self) -> Any:
        """A copy makes its own code."""
        return (Compiled, (self.f, self.threads, self.bfloat16))

    def export(self, path: str | os.PathLike, *args: Any, target: str | None = None) -> list[Path]:
        """Write the function, for arguments like these, to a file that runs without handgrad.

            f = hg.compile(layer)
            f.export("layer.wasm", x, W)

        The path's ending says what it is: ``.wasm``, a WebAssembly module, with ``loader.mjs`` beside it for
        browsers and node; ``.o``, an object file, with a C header ``.h``; ``.py``, a file of NumPy with the
        same operations rule by rule, and an ``.npz`` if it has large constants.

        Args:
            args: arrays and numbers, all inputs of what is written; only their shapes and dtypes matter. What
                is neither (strings, slices) is a part of it.
            target: of an object file: ``sse2`` (any x86-64, if not said), ``avx2``, ``avx512`` or ``neon``
                (AArch64).

        Returns:
            The files that were written.

        Raises:
            TypeError: the function cannot be traced.
            ValueError: another ending or target; shapes that do not fit.
            NotCompiled: an operation needs NumPy, which the file has not.
        """
        from handgrad.engine.exporting import Exported, write
        from handgrad.engine.targets.here import elsewhere

        name = re.sub(r"\W", "_", self.name.replace("<lambda>", "f"), flags=re.ASCII)
        about = inspect.getdoc(self.f) if isinstance(self.f, types.FunctionType) else None
        exported = Exported(
            name, stable_trace(self.f, *args), names_of(self.f, args), first_line(about or name)
        )
        return write(exported, Path(path), None if target is None else elsewhere(target))

    def explain(self, ir: bool = False) -> str:
        """What was made of each kind of arguments that it was called with: see ``engine.explain``."""
        from handgrad.engine.explaining import explain

        parts = [explain(found.code, ir) for found in self.codes.values() if found is not None]
        return "\n\n".join(parts) or "nothing is compiled yet: call the function first"


def names_of(f: Callable, args: tuple) -> list[str]:
    """What a function calls its arguments; those of ``*args`` by their number."""
    own = []
    with contextlib.suppress(ValueError, TypeError):  # it has no signature
        bound = inspect.signature(f).bind(*args)
        kinds = bound.signature.parameters
        own = [name for name in bound.arguments if kinds[name].kind is not inspect.Parameter.VAR_POSITIONAL]
    return [*own, *(f"a{i}" for i in range(len(own), len(args)))]


def first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""


def is_input(x: Any, takes_floats: bool = False) -> bool:
    return isinstance(x, (np.ndarray, np.generic)) or (takes_floats and type(x) is float)


def arrays_in(parts: list, takes_floats: bool) -> list[np.ndarray]:
    """The inputs of code, each in one piece, in this machine's byte order."""
    found = []
    for x in parts:
        if is_input(x, takes_floats):
            x = np.asarray(x)
            x = x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))
            found.append(np.ascontiguousarray(x).reshape(x.shape))
    return found


def compile(f: Callable, threads: int | None = None, bfloat16: bool = False) -> Compiled:
    """``f`` as native code, made when it is first called with arrays of some shapes, and kept.

    ``f`` is any function of rules, its derivatives included: ``compile(value_and_grad(loss))``. Results are
    those of NumPy up to rounding: sums run in another order, products and sums may be rounded once, exp, log,
    tanh and erf are within 2 ulp, and subnormal numbers are 0. They are the same bits for any number of
    ``threads`` (as many as the process may use, for large programs, if not said).

    Arguments are arrays and numbers, in lists, tuples and dicts. Code is made anew for other shapes and
    dtypes, and for other values of what is neither an array nor a float: integers, strings, slices. The 64
    used last are kept. What ``f`` finds elsewhere, in globals, attributes, and arrays that it closes over, is
    a part of the code as it was at the first call, so a network that is trained must be given as
    ``net.parameters()``. ``f`` is traced twice, and where the second run computes something else (random
    numbers, a counter) it is not compiled.

    A compiled function of recorded arrays, in another compiled one, in a loss or under ``jax.jit`` is ``f``.

    With ``bfloat16`` matrix products of float32 round their factors to bfloat16 (8 bits of mantissa) and sum
    in float32, by the processor's instruction for it; without one that is a ValueError when it is called.
    Products with a vector, which are sums, round nothing.

    Where there is no native code for a function, it runs on NumPy, and a ``NotCompiledWarning`` says why.

    Raises:
        TypeError, ValueError: ``threads`` is no number of threads.

    Examples:
        >>> step = hg.compile(hg.value_and_grad(lambda x: hg.sum(x * x)))
        >>> value, dx = step(np.array([1.0, 2.0]))
        >>> print(value, dx)
        5.0 [2. 4.]
    """
    return Compiled(f, threads, bfloat16)
