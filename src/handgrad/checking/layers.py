"""What layer objects hold: methods, by the names that people use, arrays, and the gradients of these."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.checking.forms.gradients import gradient_names, in_dict
from handgrad.checking.forms.names import is_layer
from handgrad.checking.subject import independent, label

GRADIENT_HOLDERS = ("grads", "gradients", "grad")
PARAMETER_HOLDERS = ("params", "parameters", "weights", "_parameters")


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
        by_name = (in_dict(found, str(self.key)) for found in dicts)
        left = next((g for g in by_name if g is not None), None)
        return getattr(self.get(), "grad", None) if left is None else left  # of a tensor, its own


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
        elif _holds_more(value):
            yield from places(value, f"{here}.", seen)
        for key, item in _items(value):
            if _is_float_array(item) and not isinstance(value, tuple):
                bare = name in PARAMETER_HOLDERS and isinstance(key, str)
                yield Place(target, name, key, f"{path}{key}" if bare else f"{here}[{key}]")
            elif _holds_more(item):
                inner = f"{path}{key}." if name == "_modules" else f"{here}[{key}]."
                yield from places(item, inner, seen)


def _holds_more(x: Any) -> bool:
    return is_layer(x) or any(k.__module__ == "torch.nn.modules.module" for k in type(x).__mro__)


def _is_float_array(x: Any) -> bool:
    if isinstance(x, np.ndarray):
        return x.dtype.kind == "f"
    return type(x).__module__.startswith(("torch", "jax")) and str(getattr(x, "dtype", "")).endswith(
        ("float32", "float64", "float16", "bfloat16")
    )


def _items(value: Any) -> list[tuple[Any, Any]]:
    """What a list, tuple or dict holds, by key; nothing for anything else."""
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, (list, tuple)) else []


Key = tuple[str, str | None]  # a place's path and holder: the same in every copy of an object


@dataclass
class Parameter:
    """One array of a layer, wherever the layer keeps it."""

    path: str
    places: list[Key]

    @property
    def name(self) -> str:
        """Its bare name: W of ``layers[0].W`` and of ``params[W]``."""
        return (
            self.path.rpartition(".")[2].partition("[")[0] if "[" not in self.path else self.path.rstrip("]")
        )


class Held:
    """A layer object, and which of its arrays are parameters."""

    def __init__(self, layer: Any):
        self.layer = layer
        by_array: dict[int, Parameter] = {}
        for place in places(layer):
            known = by_array.setdefault(id(place.get()), Parameter(place.path, []))
            known.places.append((place.path, place.holder))
            if "[" in known.path and "[" not in place.path:
                known.path = place.path
        self.candidates = list(by_array.values())
        self.parameters: list[Parameter] = []

    def keep(self, after_backward: Any, returned: dict[str, Any]) -> None:
        """Parameters are the arrays for which a backward leaves, or returns, a gradient."""
        found = by_key(after_backward)
        self.parameters = [p for p in self.candidates if _gradient(p, found, returned) is not None]

    def values(self) -> list[Any]:
        found = by_key(self.layer)
        return [found[p.places[0]].get() for p in self.parameters]

    def with_values(self, values: list[Any], fresh: bool = True) -> Any:
        """The layer with these parameters: a copy, or (not fresh) itself."""
        made = independent(self.layer) if fresh else self.layer
        if made is self.layer and fresh and hasattr(made, "__dict__"):
            raise TypeError(f"{label(made)} cannot be copied, so it cannot be run again from its first state")
        found = by_key(made)
        for parameter, x in zip(self.parameters, values, strict=True):
            for key in parameter.places:
                if key in found:
                    found[key].set(x)
        return made

    def gradients(self, made: Any, returned: dict[str, Any]) -> list[Any]:
        found = by_key(made)
        return [_gradient(p, found, returned) for p in self.parameters]


def by_key(layer: Any) -> dict[Key, Place]:
    return {(p.path, p.holder): p for p in places(layer)}


def _gradient(p: Parameter, found: dict[Key, Place], returned: dict[str, Any]) -> Any:
    if p.path in returned:
        return returned[p.path]
    here = [found[key] for key in p.places if key in found]
    return next((g for g in (place.gradient() for place in here) if g is not None), None)


def numbers_held(layer: Any) -> dict[str, float]:
    """The numbers among the attributes of a layer and its class."""
    held: dict[str, Any] = {}
    for kind in reversed(type(layer).__mro__[:-1]):
        held |= vars(kind)
    held |= vars(layer)
    return {k: float(v) for k, v in held.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def methods(layer: Any, names: tuple[str, str] = ("forward", "backward")) -> list[Any]:
    """The functions of the layer's class, the backward first, the forward left out."""
    found: dict[str, Any] = {}
    left_out = {names[0], "__init__"} - {names[1]}
    for kind in type(layer).__mro__[:-1]:
        if (kind.__module__ or "").partition(".")[0] == "torch":
            continue
        for name, value in vars(kind).items():
            if inspect.isfunction(value) and name not in left_out:
                found.setdefault(name, value)
    return sorted(found.values(), key=lambda f: f.__name__ != names[1])
