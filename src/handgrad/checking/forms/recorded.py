"""A function of rules: recorded, so its backward is handgrad's and its rules are what can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad.arrays import is_floating
from handgrad.checking.subject import (
    Back,
    Subject,
    Values,
    as_float64,
    douts_like,
    fixed_randomness,
    flat_names,
    label,
    parameter_names,
)
from handgrad.rules.rule import describe
from handgrad.tape import Variable, vjp
from handgrad.tree import leaves, tree_map, unflatten


def of_function(f: Callable, inputs: tuple, options: dict, names: list[str] | None = None) -> Subject:
    """Any function of rules, by recording it.

    Raises:
        TypeError: what it returns was not computed by rules from its inputs.
    """
    tree = tree_map(as_float64, list(inputs))
    flat = leaves(tree)
    checked = [is_floating(x) for x in flat]

    def call(values: Values) -> Any:
        with fixed_randomness():
            return f(*unflatten(tree, list(values)), **options)

    def of_floats(values: Values) -> Callable:
        def function(*floats: Any) -> Any:
            drawn = iter(floats)
            return call(
                [next(drawn) if is_checked else x for x, is_checked in zip(values, checked, strict=True)]
            )

        return function

    def pair(values: Values) -> tuple[list[Any], Back]:
        floats = [x for x, is_checked in zip(values, checked, strict=True) if is_checked]
        out, backward = vjp(of_floats(values), *floats)

        def back(douts: list[Any]) -> list[Any]:
            given = iter(backward(douts_like(out, douts)))
            return [next(given) if is_checked else None for is_checked in checked]

        return leaves(out), back

    recorded = call([Variable(x, 0) if c else x for x, c in zip(flat, checked, strict=True)])
    if not any(isinstance(x, Variable) for x in leaves(recorded)):
        raise TypeError(
            f"{label(f)} returned {describe(recorded)}, which no rule computed from its inputs: "
            f"a function to be checked returns the pair (out, backward), or is made of rules"
        )
    return Subject(
        name=label(f),
        style="function",
        names=flat_names(names or parameter_names(f, len(inputs)), inputs),
        values=flat,
        checked=checked,
        forward=lambda values: leaves(call(values)),
        pair=pair,
        inner=call,
        whose=f"handgrad's own, of the rules that {label(f)} is made of",
    )
