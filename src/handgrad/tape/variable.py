"""Recorded arrays: a Variable knows its value, and the node that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from handgrad.arrays import Recorded, cast, is_floating, shape, size, xp
from handgrad.rules.rule import Rule
from handgrad.tape.graph import Node, backpropagate, callers
from handgrad.tape.namespace import namespace
from handgrad.tape.numpy_functions import call_function, call_ufunc, function_by_name
from handgrad.tree import tree_map


def _method(name: str) -> Callable:
    """A method that is NumPy's function of that name."""

    def method(self: Variable, *args: Any, **options: Any) -> Any:
        return function_by_name(name)(self, *args, **options)

    method.__name__ = name
    return method


class Variable(Recorded):
    """An array, or a number, whose history is recorded.

    It behaves like a NumPy array in expressions, in NumPy's own functions and in rules. ``value`` is
    what it holds, ``grad`` the gradient that the last ``backward`` gave it (None before).
    """

    __slots__ = ("__weakref__", "grad", "index", "level", "name", "node", "value")
    __array_priority__ = 1000
    _repr_html_: ClassVar[Callable[[Any], str]]  # what notebooks show, set by handgrad

    def __init__(self, value: Any, level: int = 0, node: Node | None = None, index: int = 0):
        self.value = value
        self.level = level
        self.node = node or Node()
        self.index = index  # which of the node's outputs
        self.name: str | None = None
        self.grad: Any = None

    def record(self, rule: Rule, inputs: tuple, options: dict) -> Any:
        """Run a rule on what the variables of this level hold, and note it."""
        level = self.level
        out, backward = rule.pair(tuple(lowered(x, level) for x in inputs), options)
        several = isinstance(out, tuple)
        node = Node(rule, inputs, options, backward, out if several else None)
        if level == 0:
            node.callers = callers()
        if several:
            return tuple(Variable(value, level, node, i) for i, value in enumerate(out))
        return Variable(out, level, node)

    def backward(self, dout: Any = None) -> None:
        """Fill ``grad`` of every variable that this one was computed from, and of itself.

        ``dout`` is the gradient of the loss by this variable; a scalar needs none. Calling it
        again gives the same gradients again: they are set, not added to.

        Raises:
            ValueError: no ``dout`` for a variable that is not scalar, or one of another shape.
        """
        if dout is None:
            dout = unit_dout(self.value, "backward() without dout")
        seeds = [(self, checked_dout(dout, self.value))]
        found = list(backpropagate(seeds))
        grads = owned(found, seeds)
        for variable, _ in found:
            variable.grad = grads[id(variable)]

    # What it is.

    shape = property(lambda self: shape(self.value))
    ndim = property(lambda self: len(shape(self.value)))
    size = property(lambda self: size(self.value))
    T = property(lambda self: namespace.transpose(self))
    mT = property(lambda self: function_by_name("swapaxes")(self, -1, -2))

    @property
    def dtype(self) -> Any:
        return self.value.dtype if hasattr(self.value, "dtype") else np.asarray(self.value).dtype

    def __repr__(self) -> str:
        name = f"{self.name}: " if self.name else ""
        return f"Variable({name}{self.value!r})"

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else repr(self)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def item(self) -> Any:
        """The value of a one-element variable as a Python number."""
        return self.value.item() if hasattr(self.value, "item") else self.value

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("a recorded array would lose its history as a NumPy array; take its .value")

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "a recorded array cannot be changed in place: its old value may be needed for the backward. "
            "Write x = where(mask, value, x), or add with x = x + scatter_add(value, index, x.shape)"
        )

    # How it computes.

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return namespace

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: tuple, options: dict) -> Any:
        return call_function(function, args, options)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: tuple = (), options: Any = None) -> Any:
        return call_function(function, args, options or {})

    def __pos__(self) -> Any:
        return self

    def reshape(self, *shape: Any) -> Any:
        return namespace.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        return namespace.transpose(self, *axes) if len(axes) <= 1 else namespace.transpose(self, axes)

    def flatten(self) -> Any:
        return namespace.reshape(self, (-1,))

    def astype(self, dtype: Any) -> Any:
        return namespace.astype(self, dtype)

    ravel = flatten
    sum, mean, prod, max, min = map(_method, ("sum", "mean", "prod", "max", "min"))
    var, std, argmax, argmin = map(_method, ("var", "std", "argmax", "argmin"))
    squeeze, swapaxes, take, repeat = map(_method, ("squeeze", "swapaxes", "take", "repeat"))
    clip, dot, round = map(_method, ("clip", "dot", "round"))


def array(x: Any) -> Any:
    """Lists and tuples of numbers as arrays; anything else as it is."""
    return np.asarray(x) if isinstance(x, (list, tuple)) else x


def lowered(x: Any, level: int) -> Any:
    """A rule's input with the variables of this level replaced by what they hold."""
    if isinstance(x, (list, tuple, dict)):
        return tree_map(lambda leaf: lowered(leaf, level), x)
    return x.value if isinstance(x, Variable) and x.level == level else x


def owned(found: list[tuple[Variable, Any]], seeds: list[tuple[Variable, Any]]) -> dict[int, Any]:
    """Gradients by the id of their variable, each in memory of its own, so that its owner may write into it.

    Rules may hand ``dout`` on as it is, to several inputs, or as a view that repeats it.
    """
    taken = {id(dout) for _, dout in seeds}
    grads = {}
    for made, dx in found:
        if isinstance(dx, np.ndarray) and (dx.base is not None or id(dx) in taken):
            dx = np.array(dx)
        taken.add(id(dx))
        grads[id(made)] = dx
    return grads


def variable(x: Any, name: str | None = None) -> Variable:
    """Start recording: a Variable that holds the array, number or (nested) list of numbers ``x``.

    Raises:
        TypeError: ``x`` does not hold real numbers.
    """
    value = array(x)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind not in "fiub":
        raise TypeError(f"a variable holds real numbers, not {value.dtype}")
    made = Variable(value)
    made.name = name
    return made


def unit_dout(out: Any, caller: str) -> Any:
    """The gradient of a scalar by itself: 1, of its own kind."""
    if shape(out) != ():
        raise ValueError(
            f"{caller} needs a scalar, and this output has shape {shape(out)}: "
            f"sum it, or say how much each element counts with dout"
        )
    return ones(out)


def ones(out: Any) -> Any:
    """1 for each element, of the kind of ``out``."""
    return xp.ones_like(out) if hasattr(out, "dtype") else type(out)(1)


def checked_dout(dout: Any, out: Any) -> Any:
    """``dout`` as the gradient of ``out``: of its shape, and its dtype where that is floating."""
    dout = array(dout)
    if shape(dout) != shape(out):
        raise ValueError(f"dout has shape {shape(dout)}, but the output has {shape(out)}")
    return cast(dout, like=out) if is_floating(out) else dout
