"""xʸ in float64, for targets that have no C library. Errors: at most 1.1 ulp."""

from __future__ import annotations

import math

from handgrad.engine.emit.exact import product_rest, rounded_off
from handgrad.engine.emit.functions import (
    DOUBLE,
    bits_of,
    clipped,
    constant,
    exp,
    exponent_of,
    magnitude,
    polynomial,
    with_sign_of,
)
from handgrad.engine.emit.ir import Function, Value, number

# (atanh(s)/s - 1 - s²/3) / s⁴, of s², for |s| <= 0.1768.
ATANH = (
    0.06043471950728544, 0.05831358641180527, 0.06668465563810506, 0.07692270221576443,
    0.09090909559196075, 0.11111111107726344, 0.14285714285726975, 0.19999999999999982,
)  # fmt: skip
THIRD = (1 / 3, float.fromhex("0x1.5555555555555p-56"))
MOST = 2.0**66  # exponents beyond which every power but of 1 is 0 or infinite
ENDS = (-800.0, 800.0)  # where exp is both

Pair = tuple[Value, Value]  # a number and what rounding took of it


def power(f: Function, x: Value, y: Value) -> Value:
    """exp(y·log|x|), with x's sign where y is odd; the ends as C has them."""
    size = magnitude(f, x)
    result = _power(f, size, clipped(f, y, (-MOST, MOST)))
    zero, one, infinite = (constant(v, x) for v in (0.0, 1.0, math.inf))
    falls = f.compare("fcmp olt", y, zero)
    for end, there, below in ((zero, zero, infinite), (infinite, infinite, zero)):
        result = f.select(f.compare("fcmp oeq", size, end), f.select(falls, below, there), result)
    whole = f.compare("fcmp oeq", f.intrinsic("floor", y), y)
    half = f.binary("fmul", y, constant(0.5, y))
    odd = f.binary("and", whole, f.compare("fcmp one", f.intrinsic("floor", half), half))
    result = f.select(odd, with_sign_of(f, x, result), result)
    below = f.binary("and", f.compare("fcmp olt", x, zero), f.compare("fcmp olt", size, infinite))
    none = f.binary("and", below, f.binary("xor", whole, number(True, whole.type)))
    result = f.select(none, constant(math.nan, x), result)
    result = f.select(f.compare("fcmp uno", x, y), f.binary("fadd", x, y), result)
    always_one = f.binary("or", f.compare("fcmp oeq", y, zero), f.compare("fcmp oeq", x, one))
    return f.select(always_one, one, result)


def _power(f: Function, x: Value, y: Value) -> Value:
    """exp(y·log x) = exp(p)·(1 + rest) for 0 < x < inf."""
    log, more = _log(f, x)
    p = f.binary("fmul", y, log)
    rest = f.binary("fadd", product_rest(f, y, log, p), f.binary("fmul", y, more))
    total = f.binary("fadd", p, rest)
    rest = f.binary("fadd", f.binary("fsub", p, total), rest)
    near = clipped(f, total, ENDS)
    result = exp(f, near)
    fine = f.compare("fcmp oeq", near, total)
    more = f.binary("fmul", result, f.select(fine, rest, constant(0.0, x)))
    finite = f.compare("fcmp olt", result, constant(math.inf, x))
    return f.select(finite, f.binary("fadd", result, more), result)


def _log(f: Function, x: Value) -> Pair:
    """log(2^e·(1 + m)) = e·ln 2 + 2·atanh(s), s = m / (2 + m), to 68 bits."""
    c, one = DOUBLE, constant(1.0, x)
    small = f.compare("fcmp olt", x, constant(c.tiny, x))
    x = f.select(small, f.binary("fmul", x, constant(2.0**54, x)), x)
    exponent = exponent_of(f, x)
    u = f.convert("bitcast", f.binary("sub", bits_of(f, x), exponent), "double")
    upper = f.convert("trunc", f.binary("lshr", exponent, number(32, exponent.type)), "i32")
    e = f.binary("fmul", f.convert("sitofp", upper, "double"), constant(2.0**-20, x))
    e = f.select(small, f.binary("fsub", e, constant(54.0, x)), e)
    log, more = _doubled_atanh(f, _quotient(f, f.binary("fsub", u, one), _sum(f, u, one)))
    upper = f.binary("fmul", e, constant(c.ln2[0], x))
    total, lost = _sum(f, upper, log)
    more = f.binary("fadd", more, f.binary("fmul", e, constant(c.ln2[1], x)))
    return total, f.binary("fadd", lost, more)


def _sum(f: Function, x: Value, y: Value) -> Pair:
    total = f.binary("fadd", x, y)
    return total, rounded_off(f, x, y, total)


def _product(f: Function, x: Pair, y: Pair) -> Pair:
    product = f.binary("fmul", x[0], y[0])
    rest = product_rest(f, x[0], y[0], product)
    for a, b in ((x[0], y[1]), (x[1], y[0])):
        rest = f.binary("fadd", rest, f.binary("fmul", a, b))
    return product, rest


def _quotient(f: Function, x: Value, y: Pair) -> Pair:
    q = f.binary("fdiv", x, y[0])
    product = f.binary("fmul", q, y[0])
    left = f.binary("fsub", f.binary("fsub", x, product), product_rest(f, q, y[0], product))
    left = f.binary("fsub", left, f.binary("fmul", q, y[1]))
    return q, f.binary("fdiv", left, y[0])


def _doubled_atanh(f: Function, s: Pair) -> Pair:
    """2·(s + s·(s²/3 + s⁴·P(s²)))."""
    z = _product(f, s, s)
    third = _product(f, z, (constant(THIRD[0], z[0]), constant(THIRD[1], z[0])))
    beyond = f.binary("fmul", f.binary("fmul", z[0], z[0]), polynomial(f, ATANH, z[0]))
    more, lost = _sum(f, third[0], beyond)
    twice = (f.binary("fadd", s[0], s[0]), f.binary("fadd", s[1], s[1]))
    product = _product(f, twice, (more, f.binary("fadd", lost, third[1])))
    total, lost = _sum(f, twice[0], product[0])
    return total, f.binary("fadd", lost, f.binary("fadd", product[1], twice[1]))
