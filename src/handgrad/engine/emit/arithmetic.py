"""Elementwise operations as instructions, by NumPy's rules: nan travels, a sign of zero is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.engine.emit import functions
from handgrad.engine.emit.ir import Function, Type, Value, number
from handgrad.engine.nodes import NotCompiled

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
        return whole(f, x, want)
    if want.kind == "f":
        return f.convert("sitofp" if have.kind == "i" else "uitofp", x, scalar)
    if want.itemsize == have.itemsize and have.kind != "b":
        return x
    if want.itemsize < have.itemsize:
        return f.convert("trunc", x, scalar)
    return f.convert("sext" if have.kind == "i" else "zext", x, scalar)


def whole(f: Function, x: Value, want: np.dtype) -> Value:
    """A float without its fraction as an integer; what that does not hold, and nan, as NumPy on x86, on every
    processor.

    There it is made with 32 bits, or with 64, of which a shorter one is the end. What does not fit those is
    the least number; an unsigned one from half its range on is made of what is left over that.
    """
    bits = 64 if want.itemsize == 8 else 32
    half = number(2.0 ** (bits - 1), x.type)

    def signed(x: Value) -> Value:
        fits = f.compare("fcmp olt", f.intrinsic("fabs", x), half)
        return f.convert("fptosi", f.select(fits, x, number(-(2.0 ** (bits - 1)), x.type)), f"i{bits}")

    y = signed(x)
    if want.kind == "u" and 8 * want.itemsize == bits:
        beyond = signed(f.binary("fsub", x, half))
        beyond = f.binary("xor", beyond, number(-(2 ** (bits - 1)), beyond.type))
        y = f.select(f.compare("fcmp oge", x, half), beyond, y)
    return y if 8 * want.itemsize == bits else f.convert("trunc", y, type_of(want).scalar)


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

        Where the target estimates reciprocals, root and quotient are each an estimate of 14 bits with a
        Newton step, together within 4 ulp in float32; in float64, and elsewhere, they are exact to rounding.
        """
        f, target = self.f, self.f.module.target
        if (kind.itemsize, max(x.lanes, v.lanes)) != (4, 16) or not target.has_estimates:
            root = f.intrinsic("sqrt", v)
            return f.binary("fdiv", x, f.binary("fadd", f.binary("fmul", root, c), eps))
        v = f.splat(f.intrinsic("minnum", v, number(LARGEST, v.type)), 16)
        y = target.reciprocals(f, f.intrinsic("maxnum", v, number(SMALLEST, v.type)), of_roots=True)
        s = f.binary("fmul", v, y)
        half = f.binary("fmul", y, number(0.5, y.type))
        root = f.multiply_add(f.multiply_add(f.negate(s), s, v), half, s)
        low = f.multiply_add(root, c, eps)
        y = target.reciprocals(f, f.splat(low, 16))
        q = f.binary("fmul", x, y)
        return f.multiply_add(f.multiply_add(f.negate(low), q, x), y, q)

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
        if constant == 0.5:  # as NumPy: at -0 and -inf the power function has other values
            return f.intrinsic("sqrt", x)
        return functions.library_call(f, "pow", *f.level(x, y))

    def logaddexp(self, x: Value, y: Value, kind: np.dtype) -> Value:
        """m + log(1 + e⁻ᵈ), m the larger and d the distance, which of equals is 0, infinite or not."""
        return self._logaddexp(x, y, 1.0, kind)

    def logaddexp2(self, x: Value, y: Value, kind: np.dtype) -> Value:
        return self._logaddexp(x, y, math.log(2), kind)

    def _logaddexp(self, x: Value, y: Value, unit: float, kind: np.dtype) -> Value:
        f = self.f
        distance = f.intrinsic("fabs", f.binary("fsub", x, y))
        distance = f.binary("fmul", distance, number(-unit, x.type))
        rest = functions.emit(f, "log1p", functions.emit(f, "exp", distance))
        rest = f.binary("fmul", rest, number(1 / unit, x.type))
        apart = f.binary("fadd", self.maximum(x, y, kind), rest)
        equal = f.binary("fadd", x, number(math.log(2) / unit, x.type))
        return f.select(f.compare("fcmp oeq", x, y), equal, apart)

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
        f = self.f
        if kind.kind in "iu":
            return self._divided(x, y, kind)[1]
        x, y = f.level(x, y)
        rest, differs = self._rest(x, y)
        zero = number(0, x.type)
        signed = f.intrinsic("copysign", zero, y)
        moved = f.select(differs, f.binary("fadd", rest, y), rest)
        return f.select(f.compare("fcmp oeq", rest, zero), signed, moved)

    def _rest(self, x: Value, y: Value) -> tuple[Value, Value]:
        """What is left of x, with the sign of x; and where that is another than y's."""
        f, zero = self.f, number(0, x.type)
        has_library = f.module.target.has_library
        rest = f.binary("frem", x, y) if has_library else functions.library_call(f, "fmod", x, y)
        sign = f.intrinsic("copysign", number(1, x.type), rest)
        other = f.compare("fcmp olt", f.binary("fmul", sign, y), zero)
        return rest, f.binary("and", other, f.compare("fcmp one", rest, zero))

    def floor_divide(self, x: Value, y: Value, kind: np.dtype) -> Value:
        f = self.f
        if kind.kind == "f":
            x, y = f.level(x, y)
            rest, differs = self._rest(x, y)
            times = f.intrinsic("nearbyint", f.binary("fdiv", f.binary("fsub", x, rest), y))
            whole = f.select(differs, f.binary("fsub", times, number(1, y.type)), times)
            exact, zero = f.binary("fdiv", x, y), number(0, y.type)
            signed = f.intrinsic("copysign", zero, exact)
            whole = f.select(f.compare("fcmp oeq", whole, zero), signed, whole)
            return f.select(f.compare("fcmp oeq", y, zero), exact, whole)
        return self._divided(x, y, kind)[0]

    def _divided(self, x: Value, y: Value, kind: np.dtype) -> tuple[Value, Value]:
        """Whole numbers: the quotient, rounded down, and the rest, with the sign of y. By 0 both are 0.

        The processor knows no x / 0, and no x / -1 where x is the least number, whose negative is itself.
        """
        f = self.f
        x, y = f.level(x, y)
        zero, one = number(0, y.type), number(1, y.type)
        by_zero = f.compare("icmp eq", y, zero)
        if kind.kind == "u":
            divisor = f.select(by_zero, one, y)
            quotient, rest = f.binary("udiv", x, divisor), f.binary("urem", x, divisor)
        else:
            by_minus_one = f.compare("icmp eq", y, number(-1, y.type))
            divisor = f.select(f.binary("or", by_zero, by_minus_one), one, y)
            quotient, rest = f.binary("sdiv", x, divisor), f.binary("srem", x, divisor)
            other_sign = f.compare("icmp slt", f.binary("xor", rest, y), zero)
            down = f.binary("and", other_sign, f.compare("icmp ne", rest, zero))
            quotient = f.select(down, f.binary("sub", quotient, one), quotient)
            rest = f.select(down, f.binary("add", rest, y), rest)
            quotient = f.select(by_minus_one, f.binary("sub", zero, x), quotient)
        return f.select(by_zero, zero, quotient), f.select(by_zero, zero, rest)


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
LIBRARY = frozenset(
    "sin cos tan asin acos atan atan2 sinh cosh asinh acosh atanh exp2 log2 log10 hypot".split()
)
