"""Nodes made into others that mean the same and suit the engine better."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable

from handgrad.engine.kernels.product.kernel import Contract, matmul
from handgrad.engine.kernels.reduce import in_blocks
from handgrad.engine.nodes import (
    Elementwise,
    Graph,
    Leaf,
    Node,
    Transpose,
    View,
    base_of,
    cast,
    graph_of,
)  # fmt: skip

Uses = dict[Node, int]


def rewritten(graph: Graph) -> Graph:
    """All rules, applied to each node once; and outputs that are each made by a kernel of their own."""
    new: dict[Node, Node] = {}
    uses: collections.Counter[Node] = collections.Counter(x for node in graph.nodes for x in node.nodes)
    uses.update(graph.outputs)
    for node in graph.nodes:
        args = tuple(new[x] if isinstance(x, Node) else x for x in node.args)
        made = node if args == node.args else node.with_args(args)
        for rule in RULES:
            made = rule(made, uses) or made
        new[node] = made
        uses[made] = uses[node]
    return graph_of(graph.inputs, with_own_memory([new[out] for out in graph.outputs]))


def transposed_product(node: Node, uses: Uses) -> Node | None:
    """(A B)ᵀ = Bᵀ Aᵀ"""
    if not (isinstance(node, Transpose) and node.axes == (1, 0) and isinstance(node.x, Contract)):
        return None
    if uses[node.x] > 1 or not node.x.is_of_matrices:
        return None
    A, B = node.x.args
    return matmul(transposed(B), transposed(A))


def transposed(x: Node) -> Node:
    return Transpose(x.shape[::-1], x.dtype, x, (1, 0))


def quotient_by_root(node: Node, uses: Uses) -> Node | None:
    """x / (√v·c + eps) as one operation: optimisers scale gradients by it."""
    if not (isinstance(node, Elementwise) and node.op == "divide" and is_once(node.operands[1], "add", uses)):
        return None
    root, eps = node.operands[1].operands
    c: Node | float = 1.0
    if is_once(root, "multiply", uses):
        root, c = root.operands
    if not is_once(root, "sqrt", uses) or root.kind != node.kind:
        return None
    operands = (node.operands[0], root.operands[0], c, eps)
    return dataclasses.replace(node, op="quotient_by_root", operands=operands)


def is_once(x: object, op: str, uses: Uses) -> bool:
    """Whether x is an operation of that name, and of use only here."""
    return isinstance(x, Elementwise) and x.op == op and uses[x] == 1


RULES: tuple[Callable[[Node, Uses], Node | None], ...] = (
    transposed_product,
    quotient_by_root,
    in_blocks,
)


def with_own_memory(outputs: list[Node]) -> list[Node]:
    """Outputs that are each made by a kernel, into memory of its own."""
    taken: set[Node] = set()
    made = []
    for out in outputs:
        base = base_of(out)
        if isinstance(base, Leaf) or base in taken or (base is not out and isinstance(base, View)):
            base = cast(out, out.dtype)
        taken.add(base)
        made.append(base)
    return made
