"""Programs: a function of rules, forward and backward, as a straight line of array operations.

>>> print(trace(lambda x, W: x @ W, np.zeros((2, 3)), np.zeros((3, 4))))
program(a0: float64[2,3], a1: float64[3,4])
  t0: float64[2,4] = matmul(a0, a1)
return t0
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

import numpy as np

from handgrad.arrays import NUMPY, is_array, shape
from handgrad.program.inference import by_numpy, result
from handgrad.tree import leaves, tree_map


@dataclasses.dataclass(frozen=True)
class Operation:
    """One line: ``out = name(*args, **options)``. Arguments are symbols, numbers and constant arrays."""

    out: Any  # a Symbol
    name: str
    args: tuple
    options: dict
    origin: str = ""  # the rule in whose body or backward it was written

    def __str__(self) -> str:
        args = [_shown(x) for x in self.args] + [f"{k}={_shown(v)}" for k, v in self.options.items()]
        return f"{_typed(self.out)} = {self.name}({', '.join(args)})"


class Program:
    """Inputs, operations in order, and outputs; each symbol is assigned once.

    ``inputs`` and ``outputs`` are nested as the traced function's arguments and result are.
    """

    def __init__(self) -> None:
        self.inputs: Any = ()
        self.operations: list[Operation] = []
        self.outputs: Any = ()

    def fresh_name(self) -> str:
        return f"t{len(self.operations)}"

    def __str__(self) -> str:
        head = ", ".join(_typed(x) for x in _symbols(self.inputs))
        lines = [f"  {operation}" for operation in self.operations]
        tail = ", ".join(_shown(x) for x in leaves(self.outputs))
        return "\n".join([f"program({head})", *lines, f"return {tail}"])

    def check(self) -> None:
        """Every symbol is defined once, before its use, with the shape and dtype that its operation has.

        Raises:
            ValueError: naming the operation that is wrong.
        """
        defined = {id(x) for x in _symbols(self.inputs)}
        for operation in self.operations:
            for x in _symbols((operation.args, operation.options)):
                if id(x) not in defined:
                    raise ValueError(f"{operation}: {x} is used before it is defined")
            if id(operation.out) in defined:
                raise ValueError(f"{operation}: {operation.out} is assigned twice")
            found = (operation.out.shape, operation.out.dtype)
            if by_numpy(operation.name) is None:  # the others were tried when traced, which is slow
                found = result(operation.name, operation.args, operation.options)
            if found != (operation.out.shape, operation.out.dtype):
                raise ValueError(f"{operation}: the operation gives {found[1]}{list(found[0])}")
            defined.add(id(operation.out))
        for x in _symbols(self.outputs):
            if id(x) not in defined:
                raise ValueError(f"the output {x} is never defined")

    def __call__(self, *args: Any) -> Any:
        """Run on NumPy arrays, one operation after the other: slow, and the meaning of the program.

        A value is let go after its last use.

        Raises:
            ValueError: arguments of another structure, shape or dtype than were traced.
        """
        symbols, values = _symbols(self.inputs), [x for x in leaves(args) if is_array(x)]
        if len(symbols) != len(values):
            raise ValueError(f"the program takes {len(symbols)} arrays, got {len(values)}")
        for x, value in zip(symbols, values, strict=True):
            if shape(value) != x.shape or np.result_type(value) != x.dtype:
                raise ValueError(f"{_typed(x)} got {np.result_type(value)}{list(shape(value))}")
        known = {id(x): value for x, value in zip(symbols, values, strict=True)}
        uses = collections.Counter(id(x) for x in _symbols([(o.args, o.options) for o in self.operations]))
        uses.update(id(x) for x in _symbols(self.outputs))

        def resolve(tree: Any) -> Any:
            return tree_map(lambda x: known.get(id(x), x), tree)

        for operation in self.operations:
            function = getattr(NUMPY, operation.name)
            known[id(operation.out)] = function(*resolve(operation.args), **resolve(operation.options))
            for x in _symbols((operation.args, operation.options)):
                uses[id(x)] -= 1
                if not uses[id(x)]:
                    known.pop(id(x), None)
        return resolve(self.outputs)


def _symbols(tree: Any) -> list[Any]:
    return [x for x in leaves(tree) if hasattr(x, "program")]


def _typed(x: Any) -> str:
    return f"{x.name}: {_type(x)}"


def _type(x: Any) -> str:
    return f"{np.result_type(x.dtype)}[{','.join(map(str, shape(x)))}]"


def _shown(x: Any) -> str:
    if isinstance(x, np.ndarray) and x.size > 8:
        return f"constant {_type(x)}"
    if isinstance(x, np.ndarray):
        return f"{x.tolist()}"
    if isinstance(x, (list, tuple)):
        inside = ", ".join(_shown(part) for part in x)
        return f"[{inside}]" if isinstance(x, list) else f"({inside}{',' if len(x) == 1 else ''})"
    if isinstance(x, slice):
        parts = ["" if p is None else str(p) for p in (x.start, x.stop, x.step)]
        return ":".join(parts if parts[2] else parts[:2])
    return str(x)
