"""Nodes of ONNX as they are written: names of arrays, constants once each, sizes that follow the batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from handgrad.arrays import shape
from handgrad.onnx.writing.sizes import Alike, Size

HIGHEST = 2**63 - 1


class NotInOnnx(TypeError):
    """An operation that ONNX's operators cannot express, or not with these arguments."""


class Writer:
    """The nodes of one graph. The body of a loop has a writer of its own, which sees what is around it."""

    numbers: Iterator[int]

    def __init__(self, around: Writer | None = None):
        self.nodes: list[Any] = []
        self.around = around
        self.names: dict[int, str] = {} if around is None else dict(around.names)
        self.initial: dict[str, np.ndarray] = {} if around is None else around.initial
        self.constants: dict[Any, str] = {} if around is None else around.constants
        self.numbers = itertools.count() if around is None else around.numbers
        self.taken: set[str] = set() if around is None else around.taken
        self.batch: str = "" if around is None else around.batch  # the number of examples, an array (1,)

    def fresh(self, name: str) -> str:
        """A name that is free."""
        made = name
        while made in self.taken:
            made = f"{name}_{next(self.numbers)}"
        self.taken.add(made)
        return made

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """One node with one output, and its name."""
        return self.several(operator, 1, *inputs, **attributes)[0]

    def several(self, operator: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        names = [self.fresh(f"{operator.lower()}_{next(self.numbers)}") for _ in range(outputs)]
        given = {key: value for key, value in attributes.items() if value is not None}
        for key, value in given.items():
            if any(isinstance(v, Size) for v in (value if isinstance(value, list | tuple) else [value])):
                raise NotInOnnx(f"{operator} with {key} that follows the batch")
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=names[0], **given))
        return names

    # Values.

    def value(self, x: Any, dtype: Any = None) -> str:
        """The name of an array: a symbol, a constant, a number; in that dtype."""
        if isinstance(x, Alike):
            number = numpy_helper.from_array(np.reshape(x.value, (1,)))
            return self.cast(self.node("ConstantOfShape", self.sizes(x.sizes), value=number), x.dtype, dtype)
        if hasattr(x, "program"):
            return self.cast(self.names[id(x)], x.dtype, dtype)
        if isinstance(x, Size):
            at = self.node("Reshape", self.sizes([x]), self.ints([]))
            return self.cast(at, np.dtype(np.int64), dtype)
        x = np.asarray(x) if dtype is None else np.asarray(x).astype(dtype)
        return self.constant(x)

    def cast(self, name: str, own: Any, wanted: Any) -> str:
        if wanted is None or np.dtype(own) == np.dtype(wanted):
            return name
        return self.node("Cast", name, to=kind_of(wanted))

    def constant(self, x: Any, name: str = "constant") -> str:
        x = np.asarray(x)
        key = (x.dtype.str, x.shape, x.tobytes()) if x.size <= 64 else id(x)
        if key not in self.constants:
            self.constants[key] = self.fresh(f"{name}_{next(self.numbers)}")
            self.initial[self.constants[key]] = x
        return self.constants[key]

    def ints(self, numbers: Sequence[int]) -> str:
        """Whole numbers as an array, some of which may follow the batch."""
        return self.sizes(numbers)

    def sizes(self, numbers: Sequence[int]) -> str:
        if not any(isinstance(n, Size) for n in numbers):
            return self.constant(np.array([int(n) for n in numbers], np.int64))
        parts = [self.size(n) if isinstance(n, Size) else self.ints([n]) for n in numbers]
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=0)

    def size(self, n: Size) -> str:
        """One size that follows the batch, as an array (1,)."""
        made = self.batch
        if n.slope != 1:
            made = self.node("Mul", made, self.ints([n.slope]))
        return self.node("Add", made, self.ints([n.offset])) if n.offset else made

    # Shapes.

    def reshape(self, name: str, sizes: Sequence[int]) -> str:
        """In another shape; where one size follows the batch it is what is left."""
        free = [i for i, n in enumerate(sizes) if isinstance(n, Size)]
        if len(free) == 1 and all(n > 0 for i, n in enumerate(sizes) if i != free[0]):
            sizes = [-1 if i == free[0] else n for i, n in enumerate(sizes)]
        zero = any(not isinstance(n, Size) and n == 0 for n in sizes)
        return self.node("Reshape", name, self.sizes(sizes), allowzero=1 if zero else None)

    def slice(self, name: str, cuts: dict[int, tuple[int, int, int]]) -> str:
        """Parts along axes: where each begins, ends, and its step."""
        if not cuts:
            return name
        starts, ends, steps = zip(*cuts.values(), strict=True)
        where = [self.ints(list(cuts)), self.ints(steps)]
        return self.node("Slice", name, self.sizes(starts), self.sizes(ends), *where)


def kind_of(dtype: Any) -> int:
    """ONNX's number of a dtype."""
    try:
        return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    except (KeyError, ValueError):
        raise NotInOnnx(f"numbers of {np.dtype(dtype)}") from None


def described(name: str, dtype: Any, sizes: Sequence[int]) -> Any:
    """An array's kind and shape, where a size that follows the batch is N, or made of it."""
    shown = [str(n.formula) if isinstance(n, Size) else int(n) for n in sizes]
    return helper.make_tensor_value_info(name, kind_of(dtype), shown)


def sizes_of(x: Any) -> tuple[int, ...]:
    return x.sizes if isinstance(x, Alike) else shape(x)
