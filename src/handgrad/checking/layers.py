"""Layer objects: ``forward`` and ``backward``, caches on ``self``, gradients left in ``dW`` or ``grads``.

Each forward is run on a copy of the object as it was given, so that nothing it keeps leaks from one
evaluation into the next, and its own random generator starts at the same place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from handgrad.checking.subject import (
    Back,
    Subject,
    Unfit,
    Values,
    as_float64,
    copied,
    counted,
    douts_like,
    fixed_randomness,
    flat_names,
    independent,
    is_float,
    label,
    narrow_of,
    parameter_names,
)
from handgrad.tree import leaves, tree_map, unflatten

GRADIENT_HOLDERS = ("grads", "gradients", "grad")
PARAMETER_HOLDERS = ("params", "parameters", "weights")


@dataclass
class Place:
    """Where an object keeps an array: ``owner.key``, ``owner.holder[key]``."""

    owner: Any
    holder: str | None
    key: Any
    path: str

    def container(self) -> Any:
        return vars(self.owner)[self.holder] if self.holder else vars(self.owner)

    def get(self) -> Any:
        return self.container()[self.key]

    def set(self, x: Any) -> None:
        self.container()[self.key] = x

    def gradient(self) -> Any:
        """The gradient that the backward left for this array, by the names that people use."""
        held = vars(self.owner)
        if self.holder:
            for name in GRADIENT_HOLDERS:
                found = held.get(name)
                if isinstance(found, dict) and self.key in found:
                    return found[self.key]
                if isinstance(found, (list, tuple)) and isinstance(self.key, int) and self.key < len(found):
                    return found[self.key]
        dicts = [held[holder] for holder in GRADIENT_HOLDERS if isinstance(held.get(holder), dict)]
        for name in gradient_names(str(self.key)):
            if name in held:
                return held[name]
            for found in dicts:
                if name in found:
                    return found[name]
        return next((found[self.key] for found in dicts if self.key in found), None)


def gradient_names(name: str) -> tuple[str, ...]:
    bare = name.lstrip("_")
    return (f"d{bare}", f"d_{bare}", f"grad_{bare}", f"{bare}_grad", f"g_{bare}", f"_d{bare}", f"{bare}grad")


def places(target: Any, path: str = "", seen: set[int] | None = None) -> Iterator[Place]:
    """Every floating array that the object and its sublayers hold."""
    seen = set() if seen is None else seen
    if id(target) in seen or not hasattr(target, "__dict__"):
        return
    seen.add(id(target))
    for name, value in list(vars(target).items()):
        if name in GRADIENT_HOLDERS or name.startswith("__"):
            continue
        here = f"{path}{name}"
        if _is_float_array(value):
            yield Place(target, None, name, here)
        elif is_layer(value):
            yield from places(value, f"{here}.", seen)
        for key, item in _items(value):
            if _is_float_array(item) and not isinstance(value, tuple):
                bare = name in PARAMETER_HOLDERS and isinstance(key, str)
                yield Place(target, name, key, f"{path}{key}" if bare else f"{here}[{key}]")
            elif is_layer(item):
                yield from places(item, f"{here}[{key}].", seen)


def _is_float_array(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def _items(value: Any) -> list[tuple[Any, Any]]:
    """What a list, tuple or dict holds, by key; nothing for anything else."""
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, (list, tuple)) else []


def is_layer(x: Any) -> bool:
    """Whether this is an object in the notebook's style."""
    return not isinstance(x, type) and all(
        callable(getattr(x, name, None)) for name in ("forward", "backward")
    )


@dataclass
class Parameter:
    """One array of a layer, wherever the layer keeps it."""

    path: str
    places: list[int]  # numbers in the order of places()


class Held:
    """A layer object, and which of its arrays are parameters."""

    def __init__(self, layer: Any):
        self.layer = layer
        found = list(places(layer))
        by_array: dict[int, Parameter] = {}
        for number, place in enumerate(found):
            known = by_array.setdefault(id(place.get()), Parameter(place.path, []))
            known.places.append(number)
            if "[" in known.path and "[" not in place.path:
                known.path = place.path
        self.candidates = list(by_array.values())
        self.parameters: list[Parameter] = []

    def keep(self, after_backward: Any) -> None:
        """Parameters are the arrays for which a backward leaves a gradient."""
        now = list(places_like(self.layer, after_backward))
        self.parameters = [p for p in self.candidates if any(now[n].gradient() is not None for n in p.places)]

    def values(self) -> list[Any]:
        found = list(places(self.layer))
        return [found[p.places[0]].get() for p in self.parameters]

    def with_values(self, values: list[Any], fresh: bool = True) -> Any:
        """The layer with these parameters: a copy, or (not fresh) itself."""
        made = independent(self.layer) if fresh else self.layer
        if made is self.layer and fresh and hasattr(made, "__dict__"):
            raise TypeError(f"{label(made)} cannot be copied, so it cannot be run again from its first state")
        found = list(places(made))
        for parameter, x in zip(self.parameters, values, strict=True):
            for n in parameter.places:
                found[n].set(x)
        return made

    def gradients(self, made: Any) -> list[Any]:
        found = list(places_like(self.layer, made))
        return [
            next((g for g in (found[n].gradient() for n in p.places) if g is not None), None)
            for p in self.parameters
        ]


def places_like(original: Any, other: Any) -> list[Place]:
    """The places of ``original`` in another copy, which may hold more arrays by now."""
    by_path = {(p.path, p.holder): p for p in places(other)}
    return [by_path.get((p.path, p.holder)) or p for p in places(original)]


def of_layer(
    layer: Any,
    inputs: tuple,
    options: dict,
    name: str | None = None,
    named: Callable[[str], str] = "self.{}".format,
) -> Subject:
    """An object with ``forward`` and ``backward``, its parameters as inputs after its own.

    Args:
        layer: the object.
        inputs: of its forward.
        options: of its forward.
        name: how a report names it; its class, if not given.
        named: how a report names the parameter at a path such as ``layers[0].W``.
    """
    tree = tree_map(as_float64, list(inputs))
    flat = leaves(tree)
    held = Held(layer)
    count = len(flat)
    answered = _answered(held, tree, options)
    names = flat_names(parameter_names(layer.forward, len(inputs)), inputs)
    params = [as_float64(x) for x in held.values()]
    pair = _paired(held, tree, count, options)

    def again(other: Any, fresh: bool = True) -> Subject:
        """The same with another object of this layer's make."""
        kept = Held(other)
        kept.parameters = held.parameters
        return replace(subject, pair=_paired(kept, tree, count, options, fresh))

    def follow(given: list[Any], rebinder: Any) -> Any:
        made = rebinder.layer(held.with_values(given[count:]))
        return made.forward(*unflatten(tree, given[:count]), **options)

    subject = Subject(
        name=name or label(layer),
        style="layer",
        names=names + [named(p.path) for p in held.parameters],
        values=flat + params,
        checked=[is_float(x) and a for x, a in zip(flat, answered, strict=True)] + [True] * len(params),
        forward=lambda values: pair(values)[0],
        pair=pair,
        code=methods(layer),
        numbers=numbers_held(layer),
        parameters=frozenset(range(count, count + len(params))),
        notes=_unanswered(names, flat, answered),
        follow=follow,
        narrow=narrow_of(inputs),
        functions=lambda: methods(layer),
        rebuilt=lambda rebinder: again(rebinder.layer(independent(layer))),
        inner=layer,
    )
    return replace(subject, reused=lambda: again(independent(layer), fresh=False))


def _unanswered(names: list[str], flat: list[Any], answered: list[bool]) -> list[str]:
    return [
        f"backward gives no gradient for {name}, so it is taken as data, not checked"
        for name, x, is_answered in zip(names, flat, answered, strict=True)
        if is_float(x) and not is_answered
    ]


def _paired(held: Held, tree: list, count: int, options: dict, fresh: bool = True) -> Callable:
    """Pairs that each use a copy of the object as it was, or (not fresh) all one and the same object."""

    def pair(values: Values) -> tuple[list[Any], Back]:
        with fixed_randomness():
            made = held.with_values(values[count:], fresh)
            out = made.forward(*unflatten(tree, values[:count]), **options)

        def back(douts: list[Any]) -> list[Any]:
            grads = _of_inputs(call_backward(made, douts_like(out, douts)), tree)
            return grads + [None] * (count - len(grads)) + held.gradients(made)

        return leaves(out), back

    return pair


def numbers_held(layer: Any) -> dict[str, float]:
    """The numbers among the attributes of a layer and its class."""
    held: dict[str, Any] = {}
    for kind in reversed(type(layer).__mro__[:-1]):
        held |= vars(kind)
    held |= vars(layer)
    return {k: float(v) for k, v in held.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def methods(layer: Any) -> list[Any]:
    """The functions of the layer's class, the backward first, the forward left out."""
    found: dict[str, Any] = {}
    for kind in type(layer).__mro__[:-1]:
        for name, value in vars(kind).items():
            if inspect.isfunction(value) and name not in ("forward", "__init__"):
                found.setdefault(name, value)
    return sorted(found.values(), key=lambda f: f.__name__ != "backward")


def call_backward(layer: Any, dout: Any) -> Any:
    """``backward(dout)``; several douts as one tuple, or as arguments where it takes several."""
    if isinstance(dout, tuple):
        parameters = inspect.signature(layer.backward).parameters.values()
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if len(positional) == len(dout):
            return layer.backward(*dout)
    return layer.backward(dout)


def _answered(held: Held, tree: list, options: dict) -> list[bool]:
    """Run once: which inputs get a gradient, and which arrays are parameters."""
    with fixed_randomness():
        made = independent(held.layer)
        flat = copied(leaves(tree))
        out = made.forward(*unflatten(tree, flat), **options)
        douts = [np.ones(np.shape(o)) for o in leaves(out)]
        try:
            count = len(_of_inputs(call_backward(made, douts_like(out, douts)), tree))
        except Exception:  # it will be met again, and reported, when the gradients are asked for
            count = len(flat)
    held.keep(made)
    return [i < count for i in range(len(flat))]


def _of_inputs(grads: Any, tree: list) -> list[Any]:
    """The gradients of the inputs; where there are fewer, the last inputs have none (labels)."""
    flat = leaves(tree)
    if not isinstance(grads, (tuple, list)):
        given = [grads]
    elif len(grads) == len(tree) or len(tree) > 1:
        given = [leaf for dx in grads for leaf in leaves(dx)]
    else:
        given = leaves(grads)
    if len(given) > len(flat):
        raise Unfit(f"backward returned {counted(len(given), 'gradient')} for {counted(len(flat), 'input')}")
    return given
