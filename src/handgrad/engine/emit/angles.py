"""sin, cos, tan and their inverses in float64, for targets that have no C library."""

from __future__ import annotations

import math

from handgrad.engine.emit.exact import product_rest, rounded_off
from handgrad.engine.emit.functions import (
    bits_of,
    constant,
    magnitude,
    polynomial,
    with_sign_of,
)
from handgrad.engine.emit.ir import I1, I32, I64, PTR, Function, Type, Value, number

# Of r²: (sin(r) - r) / r³ and (cos(r) - 1 + r²/2) / r⁴ for |r| <= π/4; (atan(r) - r) / r³ to tan(π/8).
SIN = (
    1.5896181123426733e-10, -2.5050747852087755e-08, 2.755731362868808e-06, -0.00019841269829632785,
    0.008333333333322205, -0.16666666666666632,
)  # fmt: skip
COS = (
    -1.1359227265476061e-11, 2.087571542143121e-09, -2.755731429668708e-07, 2.480158728929742e-05,
    -0.001388888888887384, 0.041666666666666595,
)  # fmt: skip
ATAN = (
    -0.017907339484957478, 0.03806494970381986, -0.05039330557504953, 0.05847897312317668,
    -0.06663105441042703, 0.07692060360051049, -0.09090897766945567, 0.11111110783807954,
    -0.14285714280203834, 0.1999999999995366, -0.333333333333332,
)  # fmt: skip

# π/2 as numbers of 33 bits, whose products with integers up to 2^20 are exact, and what is missing.
PARTS = tuple(
    float.fromhex(part)
    for part in ("0x1.921fb544p+0", "0x1.0b4611a6p-34", "0x1.3198a2ep-69", "0x1.b839a252049c1p-104")
)
HALF_PI = (math.pi / 2, float.fromhex("0x1.1a62633145c07p-54"))
FAR = 2.0**20  # beyond which a number is not reduced by these

# The binary digits of 2/π, 32 a word, behind 64 zeros.
TWO_OVER_PI = """
    00000000 00000000
    A2F9836E 4E441529 FC2757D1 F534DDC0 DB629599 3C439041 FE5163AB DEBBC561 B7246E3A 424DD2E0 06492EEA
    09D1921C FE1DEB1C B129A73E E88235F5 2EBB4484 E99C7026 B45F7E41 3991D639 835339F4 9C845F8B BDF9283B
    1FF897FF DE05980F EF2F118B 5A0A6D1F 6D367ECF 27CB09B7 4F463F66 9E5FEA2D 7527BAC7 EBE5F17B 3D0739F7
    8A5292EA 6BFB5FB1 1F8D5D08 56033046 FC7B6BAB F0CFBC20 9AF4361D
""".split()
WORDS, WORD = 6, 32  # of 2/π's digits that count for one number
MASK = 2**32 - 1


def sin(f: Function, x: Value) -> Value:
    return _finite(f, x, with_sign_of_product(f, x, _turned(f, *_reduced(f, magnitude(f, x)), 0)))


def cos(f: Function, x: Value) -> Value:
    return _finite(f, x, _turned(f, *_reduced(f, magnitude(f, x)), 1))


def tan(f: Function, x: Value) -> Value:
    """sin / cos, or -cos / sin in every other quadrant."""
    quadrant, r, rest = _reduced(f, magnitude(f, x))
    s, c = _sin(f, r, rest), _cos(f, r, rest)
    is_odd = _bit(f, quadrant, 0)
    y = f.binary("fdiv", f.select(is_odd, f.negate(c), s), f.select(is_odd, s, c))
    return _finite(f, x, with_sign_of_product(f, x, y))


def with_sign_of_product(f: Function, x: Value, y: Value) -> Value:
    """y, or -y where x is negative."""
    return f.binary("fmul", y, f.intrinsic("copysign", constant(1.0, x), x))


def _finite(f: Function, x: Value, y: Value) -> Value:
    """y where x is finite, else nan."""
    inside = f.compare("fcmp olt", magnitude(f, x), constant(math.inf, x))
    return f.select(inside, y, constant(math.nan, x))


def _bit(f: Function, x: Value, n: int) -> Value:
    return f.compare("icmp ne", f.binary("and", x, number(1 << n, x.type)), number(0, x.type))


def _turned(f: Function, quadrant: Value, r: Value, rest: Value, turns: int) -> Value:
    """sin(r + rest + (quadrant + turns)·π/2)."""
    quadrant = f.binary("add", quadrant, number(turns, quadrant.type))
    y = f.select(_bit(f, quadrant, 0), _cos(f, r, rest), _sin(f, r, rest))
    return f.select(_bit(f, quadrant, 1), f.negate(y), y)


def _sin(f: Function, r: Value, rest: Value) -> Value:
    """sin(r + rest) = r + (r³·S + rest·(1 - r²/2))."""
    z = f.binary("fmul", r, r)
    slope = f.multiply_add(z, constant(-0.5, z), constant(1.0, z))
    cube = f.binary("fmul", f.binary("fmul", z, r), polynomial(f, SIN, z))
    return f.binary("fadd", r, f.multiply_add(rest, slope, cube))


def _cos(f: Function, r: Value, rest: Value) -> Value:
    """cos(r + rest) = 1 - r²/2 + (r⁴·C - r·rest), with what rounding took of 1 - r²/2."""
    one, z = constant(1.0, r), f.binary("fmul", r, r)
    half = f.binary("fmul", z, constant(0.5, z))
    near = f.binary("fsub", one, half)
    lost = f.binary("fsub", f.binary("fsub", one, near), half)
    more = f.binary("fmul", f.binary("fmul", z, z), polynomial(f, COS, z))
    more = f.binary("fsub", more, f.binary("fmul", r, rest))
    return f.binary("fadd", near, f.binary("fadd", lost, more))


# x as a multiple of π/2 and what is left, for x >= 0.


def _reduced(f: Function, x: Value) -> tuple[Value, Value, Value]:
    """k as an integer, of which the last two bits count, and x - k·π/2 = r + rest, |r| <= π/4."""
    far = f.compare("fcmp ogt", x, constant(FAR, x))
    near = f.select(far, constant(0.0, x), x)
    magic = constant(1.5 * 2.0**52, x)
    shifted = f.binary("fadd", f.binary("fmul", near, constant(2 / math.pi, x)), magic)
    k = f.binary("fsub", shifted, magic)
    r = f.binary("fsub", near, f.binary("fmul", k, constant(PARTS[0], x)))
    rest = f.negate(f.binary("fmul", k, constant(PARTS[3], x)))
    for part in PARTS[1:3]:
        less = f.negate(f.binary("fmul", k, constant(part, x)))
        total = f.binary("fadd", r, less)
        rest = f.binary("fadd", rest, rounded_off(f, r, less, total))
        r = total
    found = [bits_of(f, shifted), *_normal(f, r, rest)]
    places = [f.variable(v.type, v) for v in found]
    some = f.call(f"llvm.vector.reduce.or.{far.type.suffix}", I1, far) if far.lanes > 1 else far
    with f.when(some):
        for place, old, new in zip(places, found, _reduced_far(f, x), strict=True):
            f.store(f.select(far, new, old), place)
    k, r, rest = (f.load(place, v.type) for place, v in zip(places, found, strict=True))
    return k, r, rest


def _normal(f: Function, x: Value, y: Value) -> tuple[Value, Value]:
    """x + y as a number and the rest."""
    total = f.binary("fadd", x, y)
    return total, rounded_off(f, x, y, total)


def _reduced_far(f: Function, x: Value) -> tuple[Value, Value, Value]:
    """The same for large x = M·2^e (Payne & Hanek): of 2/π only those digits count whose product with x is no
    multiple of 4, and those only as far as the result shows them. Here they are 192, from bit e - 2 on.
    """
    whole = I64.of(x.lanes)

    def word(value: int) -> Value:
        return number(value, whole)

    def low(v: Value) -> Value:
        return f.binary("and", v, word(MASK))

    def high(v: Value) -> Value:
        return f.binary("lshr", v, word(WORD))

    bits = bits_of(f, x)
    mantissa = f.binary("or", f.binary("and", bits, word(2**52 - 1)), word(2**52))
    place = f.binary("sub", f.binary("lshr", bits, word(52)), word(1075 + 2 - 64))
    place = f.intrinsic("smin", f.intrinsic("smax", place, word(0)), word(WORD * (len(TWO_OVER_PI) - 7)))
    first, shift = f.binary("lshr", place, word(5)), f.binary("and", place, word(WORD - 1))
    words = [_digits(f, f.binary("add", first, word(n))) for n in range(WORDS + 1)]
    up, down = shift, f.binary("sub", word(WORD), shift)
    digits = [
        low(f.binary("or", f.binary("shl", words[n], up), f.binary("lshr", words[n + 1], down)))
        for n in reversed(range(WORDS))
    ]
    product, carry, before = [], word(0), word(0)
    for digit in digits:  # the lowest first
        parts = [f.binary("mul", low(mantissa), digit), f.binary("mul", high(mantissa), before)]
        total = carry
        for part in parts:
            total = f.binary("add", total, low(part))
        product.append(low(total))
        carry = high(total)
        for part in parts:
            carry = f.binary("add", carry, high(part))
        before = digit
    *_, d, c, b, a = product
    quadrant = f.binary("lshr", a, word(WORD - 2))

    def following(upper: Value, lower: Value) -> Value:
        """32 bits that begin two bits later."""
        return low(f.binary("or", f.binary("shl", upper, word(2)), f.binary("lshr", lower, word(WORD - 2))))

    pieces = [following(a, b), following(b, c), following(c, d), low(f.binary("shl", d, word(2)))]
    is_above = _bit(f, pieces[0], WORD - 1)  # one half and more: of the next quadrant, and negative
    quadrant = f.select(is_above, f.binary("add", quadrant, word(1)), quadrant)
    pieces[0] = f.select(is_above, f.binary("sub", pieces[0], word(2**32)), pieces[0])
    numbers = [
        f.binary("fmul", f.convert("sitofp", piece, "double"), constant(2.0 ** (-WORD * (n + 1)), x))
        for n, piece in enumerate(pieces)
    ]
    t, rest = _normal(f, *_normal(f, numbers[0], numbers[1]))
    t, rest = _normal(f, t, f.binary("fadd", rest, f.binary("fadd", numbers[2], numbers[3])))
    r = f.binary("fmul", t, constant(HALF_PI[0], x))
    more = product_rest(f, t, constant(HALF_PI[0], x), r)
    for v, factor in ((t, HALF_PI[1]), (rest, HALF_PI[0])):
        more = f.binary("fadd", more, f.binary("fmul", v, constant(factor, x)))
    return (quadrant, *_normal(f, r, more))


def _digits(f: Function, place: Value) -> Value:
    """Words of 2/π."""
    table = ", ".join(f"i32 {int(word, 16)}" for word in TWO_OVER_PI)
    declared = f"@two_over_pi = private constant [{len(TWO_OVER_PI)} x i32] [{table}]"
    f.module.add(declared)
    address = f.offset(Value("@two_over_pi", PTR), place, "i32")
    found = f.load(address, I32) if place.lanes == 1 else f.gather(address, Type("i32", place.lanes))
    return f.convert("zext", found, "i64")


# The inverses.


def atan2(f: Function, y: Value, x: Value) -> Value:
    """The angle of (x, y): of the smaller by the larger, from there to its octant, half and sign."""
    wide, tall, one = magnitude(f, x), magnitude(f, y), constant(1.0, x)
    is_steep = f.compare("fcmp ogt", tall, wide)
    low, high = f.select(is_steep, wide, tall), f.select(is_steep, tall, wide)
    both = f.compare("fcmp oeq", low, constant(math.inf, x))
    low = f.select(both, one, low)
    high = f.select(f.binary("or", both, f.compare("fcmp oeq", high, constant(0.0, x))), one, high)
    r, rest = _arctan(f, low, high)
    for flips, angle in (
        (is_steep, HALF_PI),
        (f.compare("icmp slt", bits_of(f, x), number(0, I64.of(x.lanes))), (math.pi, 2 * HALF_PI[1])),
    ):
        total, lost = _normal(f, constant(angle[0], x), f.negate(r))
        lost = f.binary("fadd", lost, f.binary("fsub", constant(angle[1], x), rest))
        r, rest = f.select(flips, total, r), f.select(flips, lost, rest)
    found = with_sign_of(f, y, f.binary("fadd", r, rest))
    odd = f.compare("fcmp uno", x, y)
    return f.select(odd, f.binary("fadd", x, y), found)


def _arctan(f: Function, low: Value, high: Value) -> tuple[Value, Value]:
    """atan(low / high) for 0 <= low <= high as a number and the rest; beyond tan(π/8) from π/4 on."""
    x = low
    halves = [f.binary("fmul", v, constant(0.5, x)) for v in (low, high)]
    is_beyond = f.compare("fcmp ogt", low, f.binary("fmul", high, constant(math.tan(math.pi / 8), x)))
    above = f.select(is_beyond, f.binary("fsub", *halves), low)
    below = f.select(is_beyond, f.binary("fadd", *halves), high)
    u = f.binary("fdiv", above, below)
    z = f.binary("fmul", u, u)
    more = f.binary("fmul", f.binary("fmul", z, u), polynomial(f, ATAN, z))
    start = f.select(is_beyond, constant(math.pi / 4, x), constant(0.0, x))
    missing = f.select(is_beyond, constant(HALF_PI[1] / 2, x), constant(0.0, x))
    r, lost = _normal(f, start, u)
    return r, f.binary("fadd", f.binary("fadd", more, missing), lost)


def atan(f: Function, x: Value) -> Value:
    return atan2(f, x, constant(1.0, x))


def asin(f: Function, x: Value) -> Value:
    """The angle whose sine is x, and whose cosine √(1 - x²)."""
    one = constant(1.0, x)
    square = f.binary("fmul", f.binary("fsub", one, x), f.binary("fadd", one, x))
    return atan2(f, x, f.intrinsic("sqrt", square))


def acos(f: Function, x: Value) -> Value:
    """Twice the angle of (√(1 + x), √(1 - x))."""
    one = constant(1.0, x)
    half = atan2(
        f, f.intrinsic("sqrt", f.binary("fsub", one, x)), f.intrinsic("sqrt", f.binary("fadd", one, x))
    )
    return f.binary("fadd", half, half)
