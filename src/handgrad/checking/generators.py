"""The random generators of an author's own: those that his code can reach, beside the global ones."""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.checking.memory import reachable
from handgrad.rules.rule import Rule

LIBRARIES = ("handgrad", "torch", "jax", "jaxlib", "numpy", "autograd", "scipy", "builtins")
METHODS = (types.FunctionType, staticmethod, classmethod)
MANY = 100  # things in a list or a dict, of which no more are looked at

Rewind = Callable[[], None]


def generators_of(target: Any) -> list[Any]:
    """Each once."""
    return list(_found(target, set()))


def _found(x: Any, seen: set[int]) -> Iterator[Any]:
    if id(x) in seen:
        return
    seen.add(id(x))
    if is_generator(x):
        yield x
        return
    for part in _parts(x):
        yield from _found(part, seen)


def _parts(x: Any) -> list[Any]:
    """What may hold a generator: what a function names, an object's class and attributes."""
    if isinstance(x, Rule):
        return [x.body]
    if isinstance(x, types.FunctionType):
        return list(reachable(x, set()))
    if isinstance(x, types.MethodType):
        return [x.__func__, x.__self__]
    if isinstance(x, (staticmethod, classmethod)):
        return [x.__func__]
    if isinstance(x, (list, tuple, dict)):
        return list(x.values() if isinstance(x, dict) else x)[:MANY]
    kind = x if isinstance(x, type) else type(x)
    if isinstance(x, types.ModuleType) or (kind.__module__ or "").partition(".")[0] in LIBRARIES:
        return []
    methods = [f for f in vars(kind).values() if isinstance(f, METHODS)]
    attributes = list(vars(x).values()) if x is not kind and hasattr(x, "__dict__") else []
    return [*kind.__bases__, *methods, *attributes]


def is_generator(x: Any) -> bool:
    torchs = getattr(sys.modules.get("torch"), "Generator", ())
    return isinstance(x, (np.random.Generator, np.random.RandomState, random.Random, torchs))


def rewinds(generator: Any) -> Rewind | None:
    """What puts a generator back to where it is now; None for one that has no state, as the system's."""
    try:
        if isinstance(generator, np.random.Generator):
            bits, at = generator.bit_generator, generator.bit_generator.state
            return lambda: setattr(bits, "state", at)
        if isinstance(generator, random.Random):
            state = generator.getstate()
            return lambda: generator.setstate(state)
        is_numpys = isinstance(generator, np.random.RandomState)
        kept = generator.get_state(legacy=False) if is_numpys else generator.get_state()
        return lambda: generator.set_state(kept)
    except NotImplementedError:  # which those say that have none
        return None
