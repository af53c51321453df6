"""What a kernel computes for one element: a tree of loads and scalar operations, views carried into the
loads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.engine.access import ZERO, Affine, Coordinates, Gathered, broadcast, row_major
from handgrad.engine.nodes import Elementwise, Fill, Leaf, Node, Reshape, View, base_of


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Load:
    """The element of a stored array at ``offset``, counted in elements; ``gathers`` are (index, stride,
    size).
    """

    array: Node
    offset: Affine
    gathers: tuple[tuple[Any, int, int], ...]
    dtype: np.dtype


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Apply:
    """An elementwise operation. Numbers among ``args`` take the dtype ``kind`` that it computes in."""

    op: str
    args: tuple
    kind: np.dtype
    dtype: np.dtype


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Number:
    """One number."""

    value: Any
    dtype: np.dtype


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Made:
    """What this kernel itself has made of the element: its product, or an output that is there already."""

    node: Node
    dtype: np.dtype


class NotAffine(Exception):
    """A view that only works on a stored array; ``node`` is what must be stored."""

    def __init__(self, node: Node):
        super().__init__(node)
        self.node = node


def storage(node: Node, stored: set[Node]) -> Node | None:
    """The stored array whose memory this one is, as it stands or in another shape."""
    while isinstance(node, Reshape) and node not in stored:
        node = node.x
    return node if node in stored or isinstance(node, Leaf) else None


class Lowering:
    """One kernel's expressions, which share what they have in common."""

    def __init__(self, stored: set[Node], made: dict[Node, Coordinates]):
        self.stored = stored
        self.made = made  # nodes that the kernel makes itself, where it reads them at these coordinates
        self.memo: dict[tuple, Any] = {}

    def lower(self, node: Node, coordinates: Coordinates, is_root: bool = False) -> Any:
        """The expression of a node's element at ``coordinates``; of a root not its load, but how it is made.

        Raises:
            NotAffine: something must be stored first.
        """
        key = (node.number, coordinates, is_root)
        if key not in self.memo:
            self.memo[key] = self._lowered(node, coordinates, is_root)
        return self.memo[key]

    def _lowered(self, node: Node, coordinates: Coordinates, is_root: bool) -> Any:
        if not is_root:
            if self.made.get(node) == coordinates:
                return Made(node, node.dtype)
            array = storage(node, self.stored)
            if array is not None:
                return self.load(array, node.shape, coordinates)
        if isinstance(node, Fill):
            return Number(node.value, node.dtype)
        if isinstance(node, View):
            source = node.source(coordinates)
            if source is None:
                raise NotAffine(base_of(node))
            return self.lower(node.x, source)
        if not isinstance(node, Elementwise):
            raise NotAffine(node)
        args = tuple(
            self.lower(x, broadcast(coordinates, x.shape)) if isinstance(x, Node) else x for x in node.args
        )
        if node.op == "astype" and args[0].dtype == node.dtype:
            return args[0]
        return Apply(node.op, args, node.kind, node.dtype)

    def load(self, array: Node, shape: tuple, coordinates: Coordinates) -> Load:
        """An element of a stored array."""
        offset, gathers = ZERO, []
        for c, step in zip(coordinates, row_major(shape), strict=True):
            if isinstance(c, Gathered):
                gathers.append((self.lower(c.index, c.coordinates), step, c.size))
            else:
                offset = offset + c.scaled(step)
        return Load(array, offset, tuple(gathers), array.dtype)


def walk(expressions: list) -> list:
    """Every part of the expressions once, operands first."""
    found: dict[int, Any] = {}

    def visit(e: Any) -> None:
        if id(e) in found or not isinstance(e, Load | Apply | Number | Made):
            return
        for part in e.args if isinstance(e, Apply) else [gather[0] for gather in getattr(e, "gathers", ())]:
            visit(part)
        found[id(e)] = e

    for e in expressions:
        visit(e)
    return list(found.values())


def loads(expressions: list) -> list[Load]:
    return [e for e in walk(expressions) if isinstance(e, Load)]


def signature(expressions: list, place: Callable[[Node], int], made: dict[Node, int]) -> tuple:
    """What expressions compute, the same for two of them that read other arrays in the same way.

    ``place`` numbers the arrays; ``made`` what the kernel has made itself.
    """
    parts = walk(expressions)
    numbers = {id(e): n for n, e in enumerate(parts)}

    def of(x: Any) -> Any:
        return numbers[id(x)] if id(x) in numbers else ("number", type(x), repr(x))

    found: list[tuple] = []
    for e in parts:
        if isinstance(e, Load):
            gathers = tuple((of(index), step, size) for index, step, size in e.gathers)
            found.append((place(e.array), e.offset, gathers, e.dtype))
        elif isinstance(e, Apply):
            found.append((e.op, tuple(map(of, e.args)), e.kind, e.dtype))
        elif isinstance(e, Number):
            found.append((type(e.value), repr(e.value), e.dtype))
        else:
            found.append(("made", made[e.node], e.dtype))
    return (tuple(found), tuple(map(of, expressions)))


def mapped(expressions: list, change: Callable[[Load], Load], memo: dict[int, Any] | None = None) -> list:
    """The same expressions of loads that are changed."""
    memo = {} if memo is None else memo
    for e in walk(expressions):
        if id(e) in memo:
            continue
        if isinstance(e, Load):
            gathers = tuple((memo[id(index)], step, size) for index, step, size in e.gathers)
            memo[id(e)] = change(Load(e.array, e.offset, gathers, e.dtype))
        elif isinstance(e, Apply):
            memo[id(e)] = Apply(e.op, tuple(memo.get(id(x), x) for x in e.args), e.kind, e.dtype)
        else:
            memo[id(e)] = e
    return [memo.get(id(e), e) for e in expressions]
