"""What the C library computes elsewhere, for targets that have none.

All is in float64, where errors are at most 2.1 ulp (erfc: 2.8), and float32 goes by way of that. As the other
functions, these may give 0 for what is below the smallest normal number. fmod is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from handgrad.engine.emit import angles
from handgrad.engine.emit.exact import product_rest
from handgrad.engine.emit.functions import (
    at_most,
    bits_of,
    clipped,
    constant,
    erf,
    exp,
    exp_parts,
    exp_reduced,
    exponent_of,
    log,
    log1p,
    log1p_reduced,
    log_ends,
    magnitude,
    polynomial,
    scaled_expm1,
    with_sign_of,
)
from handgrad.engine.emit.ir import I64, Function, Value, number
from handgrad.engine.emit.power import power

# exp(t²)·erfc(t)·(1 + 2t) of (t - 4) / (t + 4), for 0 <= t <= 27, to 1e-17.
ERFCX = (
    -1.836527912431879e-09, -1.3767688630840166e-08, -7.875234100127895e-09, 1.1542085632901528e-07,
    6.311743966973996e-08, -8.349857115308377e-07, 3.0096768150349426e-07, 5.717575496133014e-06,
    -1.1224618882340391e-05, -2.4402952660948572e-05, 0.0001506222119108838,
    -0.00019925558958429427, -0.0007577733430093336, 0.005031969774055681, -0.016197734057345387,
    0.037167515560161374, -0.0663303658118237, 0.09373283499695605, -0.10103906603633259,
    0.06809705425473217, 0.01537965210262029, -0.13962111684056283, 1.2329951186255526,
)  # fmt: skip
TENTHS = (float.fromhex("0x1.34413509f7p-2"), float.fromhex("0x1.3fde623e2566bp-43"))  # log10(2)
PER_LOG2 = (float.fromhex("0x1.71547652b82fep+0"), float.fromhex("0x1.777d0ffda0d24p-56"))  # 1 / ln 2
PER_LOG10 = (float.fromhex("0x1.bcb7b1526e50ep-2"), float.fromhex("0x1.95355baaafad3p-57"))  # 1 / ln 10


def emit(f: Function, name: str, *xs: Value) -> Value:
    """The function of that name."""
    if xs[0].type.scalar == "double":
        return FUNCTIONS[name](f, *xs)
    return f.convert("fptrunc", FUNCTIONS[name](f, *(f.convert("fpext", x, "double") for x in xs)), "float")


def exp2(f: Function, x: Value) -> Value:
    """2^k·exp(r·ln 2) for x = k + r."""
    magic = constant(1.5 * 2.0**52, x)
    shifted = f.binary("fadd", clipped(f, x, (-1100.0, 1100.0)), magic)
    r = f.binary("fmul", f.binary("fsub", x, f.binary("fsub", shifted, magic)), constant(math.log(2), x))
    power = f.binary("shl", bits_of(f, shifted), number(52, I64.of(x.lanes)))
    y = f.convert("bitcast", f.binary("add", bits_of(f, exp_reduced(f, r)), power), "double")
    y = f.select(f.compare("fcmp olt", x, constant(-1022.0, x)), constant(0.0, x), y)
    beyond = f.compare("fcmp uge", x, constant(1024.0, x))  # or nan
    return f.select(beyond, f.binary("fmul", x, constant(math.inf, x)), y)


def _log_parts(f: Function, x: Value) -> tuple[Value, Value]:
    """e and log(1 + m) of x = 2^e·(1 + m)."""
    exponent = exponent_of(f, x)
    u = f.convert("bitcast", f.binary("sub", bits_of(f, x), exponent), "double")
    upper = f.convert("trunc", f.binary("lshr", exponent, number(32, exponent.type)), "i32")
    e = f.binary("fmul", f.convert("sitofp", upper, "double"), constant(2.0**-20, x))
    return e, log1p_reduced(f, f.binary("fsub", u, constant(1.0, x)))


def _times(f: Function, x: Value, factor: tuple[float, float], more: Value | None = None) -> Value:
    """x by a number that is given with what rounding took of it, and more."""
    product = f.binary("fmul", x, constant(factor[0], x))
    rest = f.binary("fadd", product_rest(f, x, constant(factor[0], x), product), _scaled(f, x, factor[1]))
    return f.binary("fadd", product, rest if more is None else f.binary("fadd", rest, more))


def _scaled(f: Function, x: Value, factor: float) -> Value:
    return f.binary("fmul", x, constant(factor, x))


def log2(f: Function, x: Value) -> Value:
    e, small = _log_parts(f, x)
    return log_ends(f, x, f.binary("fadd", e, _times(f, small, PER_LOG2)))


def log10(f: Function, x: Value) -> Value:
    e, small = _log_parts(f, x)
    y = _times(f, small, PER_LOG10, _scaled(f, e, TENTHS[1]))
    return log_ends(f, x, f.binary("fadd", _scaled(f, e, TENTHS[0]), y))


def sinh(f: Function, x: Value) -> Value:
    """2q + q / 2(q + 1/4) for q = (exp(|x|) - 1) / 4."""
    q = scaled_expm1(f, at_most(f, magnitude(f, x), 710.5), unit=2)
    ratio = f.binary("fdiv", q, f.binary("fadd", q, constant(0.25, x)))
    return with_sign_of(f, x, f.binary("fadd", _scaled(f, q, 2.0), _scaled(f, ratio, 0.5)))


def cosh(f: Function, x: Value) -> Value:
    """2q + 1 / 8q for q = exp(|x|) / 4."""
    scale, p = exp_parts(f, at_most(f, magnitude(f, x), 710.5), unit=2)
    q = f.multiply_add(scale, p, scale)
    return f.binary("fadd", _scaled(f, q, 2.0), f.binary("fdiv", constant(0.125, x), q))


LARGE = 2.0**28  # of numbers beyond, 1 beside the square is nothing


def asinh(f: Function, x: Value) -> Value:
    """log1p(a + a² / (1 + √(1 + a²))) for a = |x|; log 2a where that is large."""
    size, one = magnitude(f, x), constant(1.0, x)
    a = at_most(f, size, LARGE)
    square = f.binary("fmul", a, a)
    root = f.intrinsic("sqrt", f.binary("fadd", square, one))
    near = log1p(f, f.binary("fadd", a, f.binary("fdiv", square, f.binary("fadd", one, root))))
    return with_sign_of(f, x, _or_log_of_twice(f, size, near))


def acosh(f: Function, x: Value) -> Value:
    """log1p(t + √(2t + t²)) for t = x - 1; log 2x where that is large."""
    one = constant(1.0, x)
    x = f.select(f.compare("fcmp olt", x, one), constant(math.nan, x), x)
    t = f.binary("fsub", at_most(f, x, LARGE), one)
    root = f.intrinsic("sqrt", f.binary("fadd", f.binary("fadd", t, t), f.binary("fmul", t, t)))
    return _or_log_of_twice(f, x, log1p(f, f.binary("fadd", t, root)))


def _or_log_of_twice(f: Function, x: Value, near: Value) -> Value:
    far = f.binary("fadd", log(f, x), constant(math.log(2), x))
    return f.select(f.compare("fcmp ogt", x, constant(LARGE, x)), far, near)


def atanh(f: Function, x: Value) -> Value:
    """log1p(2a / (1 - a)) / 2 for a = |x|."""
    a = magnitude(f, x)
    ratio = f.binary("fdiv", f.binary("fadd", a, a), f.binary("fsub", constant(1.0, x), a))
    return with_sign_of(f, x, _scaled(f, log1p(f, ratio), 0.5))


def hypot(f: Function, x: Value, y: Value) -> Value:
    """√(x² + y²), both scaled so that the squares are numbers; of anything and infinity infinite."""
    x, y = magnitude(f, x), magnitude(f, y)
    size = f.select(f.compare("fcmp ogt", x, y), x, y)
    large = f.compare("fcmp ogt", size, constant(2.0**500, x))
    small = f.compare("fcmp olt", size, constant(2.0**-500, x))

    def chosen(if_large: float, if_small: float) -> Value:
        other = f.select(small, constant(if_small, x), constant(1.0, x))
        return f.select(large, constant(if_large, x), other)

    a, b = (f.binary("fmul", v, chosen(2.0**-600, 2.0**600)) for v in (x, y))
    root = f.intrinsic("sqrt", f.multiply_add(a, a, f.binary("fmul", b, b)))
    root = f.binary("fmul", root, chosen(2.0**600, 2.0**-600))
    infinite = constant(math.inf, x)
    some = f.binary("or", *(f.compare("fcmp oeq", v, infinite) for v in (x, y)))
    return f.select(some, infinite, root)


def erfc(f: Function, x: Value) -> Value:
    """exp(-t²)·erfcx(t) for t = |x|, and 2 less it for x < 0; 1 - erf(x) next to 0. t² is carried as a sum of
    two numbers.
    """
    end = 26.6  # erfc(26.6) is subnormal
    t = at_most(f, magnitude(f, x), end)
    square = f.binary("fmul", t, t)
    missing = product_rest(f, t, t, square)
    four = constant(4.0, t)
    u = f.binary("fdiv", f.binary("fsub", t, four), f.binary("fadd", t, four))
    below = f.binary("fadd", f.binary("fadd", t, t), constant(1.0, t))
    y = f.binary("fmul", exp(f, f.negate(square)), f.binary("fdiv", polynomial(f, ERFCX, u), below))
    y = f.binary("fsub", y, f.binary("fmul", y, missing))
    y = f.select(f.compare("fcmp olt", x, constant(0.0, x)), f.binary("fsub", constant(2.0, x), y), y)
    near = f.binary("fsub", constant(1.0, x), erf(f, x))
    return f.select(f.compare("fcmp olt", t, constant(0.5, x)), near, y)


def fmod(f: Function, x: Value, y: Value) -> Value:
    """What is left of x, with its sign: long division of the mantissas, bit by bit, all lanes together."""
    whole = I64.of(x.lanes)
    (m, e), (n, d) = (_taken_apart(f, magnitude(f, v)) for v in (x, y))
    n = f.select(f.compare("icmp eq", n, number(0, whole)), number(1, whole), n)
    rest = f.variable(whole, f.binary("urem", m, n))
    ahead = f.binary("sub", e, d)
    most = f.call(f"llvm.vector.reduce.smax.{whole.suffix}", I64, ahead) if x.lanes > 1 else ahead
    with f.loop(number(0, I64), most) as k:
        twice = f.binary("shl", f.load(rest, whole), number(1, whole))
        less = f.binary("sub", twice, n)
        left = f.select(f.compare("icmp slt", less, number(0, whole)), twice, less)
        f.store(f.select(f.compare("icmp slt", k, ahead), left, f.load(rest, whole)), rest)
    scale = f.convert("bitcast", f.binary("shl", d, number(52, whole)), "double")  # 2^(d - 1023)
    found = f.binary("fmul", f.convert("uitofp", f.load(rest, whole), "double"), scale)
    found = f.binary("fmul", found, constant(2.0**-52, x))
    found = f.select(f.compare("fcmp olt", magnitude(f, x), magnitude(f, y)), magnitude(f, x), found)
    known = f.compare("fcmp olt", magnitude(f, x), constant(math.inf, x))
    known = f.binary("and", known, f.compare("fcmp one", y, constant(0.0, x)))
    return f.select(known, with_sign_of(f, x, found), constant(math.nan, x))


def _taken_apart(f: Function, x: Value) -> tuple[Value, Value]:
    """m and e of x = m·2^(e - 1075), e at least 1."""
    bits = bits_of(f, x)
    e = f.binary("lshr", bits, number(52, bits.type))
    m = f.binary("and", bits, number(2**52 - 1, bits.type))
    usual = f.compare("icmp ne", e, number(0, bits.type))
    m = f.select(usual, f.binary("or", m, number(2**52, bits.type)), m)
    return m, f.select(usual, e, number(1, bits.type))


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "acos": angles.acos,
    "acosh": acosh,
    "asin": angles.asin,
    "asinh": asinh,
    "atan": angles.atan,
    "atan2": angles.atan2,
    "atanh": atanh,
    "cos": angles.cos,
    "cosh": cosh,
    "erfc": erfc,
    "exp2": exp2,
    "fmod": fmod,
    "hypot": hypot,
    "log10": log10,
    "log2": log2,
    "pow": power,
    "sin": angles.sin,
    "sinh": sinh,
    "tan": angles.tan,
}
