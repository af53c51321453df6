"""Factors that are packed once, for all the products of a loop that read them.

A product copies its second factor so that what its tiles read lies in order. Where a loop makes the same
product in each of its steps, that is done before it.
"""

from __future__ import annotations

import dataclasses

from handgrad.engine.access import counter
from handgrad.engine.emit.ir import i64
from handgrad.engine.kernels.kernel import Kernel, Setting, Site
from handgrad.engine.kernels.product.kernel import FILLED, Contract
from handgrad.engine.kernels.product.plan import WORTH_COPYING
from handgrad.engine.kernels.product.product import are_pairs, vectors_of
from handgrad.engine.kernels.product.shapes import WIDTH, in_panels
from handgrad.engine.kernels.product.source import Block, copy, copy_pairs
from handgrad.engine.lowering import Load, Lowering, NotAffine
from handgrad.engine.nodes import Gather, Graph, Input, Node, OfOne, View, graph_of


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Panels(OfOne):
    """A matrix x (K, N) for products with it: K lines of a vector's columns, then the next columns.

    How long a vector is, and whether its elements are pairs of bfloat16, is known where code is written; the
    shape is that of the longest, (N / 16, K, 16).
    """

    @staticmethod
    def of(x: Node) -> Panels:
        return Panels(in_panels(*x.shape), x.dtype, x)

    def kernel(self, lowering: Lowering) -> Kernel:
        count, depth, width = self.shape
        column = counter(0, count).scaled(width) + counter(2, width)
        made = lowering.lower(self.x, (counter(1, depth), column))
        if not isinstance(made, Load) or made.gathers:
            raise NotAffine(self.x)
        return PanelsKernel(self, self.shape, [(self, made)])

    def check(self) -> None:
        if self.shape != in_panels(*self.x.shape):
            raise ValueError(f"{self}: it has no panels of {self.x}")


class PanelsKernel(Kernel):
    """A copy of a matrix as panels."""

    name = "panels"
    writes_in_order = False
    node: Panels

    @property
    def told_space(self) -> tuple:
        return self.node.x.shape

    @property
    def divisible(self) -> list[int]:
        return [0] if self.space[0] > 1 else []

    def details(self) -> tuple:
        return self.node.x.shape

    def describe(self, setting: Setting) -> str:
        return "packed once"

    def emit(self, site: Site) -> None:
        f, (depth, columns) = site.f, self.node.x.shape
        load = self.values[0][1]
        vector = vectors_of(self.node.dtype, site.target)
        lanes, down, across = vector.lanes, load.offset.stride(1), load.offset.stride(2)
        in_pairs = site.bfloat16 and are_pairs(self.node.dtype, site.target)
        lines = -(-depth // 2) if in_pairs else depth
        first, stop = site.bounds or (i64(0), i64(self.space[0]))
        begin, end = (f.binary("mul", n, i64(WIDTH)) for n in (first, stop))
        with f.loop(begin, f.intrinsic("smin", end, i64(columns)), lanes) as j:
            left = f.intrinsic("smin", f.binary("sub", i64(columns), j), i64(lanes))
            place = f.binary("add", i64(load.offset.start), f.binary("mul", j, i64(across)))
            source = f.offset(site.pointers[load.array], place, vector.scalar)
            target = f.offset(site.pointers[self.node], f.binary("mul", j, i64(lines)), vector.scalar)
            block = Block(source, across, left if columns % lanes else lanes, [(0, down, depth)])
            (copy_pairs if in_pairs else copy)(f, block, target, lanes, vector)


def packed_before(graph: Graph, weights: dict[Node, Node]) -> tuple[Graph, dict[Node, Node]]:
    """A loop's body whose products read panels of its weights, and the weights that it reads now.

    ``weights`` are inputs that are the same in each step, with what they are outside. Panels of a loop
    inside are made before this one, too.
    """
    new: dict[Node, Node] = {}
    panels: dict[Node, Node] = {}  # by what they are of; inputs
    outside: dict[Node, Node] = {}

    def panels_of(x: Node) -> Node:
        if x not in panels:
            made = Panels.of(around(x, weights))
            panels[x] = Input(made.shape, made.dtype)
            outside[panels[x]] = made
        return panels[x]

    for node in graph.nodes:
        if isinstance(node, Panels) and base_of(node.x) in weights:
            new[node] = panels_of(node.x)
        elif isinstance(node, Contract) and suits(node) and base_of(node.y) in weights:
            new[node] = dataclasses.replace(node, x=new[node.x], y=panels_of(node.y), has_panels=True)
        else:
            args = tuple(new[x] if isinstance(x, Node) else x for x in node.args)
            new[node] = node if args == node.args else node.with_args(args)
    made = graph_of((), [new[out] for out in graph.outputs])
    read = {inside: x for inside, x in (weights | outside).items() if inside in made.nodes}
    rest = [x for x in graph.inputs if x not in weights]
    return graph_of((*read, *rest), made.outputs), read


def suits(node: Contract) -> bool:
    """Whether a product is one of rows with a matrix whose columns fill vectors."""
    if not node.is_of_matrices or len(node.of_y) > 2 or node.has_panels:
        return False
    columns = node.shape[-1]
    return columns >= FILLED and node.size >= WORTH_COPYING * columns


def base_of(x: Node) -> Node:
    """What it is a view of."""
    while isinstance(x, View) and not isinstance(x, Gather):
        x = x.x
    return x


def around(x: Node, weights: dict[Node, Node]) -> Node:
    """The same view of what a weight is outside."""
    return weights[x] if x in weights else x.with_args((around(x.nodes[0], weights),))
