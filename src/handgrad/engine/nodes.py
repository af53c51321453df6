"""A program as the engine sees it: typed nodes, each an array and how it is made.

Here are the nodes that any kernel may compute in its loops: leaves, elementwise operations, and views, which
only say where their elements lie in another array. What has a kernel of its own stands beside it, in
``kernels``. Nodes are never written into: a pass makes new ones.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.engine.access import (
    ZERO,
    Affine,
    Coordinates,
    Gathered,
    broadcast,
    moved,
    permuted,
    reshaped,
    sliced,
)  # fmt: skip

if TYPE_CHECKING:
    from handgrad.engine.kernels.kernel import Kernel
    from handgrad.engine.lowering import Lowering

Shape = tuple[int, ...]
_numbers = itertools.count()


class NotCompiled(TypeError):
    """An operation that the engine has no code for; the message names it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """An array. Nodes are numbered as they are made, so each has a higher number than what it is made of."""

    shape: Shape
    dtype: np.dtype
    number: int = dataclasses.field(default_factory=_numbers.__next__, init=False)

    @property
    def args(self) -> tuple:
        """What it is made of: nodes, and numbers, which take the dtype of the nodes beside them."""
        return ()

    @property
    def nodes(self) -> list[Node]:
        return [x for x in self.args if isinstance(x, Node)]

    @property
    def name(self) -> str:
        """What it is called in ``explain``."""
        return type(self).__name__.lower()

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def kernel(self, lowering: Lowering) -> Kernel:
        """The kernel that makes it, where it is stored."""
        raise NotImplementedError(f"{self.name} has no kernel of its own")

    def with_args(self, args: tuple) -> Node:
        """The same of other arrays."""
        return self

    def check(self) -> None:
        """Shape and dtype are those of what it is made of.

        Raises:
            ValueError: they are not.
        """

    def __repr__(self) -> str:
        return f"%{self.number} {self.name} {self.dtype}{list(self.shape)}"


class Leaf(Node):
    """What the caller gives."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Input(Leaf):
    pass


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Constant(Leaf):
    value: np.ndarray


class Inline(Node):
    """What any kernel can compute for one element, of the same element of what it is made of."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Fill(Inline):
    """One number everywhere."""

    value: Any


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Elementwise(Inline):
    """An operation of the elements at the same place, computed in the dtype ``kind``."""

    op: str
    operands: tuple
    kind: np.dtype

    @property
    def args(self) -> tuple:
        return self.operands

    @property
    def name(self) -> str:
        return self.op

    def with_args(self, args: tuple) -> Node:
        return dataclasses.replace(self, operands=args)

    def check(self) -> None:
        for x in self.nodes:
            if np.broadcast_shapes(x.shape, self.shape) != self.shape:
                raise ValueError(f"{self}: {x} does not fit its shape")


def cast(x: Node, dtype: Any, shape: Shape | None = None) -> Elementwise:
    dtype = np.dtype(dtype)
    return Elementwise(x.shape if shape is None else shape, dtype, "astype", (x,), dtype)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class OfOne(Node):
    """Made of one array."""

    x: Node

    @property
    def args(self) -> tuple:
        return (self.x,)

    def with_args(self, args: tuple) -> Node:
        return dataclasses.replace(self, x=args[0])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class View(OfOne):
    """The elements of another array, elsewhere."""

    def source(self, coordinates: Coordinates) -> Coordinates | None:
        """Coordinates in x, of those in the view; None where they are not affine."""
        raise NotImplementedError

    def check(self) -> None:
        if self.x.dtype != self.dtype:
            raise ValueError(f"{self}: it is a view of {self.x}")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Reshape(View):
    def source(self, coordinates: Coordinates) -> Coordinates | None:
        return reshaped(coordinates, self.shape, self.x.shape)

    def check(self) -> None:
        super().check()
        if self.x.size != self.size:
            raise ValueError(f"{self}: {self.x} has another size")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Transpose(View):
    axes: tuple[int, ...]

    def source(self, coordinates: Coordinates) -> Coordinates | None:
        return permuted(coordinates, self.axes)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Broadcast(View):
    def source(self, coordinates: Coordinates) -> Coordinates | None:
        return broadcast(coordinates, self.x.shape)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Slice(View):
    index: tuple

    def source(self, coordinates: Coordinates) -> Coordinates | None:
        return sliced(coordinates, self.index, self.x.shape)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Flip(View):
    axes: tuple[int, ...]

    def source(self, coordinates: Coordinates) -> Coordinates | None:
        flipped = tuple(
            moved(c, n - 1, -1) if i in self.axes and n > 1 else c
            for i, (c, n) in enumerate(zip(coordinates, self.x.shape, strict=True))
        )
        return flipped if all(c is not None for c in flipped) else None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Windows(View):
    """Windows over axes of x: element j of window i lies at i·stride + j·dilation. Each j is an axis at the
    end.
    """

    axes: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    def source(self, coordinates: Coordinates) -> Coordinates | None:
        found = list(coordinates[: len(self.x.shape)])
        inside = coordinates[len(self.x.shape) :]
        for a, j, s, d in zip(self.axes, inside, self.stride, self.dilation, strict=True):
            if not (isinstance(found[a], Affine) and isinstance(j, Affine)):
                return None
            found[a] = found[a].scaled(s) + j.scaled(d)
        return tuple(found)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Gather(View):
    """x[index], where some parts of the index are arrays of integers."""

    index: tuple

    @property
    def args(self) -> tuple:
        return (self.x, *nodes_in(self.index))

    def with_args(self, args: tuple) -> Node:
        return dataclasses.replace(self, x=args[0], index=with_nodes(self.index, args[1:]))

    def source(self, coordinates: Coordinates) -> Coordinates | None:
        return gathered(coordinates, self.index, self.x.shape)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Result(OfOne):
    """One of several arrays that the kernel of x makes, in memory of its own."""

    index: int


def results_of(node: Node, out: tuple) -> tuple[Result, ...]:
    """The arrays that a kernel makes at once, of the shapes and dtypes of ``out``."""
    return tuple(Result(x.shape, np.dtype(x.dtype), node, i) for i, x in enumerate(out))


def nodes_in(index: tuple) -> tuple[Node, ...]:
    """The arrays of integers in an index."""
    return tuple(x for x in index if isinstance(x, Node))


def with_nodes(index: tuple, nodes: tuple) -> tuple:
    """An index with other arrays in it."""
    following = iter(nodes)
    return tuple(next(following) if isinstance(x, Node) else x for x in index)


def gathered(coordinates: Coordinates, index: tuple, shape: Shape) -> Coordinates | None:
    """Coordinates in x of ``shape``, of those in x[index], where ``index`` has arrays of integers in it.

    As in NumPy: the arrays' common axes come where the first of them stands, or first of all where
    something stands between them.
    """
    arrays = [i for i, part in enumerate(index) if not isinstance(part, slice) and part is not None]
    together = np.broadcast_shapes(*(index[i].shape if isinstance(index[i], Node) else () for i in arrays))
    side_by_side = arrays == list(range(arrays[0], arrays[-1] + 1))
    before = sum(1 for part in index[: arrays[0]] if part is None or isinstance(part, slice))
    first = before if side_by_side else 0
    common = coordinates[first : first + len(together)]
    rest = iter((*coordinates[:first], *coordinates[first + len(together) :]))
    sizes = iter(shape)
    found: list[Any] = []
    for part in index:
        if part is None:
            next(rest)
            continue
        n = next(sizes)
        if isinstance(part, slice):
            start, _, step = part.indices(n)
            found.append(moved(next(rest), start, step))
        elif isinstance(part, Node):
            own = broadcast(common, part.shape)
            found.append(in_a_row(part, own, n) or Gathered(part, own, n))
        else:
            found.append(Affine(int(part) + (n if part < 0 else 0)))
    return tuple(found) if all(c is not None for c in found) else None


def in_a_row(index: Node, coordinates: Coordinates, size: int) -> Affine | None:
    """The coordinate that an array of constants stands for, if these are an axis's places in a row."""
    long = [i for i, n in enumerate(index.shape) if n != 1]
    if not isinstance(index, Constant) or len(long) > 1 or index.size == 0:
        return None
    places = index.value.reshape(-1).astype(np.int64)
    start, step = int(places[0]), int(places[1] - places[0]) if long else 0
    if np.any(places != start + step * np.arange(len(places))) or places.min() < 0 or places.max() >= size:
        return None
    return moved(coordinates[long[0]] if long else ZERO, start, step)


@dataclasses.dataclass(frozen=True)
class Graph:
    """Nodes in an order in which each comes after what it is made of."""

    nodes: tuple[Node, ...]
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]

    def check(self) -> None:
        """Each node is made of earlier ones, and is what they say.

        Raises:
            ValueError: naming the node.
        """
        seen: set[Node] = set()
        for node in self.nodes:
            missing = [x for x in node.nodes if x not in seen]
            if missing:
                raise ValueError(f"{node} is made of {missing[0]}, which comes later")
            node.check()
            seen.add(node)
        if not seen.issuperset((*self.inputs, *self.outputs)):
            raise ValueError("an input or an output is not in the graph")


def graph_of(inputs: Iterable[Node], outputs: Iterable[Node]) -> Graph:
    """The nodes that some outputs are made of, checked."""
    inputs, outputs = tuple(inputs), tuple(outputs)
    found = {*inputs, *outputs}
    waiting = list(found)
    while waiting:
        new = [x for x in waiting.pop().nodes if x not in found]
        found.update(new)
        waiting += new
    graph = Graph(tuple(sorted(found, key=lambda node: node.number)), inputs, outputs)
    graph.check()
    return graph


def base_of(node: Node) -> Node:
    """The node whose memory this is, perhaps in another shape."""
    while isinstance(node, Reshape):
        node = node.x
    return node
