"""From nodes to kernels: which arrays are stored, and which operations share a loop.

An operation is computed where its result is used, unless that would be done over and over: then its result is
stored, by a kernel of its own. Kernels over the same space whose reads meet place by place are made one, so
that an elementwise chain after a product is applied to the product's tile while it is in registers.
"""

from __future__ import annotations

from collections.abc import Iterator

from handgrad.engine.costs import COSTS
from handgrad.engine.kernels.fallback import Fallback
from handgrad.engine.kernels.kernel import Kernel
from handgrad.engine.kernels.loop import LoopKernel
from handgrad.engine.kernels.product.kernel import Contract
from handgrad.engine.lowering import Lowering, NotAffine, loads, storage
from handgrad.engine.nodes import Elementwise, Gather, Graph, Inline, Leaf, Node, Result, View, base_of
from handgrad.engine.order import Order

WORTH_STORING = 10  # what it may cost, in additions, to compute a value twice
DEEPEST = 40  # operations in a row without one that is stored
MOST_VALUES = 24  # in a kernel that more are joined to
FAR = 100  # kernels that a join may move, or that are searched for one that forbids it
LATEST = 4  # readers of an array that are asked whether another joins them


def kernels_of(graph: Graph) -> list[Kernel]:
    """The kernels of a graph, in an order in which they can run."""
    fusion = Fusion(stored(graph))
    for node in graph.nodes:
        if node in fusion.stored:
            fusion.make(node)
    return fusion.finish(graph)


def stored(graph: Graph) -> set[Node]:
    """The nodes that are worth storing."""
    wanted, passed = set(graph.outputs), set[Node]()
    for node in graph.nodes:
        if isinstance(node, Contract):
            wanted |= set(node.stored)
            passed |= set(node.passed)
        elif isinstance(node, Fallback):
            wanted |= {base for base in map(base_of, node.args) if not isinstance(base, Leaf)}
    uses = dict.fromkeys(graph.nodes, 0)
    largest = {node: node.size for node in graph.nodes}  # of the arrays that it is computed for
    for node in reversed(graph.nodes):
        uses[node] += node in wanted
        is_view = isinstance(node, View)
        for x in node.nodes:
            uses[x] += min(uses[node], 2) if is_view else 1
            if is_view or isinstance(node, Inline):
                largest[x] = max(largest[x], largest[node] if is_view else node.size)
    found: set[Node] = set()
    cost = dict.fromkeys(graph.nodes, 0)
    depth = dict.fromkeys(graph.nodes, 0)
    reads: dict[Node, frozenset[Node]] = {}  # stored arrays as large as the node
    for node in graph.nodes:
        if isinstance(node, Leaf):
            reads[node] = frozenset([node])
            continue
        is_inline = isinstance(node, Inline)
        own = COSTS.get(node.op, 1) if isinstance(node, Elementwise) else 0
        cost[node] = own + sum(cost[x] for x in node.nodes)
        depth[node] = is_inline + max((depth[x] for x in node.nodes), default=0)
        if isinstance(node, Gather):
            reads[node] = frozenset([node])
        else:
            reads[node] = frozenset(a for x in node.nodes for a in reads[x] if a.size >= node.size)
        if (
            node in wanted
            or not (is_inline or isinstance(node, View) or node in passed)
            or (is_inline and cost[node] >= WORTH_STORING and uses[node] > 1)
            or (is_inline and cost[node] > 2 and largest[node] > 2 * node.size)
            or (is_inline and moves_less_stored(reads[node], uses, node))
            or depth[node] > DEEPEST
        ):
            found.add(node)
            cost[node] = depth[node] = 0
            reads[node] = frozenset([node])
    return found


def moves_less_stored(reads: frozenset[Node], uses: dict[Node, int], node: Node) -> bool:
    """Whether an array is better written once than made again of ``reads`` wherever it is used.

    r reads for each of n uses, and not r reads, a write and n reads. What comes after a product is written in
    the place of that, if nothing else needs it.
    """
    saved = (len(reads) - 1) * (uses[node] - 1)
    return saved > (0 if any(isinstance(x, Contract) and uses[x] == 1 for x in reads) else 2)


class Fusion:
    """Kernels so far: each new one joins an earlier one where it can."""

    def __init__(self, wanted: set[Node]):
        self.stored = wanted
        self.order: Order[Kernel] = Order()
        self.maker: dict[Node, Kernel] = {}
        self.readers: dict[Node, list[Kernel]] = {}

    def make(self, node: Node) -> None:
        """The kernel that stores a node; before it those of what must be stored for it after all."""
        if isinstance(node, Result):
            self.maker[node] = self.maker[node.x]
            self.maker[node].stores.add(node)
        while node not in self.maker:
            try:
                self.add(kernel_of(node, self.stored))
            except NotAffine as error:
                if error.node in self.stored or isinstance(error.node, Leaf):
                    raise  # storing it would not help: better a fault than no end
                self.stored.add(error.node)
                self.make(error.node)

    def add(self, kernel: Kernel) -> None:
        made = kernel.stores
        kernel = next((host for host in self.hosts(kernel) if self.joins(kernel, host)), kernel)
        if kernel not in self.order.place:
            self.order.append(kernel)
            self.order.demand(self.makers(kernel), kernel)
        self.maker |= dict.fromkeys(made, kernel)
        for array in kernel.arrays:
            self.readers.setdefault(array, []).append(kernel)

    def makers(self, kernel: Kernel) -> list[Kernel]:
        """The kernels that make what a kernel reads."""
        return [self.maker[a] for a in kernel.arrays if a in self.maker]

    def hosts(self, kernel: Kernel) -> Iterator[Kernel]:
        """Kernels that made something that this one reads, the latest first; then those that read the
        same.
        """
        makers = {self.maker[a]: a.number for a in kernel.arrays if a in self.maker}
        yield from sorted(makers, key=lambda host: -makers[host])
        for array in reversed(kernel.arrays):
            if array.size > 1:
                yield from self.readers.get(array, [])[: -LATEST - 1 : -1]

    def joins(self, kernel: Kernel, host: Kernel) -> bool:
        """Make ``kernel`` a part of ``host``, if it can be."""
        if not kernel.may_join(host) or len(host.values) > MOST_VALUES:
            return False
        values = kernel.lowered_in(host, self.stored)
        others = dict.fromkeys(load.array for load in loads([e for _, e in values]))
        if not kernel.made_before(host).isdisjoint(others):
            return False
        if not self.order.demand([self.maker[a] for a in others if a in self.maker], host, FAR):
            return False
        host.add(kernel, values)
        return True

    def finish(self, graph: Graph) -> list[Kernel]:
        """The kernels in order, storing no more than is read."""
        kernels = list(self.order)
        needed = {array for kernel in kernels for array in kernel.arrays}
        needed |= {array for out in graph.outputs if (array := storage(out, self.stored)) is not None}
        for kernel in kernels:
            kernel.stores &= needed
        return kernels


def kernel_of(node: Node, stored: set[Node]) -> Kernel:
    lowering = Lowering(stored, {})
    return LoopKernel.of(node, lowering) if isinstance(node, Inline | View) else node.kernel(lowering)
