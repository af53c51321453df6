"""The graph of rules, and backpropagation through it.

A node is one use of a rule: what went in, and the way back. Nodes are numbered in the order in which
they were made, so walking them from the highest number down meets each one after all that used its
result: backpropagation is a loop, not a recursion.
"""

from __future__ import annotations

import contextlib
import contextvars
import heapq
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from handgrad.arrays import Recorded, xp
from handgrad.rules.rule import Rule
from handgrad.tree import leaves

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
        self.rule = rule  # None for a leaf, which was not computed
        self.inputs = inputs
        self.options = options or {}
        self.backward = backward
        self.outputs = outputs  # the values, where a rule has several outputs
        self.order = next(_orders)
        self.scope = _scope.get()


class Backpropagation:
    """Gradients on their way from outputs to leaves."""

    def __init__(self, seeds: list[tuple[Any, Any]]):
        self.grads: dict[int, Any] = {}  # by the id of a variable
        self.reached: dict[int, dict[int, Any]] = {}  # by a node's order: its outputs met, by index
        self.waiting: list[int] = []
        for variable, dout in seeds:
            self.give(variable, dout)

    def give(self, variable: Any, dx: Any) -> None:
        """Add one path's gradient to a variable's."""
        key, order = id(variable), variable.node.order
        if key in self.grads:
            self.grads[key] = self.grads[key] + dx
            return
        self.grads[key] = dx
        if order not in self.reached:
            self.reached[order] = {}
            heapq.heappush(self.waiting, -order)
        self.reached[order][variable.index] = variable

    def run(self) -> Iterator[tuple[Any, Any]]:
        """Each variable reached with its gradient, from the outputs down."""
        while self.waiting:
            outputs = self.reached.pop(-heapq.heappop(self.waiting))
            given = [(variable, self.grads.pop(id(variable))) for variable in outputs.values()]
            yield from given
            variable, dout = given[0]
            node = variable.node
            if node.outputs is not None:
                by_index = {variable.index: dout for variable, dout in given}
                dout = tuple(by_index.get(i, xp.zeros_like(out)) for i, out in enumerate(node.outputs))
            if node.backward is not None:
                self.pull(node, dout, variable.level)

    def pull(self, node: Node, dout: Any, level: int) -> None:
        """One node's backward: its output's gradient in, its inputs' out."""
        assert node.backward is not None
        for x, dx in zip(node.inputs, node.backward(dout), strict=True):
            if dx is None:
                continue
            pairs = (
                zip(leaves(x), leaves(dx), strict=True) if isinstance(x, (list, tuple, dict)) else [(x, dx)]
            )
            for xi, dxi in pairs:
                if isinstance(xi, Recorded) and xi.level == level and dxi is not None:
                    self.give(xi, dxi)


def backpropagate(seeds: list[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """Every variable that the seeds were computed from, with its gradient: pairs, from outputs to leaves.

    ``seeds`` are pairs of an output and its ``dout``. A variable comes when its gradient is complete.
    """
    return Backpropagation(seeds).run()
