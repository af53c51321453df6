"""A function of an author's own recorded numbers, which have ``data``, ``grad`` and a ``backward``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from handgrad.checking.forms.arrays import is_of
from handgrad.checking.forms.form import CannotCall
from handgrad.checking.forms.function import of_pair
from handgrad.checking.forms.gradients import times
from handgrad.checking.subject import Subject, label, parameter_names
from handgrad.rules.rule import describe
from handgrad.tree import leaves, tree_map, unflatten


def is_value(x: Any) -> bool:
    """Whether this is a number, or an array, that records what is done with it."""
    if isinstance(x, (np.ndarray, np.generic)) or is_of("torch", "Tensor", x) or is_of("jax", "Array", x):
        return False
    return hasattr(x, "data") and hasattr(x, "grad") and callable(getattr(x, "backward", None))


def of_values(f: Callable, inputs: tuple, options: dict) -> Subject:
    """``f(*values)``: each evaluation makes values anew, as their gradients add up by design.

    Raises:
        CannotCall: what f returns has no backward.
    """
    kind = next(type(x) for x in leaves(list(inputs)) if is_value(x))
    chosen = tree_map(is_value, list(inputs))

    def made_of(xs: tuple) -> list[Any]:
        return tree_map(lambda x, is_one: kind(x) if is_one else x, list(xs), chosen)

    def out_of(values: list[Any]) -> Any:
        out = f(*values, **options)
        if not is_value(out):
            raise CannotCall(f"{label(f)} returned {describe(out)}, not a {kind.__name__} with a backward")
        return out

    def g(*xs: Any) -> tuple[Any, Callable]:
        def backward(dout: Any) -> tuple:
            values = made_of(xs)
            out = out_of(values)
            out.grad = dout
            out.backward()
            grads = tuple(tree_map(lambda x: x.grad if is_value(x) else None, values))
            is_seeded = np.array_equal(out.grad, np.ones_like(dout)) and not np.array_equal(out.grad, dout)
            return times(dout, grads) if is_seeded else grads  # its backward begins with 1

        return out_of(made_of(xs)).data, backward

    def follow(xs: list[Any], rebinder: Any) -> list[Any]:
        return [out_of(made_of(tuple(unflatten(list(inputs), xs)))).data]

    numbers = tree_map(lambda x: np.array(x.data, np.float64) if is_value(x) else x, list(inputs))
    made = of_pair(g, tuple(numbers), {}, label(f), parameter_names(f, len(inputs)))
    own = [
        found for name in ("backward", "__mul__", "__add__") if callable(found := getattr(kind, name, None))
    ]
    return replace(made, code=own, functions=lambda: own, follow=follow, whose=f"{kind.__name__}.backward")
