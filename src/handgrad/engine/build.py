"""From a program to nodes.

What the engine has a kernel of its own for is made by a function in that kernel's file, found by the name of
the operation in ``OPERATIONS``; what it has no code for becomes a fallback, which NumPy computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import shape as shape_of
from handgrad.engine.kernels import (
    concatenate,
    cumulative,
    fallback,
    iterate,
    random,
    reduce,
    scan,
    scatter,
    unwindows,
)
from handgrad.engine.kernels.product import kernel as product
from handgrad.engine.nodes import (
    Broadcast,
    Constant,
    Elementwise,
    Fill,
    Flip,
    Gather,
    Graph,
    Input,
    Node,
    NotCompiled,
    Reshape,
    Slice,
    Transpose,
    Windows,
    cast,
    graph_of,
)  # fmt: skip
from handgrad.program.inference import ELEMENTWISE, sample
from handgrad.program.loops import LOOPS
from handgrad.program.program import Operation, Program
from handgrad.program.symbol import Symbol
from handgrad.tree import leaves

NUMBERS = "float32 float64 bool int8 uint8 int16 uint16 int32 uint32 int64 uint64"
DTYPES = frozenset(map(np.dtype, NUMBERS.split()))
INLINE = ELEMENTWISE | {"astype", "check_finite"}
COMPARISONS = frozenset("equal not_equal less less_equal greater greater_equal isfinite".split())
OF_BOOLEANS = {"add": "logical_or", "multiply": "logical_and"}  # as NumPy has them


def nodes_of(program: Program) -> Graph:
    """The nodes of a program."""
    return Build({}).graph(program)


class Build:
    """What the symbols of a program are as nodes. Constants are shared with the programs around it."""

    def __init__(self, constants: dict[tuple, Node]) -> None:
        self.known: dict[int, Node] = {}
        self.constants = constants

    def graph(self, program: Program) -> Graph:
        inputs = []
        for x in leaves(program.inputs):
            if isinstance(x, Symbol):
                inputs.append(Input(x.shape, np.dtype(x.dtype)))
                self.known[id(x)] = inputs[-1]
        for operation in program.operations:
            made = self.made(operation)
            self.known |= zip(
                map(id, operation.outs), made if isinstance(made, tuple) else (made,), strict=True
            )
        return graph_of(inputs, [self.array(x) for x in leaves(program.outputs) if hasattr(x, "dtype")])

    def inside(self, program: Program) -> Graph:
        """The nodes of a program inside."""
        return Build(self.constants).graph(program)

    def made(self, operation: Operation) -> Node | tuple[Node, ...]:
        """An operation as nodes, or as a fallback that says why."""
        out = operation.out
        try:
            for x in (*operation.symbols, *operation.outs):
                if x.dtype not in DTYPES and operation.name not in LOOPS:
                    raise NotCompiled(f"arrays of {np.dtype(x.dtype)}")
            function = OPERATIONS.get(operation.name)
            if function is not None:
                return function(self, out, *operation.args, **operation.options)
            if operation.name in INLINE:
                return self.elementwise(out, operation.name, operation.args)
            raise NotCompiled("the engine has no code for it")
        except NotCompiled as error:
            return fallback.of(self, operation, str(error))

    def array(self, x: Any) -> Node:
        """A symbol, an array or a number as a node."""
        if isinstance(x, Node):
            return x
        if id(x) in self.known:
            return self.known[id(x)]
        x = np.asarray(x)
        if x.dtype not in DTYPES:
            raise NotCompiled(f"arrays of {x.dtype}")
        if x.ndim == 0:
            return Fill((), x.dtype, x.item())
        key = (x.dtype.str, x.shape, x.tobytes())
        if key not in self.constants:
            self.constants[key] = Constant(x.shape, x.dtype, np.ascontiguousarray(x))
        return self.constants[key]

    def argument(self, x: Any) -> Any:
        """A node, or a number that takes the dtype of its company."""
        return self.array(x) if hasattr(x, "dtype") else x

    def elementwise(self, out: Any, name: str, args: tuple) -> Node:
        if name in ("power", "pow") and out.dtype.kind != "f":
            raise NotCompiled(f"powers of {out.dtype}")
        if out.dtype == bool:
            name = OF_BOOLEANS.get(name, name)
        operands = tuple(self.argument(x) for x in args if x is not None)
        kind = np.result_type(*map(sample, operands)) if name in COMPARISONS else np.dtype(out.dtype)
        return Elementwise(out.shape, np.dtype(out.dtype), "power" if name == "pow" else name, operands, kind)

    def index_of(self, index: Any, shape: tuple) -> tuple:
        """Slices, integers, None and nodes of integers, one for each axis."""
        parts: list[Any] = []
        for part in index if isinstance(index, tuple) else (index,):
            if hasattr(part, "dtype") and not isinstance(part, Symbol):
                part = np.asarray(part)
                if part.dtype == bool:
                    parts += [self.array(where) for where in np.nonzero(part)]
                    continue
            if isinstance(part, bool | np.bool_):
                raise NotCompiled("an index that is a truth value")
            if isinstance(part, list):
                part = np.asarray(part)
            is_array = isinstance(part, Symbol) or (hasattr(part, "dtype") and np.ndim(part) > 0)
            parts.append(self.array(part) if is_array else part)
        if not any(part is Ellipsis for part in parts):
            parts.append(Ellipsis)
        where = next(i for i, part in enumerate(parts) if part is Ellipsis)
        whole = [slice(None)] * (len(shape) - sum(part is not None for part in parts) + 1)
        return (*parts[:where], *whole, *parts[where + 1 :])

    def indexed(self, out: Any, x: Any, index: tuple) -> Node:
        kind = Gather if any(isinstance(part, Node) for part in index) else Slice
        x = self.array(x)
        return kind(out.shape, x.dtype, x, index)


def of_shape(x: Node, shape: tuple) -> Node:
    return x if x.shape == tuple(shape) else Reshape(tuple(shape), x.dtype, x)


def transposed(x: Node, axes: tuple) -> Node:
    return Transpose(tuple(x.shape[a] for a in axes), x.dtype, x, axes)


# Operations that are elementwise or views.


def _filled(number: int) -> Callable[..., Node]:
    return lambda build, out, x: Fill(out.shape, np.dtype(out.dtype), number)


def _astype(build: Build, out: Any, x: Any, dtype: Any) -> Node:
    return cast(build.array(x), out.dtype)


def _clip(build: Build, out: Any, x: Any, low: Any = None, high: Any = None) -> Node:
    made = build.array(x)
    dtype = np.dtype(out.dtype)
    for name, bound in (("maximum", low), ("minimum", high)):
        if bound is not None:
            made = Elementwise(out.shape, dtype, name, (made, build.argument(bound)), dtype)
    return made


def _reshape(build: Build, out: Any, x: Any, *target: Any) -> Node:
    return of_shape(build.array(x), out.shape)


def _permute_dims(build: Build, out: Any, x: Any, axes: Any) -> Node:
    return transposed(build.array(x), tuple(a % len(out.shape) for a in axes))


def _broadcast_to(build: Build, out: Any, x: Any, target: Any) -> Node:
    return Broadcast(out.shape, np.dtype(out.dtype), build.array(x))


def _flip(build: Build, out: Any, x: Any, axis: Any = None) -> Node:
    axes = range(len(out.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return Flip(out.shape, np.dtype(out.dtype), build.array(x), tuple(a % len(out.shape) for a in axes))


def _getitem(build: Build, out: Any, x: Any, index: Any) -> Node:
    return build.indexed(out, x, build.index_of(index, shape_of(x)))


def _take(build: Build, out: Any, x: Any, indices: Any, axis: int = 0) -> Node:
    index = (slice(None),) * axis + (build.array(indices),)
    return build.indexed(out, x, index + (slice(None),) * (len(shape_of(x)) - len(index)))


def _take_along_axis(build: Build, out: Any, x: Any, indices: Any, axis: int = -1) -> Node:
    x, ndim = build.array(x), len(shape_of(x))
    grid: list[Any] = []
    for i, n in enumerate(out.shape):
        if i == axis % ndim:
            grid.append(build.array(indices))
        elif x.shape[i] == 1:
            grid.append(0)
        else:
            grid.append(build.array(np.arange(n).reshape((1,) * i + (-1,) + (1,) * (ndim - i - 1))))
    return Gather(out.shape, x.dtype, x, tuple(grid))


def _windows(build: Build, out: Any, x: Any, size: Any, stride: Any, dilation: Any, axes: Any) -> Node:
    return Windows(out.shape, np.dtype(out.dtype), build.array(x), axes, stride, dilation)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "zeros_like": _filled(0),
    "ones_like": _filled(1),
    "astype": _astype,
    "clip": _clip,
    "reshape": _reshape,
    "permute_dims": _permute_dims,
    "broadcast_to": _broadcast_to,
    "flip": _flip,
    "getitem": _getitem,
    "take": _take,
    "take_along_axis": _take_along_axis,
    "windows": _windows,
    **reduce.OPERATIONS,
    **product.OPERATIONS,
    **concatenate.OPERATIONS,
    **scatter.OPERATIONS,
    **unwindows.OPERATIONS,
    **cumulative.OPERATIONS,
    **random.OPERATIONS,
    **scan.OPERATIONS,
    **iterate.OPERATIONS,
}
