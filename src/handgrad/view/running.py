"""Running what is to be shown on recorded arrays, and knowing each of them by a name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from handgrad.arrays import Recorded, is_array, is_floating, shape
from handgrad.layers import Layer
from handgrad.rules import Rule
from handgrad.tape import Variable, variable
from handgrad.tree import leaves, unflatten
from handgrad.view.graph import INPUT, PARAMETER
from handgrad.view.jaxprs import is_jax, recorded_call
from handgrad.view.modules import check_same, is_module, plain_output, recording
from handgrad.view.naming import Names


class Run:
    """One run of a target: what came out, and what each array that went in is called."""

    def __init__(self, target: Any, inputs: tuple, loss: Callable | None, t: Any, has_batch: bool = False):
        self.name = name_of(target)
        self.known: dict[int, tuple[str, str]] = {}  # by the id of an array: its name and role
        self.kept: list[Any] = []  # so that no id is used twice
        self.has_batch = (
            has_batch or isinstance(target, Layer) or is_module(target)
        )  # a function's matrix need not be one
        self.batch: int | None = None
        self.names = Names()
        if is_recorded(target):
            self.names.around()
        out = target if is_recorded(target) else self.call(target, inputs)
        if loss is not None:
            self.know(t, "t", INPUT)
            with self.names:
                out = loss(out, *([] if t is None else [t]))
        self.end = "loss" if loss is not None else "out"
        self.outputs = [x for x in leaves(out) if isinstance(x, Variable)]

    def call(self, target: Any, inputs: tuple) -> Any:
        """The target's output for recorded inputs and parameters."""
        named = list(zip(input_names(target, len(inputs)), inputs, strict=True))
        numbers = [x for x in leaves(list(inputs)) if is_array(x) and not isinstance(x, Recorded)]
        is_network = isinstance(target, Layer) or is_module(target)
        some_float = is_network or any(map(is_floating, numbers))
        xs = [self.recorded(x, name, INPUT, some_float) for name, x in named]
        if self.has_batch:
            self.batch = next((shape(x)[0] for x in leaves(xs) if len(shape(x)) > 1), None)
        if isinstance(target, Layer):
            own = {name: self.recorded(p, name, PARAMETER, True) for name, p in target.parameters().items()}
            with self.names:
                return target.bind(own)(*xs)
        if is_module(target):
            plain = plain_output(target, inputs)
            with recording(target, lambda p, name: self.recorded(p, name, PARAMETER, True)):
                made = target(*xs)
            if plain is not None:
                check_same(target, plain, made)
            return made
        with self.names:
            return called(function_of(target), xs)

    def recorded(self, given: Any, name: str, role: str, floats_only: bool) -> Any:
        """The arrays of an argument as variables; integers stay as they are beside floating-point ones."""
        flat = leaves(given)
        names = places(given, name)
        made = []
        for x, called in zip(flat, names, strict=True):
            wanted = is_array(x) and not isinstance(x, Recorded) and (is_floating(x) or not floats_only)
            made.append(variable(x, called) if wanted else x)
            self.know(made[-1], called, role)
        return unflatten(given, made)

    def know(self, given: Any, name: str, role: str) -> None:
        for x in leaves(given):
            if hasattr(x, "dtype"):  # a bare number is no array of its own: Python has one 2 for all
                self.known[id(x)] = (name, role)
                self.kept.append(x)


def called(f: Callable, xs: list[Any]) -> Any:
    """What a function gives of recorded arrays: by rules; of JAX's own functions by their primitives."""
    try:
        return f(*xs)
    except (TypeError, ValueError):
        if not is_jax(xs):
            raise
    return recorded_call(f, xs)


def places(given: Any, name: str) -> list[str]:
    """Names of an argument's arrays: its own, or where it is nested, x[0], x['W'], x[1][0]."""
    if isinstance(given, dict):
        return [place for key, x in given.items() for place in places(x, f"{name}[{key!r}]")]
    if isinstance(given, (list, tuple)):
        return [place for i, x in enumerate(given) for place in places(x, f"{name}[{i}]")]
    return [name]


def is_recorded(target: Any) -> bool:
    """Whether this is a result, of which there is nothing left to run."""
    return any(isinstance(x, Variable) for x in leaves(target))


def function_of(target: Any) -> Callable:
    """What to call: the target, or its ``forward``.

    Raises:
        TypeError: there is nothing to call.
    """
    forward = getattr(target, "forward", None)
    if callable(forward) and not isinstance(target, type):
        return forward
    if callable(target):
        return target
    raise TypeError(
        f"there is nothing to show in {target!r}: give a network and its inputs, a function of rules and its "
        f"inputs, or a Variable that was computed from others"
    )


def name_of(target: Any) -> str:
    if isinstance(target, (Layer, Rule)):
        return target.name if isinstance(target, Rule) else type(target).__name__
    if is_recorded(target):
        first = next(x for x in leaves(target) if isinstance(x, Variable))
        return first.name or "recorded"
    return getattr(target, "__name__", type(target).__name__)


def input_names(target: Any, count: int) -> list[str]:
    """What the inputs are called: as its parameters are, as far as they can be told."""
    if isinstance(target, Rule):
        named = list(target.inputs)
    else:
        try:
            named = [p.name for p in inspect.signature(function_of(target)).parameters.values()]
        except ValueError:
            named = []
    if len(named) < count or len(set(named[:count])) < count:
        named = [f"x{i + 1}" for i in range(count)] if count > 1 else ["x"]
    return named[:count]
