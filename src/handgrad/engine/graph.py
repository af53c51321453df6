"""A program as the engine sees it: nodes of few kinds, each with the few forms that it can have.

A node's ``op`` is the name of an elementwise operation, or one of

- ``input``, ``constant``; ``fill`` (one number everywhere)
- views, which only say where their elements lie in another array: ``reshape``, ``permute_dims``,
  ``broadcast_to``, ``slice``, ``flip``, ``look`` (indices that are values)
- ``reduce`` (over axes that go), ``matmul`` (of arrays of two axes and more), ``random``, ``fold_in``,
  ``assemble`` (parts laid into an array), ``scatter`` (parts added to zeros at indices that are values)
- ``foreign``: an operation that the engine has no code for, which NumPy computes
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import shape as shape_of
from handgrad.engine.access import Affine, Coordinates, Looked, broadcast, moved, permuted, reshaped, sliced
from handgrad.program.inference import ELEMENTWISE, REDUCTIONS, sample
from handgrad.program.program import Operation, Program
from handgrad.program.symbol import Symbol
from handgrad.tree import leaves, tree_map

VIEWS = frozenset("reshape permute_dims broadcast_to slice flip look".split())
LEAVES = frozenset("input constant".split())
INLINE = ELEMENTWISE | frozenset("astype watch fill".split())


class NotCompiled(TypeError):
    """An operation that the engine has no code for; the message names it."""


class Node:
    """One array of the program, and how it is made."""

    __slots__ = ("args", "dtype", "number", "op", "options", "shape", "value")

    def __init__(self, op: str, args: list, shape: tuple, dtype: Any, **options: Any):
        self.op = op
        self.args = args  # nodes, and numbers, which take the dtype of their company
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.options = options
        self.number = -1  # its place in the graph
        self.value: Any = None  # of a constant

    def __repr__(self) -> str:
        return f"%{self.number}"

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_inline(self) -> bool:
        return self.op in INLINE

    @property
    def nodes(self) -> list[Node]:
        return [x for x in self.args if isinstance(x, Node)]

    @property
    def index(self) -> tuple[Node, ...]:
        """Arrays of integers that a ``look`` or a ``scatter`` is told its places by."""
        return tuple(x for x in self.options.get("index", ()) if isinstance(x, Node))

    def source(self, coordinates: Coordinates) -> Coordinates | None:
        """Coordinates in a view's source, of those in the view; None where they are not affine."""
        (x,) = self.args
        if self.op == "permute_dims":
            return permuted(coordinates, self.options["axes"])
        if self.op == "broadcast_to":
            return broadcast(coordinates, x.shape)
        if self.op == "slice":
            return sliced(coordinates, self.options["index"], x.shape)
        if self.op == "reshape":
            return reshaped(coordinates, self.shape, x.shape)
        if self.op == "flip":
            flipped = tuple(
                moved(c, n - 1, -1) if i in self.options["axes"] and n > 1 else c
                for i, (c, n) in enumerate(zip(coordinates, x.shape, strict=True))
            )
            return flipped if all(c is not None for c in flipped) else None
        return looked(coordinates, self.options["index"], x.shape)


class Graph:
    """Nodes in an order in which each comes after what it is made of."""

    def __init__(self, nodes: list[Node], inputs: list[Node], outputs: list[Node]):
        self.nodes = nodes
        self.inputs = inputs
        self.outputs = outputs
        for number, node in enumerate(nodes):
            node.number = number


def looked(coordinates: Coordinates, index: tuple, shape: tuple) -> Coordinates | None:
    """Coordinates in x of ``shape``, of those in x[index], where ``index`` has arrays of integers in it.

    As in NumPy: the arrays' common axes come where the first of them stands, or first of all where
    something stands between them.
    """
    arrays = [i for i, part in enumerate(index) if not isinstance(part, slice) and part is not None]
    together = np.broadcast_shapes(*(shape_of(index[i]) for i in arrays))
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
            found.append(Looked(part, broadcast(common, part.shape), n))
        else:
            found.append(Affine(int(part) + (n if part < 0 else 0)))
    return tuple(found) if all(c is not None for c in found) else None


def graph_of(program: Program) -> Graph:
    """The nodes of a program.

    Raises:
        NotCompiled: naming an operation or a dtype that the engine has no code for.
    """
    return Builder(program).graph()


class Builder:
    def __init__(self, program: Program):
        self.nodes: list[Node] = []
        self.known: dict[int, Node] = {}
        self.constants: dict[tuple, Node] = {}
        self.program = program

    def graph(self) -> Graph:
        inputs = []
        for x in leaves(self.program.inputs):
            if hasattr(x, "program"):
                self.known[id(x)] = Node("input", [], x.shape, x.dtype)
                inputs.append(self.known[id(x)])
        self.nodes += inputs
        for operation in self.program.operations:
            self.known[id(operation.out)] = self.made(operation)
        outputs = [self.array(x) for x in leaves(self.program.outputs) if hasattr(x, "dtype")]
        return Graph(living(self.nodes, [*inputs, *outputs]), inputs, outputs)

    def made(self, operation: Operation) -> Node:
        """An operation as nodes, or as a foreign one that says why."""
        so_far = len(self.nodes)
        try:
            for x in leaves((operation.args, operation.options)):
                if isinstance(x, Symbol) and x.dtype not in DTYPES:
                    raise NotCompiled(f"arrays of {x.dtype}")
            return self.operation(operation.name, operation.args, operation.options, operation.out)
        except NotCompiled as error:
            del self.nodes[so_far:]
            return self.foreign(operation, str(error))

    def foreign(self, operation: Operation, why: str) -> Node:
        """An operation for NumPy; symbols among its arguments become nodes."""

        def known(x: Any) -> Any:
            return self.known[id(x)] if isinstance(x, Symbol) else x

        args, keywords = tree_map(known, operation.args), tree_map(known, operation.options)
        nodes = list(dict.fromkeys(x for x in leaves((args, keywords)) if isinstance(x, Node)))
        out = operation.out
        where = f", in {operation.origin}" if operation.origin else ""
        made = Node("foreign", nodes, out.shape, out.dtype, name=operation.name, given=args)
        made.options |= {"keywords": keywords, "why": f"{operation.name}{where}: {why}"}
        self.nodes.append(made)
        return made

    def node(self, op: str, args: list, shape: Any, dtype: Any, **options: Any) -> Node:
        if np.dtype(dtype) not in DTYPES:
            raise NotCompiled(f"arrays of {np.dtype(dtype)}")
        made = Node(op, args, shape, dtype, **options)
        self.nodes.append(made)
        return made

    def argument(self, x: Any) -> Any:
        """A node, or a number that takes the dtype of its company."""
        return self.array(x) if hasattr(x, "dtype") else x

    def array(self, x: Any) -> Node:
        if isinstance(x, Node):
            return x
        if id(x) in self.known:
            return self.known[id(x)]
        x = np.asarray(x)
        if x.ndim == 0:
            return self.node("fill", [], (), x.dtype, value=x.item())
        key = (x.dtype.str, x.shape, x.tobytes())
        if key not in self.constants:
            self.constants[key] = self.node("constant", [], x.shape, x.dtype)
            self.constants[key].value = np.ascontiguousarray(x)
        return self.constants[key]

    def operation(self, name: str, args: tuple, options: dict, out: Any) -> Node:
        if name in REDUCTIONS:
            return self.reduce(name, self.array(args[0]), out, **options)
        special: Callable | None = getattr(self, name, None) if name in SPECIAL else None
        if special is not None:
            return special(out, *args, **options)
        if name in ("power", "pow") and out.dtype.kind != "f":
            raise NotCompiled(f"powers of {out.dtype}")
        if out.dtype == bool:
            name = OF_BOOLEANS.get(name, name)
        if name in INLINE:
            arrays = [self.argument(x) for x in args if x is not None]
            name = "power" if name == "pow" else name
            return self.node(name, arrays, out.shape, out.dtype, kind=kind_of(name, arrays, out.dtype))
        raise NotCompiled(f"the engine has no code for {name}")

    # Operations with a form of their own.

    def zeros_like(self, out: Any, x: Any) -> Node:
        return self.node("fill", [], out.shape, out.dtype, value=0)

    def ones_like(self, out: Any, x: Any) -> Node:
        return self.node("fill", [], out.shape, out.dtype, value=1)

    def astype(self, out: Any, x: Any, dtype: Any) -> Node:
        return self.node("astype", [self.array(x)], out.shape, out.dtype)

    def clip(self, out: Any, x: Any, low: Any = None, high: Any = None) -> Node:
        made = self.array(x)
        for name, bound in (("maximum", low), ("minimum", high)):
            if bound is not None:
                made = self.node(
                    name, [made, self.argument(bound)], out.shape, out.dtype, kind=np.dtype(out.dtype)
                )
        return made

    def reshape(self, out: Any, x: Any, target: Any) -> Node:
        return self.reshaped(self.array(x), out.shape)

    def reshaped(self, x: Node, shape: tuple) -> Node:
        return x if x.shape == tuple(shape) else self.node("reshape", [x], shape, x.dtype)

    def permute_dims(self, out: Any, x: Any, axes: Any) -> Node:
        return self.permuted(self.array(x), tuple(a % len(out.shape) for a in axes))

    def permuted(self, x: Node, axes: tuple) -> Node:
        """A view; of a product of matrices, (A B)ᵀ = Bᵀ Aᵀ, which is made that way round at once."""
        shape = tuple(x.shape[a] for a in axes)
        if x.op == "matmul" and axes == (1, 0):
            A, B = x.args
            return self.node("matmul", [self.permuted(B, axes), self.permuted(A, axes)], shape, x.dtype)
        return self.node("permute_dims", [x], shape, x.dtype, axes=axes)

    def broadcast_to(self, out: Any, x: Any, target: Any) -> Node:
        return self.node("broadcast_to", [self.array(x)], out.shape, out.dtype)

    def flip(self, out: Any, x: Any, axis: Any = None) -> Node:
        axes = range(len(out.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = tuple(a % len(out.shape) for a in axes)
        return self.node("flip", [self.array(x)], out.shape, out.dtype, axes=axes)

    def getitem(self, out: Any, x: Any, index: Any) -> Node:
        return self.indexed(out, x, self.index_of(index, shape_of(x)))

    def indexed(self, out: Any, x: Any, index: tuple) -> Node:
        op = "look" if any(isinstance(part, Node) for part in index) else "slice"
        return self.node(op, [self.array(x)], out.shape, out.dtype, index=index)

    def index_of(self, index: Any, shape: tuple) -> tuple:
        """Slices, integers, None and nodes of integers, one for each axis."""
        parts: list[Any] = []
        for part in index if isinstance(index, tuple) else (index,):
            if hasattr(part, "dtype") and not hasattr(part, "program"):
                part = np.asarray(part)
                if part.dtype == bool:
                    parts += [self.array(where) for where in np.nonzero(part)]
                    continue
            if isinstance(part, bool | np.bool_):
                raise NotCompiled("an index that is a truth value")
            if isinstance(part, list):
                part = np.asarray(part)
            is_array = hasattr(part, "dtype") and (hasattr(part, "program") or np.ndim(part) > 0)
            parts.append(self.array(part) if is_array else part)
        if not any(part is Ellipsis for part in parts):
            parts.append(Ellipsis)
        where = next(i for i, part in enumerate(parts) if part is Ellipsis)
        whole = [slice(None)] * (len(shape) - sum(part is not None for part in parts) + 1)
        return (*parts[:where], *whole, *parts[where + 1 :])

    def take(self, out: Any, x: Any, indices: Any, axis: int = 0) -> Node:
        index = (slice(None),) * axis + (
            self.array(np.asarray(indices) if not hasattr(indices, "program") else indices),
        )
        index += (slice(None),) * (len(shape_of(x)) - len(index))
        return self.indexed(out, x, index)

    def take_along_axis(self, out: Any, x: Any, indices: Any, axis: int = -1) -> Node:
        x, ndim = self.array(x), len(shape_of(x))
        grid: list[Any] = []
        for i, n in enumerate(out.shape):
            if i == axis % ndim:
                grid.append(self.array(indices))
            elif x.shape[i] == 1:
                grid.append(0)
            else:
                grid.append(self.array(np.arange(n).reshape((1,) * i + (-1,) + (1,) * (ndim - i - 1))))
        return self.node("look", [x], out.shape, out.dtype, index=tuple(grid))

    def concat(self, out: Any, arrays: Any, axis: int = 0) -> Node:
        axis %= len(out.shape)
        places, start = [], 0
        parts = [self.array(x) for x in arrays]
        for x in parts:
            places.append(tuple(start if i == axis else 0 for i in range(len(out.shape))))
            start += x.shape[axis]
        return self.node("assemble", parts, out.shape, out.dtype, places=places, fill=False)

    def stack(self, out: Any, arrays: Any, axis: int = 0) -> Node:
        axis %= len(out.shape)
        widened = tuple(1 if i == axis else n for i, n in enumerate(out.shape))
        parts = [self.reshaped(self.array(x), widened) for x in arrays]
        places = [tuple(k if i == axis else 0 for i in range(len(out.shape))) for k in range(len(parts))]
        return self.node("assemble", parts, out.shape, out.dtype, places=places, fill=False)

    def scatter_add(self, out: Any, x: Any, index: Any, shape: Any) -> Node:
        parts = self.index_of(index, out.shape)
        ghost = np.broadcast_to(np.zeros((), bool), out.shape)
        spot = tuple(np.zeros(part.shape, np.int64) if isinstance(part, Node) else part for part in parts)
        x = self.array(x)
        landed = ghost[spot].shape
        if x.shape != landed:
            x = self.node("broadcast_to", [x], landed, x.dtype)
        return self.node("scatter", [x], out.shape, out.dtype, index=parts)

    def random_uniform(self, out: Any, x: Any, key: Any) -> Node:
        return self.node("random", [self.array(key)], out.shape, out.dtype)

    def fold_in(self, out: Any, key: Any, n: int) -> Node:
        return self.node("fold_in", [self.array(key)], out.shape, out.dtype, n=int(n))

    def reduce(self, name: str, x: Node, out: Any, axis: Any = None, keepdims: bool = False) -> Node:
        ndim = len(x.shape)
        axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = tuple(sorted({a % ndim for a in axes}))
        kept = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        if name in ("max", "min") and x.size == 0 and math.prod(kept):
            raise NotCompiled(f"the {name} of nothing")
        made = self.node("reduce", [x], kept, out.dtype, name=name, axes=axes)
        return self.reshaped(made, out.shape)

    def matmul(self, out: Any, x: Any, y: Any) -> Node:
        x, y = self.array(x), self.array(y)
        x = self.reshaped(x, (1, *x.shape)) if len(x.shape) == 1 else x
        y = self.reshaped(y, (*y.shape, 1)) if len(y.shape) == 1 else y
        x, y = (a if a.dtype == out.dtype else self.node("astype", [a], a.shape, out.dtype) for a in (x, y))
        lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        shape = (*lead, x.shape[-2], y.shape[-1])
        if out.dtype.kind != "f" or y.shape[-1] == 1 or x.shape[-1] <= 1:
            return self.reshaped(self.product_by_sum(x, y, shape, out.dtype), out.shape)
        return self.reshaped(self.node("matmul", [x, y], shape, out.dtype), out.shape)

    def product_by_sum(self, x: Node, y: Node, shape: tuple, dtype: Any) -> Node:
        """A product of a thin matrix, Σₖ x_ik·y_kj, as a sum of elementwise products."""
        *lead, M, N = shape
        K = x.shape[-1]
        order = (*range(len(y.shape) - 2), len(y.shape) - 1, len(y.shape) - 2)
        yT = self.permuted(y, order)
        rows = self.reshaped(x, (*x.shape[:-1], 1, K))
        columns = self.reshaped(yT, (*yT.shape[:-2], 1, N, K))
        terms = self.node("multiply", [rows, columns], (*lead, M, N, K), dtype, kind=np.dtype(dtype))
        return self.node("reduce", [terms], shape, dtype, name="sum", axes=(len(lead) + 2,))


OF_BOOLEANS = {"add": "logical_or", "multiply": "logical_and"}  # as NumPy has them
SPECIAL = frozenset(
    """
    zeros_like ones_like astype clip reshape permute_dims broadcast_to flip getitem take take_along_axis
    concat stack scatter_add random_uniform fold_in matmul
    """.split()
)

NUMBERS = "float32 float64 bool int8 uint8 int16 uint16 int32 uint32 int64 uint64"
DTYPES = frozenset(map(np.dtype, NUMBERS.split()))

COMPARISONS = frozenset("equal not_equal less less_equal greater greater_equal isfinite".split())


def kind_of(name: str, args: list, result: Any) -> np.dtype:
    """The dtype that an elementwise operation computes in."""
    return np.dtype(np.result_type(*map(sample, args)) if name in COMPARISONS else result)


def living(nodes: list[Node], wanted: list[Node]) -> list[Node]:
    """Those nodes that the wanted ones are made of, in their order."""
    needed = set(wanted)
    for node in reversed(nodes):
        if node in needed:
            needed.update((*node.nodes, *node.index))
    return [node for node in nodes if node in needed]
