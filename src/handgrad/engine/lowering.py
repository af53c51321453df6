"""What a kernel computes for one element: a tree of loads and scalar operations, views carried into the
loads.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from handgrad.engine.access import ZERO, Affine, Coordinates, Looked, broadcast, row_major
from handgrad.engine.graph import LEAVES, VIEWS, Node


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Load:
    """The element of a stored array at ``offset``, counted in elements; ``looks`` are (index, stride,
    size).
    """

    array: Node
    offset: Affine
    looks: tuple[tuple[Any, int, int], ...]
    dtype: np.dtype


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Apply:
    """An elementwise operation. Numbers among ``args`` take the dtype ``kind`` that it computes in."""

    op: str
    args: tuple
    kind: np.dtype
    dtype: np.dtype


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Fill:
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
    while node.op == "reshape" and node not in stored:
        node = node.args[0]
    return node if node in stored or node.op in LEAVES else None


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
        if node.op == "fill":
            return Fill(node.options["value"], node.dtype)
        if node.op in VIEWS:
            source = node.source(coordinates)
            if source is None:
                raise NotAffine(node.args[0] if node.op == "reshape" else node)
            return self.lower(node.args[0], source)
        if not node.is_inline:
            raise NotAffine(node)
        args = tuple(
            self.lower(x, broadcast(coordinates, x.shape)) if isinstance(x, Node) else x for x in node.args
        )
        if node.op == "astype" and args[0].dtype == node.dtype:
            return args[0]
        return fused(Apply(node.op, args, node.options.get("kind", node.dtype), node.dtype))

    def load(self, array: Node, shape: tuple, coordinates: Coordinates) -> Load:
        offset, looks = ZERO, []
        for c, step in zip(coordinates, row_major(shape), strict=True):
            if isinstance(c, Looked):
                looks.append((self.lower(c.index, c.coordinates), step, c.size))
            else:
                offset = offset + c.scaled(step)
        return Load(array, offset, tuple(looks), array.dtype)


def fused(e: Apply) -> Apply:
    """Operations that are quicker as one: x / (√v·c + eps), as optimisers scale a gradient."""
    if e.op != "divide" or not isinstance(e.args[1], Apply) or e.args[1].op != "add":
        return e
    root, eps = e.args[1].args
    c: Any = 1.0
    if isinstance(root, Apply) and root.op == "multiply":
        root, c = root.args
    if not isinstance(root, Apply) or root.op != "sqrt" or root.kind != e.kind:
        return e
    return Apply("quotient_by_root", (e.args[0], root.args[0], c, eps), e.kind, e.dtype)


def walk(expressions: list) -> list:
    """Every part of the expressions once, operands first."""
    found: dict[int, Any] = {}

    def visit(e: Any) -> None:
        if id(e) in found or not isinstance(e, Load | Apply | Fill | Made):
            return
        for part in e.args if isinstance(e, Apply) else [look[0] for look in getattr(e, "looks", ())]:
            visit(part)
        found[id(e)] = e

    for e in expressions:
        visit(e)
    return list(found.values())


def loads(expressions: list) -> list[Load]:
    return [e for e in walk(expressions) if isinstance(e, Load)]
