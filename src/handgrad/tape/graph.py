"""The graph of rules, and backpropagation through it.

A node is one use of a rule: what went in, and the way back. Nodes are numbered in the order in which
they were made, so walking them from the highest number down meets each one after all that used its
result: backpropagation is a loop, not a recursion.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import heapq
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from handgrad.arrays import Recorded, xp
from handgrad.rules.rule import Rule
from handgrad.tree import leaves

_orders = itertools.count()


def next_order() -> int:
    """A number between those of the nodes made before, and of those made later."""
    return next(_orders)


class Scope:
    """One call of a layer or function, or one ``with scope(name)``: what a node was made in."""

    __slots__ = ("is_function", "label", "name", "outer")

    def __init__(self, name: str, label: str, outer: Scope | None, is_function: bool = False):
        self.name = name
        self.label = label  # what it is, "Affine(784, 50)"
        self.outer = outer  # the call that it was made in
        self.is_function = is_function


NOWHERE = Scope("", "", None)
_scope: contextvars.ContextVar[Scope] = contextvars.ContextVar("scope", default=NOWHERE)


@contextlib.contextmanager
def scope(name: str, label: str = "") -> Iterator[None]:
    """Nodes made inside carry this name, so that a graph can be told apart by layers."""
    token = _scope.set(Scope(name, label, _scope.get()))
    try:
        yield
    finally:
        _scope.reset(token)


def entered(name: str) -> Scope:
    """Nodes made from here on, until it is left, are of this function."""
    inside = Scope(name, "", _scope.get(), is_function=True)
    _scope.set(inside)
    return inside


def left(inside: Scope) -> None:
    """Back to where a function was entered; a scope that it opened for its caller stays open."""
    if _scope.get() is inside and inside.outer is not None:
        _scope.set(inside.outer)


Place = tuple[CodeType, int]
"""A line of Python: the code that it is in, and its number."""

_HOME = Path(__file__).parent.parent
RECORDING, LAYER, OURS, USERS = range(4)


@functools.cache
def whose(file: str) -> int:
    """Whether a file of Python records, is a layer's, another of handgrad's, or its user's."""
    if not file.startswith(f"{_HOME}{os.sep}"):
        return USERS
    part = Path(file).relative_to(_HOME).parts[0]
    return {"tape": RECORDING, "rules": RECORDING, "arrays": RECORDING, "layers": LAYER}.get(part, OURS)


def callers() -> tuple[Place, ...]:
    """The line that used a rule, and where that is in one of our layers, the user's line that led there."""
    found: tuple[Place, ...] = ()
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        owner = whose(code.co_filename)
        if owner == OURS:
            break  # what called the network is none of its lines
        if owner == USERS:
            return (*found, (code, frame.f_lineno))
        if owner == LAYER and not found:
            found = ((code, frame.f_lineno),)
        frame = frame.f_back
    return found


class Node:
    """One use of a rule: its inputs as they were given, and the backward that answers them."""

    __slots__ = ("backward", "callers", "inputs", "options", "order", "outputs", "rule", "within")

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
        self.within = _scope.get()
        self.callers: tuple[Place, ...] = ()  # noted for variables that the user made

    @property
    def scope(self) -> str:
        return self.within.name


class Backpropagation:
    """Gradients on their way from outputs to leaves, or to what was made before a node of that ``order``."""

    def __init__(self, seeds: list[tuple[Any, Any]], since: int = 0):
        self.since = since
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
            if node.backward is not None and node.order >= self.since:
                self.pull(node, dout, variable.level)

    def pull(self, node: Node, dout: Any, level: int) -> None:
        """One node's backward: its output's gradient in, its inputs' out."""
        for x, dx in self.answers(node, dout):
            if isinstance(x, Recorded) and x.level == level and dx is not None:
                self.give(x, dx)

    def answers(self, node: Node, dout: Any) -> list[tuple[Any, Any]]:
        """Each array that went into a node, with the gradient that the node's backward gives it."""
        assert node.backward is not None
        dxs = node.backward(dout)
        return [pair for x, dx in zip(node.inputs, dxs, strict=True) for pair in paired(x, dx)]


def paired(x: Any, dx: Any) -> list[tuple[Any, Any]]:
    """An input's arrays with their gradients, where it is nested one by one."""
    if isinstance(x, (list, tuple, dict)):
        return list(zip(leaves(x), [None] * len(leaves(x)) if dx is None else leaves(dx), strict=True))
    return [(x, dx)]


def backpropagate(seeds: list[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """Every variable that the seeds were computed from, with its gradient: pairs, from outputs to leaves.

    ``seeds`` are pairs of an output and its ``dout``. A variable comes when its gradient is complete.
    """
    return Backpropagation(seeds).run()
