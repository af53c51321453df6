"""A function called on recorded arrays, as one node: what it closes over is an input of that node too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import Recorded, cast, is_plain
from handgrad.rules.rule import Rule
from handgrad.tape.graph import Backpropagation, next_order
from handgrad.tape.variable import Variable
from handgrad.tree import leaves, tree_map, unflatten


class Closure:
    """``f``, what it made of ``xs`` when it was looked at, the highest level in that, what it closes over."""

    def __init__(self, f: Callable, *xs: Any):
        before = next_order()
        self.f = f
        self.made = f(*tree_map(lambda x: Variable(x.value, x.level) if isinstance(x, Recorded) else x, xs))
        made = [x for x in leaves(self.made) if isinstance(x, Recorded)]
        self.level = max((x.level for x in made), default=-1)
        self.closed_over = list(outside(made, self.level, before).values())

    def is_ours(self, x: Any) -> bool:
        return isinstance(x, Recorded) and x.level == self.level

    def lowered(self, tree: Any) -> Any:
        return tree_map(lambda x: x.value if self.is_ours(x) else x, tree)

    def below(self, *xs: Any) -> Any:
        """f, one level lower."""
        return self.lowered(self.f(*xs))

    def way_back(self, xs: Any, places: list[int]) -> Callable[[dict[int, Any]], tuple[list, list]]:
        """From gradients of outputs, by number, to those of what is closed over and of the leaves of ``xs``
        at these places; None where there is none.
        """
        before = next_order()
        given = [Variable(x, self.level) if i in places else x for i, x in enumerate(leaves(xs))]
        made = leaves(self.f(*unflatten(xs, given)))

        def backward(douts: dict[int, Any]) -> tuple[list, list]:
            seeds = [(made[i], dout) for i, dout in douts.items() if self.is_ours(made[i])]
            grads = {id(v): dv for v, dv in Backpropagation(seeds, before).run()}

            def of(v: Any) -> Any:
                return cast(grads[id(v)], like=v.value) if id(v) in grads else None

            return list(map(of, self.closed_over)), [of(given[i]) for i in places]

        return backward

    def record(self, function: Callable, body: Callable, *inputs: Any) -> Any:
        """A use of ``function`` as one node, ``body(closed_over, *inputs)`` being its rule, by its name."""
        rule = Rule(body)
        rule.name, rule.__doc__ = function.__name__, function.__doc__
        return Variable(None, self.level).record(rule, (self.closed_over, *inputs), {})

    def require(self, closed_over: list) -> None:
        """A body is called again, by a check say, with what it closes over as it was.

        Raises:
            ValueError: it has another value.
        """
        for variable, x in zip(self.closed_over, closed_over, strict=True):
            if x is not variable.value and not is_same(x, variable.value):
                raise ValueError(
                    "what a function closes over cannot be given other values: make it an argument"
                )


def is_same(x: Any, y: Any) -> bool:
    return is_plain(x) and is_plain(y) and np.array_equal(x, y, equal_nan=True)


def replaced(tree: Any, places: list[int], new: Any) -> Any:
    """``tree`` with other leaves at these places."""
    found = leaves(tree)
    for i, x in zip(places, new, strict=True):
        found[i] = x
    return unflatten(tree, found)


def outside(outs: list, level: int, before: int) -> dict[int, Variable]:
    """Variables of that level that were made earlier, and that these are computed from."""
    found: dict[int, Variable] = {}
    met: set[int] = set()
    waiting = [x for x in outs if isinstance(x, Recorded) and x.level == level]
    while waiting:
        x: Any = waiting.pop()
        if x.node.order < before:
            found[id(x)] = x
        elif x.node.order not in met:
            met.add(x.node.order)
            waiting += [y for y in leaves(x.node.inputs) if isinstance(y, Recorded) and y.level == level]
    return found
