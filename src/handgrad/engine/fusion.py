"""From a graph to kernels: which arrays are stored, and which operations share a loop.

An operation is computed where its result is used, unless that would be done over and over: then its result is
stored, by a kernel of its own. Kernels over the same space whose reads meet place by place are made one, so
that an elementwise chain after a product is applied to the product's tile while it is in registers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from handgrad.engine.access import Coordinates, counter
from handgrad.engine.emit.arithmetic import LIBRARY
from handgrad.engine.graph import LEAVES, VIEWS, Graph, Node
from handgrad.engine.lowering import Load, Lowering, Made, NotAffine, loads, storage, walk
from handgrad.engine.targets.target import Target

COSTS = {
    **dict.fromkeys("divide sqrt remainder floor_divide".split(), 8),
    **dict.fromkeys("exp expm1 log log1p tanh erf erfc".split(), 20),
    **dict.fromkeys((*LIBRARY, "logaddexp", "power"), 60),
    "fill": 0,
}
WORTH_STORING = 10  # what it may cost, in additions, to compute a value twice
DEEPEST = 40  # operations in a row without one that is stored


class Kernel:
    """Loops over a space, and what is computed for each of its points.

    ``values`` are nodes with their expressions, in order; those in ``stores`` are written to memory. Of a
    product ``operands`` are the loads of its two factors; of a reduction the values are what is reduced.
    """

    def __init__(
        self,
        kind: str,
        space: tuple,
        values: list[tuple[Node, Any]],
        node: Node,
        operands: tuple[Load, Load] | None = None,
    ):
        self.kind = kind
        self.space = space
        self.values = values
        self.node = node
        self.stores: set[Node] = {n for n, _ in values}
        self.operands = operands
        self.phase = 0
        self.partition: int | None = None  # the loop that is divided among threads

    def add(self, values: list[tuple[Node, Any]], stores: Iterable[Node]) -> None:
        """Compute more in the same loops."""
        self.values += values
        self.stores |= set(stores)
        self.__dict__.pop("reads", None)
        self.__dict__.pop("arrays", None)

    @functools.cached_property
    def reads(self) -> list[Load]:
        return [*loads([e for _, e in self.values]), *(self.operands or ())]

    @functools.cached_property
    def arrays(self) -> dict[Node, None]:
        """All arrays that are read, in order."""
        return dict.fromkeys(load.array for load in self.reads)

    @property
    def output_space(self) -> tuple:
        return self.node.shape if self.kind == "product" else self.space


def counters(space: tuple) -> Coordinates:
    return tuple(counter(i, n) for i, n in enumerate(space))


def kernels_of(graph: Graph) -> list[Kernel]:
    """The kernels of a graph, in an order in which they can run."""
    while True:
        stored = _stored(graph)
        try:
            return _merged(graph, _separate(graph, stored))
        except NotAffine as error:
            if error.node in stored or error.node.op in LEAVES:
                raise  # storing it would not help: better a fault than no end
            error.node.options["stored"] = True


# What is stored.


def _stored(graph: Graph) -> set[Node]:
    leaves = {node for node in graph.nodes if node.op in LEAVES}
    wanted = {*graph.outputs, *(_viewed(x) for node in graph.nodes if node.op == "matmul" for x in node.args)}
    wanted |= {_reshaped(x) for node in graph.nodes if node.op == "foreign" for x in node.args} - leaves
    uses = dict.fromkeys(graph.nodes, 0)
    largest = {node: node.size for node in graph.nodes}  # of the arrays that it is computed for
    for node in reversed(graph.nodes):
        uses[node] += node in wanted
        for x in (*node.nodes, *node.index):
            uses[x] += min(uses[node], 2) if node.op in VIEWS else 1
            if node.is_inline or node.op in VIEWS:
                largest[x] = max(largest[x], largest[node] if node.op in VIEWS else node.size)
    stored: set[Node] = set()
    cost: dict[Node, int] = {}
    depth: dict[Node, int] = {}
    for node in graph.nodes:
        if node.op in LEAVES:
            cost[node] = depth[node] = 0
            continue
        cost[node] = COSTS.get(node.op, 1) * node.is_inline + sum(cost[x] for x in node.nodes)
        depth[node] = node.is_inline + max((depth[x] for x in node.nodes), default=0)
        if (
            node in wanted
            or node.options.get("stored")
            or not (node.is_inline or node.op in VIEWS)
            or (node.is_inline and cost[node] >= WORTH_STORING and uses[node] > 1)
            or (node.is_inline and cost[node] > 2 and largest[node] > 2 * node.size)
            or depth[node] > DEEPEST
        ):
            stored.add(node)
            cost[node] = depth[node] = 0
    return stored


def _reshaped(node: Node) -> Node:
    """What a node is another shape of: the same memory, which NumPy is given in that shape."""
    while node.op == "reshape":
        node = node.args[0]
    return node


def _viewed(node: Node) -> Node:
    """What a factor of a product is a view of."""
    while node.op in VIEWS - {"look"}:
        node = node.args[0]
    return node


# One kernel for each array that is stored.


def _separate(graph: Graph, stored: set[Node]) -> list[Kernel]:
    return [_kernel(node, stored) for node in graph.nodes if node in stored]


def _kernel(node: Node, stored: set[Node]) -> Kernel:
    lowering = Lowering(stored, {})
    if node.op == "reduce":
        (x,) = node.args
        return Kernel("reduce", x.shape, [(node, lowering.lower(x, counters(x.shape)))], node)
    if node.op == "matmul":
        return _product(node, lowering)
    if node.is_inline or node.op in VIEWS:
        return Kernel("loop", node.shape, [(node, lowering.lower(node, counters(node.shape), True))], node)
    return _special(node, lowering)


def _product(node: Node, lowering: Lowering) -> Kernel:
    x, y = node.args
    *_, i, j, k = counters((*node.shape, x.shape[-1]))
    operands = []
    for a, ends in ((x, (i, k)), (y, (k, j))):
        first = len(node.shape) - len(a.shape)
        outer = tuple(counter(first + d, n) for d, n in enumerate(a.shape[:-2]))
        made = lowering.lower(a, (*outer, *ends))
        if not isinstance(made, Load) or made.looks:
            raise NotAffine(a)
        operands.append(made)
    space = (*node.shape, x.shape[-1])
    return Kernel("product", space, [(node, Made(node, node.dtype))], node, (operands[0], operands[1]))


MOST_ROWS_OF_DOTS = 192  # of more rows, the adding up of lanes costs more than a transposed copy
LEAST_DEPTH_OF_DOTS = 64


def is_better_turned(shape: tuple, dtype: Any, rows: int, target: Target) -> bool:
    """Whether a matrix (D, M) that ``rows`` rows are multiplied with is better stored as (M, D).

    So where D fills vectors and M would leave a tenth of the lanes empty: then both products, x W and its
    gradient xᵀ dout, have their vectors along D.
    """
    if len(shape) != 2 or np.dtype(dtype).kind != "f" or rows > MOST_ROWS_OF_DOTS:
        return False
    lanes = target.vector_bytes // np.dtype(dtype).itemsize
    D, M = shape
    filled = M / (-(-M // lanes) * lanes)
    return D % lanes == 0 and D >= LEAST_DEPTH_OF_DOTS and M > 1 and filled < 0.9


def _special(node: Node, lowering: Lowering) -> Kernel:
    """Parts laid into an array, or added to it; random numbers; keys."""
    values = []
    for x in node.nodes if node.op != "scatter" else node.args:
        values.append((x, lowering.lower(x, counters(x.shape))))
    if node.op == "scatter":
        shape = node.args[0].shape
        view = Node("look" if node.index else "slice", [node], shape, node.dtype, index=node.options["index"])
        target = Lowering({node, *lowering.stored}, {}).lower(view, counters(shape))
        values.append((node, target))
    kernel = Kernel(node.op, node.shape, values, node)
    kernel.stores = {node}
    return kernel


# Kernels made one.


def _merged(graph: Graph, kernels: list[Kernel]) -> list[Kernel]:
    producer = {node: kernel for kernel in kernels for node in kernel.stores}
    stored = set(producer)
    readers: dict[Node, list[Kernel]] = {}
    gone: set[Kernel] = set()
    for kernel in kernels:
        if kernel.kind in ("loop", "reduce"):
            for host in _candidates(kernel, producer, readers):
                if _joins(kernel, host, producer, stored):
                    gone.add(kernel)
                    producer |= dict.fromkeys(kernel.stores, host)
                    kernel = host
                    break
        for array in kernel.arrays:
            readers.setdefault(array, []).append(kernel)
    kernels = [kernel for kernel in kernels if kernel not in gone]
    read = {array for kernel in kernels for array in kernel.arrays}
    needed = {*read, *(storage(out, stored) for out in graph.outputs)}
    for kernel in kernels:
        kernel.stores = {node for node in kernel.stores if node in needed}
    return in_order(kernels, lambda kernel: makers(kernel, producer))


def _candidates(kernel: Kernel, producer: dict, readers: dict) -> list[Kernel]:
    """Kernels that made something that this one reads, the latest first; then those that read the same."""
    arrays = [load.array for load in kernel.reads]
    makers = {producer[a]: a.number for a in arrays if a in producer} if kernel.kind == "loop" else {}
    beside = [k for a in arrays if a.size > 1 for k in readers.get(a, [])[-4:]]
    return [*sorted(makers, key=lambda k: -makers[k]), *reversed(beside)]


def _joins(kernel: Kernel, host: Kernel, producer: dict, stored: set[Node]) -> bool:
    """Make ``kernel`` a part of ``host``, if it can be."""
    if host is kernel or kernel.space != host.output_space or len(host.values) > 24:
        return False
    if kernel.kind == "loop":
        if host.kind not in ("loop", "product"):
            return False
    elif host.kind != "reduce" or host.node.options["axes"] != kernel.node.options["axes"]:
        return False
    made = {node: counters(host.output_space) for node, _ in host.values} if kernel.kind == "loop" else {}
    lowering = Lowering(stored, made)
    values = [
        (node, lowering.lower(*_lowered_of(node, kernel), kernel.kind == "loop")) for node, _ in kernel.values
    ]
    own = set(dict(host.values)) if kernel.kind == "loop" else host.stores
    others = {load.array for load in loads([e for _, e in values])}
    if others & own or any(_depends(producer.get(a), host, producer) for a in others):
        return False
    host.add(values, kernel.stores)
    return True


def _lowered_of(node: Node, kernel: Kernel) -> tuple[Node, Coordinates]:
    target = node.args[0] if kernel.kind == "reduce" else node
    return target, counters(kernel.space)


def _depends(kernel: Kernel | None, on: Kernel, producer: dict) -> bool:
    """Whether a kernel needs, by any way, what another makes."""
    seen, waiting = set(), [kernel]
    while waiting:
        kernel = waiting.pop()
        if kernel is None or kernel in seen:
            continue
        if kernel is on:
            return True
        seen.add(kernel)
        waiting += [producer.get(a) for a in kernel.arrays]
    return False


def in_order(kernels: list[Kernel], before: Callable[[Kernel], list[Kernel]]) -> list[Kernel]:
    """Each kernel after those that must come before it, else in the order given."""
    found: dict[Kernel, None] = {}
    for first in kernels:
        waiting = [first]
        while waiting:
            missing = [k for k in before(waiting[-1]) if k not in found]
            if waiting[-1] in found or not missing:
                found[waiting.pop()] = None
            else:
                waiting += missing
    return list(found)


def makers(kernel: Kernel, producer: dict[Node, Kernel]) -> list[Kernel]:
    """The kernels that make what a kernel reads."""
    return [producer[a] for a in kernel.arrays if a in producer and producer[a] is not kernel]


def copying(node: Node, target: Node) -> Kernel:
    """A kernel that writes a node over an input."""
    copy = Node("astype", [node], target.shape, target.dtype)
    copy.number = node.number
    view = Node("reshape", [node], target.shape, node.dtype)
    load = Lowering({node}, {}).lower(view, counters(target.shape))
    return Kernel("loop", target.shape, [(copy, load)], copy)


def is_pointwise(kernel: Kernel, array: Node) -> bool:
    """Whether a kernel reads an array only at the place that it writes, and before it writes there."""
    own = [load for load in kernel.reads if load.array is array]
    if not own or not array.size:
        return True
    here = Lowering({array}, {}).lower(array, counters(array.shape))
    is_placed = kernel.kind in ("assemble", "scatter")  # they write elsewhere, or before they read
    return not is_placed and all(load.offset == here.offset and not load.looks for load in own)


def work(kernel: Kernel) -> tuple[float, float]:
    """Floating-point operations (a function counts as its cost in additions) and bytes read and written."""
    points = math.prod(kernel.output_space)
    flops = sum(COSTS.get(e.op, 1) * points for e in walk([e for _, e in kernel.values]) if hasattr(e, "op"))
    if kernel.kind == "product":
        flops += 2 * math.prod(kernel.space)
    arrays = {*kernel.arrays, *kernel.stores}
    return flops, sum(a.size * a.dtype.itemsize for a in arrays)
