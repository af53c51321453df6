"""Elementary functions as straight-line code: no branches, no tables, any number of lanes.

All of them stand on two kernels. Cody & Waite, "Software Manual for the Elementary Functions" (1980):

``exp(x) = 2^k · exp(r)``          k = round(x / ln 2), r = x - k·ln 2, so |r| <= ln 2 / 2
``log(u) = e·ln 2 + log1p(m)``     u = 2^e·(1 + m), 0.7 <= 1 + m < 1.4

Each kernel is a polynomial, fitted here by Remez's exchange. Errors are at most 2 ulp (1.92 are tanh's), in
float32 and in float64; the C library's functions have bounds of their own. Where the target has an
instruction for a·b + c, that is rounded once, elsewhere twice: the bound is the same, the bits are not. The
processor must round to nearest.

Subnormal numbers count as 0, or not, as the processor is set to: results next to 0 differ by one, and no more
(``log`` takes subnormal arguments as 0 always; ``expm1`` loses those below two smallest normal numbers).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from handgrad.engine.emit.exact import rounded_once
from handgrad.engine.emit.ir import Function, Type, Value, number

Coefficients = tuple[float, ...]


class Format(NamedTuple):
    """A binary floating-point format, and what the functions need in it. Polynomials: highest power first."""

    integer: str
    mantissa: int  # bits that are stored
    bias: int
    tiny: float  # the smallest normal number
    exp_domain: tuple[float, float]  # where exp(x) is a normal number
    expm1_domain: tuple[float, float]  # at its ends expm1(x) is -1 and inf
    logistic_domain: tuple[float, float]  # at its ends 1 / (1 + exp(x)) is 1 and subnormal
    tanh_saturates: float
    erf_saturates: float
    ln2: tuple[float, float]  # ln 2 with zeros at its end, so that k·ln 2 is exact; what is missing
    log_start: int  # the smallest 1 + m: the bits of 0.7
    expm1: Coefficients  # (expm1(r) - r) / r²
    log1p: Coefficients  # (log1p(m) - m) / m²
    erf: Coefficients  # -log(erfc(t)) / t - 1


SINGLE = Format(
    integer="i32",
    mantissa=23,
    bias=127,
    tiny=float(np.finfo("f").tiny),
    exp_domain=(-87.33654022216797, 88.72283172607422),
    expm1_domain=(-20.0, 89.0),
    logistic_domain=(-88.0, 88.3),
    tanh_saturates=10.0,
    erf_saturates=4.0,
    ln2=(float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.7f7d1cp-20")),
    log_start=0x3F333333,
    # |r| <= 0.347: 1.6e-8 of expm1(r).
    expm1=(1.3882507337257266e-03, 8.366646245121956e-03, 4.166720435023308e-02, 1.6666541993618011e-01,
           4.999999701976776e-01),
    # 0.7 <= 1 + m < 1.4: 8.8e-9 of log1p(m).
    log1p=(-8.339565992355347e-02, 1.322406530380249e-01, -1.3129569590091705e-01, 1.4129869639873505e-01,
           -1.661536544561386e-01, 2.000453621149063e-01, -2.500142455101013e-01, 3.33332896232605e-01,
           -4.9999991059303284e-01),
    # 0 <= t <= 4: 4.3e-9 of erf(t).
    erf=(-9.385993507748935e-06, 1.188482201541774e-04, -6.373307551257312e-04, 1.6756387194618583e-03,
         -1.69484454090707e-04, -1.9147826358675957e-02, 1.0277630388736725e-01, 6.366195678710938e-01,
         1.2837916612625122e-01),
)  # fmt: skip

DOUBLE = Format(
    integer="i64",
    mantissa=52,
    bias=1023,
    tiny=float(np.finfo("d").tiny),
    exp_domain=(-708.3964185322641, 709.782712893384),
    expm1_domain=(-40.0, 710.0),
    logistic_domain=(-709.0, 709.4),
    tanh_saturates=20.0,
    erf_saturates=5.95,
    ln2=(float.fromhex("0x1.62e42fefa38p-1"), float.fromhex("0x1.ef35793c7673p-45")),
    log_start=0x3FE6666666666666,
    # |r| <= 0.347: 6.3e-19 of expm1(r).
    expm1=(2.0902695169760944e-09, 2.510921574898163e-08, 2.7557285471262306e-07, 2.7557244006605423e-06,
           2.480158733417534e-05, 1.984126988594347e-04, 1.3888888888875046e-03, 8.333333333321829e-03,
           4.1666666666666685e-02, 1.6666666666666677e-01, 0.5),
    # 0.7 <= 1 + m < 1.4: 4.2e-18 of log1p(m).
    log1p=(-2.9971799697066738e-02, 6.3447951696294e-02, -6.278201626104231e-02, 5.178443001099369e-02,
           -5.272269405406626e-02, 5.853055241946498e-02, -6.281981718708059e-02, 6.672471394421076e-02,
           -7.140741437385864e-02, 7.691819030336525e-02, -8.33341885297278e-02, 9.0909319677705e-02,
           -9.999997896309147e-02, 1.1111110491464735e-01, -1.2500000030250327e-01, 1.4285714295016738e-01,
           -1.6666666666433091e-01, 1.9999999999932228e-01, -2.5000000000000816e-01, 3.3333333333333504e-01,
           -0.5),
    # 0 <= t <= 5.95: 1.4e-17 of erf(t).
    erf=(7.830406033902515e-16, -3.848833907802187e-14, 8.842054919746028e-13, -1.260648483313891e-11,
         1.2480098095020902e-10, -9.079626599305927e-10, 4.996418854670981e-09, -2.0957708401479877e-08,
         6.571847275217893e-08, -1.4172558475916308e-07, 1.3711150523976805e-07, 3.3647479204022815e-07,
         -1.7416853139595676e-06, 2.8352778693664322e-06, 3.407156853839319e-06, -2.9723979303478232e-05,
         6.449182935510987e-05, 2.5878615379288995e-05, -5.901255557359715e-04, 1.6962063862543588e-03,
         -2.091946949033054e-04, -1.9128447005065833e-02, 1.0277260330178858e-01, 6.366197723675836e-01,
         1.2837916709551256e-01),
)  # fmt: skip

FORMATS = {"float": SINGLE, "double": DOUBLE}

# exp(t²)·erfc(t) for 0 <= t <= 9.4, to 6.7e-11, in float64: numerator and denominator.
ERFCX = (
    (9.73505701487049e-03, 9.090997552684231e-02, 3.9635984177352385e-01, 9.905486963944793e-01,
     1.42618158570563e00, 9.999999999409184e-01),
    (1.7254967418720214e-02, 1.6113246101085704e-01, 7.111829135784963e-01, 1.8359534961323327e00,
     2.8730620173756054e00, 2.5545607440083504e00, 1.0),
)  # fmt: skip


def emit(f: Function, name: str, x: Value) -> Value:
    """The function of that name, one of ``FUNCTIONS``."""
    return FUNCTIONS[name](f, x)


def library_call(f: Function, name: str, *xs: Value) -> Value:
    """The C library's function (``sin``: ``sin`` or ``sinf``), called lane by lane; our own where there is
    none.
    """
    xs = tuple(f.level(*xs))
    if not f.module.target.has_library:
        from handgrad.engine.emit import library  # which is made of these functions

        return library.emit(f, name, *xs)
    one = Type(xs[0].type.scalar)
    symbol = name + "f" * (one.scalar == "float")
    if xs[0].lanes == 1:
        return f.call(symbol, one, *xs)
    out = Value("poison", xs[0].type)
    for lane in range(out.lanes):
        parts = [f.put(f"extractelement {x.type} {x.text}, i64 {lane}", one) for x in xs]
        y = f.call(symbol, one, *parts)
        out = f.put(f"insertelement {out.type} {out.text}, {one} {y.text}, i64 {lane}", out.type)
    return out


# What they are made of.


def _format(x: Value) -> Format:
    return FORMATS[x.type.scalar]


def constant(value: float, x: Value) -> Value:
    return number(value, x.type)


def polynomial(f: Function, coefficients: Coefficients, x: Value) -> Value:
    """Horner's rule."""
    y = constant(coefficients[0], x)
    for c in coefficients[1:]:
        y = f.multiply_add(y, x, constant(c, x))
    return y


def bits_of(f: Function, x: Value) -> Value:
    return f.convert("bitcast", x, _format(x).integer)


def at_most(f: Function, x: Value, bound: float) -> Value:
    """min(x, bound); nan stays."""
    top = constant(bound, x)
    return f.select(f.compare("fcmp olt", top, x), top, x)


def at_least(f: Function, x: Value, bound: float) -> Value:
    """max(x, bound); nan stays."""
    bottom = constant(bound, x)
    return f.select(f.compare("fcmp ogt", bottom, x), bottom, x)


def clipped(f: Function, x: Value, domain: tuple[float, float]) -> Value:
    return at_most(f, at_least(f, x, domain[0]), domain[1])


def magnitude(f: Function, x: Value) -> Value:
    return f.intrinsic("fabs", x)


def with_sign_of(f: Function, x: Value, y: Value) -> Value:
    return f.intrinsic("copysign", y, x)


def _reduced(f: Function, x: Value, bias: int) -> tuple[Value, Value]:
    """r = x - k·ln 2, and 2^k as bits: k + bias where a number has its exponent.

    Adding 1.5·2^23 (1.5·2^52) rounds to an integer, and leaves it in the lowest bits.
    """
    c = _format(x)
    magic = constant(1.5 * 2.0**c.mantissa + bias, x)
    shifted = f.multiply_add(x, constant(1 / math.log(2), x), magic)
    k = f.binary("fsub", shifted, magic)
    r = f.multiply_add(k, constant(-c.ln2[0], x), x)
    r = f.multiply_add(k, constant(-c.ln2[1], x), r)
    place = number(c.mantissa, x.type.like(c.integer))
    return r, f.binary("shl", bits_of(f, shifted), place)


def _expm1_reduced(f: Function, r: Value) -> Value:
    """exp(r) - 1 for |r| <= ln 2 / 2."""
    return f.multiply_add(f.binary("fmul", r, r), polynomial(f, _format(r).expm1, r), r)


def exp_reduced(f: Function, r: Value) -> Value:
    return polynomial(f, (*_format(r).expm1, 1.0, 1.0), r)


def exp_parts(f: Function, x: Value, unit: int = 0) -> tuple[Value, Value]:
    """s = 2^(k - unit), normal or 0, and p = exp(r) - 1: exp(x) / 2^unit = s + s·p."""
    r, bits = _reduced(f, x, _format(x).bias - unit)
    return f.convert("bitcast", bits, x.type.scalar), _expm1_reduced(f, r)


def scaled_expm1(f: Function, x: Value, unit: int = 0) -> Value:
    """(exp(x) - 1) / 2^unit = s·p + (s - 1 / 2^unit)."""
    scale, p = exp_parts(f, x, unit)
    return f.multiply_add(scale, p, f.binary("fsub", scale, constant(0.5**unit, x)))


def exponent_of(f: Function, u: Value) -> Value:
    """e as bits, where a number has its exponent: 2^-e·u is in [0.7, 1.4)."""
    c = _format(u)
    bits = bits_of(f, u)
    above = f.binary("sub", bits, number(c.log_start, bits.type))
    return f.binary("and", above, number(-1 << c.mantissa, bits.type))


def log1p_reduced(f: Function, m: Value) -> Value:
    """log(1 + m) for 0.7 <= 1 + m < 1.4."""
    return f.multiply_add(f.binary("fmul", m, m), polynomial(f, _format(m).log1p, m), m)


def _log_sum(f: Function, m: Value, exponent: Value) -> Value:
    """log1p(m) + e·ln 2."""
    c, y = _format(m), log1p_reduced(f, m)
    if c is DOUBLE:  # the upper half alone, which every processor converts
        upper = f.binary("lshr", exponent, number(32, exponent.type))
        exponent, unit = f.convert("trunc", upper, "i32"), 2.0**-20
    else:
        unit = 2.0**-23
    e = f.convert("sitofp", exponent, m.type.scalar)
    return f.multiply_add(e, constant(math.log(2) * unit, m), y)


def log_ends(f: Function, u: Value, y: Value) -> Value:
    """y = log(u) where 0 < u < inf; -inf at 0, nan below; inf and nan stay."""
    below = f.compare("fcmp olt", u, constant(0.0, u))
    low = f.select(below, constant(math.nan, u), constant(-math.inf, u))
    y = f.select(f.compare("fcmp olt", u, constant(_format(u).tiny, u)), low, y)
    return f.select(f.compare("fcmp olt", u, constant(math.inf, u)), y, u)


# The functions.


def exp(f: Function, x: Value) -> Value:
    """exp(x) = 2^k·exp(r), by adding k to the exponent of exp(r)."""
    low, high = _format(x).exp_domain
    r, exponent = _reduced(f, x, bias=0)
    bits = f.binary("add", bits_of(f, exp_reduced(f, r)), exponent)
    y = f.convert("bitcast", bits, x.type.scalar)
    y = f.select(f.compare("fcmp olt", x, constant(low, x)), constant(0.0, x), y)
    beyond = f.compare("fcmp ugt", x, constant(high, x))  # or nan
    return f.select(beyond, f.binary("fmul", x, constant(math.inf, x)), y)


def expm1(f: Function, x: Value) -> Value:
    """exp(x) - 1: twice its half, which does not overflow before it should."""
    half = scaled_expm1(f, clipped(f, x, _format(x).expm1_domain), unit=1)
    return with_sign_of(f, x, f.binary("fadd", half, half))


def logistic(f: Function, x: Value) -> Value:
    """1 / (1 + s + s·p), where exp(-x) = s + s·p; the larger of 1 and s comes last: one rounding counts."""
    scale, p = exp_parts(f, clipped(f, f.negate(x), _format(x).logistic_domain))
    smaller = f.multiply_add(scale, p, at_most(f, scale, 1.0))
    return f.binary("fdiv", constant(1.0, x), f.binary("fadd", smaller, at_least(f, scale, 1.0)))


def tanh(f: Function, x: Value) -> Value:
    """q = h / (1 + h) for h = expm1(2·|x|) / 2, with x's sign.

    What rounding left of the quotient, h - q·(1 + h), is divided in its turn; of 1 + h, too, it is known.
    """
    size = at_most(f, magnitude(f, x), _format(x).tanh_saturates)
    h = scaled_expm1(f, f.binary("fadd", size, size), unit=1)
    one = constant(1.0, x)
    below = f.binary("fadd", one, h)
    missing = f.binary("fsub", at_most(f, h, 1.0), f.binary("fsub", below, at_least(f, h, 1.0)))
    inverse = f.binary("fdiv", one, below)
    q = f.binary("fmul", h, inverse)
    minus_q = f.negate(q)
    rest = f.multiply_add(minus_q, missing, rounded_once(f, minus_q, below, h))
    return with_sign_of(f, x, f.multiply_add(rest, inverse, q))


def log(f: Function, x: Value) -> Value:
    """log(2^e·(1 + m)) = e·ln 2 + log1p(m)."""
    exponent = exponent_of(f, x)
    bits = f.binary("sub", bits_of(f, x), exponent)
    m = f.binary("fsub", f.convert("bitcast", bits, x.type.scalar), constant(1.0, x))
    return log_ends(f, x, _log_sum(f, m, exponent))


def log1p(f: Function, x: Value) -> Value:
    """log(1 + x): e from u = 1 + x, and m = x·2^-e + (2^-e - 1) from x itself, which has not been rounded.

    2^-e is carried four times as large, lest it be subnormal.
    """
    c = _format(x)
    u = f.binary("fadd", x, constant(1.0, x))
    exponent = exponent_of(f, u)
    bits = f.binary("sub", number((c.bias + 2) << c.mantissa, exponent.type), exponent)
    scale = f.convert("bitcast", bits, x.type.scalar)
    m = f.multiply_add(x, scale, f.binary("fsub", scale, constant(4.0, x)))
    y = _log_sum(f, f.binary("fmul", m, constant(0.25, x)), exponent)
    return log_ends(f, u, with_sign_of(f, x, y))


def erf(f: Function, x: Value) -> Value:
    """1 - exp(log(erfc(t))) for t = |x|, with x's sign.

    -log(erfc(t)) / t is smooth, and a mistake in it counts less the nearer erf is to 1: one polynomial does.
    """
    c = _format(x)
    t = at_most(f, magnitude(f, x), c.erf_saturates)
    exponent = f.multiply_add(t, polynomial(f, c.erf, t), t)
    return with_sign_of(f, x, scaled_expm1(f, f.negate(exponent)))


def erfc(f: Function, x: Value) -> Value:
    """exp(-t²)·erfcx(t) for t = |x|, and 2 less it for x < 0; float64's is the C library's.

    t² is carried as a sum of two numbers. The rational function and the product are in float64, so that the
    tail, too, is right to its last digits.
    """
    if x.type.scalar == "double":
        return library_call(f, "erfc", x)
    end = 9.3  # erfc(9.3) is subnormal
    t = at_most(f, magnitude(f, x), end)
    square = f.binary("fmul", t, t)
    missing = rounded_once(f, t, t, f.negate(square))
    r, bits = _reduced(f, f.negate(square), SINGLE.bias)
    p, scale, wide = (
        f.convert("fpext", v, "double")
        for v in (
            _expm1_reduced(f, f.binary("fsub", r, missing)),
            f.convert("bitcast", bits, "float"),
            t,
        )
    )
    ratio = f.binary("fdiv", *(polynomial(f, coefficients, wide) for coefficients in ERFCX))
    y = f.convert("fptrunc", f.binary("fmul", f.multiply_add(ratio, p, ratio), scale), "float")
    y = f.select(f.compare("fcmp oge", t, constant(end, x)), constant(0.0, x), y)
    below = f.compare("fcmp olt", x, constant(0.0, x))
    return f.select(below, f.binary("fsub", constant(2.0, x), y), y)


FUNCTIONS: dict[str, Callable[[Function, Value], Value]] = {
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "tanh": tanh,
    "erf": erf,
    "erfc": erfc,
    "logistic": logistic,
}
