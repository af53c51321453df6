"""Entries of NumPy code in the one form that can be handed to every checker.

A ``Plain`` is a function of float64 arrays that gives its outputs and the way back. Integers, flags and
labels are closed over; the parameters of a layer are inputs like the others.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.rules import Rule
from handgrad.tree import leaves, unflatten
from tests.checking.mutants.corpus import Entry

Array = np.ndarray
WayBack = Callable[[list[Array]], list[Any]]


class CannotTake(Exception):
    """Why a checker, or this adapter of it, cannot be asked about an entry."""


class BackwardFailed(Exception):
    """The entry's own backward raised: whoever calls it sees that it is wrong."""


@dataclass
class Plain:
    """``run(*inputs)`` gives a list of outputs, and douts -> one gradient, or None, for each input."""

    run: Callable[..., tuple[list[Array], WayBack]]
    inputs: list[Array]
    unlike: bool = False  # a gradient came that has not the shape of its input, or is not real

    def note(self, grads: list[Any]) -> list[Any]:
        for g, x in zip(grads, self.inputs, strict=True):
            self.unlike |= g is not None and (np.shape(g) != x.shape or np.iscomplexobj(g))
        return grads


def plain(entry: Entry) -> Plain:
    """The entry anew. No checker is asked about a float input, a mask say, that has no gradient by right."""
    pair, inputs = _pair(entry)
    places = [i for i, leaf in enumerate(leaves(list(inputs))) if is_float(leaf)]
    if entry.causes:
        return _of_pair(pair, inputs, places)
    trial = _of_pair(*_pair(entry), places)
    outs, way_back = trial.run(*trial.inputs)
    grads = way_back([np.ones_like(out) for out in outs])
    places = [i for i, g in zip(places, grads, strict=True) if g is not None]
    if not places:
        raise CannotTake("none of its inputs has a gradient")
    return _of_pair(pair, inputs, places)


def _pair(entry: Entry) -> tuple[Callable[..., tuple[Any, Callable]], tuple]:
    if entry.style == "class":
        layer = Layer(entry.fresh(), entry.inputs())
        return layer, (*entry.inputs(), *layer.parameters())
    return entry.target.vjp if isinstance(entry.target, Rule) else entry.target, entry.inputs()


def _of_pair(pair: Callable[..., tuple[Any, Callable]], inputs: tuple, places: list[int]) -> Plain:
    given = list(inputs)
    flat = leaves(given)

    def run(*arrays: Array) -> tuple[list[Array], WayBack]:
        moved = list(flat)
        for place, array in zip(places, arrays, strict=True):
            moved[place] = array if isinstance(flat[place], np.ndarray) else array[()]
        xs = unflatten(given, moved)
        out, backward = pair(*xs)
        way_back = _way_back(out, backward, given, places)
        outs = list(out) if isinstance(out, tuple) else [out]
        return outs, lambda douts: made.note(way_back(douts))

    made = Plain(run, [np.array(flat[place], np.float64) for place in places])
    return made


def is_float(leaf: Any) -> bool:
    return isinstance(leaf, float) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f")


def _way_back(out: Any, backward: Callable, given: list, places: list[int]) -> WayBack:
    calls = 0

    def way_back(douts: list[Array]) -> list[Any]:
        nonlocal calls
        calls += 1
        outs = out if isinstance(out, tuple) else (out,)
        fitted = [d if isinstance(o, np.ndarray) else d[()] for o, d in zip(outs, douts, strict=True)]
        try:
            grads = backward(tuple(fitted) if isinstance(out, tuple) else fitted[0])
        except Exception as error:
            if calls > 1:
                raise CannotTake(
                    "its backward can be called only once, the checker calls it again"
                ) from error
            raise BackwardFailed(f"{type(error).__name__}: {error}") from error
        return _by_place(grads if isinstance(grads, tuple) else (grads,), given, places)

    return way_back


def _by_place(grads: tuple, given: list, places: list[int]) -> list[Any]:
    """The gradients of the float leaves; what was not given is None."""
    if len(grads) > len(given):
        raise BackwardFailed(f"{len(grads)} gradients for {len(given)} inputs")
    flat: list[Any] = []
    for x, dx in zip(given, [*grads, *[None] * (len(given) - len(grads))], strict=True):
        several = isinstance(x, (list, tuple, dict))
        flat += leaves(dx) if several and dx is not None else [dx] * len(leaves(x))
    if len(flat) != len(leaves(given)):
        raise BackwardFailed(f"{len(flat)} gradients for {len(leaves(given))} arrays")
    return [flat[place] for place in places]


class Layer:
    """A layer object as a pair, of its inputs and then its parameters.

    Each forward has a copy of the layer that the forward before left: a cache is not overwritten while a
    checker holds the way back, but what a layer carries from one forward to the next, it carries. Random
    numbers are the same in each forward, as these checkers ask.
    """

    def __init__(self, layer: Any, inputs: tuple) -> None:
        self.latest = layer
        self.count = len(inputs)
        self.generators = {
            k: copy.deepcopy(v) for k, v in vars(layer).items() if isinstance(v, np.random.Generator)
        }
        self.getters = _parameters_of(layer, inputs)

    def parameters(self) -> list[Array]:
        return [parameter(self.latest).copy() for parameter, _ in self.getters]

    def __call__(self, *arrays: Any) -> tuple[Any, Callable]:
        layer = self.latest = copy.deepcopy(self.latest)
        vars(layer).update(copy.deepcopy(self.generators))
        xs, parameters = arrays[: self.count], arrays[self.count :]
        for (parameter, _), value in zip(self.getters, parameters, strict=True):
            parameter(layer)[...] = value

        def backward(dout: Any) -> tuple:
            dxs = layer.backward(dout)
            dxs = dxs if isinstance(dxs, tuple) else (dxs,)
            rest = [None] * (self.count - len(dxs))
            return (*dxs, *rest, *(gradient(layer) for _, gradient in self.getters))

        return layer.forward(*xs), backward


def _parameters_of(layer: Any, inputs: tuple) -> list[tuple[Callable, Callable]]:
    """How to get at each parameter and its gradient: ``W, dW``; ``params, grads`` as dicts or lists."""
    used = copy.deepcopy(layer)
    out = used.forward(*copy.deepcopy(inputs))
    try:
        used.backward(np.ones_like(out))
    except Exception:  # the checker shall meet it
        return []
    if isinstance(getattr(used, "params", None), dict):
        keys = [key for key in used.params if key in used.grads]
        return [(_item("params", key), _item("grads", key)) for key in keys]
    if isinstance(getattr(used, "params", None), (list, tuple)):
        return [(_item("params", i), _item("grads", i)) for i in range(len(used.params))]
    names = [name for name, value in vars(layer).items() if is_float(value) and f"d{name}" in vars(used)]
    return [(_attribute(name), _attribute(f"d{name}")) for name in names]


def _item(attribute: str, key: Any) -> Callable:
    return lambda layer: getattr(layer, attribute)[key]


def _attribute(name: str) -> Callable:
    return lambda layer: getattr(layer, name)
