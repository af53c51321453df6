"""Recorded arrays: a Variable knows its value, and the node that made it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from handgrad.arrays import Recorded, cast, is_array, is_floating, shape, size, stripped, xp
from handgrad.rules.rule import Rule
from handgrad.tape.functions.shaping import reshape
from handgrad.tape.graph import Node, backpropagate, callers
from handgrad.tape.interception import numpy_takes_recorded_from_now_on
from handgrad.tape.namespace import namespace
from handgrad.tape.numpy_functions import call_function, call_ufunc
from handgrad.tape.refusals import (
    AS_ARRAY,
    AS_NUMBER,
    COMPLEX,
    IN_PLACE,
    HistoryLost,
    checked,
    is_complex,
)
from handgrad.tape.tensors import attribute, call_method, call_torch, is_tensor
from handgrad.tree import tree_map


def _method(function: Any) -> Callable:
    """A method that is NumPy's function, or PyTorch's where the variable holds a tensor."""

    def method(self: Variable, *args: Any, **options: Any) -> Any:
        if is_tensor(self.value):
            return call_method(name, (self, *args), options)
        return call_function(function, (self, *args), options)

    name = method.__name__ = function.__name__
    return method


def _refused(name: str, message: str) -> Callable:
    """A method that would take the numbers out of their recording."""

    def method(self: Variable, *args: Any, **options: Any) -> Any:
        raise HistoryLost(message)

    method.__name__ = name
    return method


class Variable(Recorded):
    """An array, or a number, whose history is recorded.

    It behaves like a NumPy array in expressions, in NumPy's own functions and in rules. ``value`` is
    what it holds, ``grad`` the gradient that the last ``backward`` gave it (None before).

    Examples:
        >>> x = hg.variable(np.array([1.0, 2.0]), name="x")
        >>> y = hg.sum(x * x)
        >>> y.backward()
        >>> print(y.value, x.grad)
        5.0 [2. 4.]
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
        for value in out if several else (out,):
            if is_complex(value):
                raise TypeError(f"{rule.name}: its result is complex, and that {COMPLEX}")
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
    # Of a tensor it is a method, as PyTorch's is.
    size = property(lambda self: self.value.size if is_tensor(self.value) else size(self.value))
    T = property(lambda self: namespace.transpose(self))
    mT = property(lambda self: call_function(np.swapaxes, (self, -1, -2), {}))
    real = property(lambda self: self)
    imag = property(lambda self: xp.zeros_like(self))
    flat = property(lambda self: namespace.reshape(self, (-1,)))

    @property
    def dtype(self) -> Any:
        return self.value.dtype if hasattr(self.value, "dtype") else np.asarray(self.value).dtype

    def __getattr__(self, name: str) -> Any:
        """PyTorch's further methods of a recorded tensor: ``v.unsqueeze(0)``, ``v.mH``."""
        if name in Variable.__slots__ or name.startswith("__") or not is_tensor(self.value):
            raise AttributeError(f"a recorded array has no {name}")
        return attribute(self, name)

    def __repr__(self) -> str:
        name = f"{self.name}: " if self.name else ""
        return f"Variable({name}{self.value!r})"

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else repr(self)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    __float__, __complex__ = _refused("__float__", AS_NUMBER), _refused("__complex__", AS_NUMBER)
    item, tolist = _refused("item", AS_NUMBER), _refused("tolist", AS_NUMBER)
    __array__ = _refused("__array__", AS_ARRAY)
    __setitem__ = _refused("__setitem__", IN_PLACE)

    def __index__(self) -> int:
        if is_floating(self):
            raise HistoryLost(AS_NUMBER)
        return operator.index(self.value)

    __int__ = __index__

    def __bool__(self) -> bool:
        return bool(self.value)

    def __copy__(self) -> Variable:
        return self  # nothing changes it, and another would have no history

    def __deepcopy__(self, memo: dict) -> Variable:
        return self

    def copy(self, order: str = "C") -> Variable:
        return self

    # How it computes.

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return namespace

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: tuple, options: dict) -> Any:
        return call_function(function, args, options)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: tuple = (), options: Any = None) -> Any:
        return call_torch(function, args, options or {})

    def __pos__(self) -> Any:
        return self

    def __round__(self, digits: int = 0) -> Any:
        return namespace.round(self, digits)

    def __divmod__(self, other: Any) -> Any:
        return namespace.divmod(self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return namespace.divmod(other, self)

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        target = shape[0] if len(shape) == 1 else shape
        return namespace.reshape(self, target) if order == "C" else reshape(self, target, order)

    def transpose(self, *axes: Any) -> Any:
        if axes and is_tensor(self.value):
            return call_method("transpose", (self, *axes), {})
        return namespace.transpose(self, *axes) if len(axes) <= 1 else namespace.transpose(self, axes)

    def astype(self, dtype: Any, **options: Any) -> Any:
        """In another dtype; whole numbers have no derivative, and are a plain array."""
        made = namespace.astype(self, dtype)
        return made if is_floating(made) or is_complex(made) else stripped(made)

    flatten = ravel = _method(np.ravel)
    sum, mean, prod, max, min = map(_method, (np.sum, np.mean, np.prod, np.max, np.min))
    var, std, argmax, argmin = map(_method, (np.var, np.std, np.argmax, np.argmin))
    squeeze, swapaxes, take, repeat = map(_method, (np.squeeze, np.swapaxes, np.take, np.repeat))
    clip, dot, round, cumsum, cumprod = map(_method, (np.clip, np.dot, np.round, np.cumsum, np.cumprod))
    all, any, argsort, nonzero = map(_method, (np.all, np.any, np.argsort, np.nonzero))
    conj = conjugate = lambda self: self
    diagonal, trace = map(_method, (np.diagonal, np.trace))


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

    Examples:
        >>> x = hg.variable(3.0, name="x")
        >>> y = x * x
        >>> y.backward()
        >>> print(y.value, x.grad)
        9.0 6.0
    """
    value = checked(array(x))
    if isinstance(value, Recorded):
        raise HistoryLost(
            f"{x!r} is recorded already, and a new variable of it would have no history: use it"
        )
    if not (is_array(value) or isinstance(value, bool)):
        raise TypeError(f"a variable holds an array, a number or nested lists of numbers, not {x!r}")
    numpy_takes_recorded_from_now_on()
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
    dout = checked(array(dout))
    if shape(dout) != shape(out):
        raise ValueError(f"dout has shape {shape(dout)}, but the output has {shape(out)}")
    return cast(dout, like=out) if is_floating(out) else dout
