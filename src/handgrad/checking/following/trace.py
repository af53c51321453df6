"""A forward as the line of NumPy calls that it makes, each with its own Jacobian.

The forward is run on arrays that note what is done to them. It is the author's code, so everything
counts: NumPy's functions, methods, operators, writing into arrays. Each call is then a *step* with a
function of its inputs, differentiated by itself, numerically: no rule of ours has to know it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np

from handgrad.arrays import NUMPY
from handgrad.checking.following.rebinding import FOREIGN
from handgrad.tree import leaves, unflatten

MOST_STEPS = 400
FOLLOWER = "handgrad.checking.following.tracing"  # which calls the author's code


class Untraceable(Exception):
    """The forward does something that cannot be followed."""


class Step:
    """One call: which values it took, which it made, and the function between."""

    def __init__(
        self, name: str, call: Callable, inputs: list[int], values: list[np.ndarray], outs: list[np.ndarray]
    ):
        self.name, self.call, self.inputs, self.values, self.outs = name, call, inputs, values, outs
        self.site: tuple = ()  # where its author wrote it
        self.outputs: list[int] = []
        self.constants: list[float] = []
        self.with_numbers: Callable = lambda numbers: call
        self._J: dict[int, np.ndarray] = {}

    def jacobian(self, i: int) -> np.ndarray:
        """d out / d input i, (outputs, inputs)."""
        if i not in self._J:
            self._J[i] = self.jacobian_at(i, self.values)
        return self._J[i]

    def said(self, i: int) -> str:
        """In words: its function, and the shapes."""
        shapes = ", ".join(str(v.shape) for v in self.values)
        which = f" (operand {i + 1})" if len(self.values) > 1 else ""
        return f"{self.name} of {shapes}{which}"

    def without(self, i: int) -> None:
        """From now on nothing flows through input i."""
        self._J[i] = 0 * self.jacobian(i)

    def jacobian_at(self, i: int, values: list[np.ndarray]) -> np.ndarray:
        """By complex steps where the call carries complex numbers through, else by differences."""
        x = np.asarray(values[i], float)
        J = np.zeros((sum(np.size(o) for o in self.outs), x.size))
        by_complex = True
        for column in range(x.size):
            if by_complex:
                try:
                    J[:, column] = self._complex_column(i, values, x, column)
                    continue
                except Exception:  # whatever a call does that does not take complex numbers
                    by_complex = False
            J[:, column] = self._column(i, values, x, column)
        return J

    def _complex_column(self, i: int, values: list[np.ndarray], x: np.ndarray, column: int) -> np.ndarray:
        moved = x.astype(complex).ravel()
        moved[column] += 1e-30j
        made = [
            np.ravel(o) for o in leaves(self.call([*values[:i], moved.reshape(x.shape), *values[i + 1 :]]))
        ]
        whole = np.concatenate(made)
        if not np.iscomplexobj(whole):
            raise TypeError("not complex")
        return whole.imag / 1e-30

    def _column(self, i: int, values: list[np.ndarray], x: np.ndarray, column: int) -> np.ndarray:
        scale = max(abs(float(x.flat[column])), 0.1 * max(float(np.max(np.abs(x), initial=0.0)), 1e-3))
        h = 2.0**-13 * scale
        sides = []
        for t in (h, -h, h / 2, -h / 2):
            moved = x.copy().ravel()
            moved[column] += t
            sides.append(flat(self.call([*values[:i], moved.reshape(x.shape), *values[i + 1 :]])))
        wide, near = (sides[0] - sides[1]) / (2 * h), (sides[2] - sides[3]) / h
        return (4 * near - wide) / 3


def site() -> tuple:
    """Where in its author's code a call is made: the same for the turns of a loop, and for nothing else.

    Empty where its author made no call, as for what is traced first (JAX).
    """
    found: list[tuple] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") != FOLLOWER:
        if frame.f_globals.get("__name__", "").partition(".")[0] not in FOREIGN:
            found.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(found)


def flat(outs: Any) -> np.ndarray:
    parts = [np.ravel(o) for o in leaves(outs)]
    return np.concatenate([np.asarray(p, float) for p in parts]) if parts else np.zeros(0)


class Recording:
    """The steps of a forward, in order."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.values: list[np.ndarray] = []
        self.kind: type[Traced] = Traced  # of what is made

    def new(self, value: Any) -> int:
        self.values.append(np.array(value))
        return len(self.values) - 1

    def record(self, name: str, function: Callable, args: Any, kwargs: dict) -> Any:
        """Call a function on the values, and note it. ``args`` may nest."""
        tree = [list(args) if isinstance(args, tuple) else args, kwargs]
        found = leaves(tree)
        traced = [i for i, x in enumerate(found) if isinstance(x, Traced)]
        inputs = [found[i].slot for i in traced]
        values = [np.array(found[i].value) for i in traced]
        numbers = [i for i, x in enumerate(found) if isinstance(x, (float, np.floating))]
        held = [x.value if isinstance(x, Traced) else x for x in found]

        def with_numbers(given_numbers: list[float]) -> Callable:
            def call(given: list[np.ndarray]) -> Any:
                filled = list(held)
                for i, x in zip((*traced, *numbers), (*given, *given_numbers), strict=True):
                    filled[i] = x
                positional, named = unflatten(tree, filled)
                return function(*positional, **named)

            return call

        constants = [float(found[i]) for i in numbers]
        return self.note(name, with_numbers(constants), inputs, values, constants, with_numbers)

    def note(
        self,
        name: str,
        call: Callable,
        inputs: list[int],
        values: list,
        constants: list,
        with_numbers: Callable,
    ) -> Any:
        out = call([x.copy() for x in values])
        outs = leaves(out)
        if not all(isinstance(o, (np.ndarray, np.generic, float)) for o in outs):
            return out
        if not any(np.asarray(o).dtype.kind == "f" for o in outs) or not inputs:
            return out
        if len(self.steps) >= MOST_STEPS:
            raise Untraceable("too many steps")
        floats = [np.asarray(o, float) for o in outs]
        step = Step(name, call, inputs, values, floats)
        step.constants, step.with_numbers, step.site = constants, with_numbers, site()
        self.steps.append(step)
        made = []
        for o in floats:
            slot = self.new(o)
            step.outputs.append(slot)
            made.append(self.kind(self, np.array(o), slot))
        return unflatten(out, made)


def replayed(tape: Recording, number: int, constants: list[float]) -> Recording:
    """The same steps again, one of them with other numbers in it, and everything that follows from that."""
    other = Recording()
    other.values = [np.array(v) for v in tape.values]
    for i, step in enumerate(tape.steps):
        call = step.with_numbers(constants) if i == number else step.call
        values = [other.values[slot] for slot in step.inputs]
        outs = [np.asarray(o, float) for o in leaves(call(values))]
        made = Step(step.name, call, step.inputs, values, outs)
        made.outputs, made.site = step.outputs, step.site
        other.steps.append(made)
        for slot, out in zip(step.outputs, outs, strict=True):
            other.values[slot] = out
    return other


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that notes what is done to it."""

    namespace = NUMPY
    __array_priority__ = 2000

    def __init__(self, tape: Recording, value: np.ndarray, slot: int):
        self.tape, self.value, self.slot = tape, value, slot

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)
    strides = property(lambda self: self.value.strides)
    flags = property(lambda self: self.value.flags)
    T = property(lambda self: self.transpose())
    mT = property(lambda self: self.swapaxes(-1, -2))

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise Untraceable("it is made a plain array")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        function = getattr(ufunc, method)
        if method == "at":
            target, index, *rest = inputs
            self._update(target, f"{ufunc.__name__}.at", lambda a, *v: function(a, index, *v), rest)
            return None
        made = self.tape.record(ufunc.__name__, function, inputs, kwargs)
        if out is None:
            return made
        if not isinstance(out[0], Traced):
            raise Untraceable("it writes into a plain array")
        return out[0].become(made)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in (np.put_along_axis, np.fill_diagonal, np.copyto, np.place, np.put):
            raise Untraceable("it writes in place by a function")
        return self.tape.record(function.__name__, function, args, kwargs)

    def become(self, other: Any) -> Traced:
        """Written over."""
        self.value = np.array(other.value if isinstance(other, Traced) else other, float)
        self.slot = other.slot if isinstance(other, Traced) else self.tape.new(self.value)
        return self

    @staticmethod
    def _update(target: Any, name: str, function: Callable, rest: list[Any]) -> None:
        """``function(array, ...)`` writes into the array; here, into a copy that takes its place."""
        if not isinstance(target, Traced):
            raise Untraceable("it writes into a plain array")

        def written(a: np.ndarray, *values: Any) -> np.ndarray:
            a = np.array(a)
            function(a, *values)
            return a

        target.become(target.tape.record(name, written, (target, *rest), {}))

    def __getitem__(self, index: Any) -> Any:
        index = plain(index)
        return self.tape.record("getitem", lambda a: np.array(a[index]), (self,), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        index = plain(index)

        def write(a: np.ndarray, v: Any) -> None:
            a[index] = v

        self._update(self, "setitem", write, [value])

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self.value)))

    def __len__(self) -> int:
        return len(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __getattr__(self, name: str) -> Any:
        """A method of arrays: NumPy's, on the value."""
        if name.startswith("__") or not callable(getattr(np.ndarray, name, None)):
            raise AttributeError(name)
        if name in ("fill", "sort", "itemset", "put", "resize", "partition", "setfield", "tobytes", "item"):
            raise Untraceable(f"it calls .{name}")

        def method(*args: Any, **kwargs: Any) -> Any:
            return self.tape.record(
                name, lambda a, *rest, **named: getattr(a, name)(*rest, **named), (self, *args), kwargs
            )

        return method


def plain(index: Any) -> Any:
    """An index without recorded arrays in it."""
    if isinstance(index, tuple):
        return tuple(plain(i) for i in index)
    return index.value if isinstance(index, Traced) else index


# NumPy as the forward sees it: arrays that it makes can be written into.

MAKERS = ("zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like")
TAKERS = ("array", "asarray", "ascontiguousarray", "asfortranarray", "asanyarray", "float64", "copy")


class Shim:
    """The module ``numpy`` with its makers of arrays recorded."""

    def __init__(self, tape: Recording):
        self.tape = tape

    def __getattr__(self, name: str) -> Any:
        original = getattr(np, name)
        if name in MAKERS:
            return lambda *args, **kwargs: self._made(original(*map(plain, args), **kwargs))
        if name in TAKERS:
            return lambda x, *args, **kwargs: self._taken(original, x, args, kwargs)
        return original

    def _made(self, array: Any) -> Any:
        if np.asarray(array).dtype.kind != "f":
            return array
        return Traced(self.tape, np.array(array), self.tape.new(array))

    def _taken(self, original: Callable, x: Any, args: tuple, kwargs: dict) -> Any:
        if isinstance(x, Traced):
            return x if original is np.asarray else self.tape.record("copy", np.array, (x,), {})
        if any(isinstance(leaf, Traced) for leaf in leaves(x)):
            return self.tape.record(
                "array", lambda *parts: np.array(unflatten(x, list(parts)), float), tuple(leaves(x)), {}
            )
        return original(x, *args, **kwargs)
