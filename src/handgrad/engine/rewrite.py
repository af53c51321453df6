"""Nodes made into others that mean the same and suit the engine better."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
from collections.abc import Callable

from handgrad.engine.access import counter, spelled_out
from handgrad.engine.kernels.concatenate import Concatenate, apart_among_zeros
from handgrad.engine.kernels.product.kernel import Contract, in_parts, matmul
from handgrad.engine.kernels.product.woven import are_woven
from handgrad.engine.kernels.reduce import Reduce, in_blocks
from handgrad.engine.nodes import (
    Elementwise,
    Fill,
    Gather,
    Graph,
    Leaf,
    Node,
    Reshape,
    Slice,
    Transpose,
    View,
    base_of,
    cast,
    graph_of,
)  # fmt: skip

Uses = dict[Node, int]
SOME = 8  # elements that make a loop along vectors
PAIR = 2  # as many as are made at once, along vectors of the loop around them


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
    A, B = node.x.args
    if uses[node.x] > 1 or not node.x.is_of_matrices or len(A.shape) != 2 or len(B.shape) != 2:
        return None
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


def logistic(node: Node, uses: Uses) -> Node | None:
    """1 / (1 + e) where x ≥ 0, else e / (1 + e), for e = exp(-|x|), as one operation."""
    if not (isinstance(node, Elementwise) and node.op == "where"):
        return None
    chosen, above, below = node.args
    if not (is_op(chosen, "greater_equal") and is_op(above, "divide") and is_op(below, "divide")):
        return None
    x, zero = chosen.args
    (one, total), (e, same) = above.args, below.args
    if total is not same or not (is_number(zero, 0) and is_number(one, 1) and is_op(total, "add")):
        return None
    if not (is_number(total.args[0], 1) and total.args[1] is e and is_op(e, "exp")):
        return None
    (minus,) = e.args
    is_minus_size = is_op(minus, "where") and minus.args[0] is chosen and minus.args[2] is x
    if not (is_minus_size and is_negative(minus.args[1], x)):
        return None
    return dataclasses.replace(node, op="logistic", operands=(x,))


def is_op(x: object, op: str) -> bool:
    return isinstance(x, Elementwise) and x.op == op


def is_number(x: object, number: float) -> bool:
    value = x.value if isinstance(x, Fill) else x
    return not isinstance(value, Node) and value == number


def is_negative(x: Node, y: Node) -> bool:
    """Whether one is the other, negated."""
    return (is_op(x, "negative") and x.args[0] is y) or (is_op(y, "negative") and y.args[0] is x)


def is_once(x: object, op: str, uses: Uses) -> bool:
    """Whether x is an operation of that name, and of use only here."""
    return isinstance(x, Elementwise) and x.op == op and uses[x] == 1


def summed_product(node: Node, uses: Uses) -> Node | None:
    """A sum over axes of a product: loops of the product that are summed too."""
    if not (isinstance(node, Reduce) and node.op == "sum" and isinstance(node.x, Contract)):
        return None
    product = node.x
    if uses[product] > 1 or product.dtype != node.dtype:
        return None
    kept = [i for i in range(len(product.shape)) if i not in node.axes]
    order = [*kept, *node.axes, *range(len(product.shape), len(product.sizes))]
    place = {loop: n for n, loop in enumerate(order)} | {-1: -1}
    of_x, of_y = (tuple(place[loop] for loop in loops) for loops in (product.of_x, product.of_y))
    sizes = tuple(product.sizes[loop] for loop in order)
    return dataclasses.replace(product, shape=node.shape, of_x=of_x, of_y=of_y, sizes=sizes)


def sliced_product(node: Node, uses: Uses) -> Node | None:
    """A slice of a product: a product of slices."""
    if not (isinstance(node, Slice) and isinstance(node.x, Contract) and uses[node.x] == 1):
        return None
    product = node.x
    parts = [part for part, _ in spelled_out(node.index, product.shape)]
    if product.has_panels or not all(isinstance(part, slice) for part in parts):
        return None

    def sliced(x: Node, loops: tuple[int, ...]) -> Node:
        index = tuple(parts[loop] if 0 <= loop < len(parts) else slice(None) for loop in loops)
        shape = tuple(len(range(n)[part]) for n, part in zip(x.shape, index, strict=True))
        return x if shape == x.shape else Slice(shape, x.dtype, x, index)

    x, y = sliced(product.x, product.of_x), sliced(product.y, product.of_y)
    sizes = (*node.shape, *product.sizes[len(node.shape) :])
    return dataclasses.replace(product, shape=node.shape, x=x, y=y, sizes=sizes)


def reshaped_once(node: Node, uses: Uses) -> Node | None:
    """A shape of a shape: the last one."""
    if not (isinstance(node, Reshape) and isinstance(node.x, Reshape)):
        return None
    return dataclasses.replace(node, x=base_of(node))


def squeezed_product(node: Node, uses: Uses) -> Node | None:
    """A product with axes of size one more or less, so that what follows it has its shape."""
    if not (isinstance(node, Reshape) and isinstance(node.x, Contract) and uses[node.x] == 1):
        return None
    product = node.x
    old, new = ([i for i, n in enumerate(shape) if n != 1] for shape in (product.shape, node.shape))
    if [product.shape[i] for i in old] != [node.shape[i] for i in new] or product.has_panels:
        return None
    summed = range(len(product.shape), len(product.sizes))
    place = dict(zip(old, new, strict=True)) | {k: k - len(product.shape) + len(node.shape) for k in summed}
    of_x, of_y = (tuple(place.get(loop, -1) for loop in loops) for loops in (product.of_x, product.of_y))
    sizes = (*node.shape, *(product.sizes[k] for k in summed))
    return dataclasses.replace(product, shape=node.shape, of_x=of_x, of_y=of_y, sizes=sizes)


def in_finer_axes(node: Node, uses: Uses) -> Node | None:
    """An operation on an array whose axes were made one, where that is no view: on the axes as they were.

    So the gradient of a pooling, whose windows lie apart, is read by what follows as it lies.
    """
    if not isinstance(node, Elementwise):
        return None
    merged = next((x for x in node.nodes if x.shape == node.shape and is_merged(x)), None)
    if not isinstance(merged, Reshape):
        return None
    axes = finer_axes(node.shape, merged.x.shape)
    if axes is None or (axes[-1][-1] < SOME and axes[-1][-1] != PAIR):
        return None

    def finer(x: Node) -> Node:
        sizes = (1,) * (len(node.shape) - len(x.shape)) + x.shape
        parts = (some if n != 1 else (1,) * len(some) for n, some in zip(sizes, axes, strict=True))
        shape = tuple(itertools.chain(*parts))
        base = base_of(x)
        return base if base.shape == shape else Reshape(shape, x.dtype, base)

    operands = tuple(finer(x) if isinstance(x, Node) else x for x in node.operands)
    made = dataclasses.replace(node, shape=merged.x.shape, operands=operands)
    return Reshape(node.shape, node.dtype, made)


def is_merged(x: Node) -> bool:
    """Whether it is another shape of what is no array in order, and cannot be read by its own axes."""
    if not isinstance(x, Reshape) or not isinstance(x.x, Transpose | Elementwise):
        return False
    return x.source(tuple(counter(i, n) for i, n in enumerate(x.shape))) is None


def finer_axes(shape: tuple[int, ...], finer: tuple[int, ...]) -> list[tuple[int, ...]] | None:
    """For each axis those that it was made of; None where one was made of parts of others."""
    found, rest = [], list(finer)
    for n in shape:
        some: list[int] = []
        while rest and (math.prod(some) < n or not some):
            some.append(rest.pop(0))
        if math.prod(some) != n or not some:
            return None
        found.append(tuple(some))
    return found if not rest else None


def padded_apart(node: Node, uses: Uses) -> Node | None:
    """A product of views of an array among zeros, of which only those that lie near are stored."""
    if not isinstance(node, Contract):
        return None
    loops = (node.of_x, node.of_y)
    weaves = (are_woven(node, *loops), are_woven(node, *loops[::-1]))
    args = tuple(of_apart(x, some) for x, some in zip(node.args, weaves, strict=True))
    return None if args == node.args else node.with_args(args)


def of_apart(x: Node, but_steps: bool) -> Node:
    if isinstance(x, View) and not isinstance(x, Gather):
        base = of_apart(x.x, but_steps)
        return x if base is x.x else x.with_args((base,))
    if not isinstance(x, Concatenate):
        return x
    return (x.apart_but_steps if but_steps else x.apart) or x


RULES: tuple[Callable[[Node, Uses], Node | None], ...] = (
    transposed_product,
    quotient_by_root,
    logistic,
    summed_product,
    sliced_product,
    reshaped_once,
    squeezed_product,
    in_finer_axes,
    padded_apart,
    in_parts,
    in_blocks,
    apart_among_zeros,
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
