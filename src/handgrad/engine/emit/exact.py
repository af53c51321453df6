"""Sums and products with what rounding took of them."""

from __future__ import annotations

from handgrad.engine.emit.ir import Function, Value, number


def rounded_off(f: Function, x: Value, y: Value, total: Value) -> Value:
    """x + y - total, exactly, where total = x + y was rounded (Knuth's two-sum)."""
    of_y = f.binary("fsub", total, x)
    of_x = f.binary("fsub", total, of_y)
    return f.binary("fadd", f.binary("fsub", x, of_x), f.binary("fsub", y, of_y))


def rounded_once(f: Function, x: Value, y: Value, z: Value) -> Value:
    """x·y + z as if rounded once, on every target.

    Without an instruction for it float32 goes by way of float64, which holds the product. In float64 product
    and sum are each two numbers, which takes |x|, |y| < 2^996, and no product that is next to 0.
    """
    if f.module.target.has_fma:
        return f.multiply_add(x, y, z)
    if x.type.scalar == "float":
        x, y, z = (f.convert("fpext", v, "double") for v in f.level(x, y, z))
        return f.convert("fptrunc", f.multiply_add(x, y, z), "float")
    product = f.binary("fmul", x, y)
    total = f.binary("fadd", product, z)
    rest = f.binary("fadd", product_rest(f, x, y, product), rounded_off(f, product, z, total))
    return f.binary("fadd", total, rest)


def product_rest(f: Function, x: Value, y: Value, product: Value) -> Value:
    """x·y - product, exactly, where product = x·y was rounded."""
    if f.module.target.has_fma:
        return f.multiply_add(x, y, f.negate(product))
    (x0, x1), (y0, y1) = _halves(f, x), _halves(f, y)
    rest = f.binary("fsub", f.binary("fmul", x0, y0), product)  # Dekker's product
    for a, b in ((x0, y1), (x1, y0), (x1, y1)):
        rest = f.binary("fadd", rest, f.binary("fmul", a, b))
    return rest


def _halves(f: Function, x: Value) -> tuple[Value, Value]:
    """A float64 as a sum of two numbers of 26 bits (Veltkamp)."""
    wide = f.binary("fmul", x, number(2.0**27 + 1, x.type))
    upper = f.binary("fsub", wide, f.binary("fsub", wide, x))
    return upper, f.binary("fsub", x, upper)
