"""Elementwise operations as instructions, by NumPy's rules: nan travels, a sign of zero is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.engine import functions
from handgrad.engine.graph import NotCompiled
from handgrad.engine.ir import Function, Type, Value, number

SCALARS = {"f4": "float", "f8": "double", "b1": "i1"}


def type_of(dtype: np.dtype, lanes: int = 1) -> Type:
    """The type of a dtype in registers, where a truth value is one bit."""
    return Type(SCALARS.get(dtype.str[1:]) or f"i{8 * dtype.itemsize}", lanes)


def memory_type(dtype: np.dtype, lanes: int = 1) -> Type:
    """The type of a dtype in memory, where a truth value is a byte."""
    return Type("i8", lanes) if dtype.kind == "b" else type_of(dtype, lanes)


def cast(f: Function, x: Value, have: np.dtype, want: np.dtype) -> Value:
    """``x`` from one dtype in another, as NumPy's astype."""
    if have == want:
        return x
    scalar = type_of(want).scalar
    if want.kind == "b":
        zero = number(0, x.type)
        return f.compare("fcmp une" if have.kind == "f" else "icmp ne", x, zero)
    if have.kind == "f" and want.kind == "f":
        return f.convert("fpext" if want.itemsize > have.itemsize else "fptrunc", x, scalar)
    if have.kind == "f":
        return f.convert("fptosi" if want.kind == "i" else "fptoui", x, scalar)
    if want.kind == "f":
        return f.convert("sitofp" if have.kind == "i" else "uitofp", x, scalar)
    if want.itemsize == have.itemsize and have.kind != "b":
        return x
    if want.itemsize < have.itemsize:
        return f.convert("trunc", x, scalar)
    return f.convert("sext" if have.kind == "i" else "zext", x, scalar)


class Arithmetic:
    """Emits operations into a function, each computing in one dtype."""

    def __init__(self, f: Function):
        self.f = f

    def apply(self, op: str, xs: list[Value], kind: np.dtype) -> Value:
        """``op`` of operands that are of ``kind`` already.

        Raises:
            NotCompiled: the operation has no code for this dtype.
        """
        if op in COMPARISONS:
            return self.compare(op, xs[0], xs[1], kind)
        if kind.kind == "f":
            if op in FLOATING:
                return self.f.binary(FLOATING[op], *xs)
            if op in functions.FUNCTIONS:
                return functions.emit(self.f, op, *xs)
            if op in LIBRARY:
                return functions.library_call(self.f, op, *xs)
        elif op in WHOLE:
            return self.f.binary(WHOLE[op], *xs)
        made: Callable[..., Value] | None = getattr(self, op, None)
        if made is None:
            raise NotCompiled(f"the engine has no code for {op} of {kind}")
        return made(*xs, kind=kind)

    def compare(self, op: str, x: Value, y: Value, kind: np.dtype) -> Value:
        floating, signed, unsigned = COMPARISONS[op]
        if kind.kind == "f":
            return self.f.compare(f"fcmp {floating}", x, y)
        return self.f.compare(f"icmp {signed if kind.kind == 'i' else unsigned}", x, y)

    def negative(self, x: Value, kind: np.dtype) -> Value:
        return self.f.negate(x) if kind.kind == "f" else self.f.binary("sub", number(0, x.type), x)

    def abs(self, x: Value, kind: np.dtype) -> Value:
        if kind.kind == "f":
            return self.f.intrinsic("fabs", x)
        if kind.kind in "ub":
            return x
        return self.f.select(self.f.compare("icmp slt", x, number(0, x.type)), self.negative(x, kind), x)

    def sign(self, x: Value, kind: np.dtype) -> Value:
        """-1, 0 or 1; nan where x is nan."""
        f, zero, one = self.f, number(0, x.type), number(1, x.type)
        above = self.compare("greater", x, zero, kind=kind)
        if kind.kind in "ub":
            return f.select(above, one, zero)
        below = self.compare("less", x, zero, kind=kind)
        flat = f.select(self.compare("equal", x, zero, kind=kind), zero, x) if kind.kind == "f" else zero
        return f.select(above, one, f.select(below, number(-1, x.type), flat))

    def sqrt(self, x: Value, kind: np.dtype) -> Value:
        return self.f.intrinsic("sqrt", x)

    def quotient_by_root(self, x: Value, v: Value, c: Value, eps: Value, kind: np.dtype) -> Value:
        """x / (c·√v + eps), as optimisers scale a gradient.

        Where the host estimates reciprocals, root and quotient are each an estimate of 14 bits with a Newton
        step, together within 4 ulp in float32; in float64, and elsewhere, they are exact to rounding.
        """
        f = self.f
        if (kind.itemsize, max(x.lanes, v.lanes)) != (4, 16) or not f.module.has_estimates:
            root = f.intrinsic("sqrt", v)
            return f.binary("fdiv", x, f.binary("fadd", f.binary("fmul", root, c), eps))
        v = f.splat(f.intrinsic("minnum", v, number(LARGEST, v.type)), 16)
        y = self._estimate("rsqrt14", f.intrinsic("maxnum", v, number(SMALLEST, v.type)))
        s = f.binary("fmul", v, y)
        half = f.binary("fmul", y, number(0.5, y.type))
        root = f.fma(f.fma(f.negate(s), s, v), half, s)
        low = f.fma(root, c, eps)
        y = self._estimate("rcp14", f.splat(low, 16))
        q = f.binary("fmul", x, y)
        return f.fma(f.fma(f.negate(low), q, x), y, q)

    def _estimate(self, name: str, x: Value) -> Value:
        """An estimate of 14 bits by the instruction of AVX-512 for it."""
        name = f"llvm.x86.avx512.{name}.ps.512"
        self.f.module.declare(name, str(x.type), [str(x.type), str(x.type), "i16"])
        return self.f.put(
            f"call {x.type} @{name}({x.type} {x.text}, {x.type} zeroinitializer, i16 -1)", x.type
        )

    def square(self, x: Value, kind: np.dtype) -> Value:
        return self.f.binary("fmul" if kind.kind == "f" else "mul", x, x)

    def floor(self, x: Value, kind: np.dtype) -> Value:
        return self.f.intrinsic("floor", x) if kind.kind == "f" else x

    def power(self, x: Value, y: Value, kind: np.dtype) -> Value:
        """xʸ; small whole constants by products, one half by the root."""
        f = self.f
        if kind.kind != "f":
            raise NotCompiled(f"the engine has no code for power of {kind}")
        constant = constant_of(y)
        if constant == 2:
            return f.binary("fmul", x, x)
        if constant == 3:
            return f.binary("fmul", f.binary("fmul", x, x), x)
        if constant == 1:
            return x
        if constant == -1:
            return f.binary("fdiv", number(1, x.type), x)
        if constant == 0.5:  # at -0 and -inf the root has another sign
            root = f.intrinsic("sqrt", f.binary("fadd", x, number(0.0, x.type)))
            infinite = f.compare("fcmp oeq", x, number(float("-inf"), x.type))
            return f.select(infinite, number(float("inf"), x.type), root)
        return functions.library_call(f, "pow", *f.level(x, y))

    def maximum(self, x: Value, y: Value, kind: np.dtype) -> Value:
        return self._extreme(x, y, kind, "max")

    def minimum(self, x: Value, y: Value, kind: np.dtype) -> Value:
        return self._extreme(x, y, kind, "min")

    def _extreme(self, x: Value, y: Value, kind: np.dtype, whole: str) -> Value:
        """A number beside nan gives nan."""
        f = self.f
        if kind.kind != "f":
            return f.intrinsic(f"{'s' if kind.kind == 'i' else 'u'}{whole}", x, y)
        best = f.select(f.compare("fcmp ogt" if whole == "max" else "fcmp olt", x, y), x, y)
        return f.select(f.compare("fcmp uno", x, x), x, best)

    def logical_and(self, x: Value, y: Value, kind: np.dtype) -> Value:
        return self.f.binary("and", x, y)

    def logical_or(self, x: Value, y: Value, kind: np.dtype) -> Value:
        return self.f.binary("or", x, y)

    def logical_not(self, x: Value, kind: np.dtype) -> Value:
        return self.f.binary("xor", x, number(True, x.type))

    def isfinite(self, x: Value, kind: np.dtype) -> Value:
        if kind.kind != "f":
            return number(True, x.type.like("i1"))
        return self.f.compare("fcmp olt", self.f.intrinsic("fabs", x), number(float("inf"), x.type))

    def remainder(self, x: Value, y: Value, kind: np.dtype) -> Value:
        """What is left of x, with the sign of y."""
        f, zero = self.f, number(0, x.type)
        if kind.kind == "u":
            return f.binary("urem", x, self._divisor(y))
        if kind.kind == "i":
            rest = f.binary("srem", x, self._divisor(y))
            other = f.compare("icmp slt", f.binary("xor", rest, y), zero)
            wrong = f.binary("and", other, f.compare("icmp ne", rest, zero))
            return f.select(wrong, f.binary("add", rest, y), rest)
        x, y = f.level(x, y)
        rest = f.binary("frem", x, y)
        zero = number(0, x.type)
        signs = f.compare(
            "fcmp olt", f.binary("fmul", f.intrinsic("copysign", number(1, x.type), rest), y), zero
        )
        wrong = f.binary("and", signs, f.compare("fcmp one", rest, zero))
        signed = f.intrinsic("copysign", zero, y)
        moved = f.select(wrong, f.binary("fadd", rest, y), rest)
        return f.select(f.compare("fcmp oeq", rest, zero), signed, moved)

    def floor_divide(self, x: Value, y: Value, kind: np.dtype) -> Value:
        f = self.f
        if kind.kind == "f":
            x, y = f.level(x, y)
            rest = self.remainder(x, y, kind)
            whole = f.binary("fdiv", f.binary("fsub", x, rest), y)
            exact = f.binary("fdiv", x, y)
            by_zero = f.compare("fcmp oeq", y, number(0, y.type))
            return f.select(by_zero, exact, f.intrinsic("nearbyint", whole))
        if kind.kind == "u":
            return f.binary("udiv", x, self._divisor(y))
        quotient = f.binary("sdiv", x, self._divisor(y))
        rest = f.binary("srem", x, self._divisor(y))
        zero = number(0, rest.type)
        wrong = f.binary(
            "and",
            f.compare("icmp ne", rest, zero),
            f.compare("icmp slt", f.binary("xor", rest, y), zero),
        )
        return f.select(wrong, f.binary("sub", quotient, number(1, quotient.type)), quotient)

    def _divisor(self, y: Value) -> Value:
        """y, and 1 in place of 0, by which a whole number cannot be divided."""
        return self.f.select(self.f.compare("icmp eq", y, number(0, y.type)), number(1, y.type), y)


def constant_of(x: Value) -> Any:
    """The number that a value is, where it is a constant."""
    text = x.text.removeprefix("splat (").removesuffix(")").split()[-1]
    if text.startswith("0x"):
        return float(np.frombuffer(bytes.fromhex(text[2:].zfill(16)), ">f8")[0])
    return None if text.startswith("%") or text.startswith("<") else int(text)


LARGEST, SMALLEST = 3.0e38, 1.2e-38  # finite and normal in float32: estimates of others are not numbers

FLOATING = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
WHOLE = {"add": "add", "subtract": "sub", "multiply": "mul"}
COMPARISONS = {
    "equal": ("oeq", "eq", "eq"),
    "not_equal": ("une", "ne", "ne"),
    "less": ("olt", "slt", "ult"),
    "less_equal": ("ole", "sle", "ule"),
    "greater": ("ogt", "sgt", "ugt"),
    "greater_equal": ("oge", "sge", "uge"),
}
LIBRARY = frozenset("sin cos tan asin acos atan sinh cosh".split())
