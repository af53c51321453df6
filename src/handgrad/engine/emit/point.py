"""Expressions as instructions, at one point of a kernel's loops or at a vector of neighbouring ones.

What does not hang on the loop that runs along the vector is computed once, as a scalar.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.engine.emit.arithmetic import Arithmetic, cast, memory_type, type_of
from handgrad.engine.emit.ir import I1, I64, PTR, Function, Value, i64, number
from handgrad.engine.emit.vectors import vector_at
from handgrad.engine.lowering import Apply, Load, Made, Number
from handgrad.engine.nodes import Node

STATUS = "%status"  # 0: something is not finite, 1: an index is out of range


class Point:
    """The values of expressions at one point: the loops' counters, perhaps ``lanes`` of them along
    ``vector``.

    With a mask only the lanes that it lets through are read and written.
    """

    def __init__(
        self,
        f: Function,
        pointers: dict[Node, Value],
        counters: dict[int, Value],
        vector: int | None = None,
        lanes: int = 1,
        mask: Value | None = None,
        finite: Value | None = None,
    ):
        self.f = f
        self.pointers = pointers
        self.counters = counters
        self.vector = vector
        self.lanes = lanes
        self.mask = mask
        self.finite = finite  # where it is noted that a value that is checked is not finite
        self.made: dict[Node, Value] = {}
        self.memo: dict[int, Value] = {}
        self.arithmetic = Arithmetic(f)

    def value(self, e: Any) -> Value:
        if id(e) not in self.memo:
            self.memo[id(e)] = self._value(e)
        return self.memo[id(e)]

    def _value(self, e: Any) -> Value:
        if isinstance(e, Made):
            return self.made[e.node]
        if isinstance(e, Load):
            return self.load(e)
        if isinstance(e, Number):
            return number(e.value, type_of(e.dtype))
        return self.apply(e)

    def apply(self, e: Apply) -> Value:
        if e.op == "astype":
            (x,) = e.args
            return cast(self.f, self.value(x), x.dtype, e.dtype)
        if e.op == "check_finite":
            return self.check_finite(self.value(e.args[0]))
        if e.op == "where":
            condition, x, y = e.args
            chosen = self.operand(condition, np.dtype(bool))
            return self.f.select(chosen, self.operand(x, e.kind), self.operand(y, e.kind))
        return self.arithmetic.apply(e.op, [self.operand(x, e.kind) for x in e.args], e.kind)

    def operand(self, x: Any, kind: np.dtype) -> Value:
        if not hasattr(x, "dtype"):
            return number(x, type_of(kind))
        return cast(self.f, self.value(x), x.dtype, kind)

    def check_finite(self, x: Value) -> Value:
        """x itself; that it is not finite is noted."""
        f = self.f
        assert self.finite is not None
        off = f.binary("fsub", x, x)
        bad = f.compare("fcmp uno", off, off)
        if self.mask is not None and bad.lanes > 1:
            bad = f.binary("and", bad, self.mask)
        lanes = bad.lanes
        if lanes > 1:
            packed = f.put(f"bitcast {bad.type} {bad.text} to i{lanes}", I64)
            whole = f.put(f"zext i{lanes} {packed.text} to i64", I64)
        else:
            whole = f.put(f"zext i1 {bad.text} to i64", I64)
        f.store(f.binary("or", f.load(self.finite, I64), whole), self.finite)
        return x

    # Memory.

    def address(self, e: Load) -> tuple[Value, int]:
        """Where the first lane's element lies, counted in elements, and how far apart lanes are.

        Where lanes lie in no order the place is a vector, and the distance 0.
        """
        f = self.f
        place: Value = i64(e.offset.start)
        step = 0
        for loop, stride in e.offset.strides:
            if loop == self.vector:
                step = stride
            count = self.counters[loop]
            part = count if stride == 1 else f.binary("mul", count, i64(stride))
            place = part if place.text == "0" else f.binary("add", place, part)
        scattered = False
        for index, stride, size in e.gathers:
            found = self.place_of(index, size)
            part = found if stride == 1 else f.binary("mul", found, i64(stride))
            scattered |= found.lanes > 1
            place = f.binary("add", place, part)
        if scattered and step:
            place = f.binary("add", place, f.binary("mul", f.lane_numbers(self.lanes), i64(step)))
        return place, 0 if scattered else step

    def place_of(self, index: Any, size: int) -> Value:
        """A place along an axis: negative ones count from its end, others outside are noted and become 0."""
        f = self.f
        i = cast(f, self.value(index), index.dtype, np.dtype("int64"))
        i = f.select(f.compare("icmp slt", i, i64(0)), f.binary("add", i, i64(size)), i)
        outside = f.compare("icmp uge", i, i64(size))
        some = outside
        if self.mask is not None and outside.lanes > 1:
            some = f.binary("and", outside, self.mask)
        if some.lanes > 1:
            some = f.call(f"llvm.vector.reduce.or.{some.type.suffix}", I1, some)
        with f.when(some):
            f.store(i64(1), f.offset(Value(STATUS, PTR), i64(1), "i64"))
        return f.select(outside, i64(0), i)

    def load(self, e: Load) -> Value:
        f = self.f
        place, step = self.address(e)
        scalar = memory_type(e.dtype)
        pointer = f.offset(self.pointers[e.array], place, scalar.scalar)
        if place.lanes > 1:
            x = f.gather(pointer, scalar.of(self.lanes), self.mask)
        elif step == 0 or self.lanes == 1:
            x = f.load(pointer, scalar)
        else:
            x = vector_at(f, pointer, step, scalar.of(self.lanes), self.mask)
        return f.compare("icmp ne", x, number(0, x.type)) if e.dtype.kind == "b" else x

    def store(self, node: Node, place: Value, x: Value, step: int = 1) -> None:
        """Write ``x`` into an array, from element ``place`` on, its lanes ``step`` elements apart."""
        f = self.f
        x = f.splat(x, self.lanes)
        if node.dtype.kind == "b":
            x = f.convert("zext", x, "i8")
        pointer = f.offset(self.pointers[node], place, x.type.scalar)
        if self.lanes > 1 and step != 1:
            spread = f.binary("mul", f.lane_numbers(self.lanes), i64(step))
            f.scatter(x, f.offset(pointer, spread, x.type.scalar), self.mask)
        elif self.mask is not None:
            f.masked_store(x, pointer, self.mask)
        else:
            f.store(x, pointer)

    def store_all(
        self, values: list[tuple[Node, Any]], stores: set[Node], place: Value, step: int = 1
    ) -> None:
        """Compute a kernel's values in order, then write those that are stored, perhaps over what was
        read.
        """
        self.compute(values)
        for node, _ in values:
            if node in stores:
                self.store(node, place, self.made[node], step)

    def compute(self, values: list[tuple[Node, Any]]) -> None:
        """A kernel's values in order."""
        for node, e in values:
            if node not in self.made:
                self.made[node] = self.value(e)
