"""NumPy's own functions on recorded arrays: ``np.exp(v)``, ``np.sum(v, axis=0)``, ``np.add.outer(v, w)``.

What a function is for recorded arrays is looked up by the function itself, so that a namesake is never
taken for it; the table is made in ``tape/functions``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped
from handgrad.tape import unrecorded
from handgrad.tape.functions import TABLE
from handgrad.tape.functions.creation import gathered
from handgrad.tape.functions.ordering import running
from handgrad.tape.functions.reductions import cumprod, cumsum
from handgrad.tape.functions.special import scipys
from handgrad.tape.functions.values import NAMES
from handgrad.tape.refusals import HistoryLost, unwritten
from handgrad.tree import tree_map

REDUCTIONS: dict[Any, Any] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
}
ACCUMULATIONS: dict[Any, Callable] = {
    np.add: cumsum,
    np.multiply: cumprod,
    np.maximum: running(np.maximum),
    np.minimum: running(np.minimum),
}
WITHOUT_DERIVATIVE = frozenset(
    getattr(np, name) for name in NAMES if isinstance(getattr(np, name, 0), np.ufunc)
)
IDLE = frozenset({"casting", "subok", "order", "like", "copy", "optimize", "overwrite_input", "kind"})
"""Keywords that say how, not what."""


def call_ufunc(ufunc: Any, method: str, inputs: tuple, options: dict) -> Any:
    """``Variable.__array_ufunc__``.

    Raises:
        TypeError: there is no rule for the function, or it would write into an array.
    """
    name = name_of(ufunc)
    if method == "at":
        raise TypeError(
            f"{name}.at changes an array in place, which is not recorded: "
            f"write out = out + hg.scatter_add(v, index, out.shape)"
        )
    unwritten(name, options.pop("out", None))
    if ufunc in WITHOUT_DERIVATIVE and method != "__call__":
        return getattr(ufunc, method)(*tree_map(stripped, inputs), **tree_map(stripped, options))
    if method == "__call__":
        return _called(ufunc, name, inputs, options)
    inputs = tuple(map(gathered, inputs))
    if method == "outer":
        x, y = inputs
        return _called(ufunc, name, (rules.reshape(x, shape(x) + (1,) * len(shape(y))), y), options)
    if method == "reduce" and ufunc in REDUCTIONS:
        return call_function(REDUCTIONS[ufunc], inputs, {"axis": 0} | options)
    if method == "reduce" and ufunc is np.logaddexp:
        return rules.logsumexp(*inputs, **({"axis": 0} | options))
    if method == "accumulate" and ufunc in ACCUMULATIONS:
        return ACCUMULATIONS[ufunc](*inputs, **({"axis": 0} | options))
    raise TypeError(f"{name}.{method} has no rule for recorded arrays")


def _called(ufunc: Any, name: str, inputs: tuple, options: dict) -> Any:
    implementation = TABLE.get(ufunc) or scipys(ufunc)
    if implementation is None:
        raise no_rule(ufunc)
    if options:
        if options.pop("where", True) is not True:
            raise TypeError(
                f"{name} of a recorded array has no where=: its other elements would be undefined. "
                f"Write np.where(mask, {name}(v), 0.0)"
            )
        dtype = options.pop("dtype", None)
        if dtype is not None:
            inputs = tuple(gathered(x).astype(dtype) for x in inputs)
        options = understood(implementation, name, options)
    return implementation(*inputs, **options)


def call_function(function: Any, args: tuple, options: dict) -> Any:
    """``Variable.__array_function__``.

    Raises:
        TypeError: there is no rule for the function, or for one of its keywords.
    """
    implementation = TABLE.get(function)
    if implementation is None:
        raise no_rule(function)
    if options:
        options = understood(implementation, name_of(function), options)
    return implementation(*args, **options)


def no_rule(function: Any) -> TypeError:
    name = name_of(function)
    why = unrecorded.reason(name)
    if why == unrecorded.WRITES:
        return HistoryLost(f"{name} of recorded arrays: {why}")
    if why is not None:
        return TypeError(f"there is no rule for {name}: {why}")
    return TypeError(
        f"there is no rule for {name}: write it with rules, or add one with @rule "
        f"(where no gradient is to flow, pass .value)"
    )


def understood(implementation: Callable, name: str, options: dict) -> dict:
    """The keywords that are taken; those that say nothing are left away.

    Raises:
        TypeError: one that says something is not taken.
    """
    known = keywords(implementation)
    kept = {}
    for key, value in options.items():
        if known is None or key in known:
            kept[key] = value
        elif not any(value is idle for idle in (None, False, np._NoValue)) and key not in IDLE:
            raise TypeError(f"{name} of a recorded array has no {key}=")
    return kept


@functools.cache
def keywords(function: Callable) -> frozenset[str] | None:
    """The names that a function can be called with, or None where it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY)


def name_of(function: Any) -> str:
    """What the user calls it, ``np.linalg.det``."""
    name = getattr(function, "__name__", repr(function))
    if isinstance(function, np.ufunc):
        return f"np.{name}" if getattr(np, name, None) is function else name
    module = (getattr(function, "__module__", None) or "").replace("numpy.lib.scimath", "numpy.emath")
    return f"{module.replace('numpy', 'np', 1)}.{name}" if module else name
