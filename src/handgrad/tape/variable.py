"""Recorded arrays: a Variable knows its value, and the node that made it.

A node is one use of a rule: what went in, and the way back. Nodes are numbered in the order in which they
were made, so walking them from the highest number down meets each one after all that used its
result: backpropagation is a loop, not a recursion.
"""

from __future__ import annotations

import contextlib
import contextvars
import heapq
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Recorded, cast, is_floating, shape, xp
from handgrad.rules import ALL
from handgrad.rules.rule import Rule
from handgrad.tape.numpy_functions import call_numpy_function, call_ufunc
from handgrad.tree import leaves, tree_map, unflatten

_orders = itertools.count()
_scope: contextvars.ContextVar[str] = contextvars.ContextVar("scope", default="")


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Nodes made inside carry this name, so that a graph can be told apart by layers."""
    token = _scope.set(name)
    try:
        yield
    finally:
        _scope.reset(token)


class Node:
    """One use of a rule: its inputs as they were given, and the backward that answers them."""

    __slots__ = ("backward", "inputs", "options", "order", "outputs", "rule", "scope")

    def __init__(
        self,
        rule: Rule | None = None,
        inputs: tuple = (),
        options: dict | None = None,
        backward: Callable[[Any], tuple] | None = None,
        outputs: tuple | None = None,
    ):
        self.rule = rule  # None for what was not computed: a leaf
        self.inputs = inputs
        self.options = options or {}
        self.backward = backward
        self.outputs = outputs  # the values, where a rule has several outputs
        self.order = next(_orders)
        self.scope = _scope.get()


class Variable(Recorded):
    """An array, or a number, whose history is recorded.

    It behaves like a NumPy array in expressions, in NumPy's own functions and in rules. ``value`` is
    what it holds, ``grad`` the gradient that the last ``backward`` gave it (None before).
    """

    __slots__ = ("__weakref__", "grad", "index", "level", "name", "node", "value")
    __array_priority__ = 1000

    def __init__(self, value: Any, level: int = 0, node: Node | None = None, index: int = 0):
        self.value = value
        self.level = level
        self.node = node or Node()
        self.index = index
        self.name: str | None = None
        self.grad: Any = None

    def record(self, rule: Rule, inputs: tuple, options: dict) -> Any:
        """Run a rule on what this level's variables hold, and note it."""
        level = self.level
        values = tuple(lowered(x, level) for x in inputs)
        out, backward = rule.pair(values, options)
        if isinstance(out, tuple):
            node = Node(rule, inputs, options, backward, out)
            return tuple(Variable(value, level, node, i) for i, value in enumerate(out))
        return Variable(out, level, Node(rule, inputs, options, backward))

    def backward(self, dout: Any = None) -> None:
        """Fill ``grad`` of every variable that this one was computed from, and of itself.

        ``dout`` is the gradient of the loss by this variable; a scalar needs none. Calling it
        again gives the same gradients again: they are set, not added to.

        Raises:
            ValueError: no ``dout`` for a variable that is not scalar, or one of another shape.
        """
        if dout is None:
            dout = unit_dout(self.value, "backward() without dout")
        seed = checked_dout(dout, self.value)
        for variable, grad in backpropagate([(self, seed)], keep=True):
            variable.grad = grad

    # What it is.

    shape = property(lambda self: shape(self.value))
    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: int(np.prod(self.shape)))
    T = property(lambda self: ALL["transpose"](self))

    @property
    def dtype(self) -> Any:
        return getattr(self.value, "dtype", None) or np.asarray(self.value).dtype

    @property
    def mT(self) -> Any:
        return ALL["transpose"](self, (*range(self.ndim - 2), self.ndim - 1, self.ndim - 2))

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
        return call_ufunc(namespace, ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: tuple, options: dict) -> Any:
        return call_numpy_function(namespace, function, args, options)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: tuple = (), options: Any = None) -> Any:
        return call_numpy_function(namespace, function, args, options or {})

    def __getitem__(self, index: Any) -> Any:
        return ALL["getitem"](self, index)

    def reshape(self, *shape: Any) -> Any:
        return ALL["reshape"](self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        return ALL["transpose"](self, *axes) if len(axes) <= 1 else ALL["transpose"](self, axes)

    def flatten(self) -> Any:
        return ALL["reshape"](self, (-1,))

    ravel = flatten


def _method(name: str) -> Callable:
    """A method that is the rule of the same name."""

    def method(self: Variable, *args: Any, **options: Any) -> Any:
        return getattr(numpy_namespace, name)(self, *args, **options)

    method.__name__, method.__doc__ = name, ALL[name].__doc__ if name in ALL else None
    return method


def _operator(name: str, swapped: bool = False) -> Callable:
    """An operator that is the rule, or the comparison, of that name."""

    def operator(self: Variable, other: Any) -> Any:
        other = np.asarray(other) if isinstance(other, list) else other
        pair = (other, self) if swapped else (self, other)
        return getattr(namespace, name)(*pair)

    return operator


def stripped(x: Any) -> Any:
    """The value at the bottom of a variable, or of a variable that holds one."""
    while isinstance(x, Variable):
        x = x.value
    return x


def lowered(x: Any, level: int) -> Any:
    """A rule's input with the variables of this level replaced by what they hold."""
    if isinstance(x, (list, tuple, dict)):
        return tree_map(lambda leaf: lowered(leaf, level), x)
    return x.value if isinstance(x, Variable) and x.level == level else x


NOT_DIFFERENTIABLE = frozenset(
    ["all", "any", "argmax", "argmin", "argsort", "array_equal", "array_equiv", "allclose", "around", "ceil", "count_nonzero", "digitize", "equal", "fix", "floor", "floor_divide", "greater", "greater_equal", "iscomplexobj", "isclose", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "isrealobj", "less", "less_equal", "lexsort", "logical_and", "logical_not", "logical_or", "logical_xor", "ndim", "nonzero", "not_equal", "result_type", "rint", "round", "searchsorted", "shape", "signbit", "size", "trunc", "unique", "arange_like", "empty_like", "full_like", "ones_like", "zeros_like", "random_uniform", "stop_gradient", "finfo", "iinfo", "isdtype", "can_cast", "astype_dtype", "arange", "asarray", "empty", "eye", "full", "linspace", "ones", "zeros", "e", "pi", "inf", "nan", "newaxis", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]
)


class RecordedNamespace:
    """The array namespace of variables: the rules, and what has no derivative on bare values."""

    def __getattr__(self, name: str) -> Any:
        if name in ALL:
            found: Any = ALL[name]
        elif name in NOT_DIFFERENTIABLE:
            found = self._on_values(name)
        else:
            raise AttributeError(
                f"there is no rule for {name}; write it with rules, add one with @rule, or pass .value "
                f"where no gradient is wanted"
            )
        setattr(self, name, found)
        return found

    def _on_values(self, name: str) -> Any:
        constant = getattr(np, name, None)
        if (not callable(constant) and constant is not None) or isinstance(constant, type):
            return constant

        def function(*args: Any, **options: Any) -> Any:
            return getattr(xp, name)(*tree_map(stripped, args), **options)

        return function


namespace: Any = RecordedNamespace()


class _NumpyNamespace:
    """Methods by NumPy's names and with NumPy's arguments."""

    def __getattr__(self, name: str) -> Any:
        def function(*args: Any, **options: Any) -> Any:
            return call_numpy_function(namespace, getattr(np, name), args, options)

        return function


numpy_namespace: Any = _NumpyNamespace()

for _name in ["add", "subtract", "multiply", "divide", "power", "matmul"]:
    _symbol = {"divide": "truediv", "power": "pow", "subtract": "sub", "multiply": "mul"}.get(_name, _name)
    setattr(Variable, f"__{_symbol}__", _operator(_name))
    setattr(Variable, f"__r{_symbol}__", _operator(_name, swapped=True))
for _name in ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]:
    _symbol = {"equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt"}.get(
        _name, "ge"
    )
    setattr(Variable, f"__{_symbol}__", _operator(_name))
for (
    _name
) in ["sum", "mean", "max", "min", "prod", "var", "std", "squeeze", "clip", "dot", "take", "argmax", "argmin", "round", "repeat", "swapaxes"]:
    setattr(Variable, _name, _method(_name))
Variable.__neg__ = lambda self: ALL["negative"](self)  # type: ignore[attr-defined]
Variable.__pos__ = lambda self: self  # type: ignore[attr-defined]
Variable.__abs__ = lambda self: ALL["abs"](self)  # type: ignore[attr-defined]
Variable.__hash__ = object.__hash__  # type: ignore[assignment]
Variable.astype = lambda self, dtype: ALL["astype"](self, dtype)  # type: ignore[attr-defined]


def variable(x: Any, name: str | None = None) -> Variable:
    """Start recording: a Variable that holds the array, number or (nested) list of numbers ``x``.

    Raises:
        TypeError: ``x`` does not hold real numbers.
    """
    value = np.asarray(x) if isinstance(x, (list, tuple)) else x
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
    return xp.ones_like(out) if hasattr(out, "dtype") else type(out)(1)


def checked_dout(dout: Any, out: Any) -> Any:
    """``dout`` as the gradient of ``out``: of its shape, and its dtype where both are floating."""
    dout = np.asarray(dout) if isinstance(dout, (list, tuple)) else dout
    if shape(dout) != shape(out):
        raise ValueError(f"dout has shape {shape(dout)}, but the output has {shape(out)}")
    return cast(dout, like=out) if is_floating(out) else dout


def backpropagate(seeds: list[tuple[Variable, Any]], keep: bool = False) -> list[tuple[Variable, Any]]:
    """Gradients of everything that the seeds were computed from, as pairs (variable, gradient).

    ``seeds`` are pairs of an output and its ``dout``. With ``keep``, the gradients of intermediate
    variables are given too, else only those of leaves.
    """
    grads: dict[int, Any] = {}
    reached: dict[int, dict[int, Variable]] = {}  # by a node's order: those of its outputs that were met
    nodes: list[int] = []

    def give(variable: Variable, dx: Any) -> None:
        key, order = id(variable), variable.node.order
        if key in grads:
            grads[key] = grads[key] + dx
            return
        grads[key] = dx
        if order not in reached:
            reached[order] = {}
            heapq.heappush(nodes, -order)
        reached[order][variable.index] = variable

    for variable, dout in seeds:
        give(variable, dout)
    found = []
    while nodes:
        outputs = reached[-heapq.heappop(nodes)]
        node = next(iter(outputs.values())).node
        if node.backward is None or keep:
            found += [(variable, grads[id(variable)]) for variable in outputs.values()]
        if node.backward is not None:
            _pull(node, outputs, grads, give)
    return found


def _pull(node: Node, outputs: dict[int, Variable], grads: dict, give: Callable) -> None:
    """One node's backward: its outputs' gradients in, its inputs' out."""
    assert node.backward is not None
    level = next(iter(outputs.values())).level
    if node.outputs is None:
        dout = grads.pop(id(outputs[0]))
    else:
        dout = tuple(
            grads.pop(id(outputs[i])) if i in outputs else xp.zeros_like(value)
            for i, value in enumerate(node.outputs)
        )
    for given, dx in zip(node.inputs, node.backward(dout), strict=True):
        if dx is None:
            continue
        if isinstance(given, Variable):
            if given.level == level:
                give(given, dx)
        elif isinstance(given, (list, tuple, dict)):
            for x, dxi in zip(leaves(given), leaves(dx), strict=True):
                if isinstance(x, Variable) and x.level == level and dxi is not None:
                    give(x, dxi)


__all__ = ["Node", "Variable", "backpropagate", "checked_dout", "scope", "stripped", "unflatten", "variable"]
