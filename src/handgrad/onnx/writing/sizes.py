"""Which sizes of a program follow the number of examples: it is traced for three, and compared.

A program has sizes in numbers. What differs between the programs of 2, 3 and 5 examples, and by a multiple of
their number, is a ``Size``; a constant that differs in shape alone, all of one number, is ``Alike``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import is_array, shape
from handgrad.program import Program, trace
from handgrad.program.program import Operation
from handgrad.program.symbol import Symbol
from handgrad.tree import leaves, tree_map, unflatten

EXAMPLES = (2, 3, 5)


class Fixed(TypeError):
    """A program that holds for one number of examples alone; the message says what in it does."""


class Size(int):
    """A size that follows the number N of examples, slope·N + offset: as a number, what it is for two."""

    slope: int
    offset: int

    def __new__(cls, slope: int, offset: int) -> Size:
        made = super().__new__(cls, slope * EXAMPLES[0] + offset)
        made.slope, made.offset = slope, offset
        return made

    @property
    def formula(self) -> str:
        times = "N" if self.slope == 1 else f"{self.slope}*N"
        return times if not self.offset else f"{times} + {self.offset}"


@dataclasses.dataclass(frozen=True, eq=False)
class Alike:
    """An array all of one number, some of whose sizes follow the batch."""

    value: Any
    sizes: tuple[int, ...]

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sizes


def batch_of(examples: Sequence[Any]) -> int | None:
    """The number of examples: the size of the first axis, if all arrays have the same."""
    found = {shape(x)[0] for x in leaves(list(examples)) if is_array(x) and shape(x)}
    return found.pop() if len(found) == 1 else None


def of_any_batch(f: Callable, passes: Callable[[Program], Program], held: tuple, examples: tuple) -> Program:
    """The program of ``f(*held, *examples)`` in which sizes that follow the batch are ``Size``s.

    Raises:
        Fixed: it holds for one number of examples alone.
    """
    if batch_of(examples) is None:
        raise Fixed("its inputs have no first axis in common")
    traced = []
    for n in EXAMPLES:
        some = tree_map(lambda x, n=n: _resized(x, n), examples)
        try:
            traced.append(passes(trace(f, *held, *some)))
        except Exception as error:  # of whatever kind: it cannot be computed of so many
            raise Fixed(f"it cannot be computed of {n} examples: {error}") from error
    return Joined(traced).program


def _resized(x: Any, n: int) -> Any:
    return np.resize(x, (n, *shape(x)[1:])).astype(x.dtype) if is_array(x) and shape(x) else x


class Joined:
    """Programs that differ in sizes, as one."""

    program: Program

    def __init__(self, programs: list[Program], outer: Joined | None = None):
        self.one = programs[0]
        self.outer = outer
        self.became: dict[int, Any] = {} if outer is None else outer.became
        self.program = Program(programs[0].outer if outer is None else outer.program)
        if len({len(p.operations) for p in programs}) > 1:
            raise Fixed("other numbers of examples make other operations")
        self.program.inputs = self.anew([p.inputs for p in programs])
        for rows in zip(*(p.operations for p in programs), strict=True):
            self.program.operations.append(self.operation(rows))
        self.program.outputs = self.joined([p.outputs for p in programs])

    def operation(self, rows: Sequence[Operation]) -> Operation:
        first = rows[0]
        if len({row.name for row in rows}) > 1:
            raise Fixed(f"{first.name} becomes {rows[1].name} for another number of examples")
        args = self.joined([row.args for row in rows])
        options = self.joined([row.options for row in rows])
        outs = self.anew([list(row.outs) for row in rows])
        return Operation(
            outs[0] if not isinstance(first.out, tuple) else tuple(outs),
            first.name,
            args,
            options,
            first.origin,
        )

    def anew(self, trees: list[Any]) -> Any:
        """Symbols whose shapes follow the batch, in the place of those that are made."""
        made = []
        for xs in zip(*map(leaves, trees), strict=True):
            x = xs[0]
            if isinstance(x, Symbol):
                own = tuple(self.joined([s.shape for s in xs]))
                self.became[id(x)] = Symbol(x.name, own, x.dtype, self.program, x.weak)
            made.append(self.became.get(id(x), x))
        return unflatten(trees[0], made)

    def joined(self, trees: list[Any]) -> Any:
        parts = [leaves(tree) for tree in trees]
        if len({len(p) for p in parts}) > 1:
            raise Fixed("an operation has another number of arguments for another number of examples")
        return unflatten(trees[0], [self.leaf(xs) for xs in zip(*parts, strict=True)])

    def leaf(self, xs: Sequence[Any]) -> Any:
        x = xs[0]
        if isinstance(x, Symbol):
            return self.became[id(x)]
        if isinstance(x, Program):
            return Joined(list(xs), self).program
        if isinstance(x, slice):
            return slice(*(self.leaf(ends) for ends in zip(*map(_ends, xs), strict=True)))
        if isinstance(x, np.ndarray):
            return self.constant(xs)
        if isinstance(x, int) and not isinstance(x, bool):
            return _size(xs)
        if any(y is not x and not _is_equal(x, y) for y in xs):
            raise Fixed(f"{x!r} becomes {xs[1]!r} for another number of examples")
        return x

    def constant(self, xs: Sequence[np.ndarray]) -> Any:
        if len({x.shape for x in xs}) == 1:
            if all(_is_equal(xs[0], x) for x in xs):
                return xs[0]
            if xs[0].dtype.kind == "i" and xs[0].size == 1 and not xs[0].shape:
                return _size([int(x) for x in xs])
            raise Fixed(f"a constant of shape {xs[0].shape} is another for another number of examples")
        values = {x.ravel()[0].item() if x.size else None for x in xs}
        if len(values) != 1 or any(x.size and (x != x.ravel()[0]).any() for x in xs):
            raise Fixed(f"a constant of shape {xs[0].shape} grows with the number of examples")
        return Alike(xs[0].ravel()[:1].reshape(())[()], tuple(self.joined([x.shape for x in xs])))


def _ends(x: slice) -> tuple:
    return x.start, x.stop, x.step


def _is_equal(x: Any, y: Any) -> bool:
    if isinstance(x, np.ndarray | np.generic):
        return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")
    return type(x) is type(y) and bool(x == y or x != x)


def _size(xs: Sequence[int]) -> int:
    if len(set(xs)) == 1:
        return xs[0]
    slope, rest = divmod(xs[1] - xs[0], EXAMPLES[1] - EXAMPLES[0])
    made = Size(slope, xs[0] - slope * EXAMPLES[0])
    if rest or any(n * slope + made.offset != x for n, x in zip(EXAMPLES, xs, strict=True)):
        raise Fixed(f"a number is {', '.join(map(str, xs))} for {', '.join(map(str, EXAMPLES))} examples")
    return made
