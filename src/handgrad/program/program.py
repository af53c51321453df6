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

from handgrad.arrays import is_array, shape
from handgrad.once import once
from handgrad.program import loops
from handgrad.program.inference import by_numpy, result
from handgrad.tree import leaves, tree_map


@dataclasses.dataclass(frozen=True, eq=False)
class Operation:
    """One line: ``out = name(*args, **options)``. Arguments are symbols, numbers and constant arrays.

    It is never changed, so programs share the operations in which they do not differ.
    """

    out: Any  # a Symbol, or a tuple of them
    name: str
    args: tuple
    options: dict
    origin: str = ""  # the rule in whose body or backward it was written

    @once
    def outs(self) -> tuple:
        """Its results; nearly always one."""
        return self.out if isinstance(self.out, tuple) else (self.out,)

    @once
    def symbols(self) -> list[Any]:
        """The symbols among its arguments."""
        return symbols((self.args, self.options))

    @once
    def uses(self) -> frozenset[int]:
        """The ids of those symbols."""
        return frozenset(map(id, self.symbols))

    @once
    def inferred(self) -> list:
        """Shape and dtype that each of its results has by its arguments."""
        if self.name in loops.LOOPS:
            self.options["body"].check()
            return loops.LOOPS[self.name][1](*self.args, **self.options)
        if by_numpy(self.name) is not None:  # it was tried when it was traced, which is slow
            return [(self.out.shape, self.out.dtype)]
        return [result(self.name, self.args, self.options)]

    def __str__(self) -> str:
        return Printer().operation(self)


class Program:
    """Inputs, operations in order, and outputs; each symbol is assigned once.

    ``inputs`` and ``outputs`` are nested as the traced function's arguments and result are.
    """

    def __init__(self, outer: Program | None = None) -> None:
        self.inputs: Any = ()
        self.operations: list[Operation] = []
        self.outputs: Any = ()
        self.outer = outer  # the program that this one is a loop's body in
        self.is_optimised = False  # whether passes change nothing any more
        self.captured: dict[int, tuple[Any, Any]] = {}  # of the outer program: a symbol, and what it is here

    @property
    def depth(self) -> int:
        return 0 if self.outer is None else self.outer.depth + 1

    def fresh_name(self) -> str:
        return f"t{len(self.operations)}"

    def __str__(self) -> str:
        return Printer().program(self)

    def check(self) -> None:
        """Every symbol is defined once, before its use, with the shape and dtype that its operation has.

        Raises:
            ValueError: naming the operation that is wrong.
        """
        defined = set(map(id, symbols(self.inputs)))
        for operation in self.operations:
            wrong = ""
            for out, found in zip(operation.outs, operation.inferred, strict=True):
                if id(out) in defined:
                    wrong = f"{out} is assigned twice"
                elif found != (out.shape, out.dtype):
                    wrong = f"the operation gives {found[1]}{list(found[0])}"
            for x in operation.symbols:
                if id(x) not in defined:
                    wrong = f"{x} is used before it is defined"
            if wrong:
                raise ValueError(f"{operation}: {wrong}")
            defined.update(map(id, operation.outs))
        for x in symbols(self.outputs):
            if id(x) not in defined:
                raise ValueError(f"the output {x} is never defined")

    def __call__(self, *args: Any) -> Any:
        """Run on NumPy arrays, one operation after the other: slow, and the meaning of the program.

        A value is let go after its last use.

        Raises:
            ValueError: arguments of another structure, shape or dtype than were traced.
        """
        taken, values = symbols(self.inputs), [x for x in leaves(args) if is_array(x)]
        if len(taken) != len(values):
            raise ValueError(f"the program takes {len(taken)} arrays, got {len(values)}")
        for x, value in zip(taken, values, strict=True):
            if shape(value) != x.shape or np.result_type(value) != x.dtype:
                raise ValueError(f"{x}: {_type(x)} got {np.result_type(value)}{list(shape(value))}")
        known = {id(x): value for x, value in zip(taken, values, strict=True)}
        uses = collections.Counter(id(x) for o in self.operations for x in o.symbols)
        uses.update(map(id, symbols(self.outputs)))

        def resolve(tree: Any) -> Any:
            return tree_map(lambda x: known.get(id(x), x), tree)

        for operation in self.operations:
            made = loops.meaning(operation.name)(*resolve(operation.args), **resolve(operation.options))
            outs = operation.outs
            known.update(zip(map(id, outs), made if operation.out is outs else [made], strict=True))
            for x in operation.symbols:
                uses[id(x)] -= 1
                if not uses[id(x)]:
                    known.pop(id(x), None)
        return resolve(self.outputs)


def symbols(tree: Any) -> list[Any]:
    """The symbols in a tree, left to right."""
    return [x for x in leaves(tree) if hasattr(x, "program")]


class Printer:
    """Programs in words, in which results are t0, t1, ... in their order."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}

    def program(self, program: Program, indent: str = "") -> str:
        if indent:  # a body, of what it closes over, a carry, and parts of sequences
            for letter, group in zip("wcx", program.inputs, strict=True):
                self.names.update((id(x), f"{letter}{i}") for i, x in enumerate(group))
        head = ", ".join(f"{self.shown(x)}: {_type(x)}" for x in symbols(program.inputs))
        lines, count = [], 0
        for operation in program.operations:
            for out in operation.outs:
                self.names[id(out)] = f"t{count}"
                count += 1
            lines.append(f"{indent}  {self.operation(operation, indent + '  ')}")
        tail = ", ".join(self.shown(x) for x in leaves(program.outputs))
        return "\n".join([f"program({head})", *lines, f"{indent}return {tail}"])

    def operation(self, operation: Operation, indent: str = "") -> str:
        outs = ", ".join(f"{self.shown(out)}: {_type(out)}" for out in operation.outs)
        args = [self.shown(x) for x in operation.args]
        args += [f"{k}={self.shown(x)}" for k, x in operation.options.items() if not isinstance(x, Program)]
        bodies = [x for x in operation.options.values() if isinstance(x, Program)]
        inside = "".join(f"\n{indent}  {Printer().program(x, indent + '  ')}" for x in bodies)
        return f"{outs} = {operation.name}({', '.join(args)}){inside}"

    def shown(self, x: Any) -> str:
        if hasattr(x, "program"):
            return self.names.get(id(x), x.name)
        if isinstance(x, np.ndarray):
            return f"constant {_type(x)}" if x.size > 8 else f"{x.tolist()}"
        if isinstance(x, (list, tuple)):
            inside = ", ".join(map(self.shown, x))
            return f"[{inside}]" if isinstance(x, list) else f"({inside}{',' if len(x) == 1 else ''})"
        if isinstance(x, slice):
            parts = ["" if p is None else self.shown(p) for p in (x.start, x.stop, x.step)]
            return ":".join(parts if parts[2] else parts[:2])
        return str(x)


def _type(x: Any) -> str:
    return f"{np.result_type(x.dtype)}[{','.join(map(str, shape(x)))}]"
