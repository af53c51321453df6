"""LLVM IR, written as text: a module of functions, each a list of lines, and loops that read like loops.

Values are typed; a vector's type has lanes. Instructions that take two operands splat a scalar beside a
vector. Nothing is optimised here: LLVM does that.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from handgrad.engine.targets.target import Target


class Type(NamedTuple):
    """A scalar ("float", "double", "i1" .. "i64", "ptr") or a vector of that many lanes."""

    scalar: str
    lanes: int = 1

    def __str__(self) -> str:
        return f"<{self.lanes} x {self.scalar}>" if self.lanes > 1 else self.scalar

    @property
    def suffix(self) -> str:
        """How intrinsics name it: v16f32."""
        short = {"float": "f32", "double": "f64", "ptr": "p0"}.get(self.scalar, self.scalar)
        return f"v{self.lanes}{short}" if self.lanes > 1 else short

    @property
    def bits(self) -> int:
        return {"bfloat": 16, "float": 32, "double": 64}.get(self.scalar) or int(self.scalar[1:])

    @property
    def is_float(self) -> bool:
        return self.scalar in ("float", "double")

    def of(self, lanes: int) -> Type:
        return Type(self.scalar, lanes)

    def like(self, scalar: str) -> Type:
        return Type(scalar, self.lanes)


class Value(NamedTuple):
    """An operand: a register or a constant."""

    text: str
    type: Type

    @property
    def lanes(self) -> int:
        return self.type.lanes


FLOAT, DOUBLE, I1, I8, I32, I64, PTR = map(Type, ("float", "double", "i1", "i8", "i32", "i64", "ptr"))


def number(value: float | int | bool, type: Type) -> Value:
    """A constant, in every lane."""
    if type.is_float:
        exact = np.float32(value) if type.scalar == "float" else value
        text = "0x" + struct.pack(">d", float(exact)).hex().upper()
    else:
        text = str(int(value))
    return Value(text, type) if type.lanes == 1 else Value(f"splat ({type.scalar} {text})", type)


def i64(value: int) -> Value:
    return number(value, I64)


def folded(op: str, x: Value, y: Value) -> Value | None:
    """A sum or product of whole numbers that takes no instruction."""
    known = [v.text for v in (x, y)]
    constants = [int(t) if t.lstrip("-").isdigit() else None for t in known]
    a, b = constants
    if a is not None and b is not None and op in ("add", "sub", "mul"):
        return i64({"add": a + b, "sub": a - b, "mul": a * b}[op])
    neutral = {"add": 0, "sub": 0, "mul": 1}.get(op)
    if neutral is None:
        return None
    if b == neutral:
        return x
    if a == neutral and op != "sub":
        return y
    return i64(0) if op == "mul" and 0 in (a, b) else None


class Module:
    """Functions for a target, and what they declare."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.functions: list[Function] = []
        self.texts: dict[str, None] = {}  # what is written as it is
        self.declared: dict[str, str] = {}

    def function(
        self, name: str, parameters: list[tuple[str, Type, str]], linkage: str = "", attributes: str = ""
    ) -> Function:
        made = Function(self, name, parameters, linkage, attributes)
        self.functions.append(made)
        return made

    def declare(self, name: str, result: str, parameters: list[str], attributes: str = "") -> None:
        self.declared.setdefault(name, f"declare {result} @{name}({', '.join(parameters)}) {attributes}")

    def add(self, text: str) -> None:
        """A function or a table as it is written, unless it is there already."""
        self.texts[text] = None

    def compact(self) -> None:
        """Keep the functions as text: their lines, one by one, take several times the memory."""
        for function in self.functions:
            function.lines = ["\n".join(function.lines)]

    def __str__(self) -> str:
        parts = [*self.declared.values(), *self.texts, *map(str, self.functions)]
        return "\n\n".join(parts) + "\n"


class Function:
    """A function that returns nothing; instructions are appended where the last block ends."""

    def __init__(self, module: Module, name: str, parameters: list, linkage: str, attributes: str):
        self.module = module
        self.name = name
        self.linkage = linkage
        self.attributes = attributes
        self.parameters = parameters
        self.args = [Value(f"%{n}", t) for n, t, _ in parameters]
        self.entry: list[str] = []
        self.lines: list[str] = []
        self.count = 0
        self.block = "entry"

    def __str__(self) -> str:
        head = ", ".join(" ".join(filter(None, [str(t), a, f"%{n}"])) for n, t, a in self.parameters)
        body = "\n".join(["entry:", *self.entry, *self.lines, "  ret void"])
        return f"define {self.linkage} void @{self.name}({head}) nounwind {self.attributes} {{\n{body}\n}}"

    # Instructions.

    def fresh(self, hint: str = "") -> str:
        self.count += 1
        return f"%{hint}{self.count}" if hint else f"%v{self.count}"

    def put(self, text: str, type: Type) -> Value:
        """One instruction with a result."""
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return Value(name, type)

    def do(self, text: str) -> None:
        """One instruction without a result."""
        self.lines.append(f"  {text}")

    def splat(self, x: Value, lanes: int) -> Value:
        """A scalar in every lane; a vector stays."""
        if x.lanes == lanes:
            return x
        if x.text[0] != "%":
            return Value(f"splat ({x.type} {x.text})", x.type.of(lanes))
        one = self.put(f"insertelement {x.type.of(lanes)} poison, {x.type} {x.text}, i64 0", x.type.of(lanes))
        return self.put(
            f"shufflevector {one.type} {one.text}, {one.type} poison, <{lanes} x i32> zeroinitializer",
            one.type,
        )

    def level(self, *xs: Value) -> list[Value]:
        lanes = max(x.lanes for x in xs)
        return [self.splat(x, lanes) for x in xs]

    def binary(self, op: str, x: Value, y: Value) -> Value:
        """``fadd``, ``mul``, ``and``, ``shl nuw``, ...; what a constant makes plain is not written down."""
        if x.type == I64 == y.type and (plain := folded(op, x, y)) is not None:
            return plain
        x, y = self.level(x, y)
        return self.put(f"{op} {x.type} {x.text}, {y.text}", x.type)

    def compare(self, op: str, x: Value, y: Value) -> Value:
        """``fcmp ogt``, ``icmp slt``, ...: i1 in each lane."""
        x, y = self.level(x, y)
        return self.put(f"{op} {x.type} {x.text}, {y.text}", x.type.like("i1"))

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        condition, x, y = self.level(condition, x, y)
        return self.put(
            f"select {condition.type} {condition.text}, {x.type} {x.text}, {y.type} {y.text}", x.type
        )

    def convert(self, op: str, x: Value, scalar: str) -> Value:
        """``sitofp``, ``fpext``, ``zext``, ``bitcast`` lane by lane, ..."""
        to = x.type.like(scalar)
        return self.put(f"{op} {x.type} {x.text} to {to}", to)

    def negate(self, x: Value) -> Value:
        return self.put(f"fneg {x.type} {x.text}", x.type)

    def shuffle(self, x: Value, y: Value, picked: list[int]) -> Value:
        """Lanes of x and, counted on from there, of y; one lane alone is a scalar."""
        if len(picked) == 1:
            return self.lane(*((x, picked[0]) if picked[0] < x.lanes else (y, picked[0] - x.lanes)))
        lanes = ", ".join(f"i32 {k}" for k in picked)
        return self.put(
            f"shufflevector {x.type} {x.text}, {y.type} {y.text}, <{len(picked)} x i32> <{lanes}>",
            x.type.of(len(picked)),
        )

    def lane(self, x: Value, number: int) -> Value:
        """One lane, as a scalar."""
        if x.lanes == 1:
            return x
        return self.put(f"extractelement {x.type} {x.text}, i64 {number}", x.type.of(1))

    def intrinsic(self, name: str, *xs: Value, result: Type | None = None) -> Value:
        """``llvm.<name>.<type>``, overloaded on the type of its arguments."""
        xs = tuple(self.level(*xs))
        to = result or xs[0].type
        return self.call(f"llvm.{name}.{xs[0].type.suffix}", to, *xs)

    def call(self, name: str, result: Type, *xs: Value) -> Value:
        self.module.declare(name, str(result), [str(x.type) for x in xs])
        return self.put(f"call {result} @{name}({', '.join(f'{x.type} {x.text}' for x in xs)})", result)

    def multiply_add(self, x: Value, y: Value, z: Value) -> Value:
        """x·y + z, rounded once where the target has an instruction for that, else twice."""
        if self.module.target.has_fma:
            return self.intrinsic("fma", x, y, z)
        return self.binary("fadd", self.binary("fmul", x, y), z)

    # Memory.

    def align(self, type: Type) -> str:
        """That something in memory lies as its elements do."""
        bits = self.module.target.pointer_bits if type.scalar == "ptr" else type.bits
        return f"align {max(bits // 8, 1)}"

    def variable(self, type: Type, start: Value | None = None) -> Value:
        """A place on the stack, which LLVM makes a register."""
        name = self.fresh("place")
        self.entry.append(f"  {name} = alloca {type}, align 64")
        place = Value(name, PTR)
        if start is not None:
            self.store(start, place)
        return place

    def room(self, type: Type, n: int) -> Value:
        """A place on the stack for n values, one behind the other."""
        name = self.fresh("room")
        self.entry.append(f"  {name} = alloca [{n} x {type}], align 64")
        return Value(name, PTR)

    def offset(self, pointer: Value, index: Value, scalar: str, is_inside: bool = True) -> Value:
        """The address of element ``index``; of a vector of indices, a vector of addresses. Not ``is_inside``:
        of an element that perhaps is not there, and is not read then.
        """
        if index.text == "0":
            return pointer
        return self.put(
            f"getelementptr {'inbounds ' * is_inside}{scalar}, ptr {pointer.text}, {index.type} {index.text}",
            PTR.of(index.lanes),
        )

    def load(self, pointer: Value, type: Type) -> Value:
        return self.put(f"load {type}, ptr {pointer.text}, {self.align(type)}", type)

    def store(self, x: Value, pointer: Value) -> None:
        self.do(f"store {x.type} {x.text}, ptr {pointer.text}, {self.align(x.type)}")

    def copy(self, source: Value, target: Value, nbytes: int) -> None:
        name = "llvm.memcpy.p0.p0.i64"
        self.module.declare(name, "void", ["ptr", "ptr", "i64", "i1"])
        self.do(f"call void @{name}(ptr {target.text}, ptr {source.text}, i64 {nbytes}, i1 false)")

    def masked_load(self, pointer: Value, type: Type, mask: Value) -> Value:
        """Lanes whose mask is off are 0 and not read."""
        name = f"llvm.masked.load.{type.suffix}.p0"
        self.module.declare(name, str(type), ["ptr", str(mask.type), str(type)])
        return self.put(
            f"call {type} @{name}(ptr {self.align(type)} {pointer.text}, "
            f"{mask.type} {mask.text}, {type} zeroinitializer)",
            type,
        )

    def masked_store(self, x: Value, pointer: Value, mask: Value) -> None:
        name = f"llvm.masked.store.{x.type.suffix}.p0"
        self.module.declare(name, "void", [str(x.type), "ptr", str(mask.type)])
        self.do(
            f"call void @{name}({x.type} {x.text}, ptr {self.align(x.type)} {pointer.text}, "
            f"{mask.type} {mask.text})"
        )

    def gather(self, pointers: Value, type: Type, mask: Value | None = None) -> Value:
        """One element from each address; lanes whose mask is off are 0 and not read."""
        on = mask or number(True, I1.of(type.lanes))
        name = f"llvm.masked.gather.{type.suffix}.{pointers.type.suffix}"
        self.module.declare(name, str(type), [str(pointers.type), str(on.type), str(type)])
        return self.put(
            f"call {type} @{name}({pointers.type} {self.align(type)} {pointers.text}, "
            f"{on.type} {on.text}, {type} zeroinitializer)",
            type,
        )

    def scatter(self, x: Value, pointers: Value, mask: Value | None = None) -> None:
        on = mask or number(True, I1.of(x.lanes))
        name = f"llvm.masked.scatter.{x.type.suffix}.{pointers.type.suffix}"
        self.module.declare(name, "void", [str(x.type), str(pointers.type), str(on.type)])
        self.do(
            f"call void @{name}({x.type} {x.text}, {pointers.type} {self.align(x.type)} "
            f"{pointers.text}, {on.type} {on.text})"
        )

    def prefetch(self, pointer: Value, locality: int = 3, writes: bool = False) -> None:
        """Ask for a cache line that is read or written soon; where there is none, nothing happens."""
        self.module.declare("llvm.prefetch.p0", "void", ["ptr", "i32", "i32", "i32"])
        self.do(f"call void @llvm.prefetch.p0(ptr {pointer.text}, i32 {writes:d}, i32 {locality}, i32 1)")

    def lane_numbers(self, lanes: int) -> Value:
        """0, 1, 2, ... as i64."""
        if lanes == 1:
            return i64(0)
        return Value(f"<{', '.join(f'i64 {k}' for k in range(lanes))}>", I64.of(lanes))

    # Blocks.

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")
        self.block = name

    @contextlib.contextmanager
    def loop(self, start: Value, stop: Value, step: int = 1) -> Iterator[Value]:
        """for i in range(start, stop, step)."""
        tag = self.fresh("loop")[1:]
        before = self.block
        index = Value(f"%{tag}.i", I64)
        self.do(f"br label %{tag}.head")
        self.label(f"{tag}.head")
        self.lines.append(
            f"  {index.text} = phi i64 [ {start.text}, %{before} ], [ %{tag}.next, %{tag}.latch ]"
        )
        more = self.compare("icmp slt", index, stop)
        self.do(f"br i1 {more.text}, label %{tag}.body, label %{tag}.done")
        self.label(f"{tag}.body")
        yield index
        self.do(f"br label %{tag}.latch")
        self.label(f"{tag}.latch")
        self.lines.append(f"  %{tag}.next = add nsw i64 {index.text}, {step}")
        self.do(f"br label %{tag}.head")
        self.label(f"{tag}.done")

    @contextlib.contextmanager
    def asked(self, counter: Value, stop: Value) -> Iterator[Value]:
        """while (i = counter++) < stop, where other threads count too."""
        tag = self.fresh("asked")[1:]
        self.do(f"br label %{tag}.head")
        self.label(f"{tag}.head")
        index = self.put(f"atomicrmw add ptr {counter.text}, i64 1 monotonic", I64)
        more = self.compare("icmp slt", index, stop)
        self.do(f"br i1 {more.text}, label %{tag}.body, label %{tag}.done")
        self.label(f"{tag}.body")
        yield index
        self.do(f"br label %{tag}.head")
        self.label(f"{tag}.done")

    def carrying(
        self,
        start: Value,
        stop: Value,
        values: list[Value],
        body: Callable[[Value, list[Value]], list[Value]],
        step: int = 1,
    ) -> list[Value]:
        """for i in range(start, stop, step): values = body(i, values)"""
        tag = self.fresh("loop")[1:]
        before = self.block
        self.do(f"br label %{tag}.head")
        self.label(f"{tag}.head")
        index, held = Value(f"%{tag}.i", I64), [Value(f"%{tag}.{n}", x.type) for n, x in enumerate(values)]
        head = len(self.lines)
        more = self.compare("icmp slt", index, stop)
        self.do(f"br i1 {more.text}, label %{tag}.body, label %{tag}.done")
        self.label(f"{tag}.body")
        made = body(index, held)
        self.do(f"br label %{tag}.latch")
        self.label(f"{tag}.latch")
        following = Value(f"%{tag}.next", I64)
        self.lines.append(f"  {following.text} = add nsw i64 {index.text}, {step}")
        self.do(f"br label %{tag}.head")
        self.label(f"{tag}.done")
        phis = zip([index, *held], [start, *values], [following, *made], strict=True)
        self.lines[head:head] = [
            f"  {x.text} = phi {x.type} [ {first.text}, %{before} ], [ {later.text}, %{tag}.latch ]"
            for x, first, later in phis
        ]
        return held

    @contextlib.contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """if condition: ..."""
        tag = self.fresh("if")[1:]
        self.do(f"br i1 {condition.text}, label %{tag}.then, label %{tag}.done")
        self.label(f"{tag}.then")
        yield
        self.do(f"br label %{tag}.done")
        self.label(f"{tag}.done")
