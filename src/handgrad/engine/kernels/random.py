"""Random numbers and their keys, the same as NumPy's."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from typing import Any

import numpy as np

from handgrad.engine.emit.ir import I32, I64, Function, Type, Value, i64, number
from handgrad.engine.emit.point import Point
from handgrad.engine.kernels.kernel import Kernel, Site, counters
from handgrad.engine.lowering import Lowering
from handgrad.engine.nodes import Node, OfOne


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class RandomUniform(OfOne):
    """Numbers in [0, 1) that the key x gives."""

    def kernel(self, lowering: Lowering) -> Kernel:
        key = lowering.lower(self.x, counters(self.x.shape))
        return RandomKernel(self, self.shape, [(self.x, key)], [self])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class FoldIn(OfOne):
    """A new key of the key x and a number."""

    n: int

    def kernel(self, lowering: Lowering) -> Kernel:
        key = lowering.lower(self.x, counters(self.x.shape))
        return FoldInKernel(self, self.shape, [(self.x, key)], [self])


def _random_uniform(build: Any, out: Any, x: Any, key: Any) -> Node:
    return RandomUniform(out.shape, np.dtype(out.dtype), build.array(key))


def _fold_in(build: Any, out: Any, key: Any, n: int) -> Node:
    return FoldIn(out.shape, np.dtype(out.dtype), build.array(key), int(n))


OPERATIONS = {"random_uniform": _random_uniform, "fold_in": _fold_in}

# Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), in NumPy's order.

MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
ROUNDS = 10
WORDS = 8  # numbers of 32 bits in a block
I128 = Type("i128")


class RandomKernel(Kernel):
    """Uniform in [0, 1): element n is word n of the stream whose key is the key, so any slice can be made
    alone.
    """

    name = "random"

    @property
    def divisible(self) -> list[int]:
        return [i for i, n in enumerate(self.space) if n > 1][:1]

    def emit(self, site: Site) -> None:
        f, node = site.f, self.node
        n = node.size
        if n == 0:
            return
        start, stop = i64(0), i64(n)
        if site.bounds is not None and self.partition is not None:
            inner = n // self.space[self.partition]
            start, stop = (f.binary("mul", b, i64(inner)) for b in site.bounds)
        high, low = (f.put(f"zext i32 {_key(site, self, i).text} to i64", I64) for i in range(2))
        key = f.binary("or", f.binary("shl", high, i64(32)), low)
        first = f.binary("udiv", start, i64(WORDS))
        last = f.binary("udiv", f.binary("add", stop, i64(WORDS - 1)), i64(WORDS))
        with f.loop(first, last) as block:
            words = philox(f, f.binary("add", block, i64(1)), key)
            base = f.binary("mul", block, i64(WORDS))
            for k in range(WORDS):
                word = f.binary("lshr", words[k // 2], i64(32 * (k % 2)))
                bits = f.put(f"trunc i64 {word.text} to i32", I32)
                x = f.convert("uitofp", f.binary("lshr", bits, number(8, I32)), "float")
                x = f.binary("fmul", x, number(2.0**-24, x.type))
                place = f.binary("add", base, i64(k))
                inside = f.binary(
                    "and", f.compare("icmp sge", place, start), f.compare("icmp slt", place, stop)
                )
                with f.when(inside):
                    Point(f, site.pointers, {}).store(node, place, x)


def _key(site: Site, kernel: Kernel, i: int) -> Value:
    """One of the two numbers of the key."""
    ((key, e),) = kernel.values
    return Point(site.f, site.pointers, {0: i64(i)}).operand(e, key.dtype)


def philox(f: Function, counter: Value, key: Value) -> list[Value]:
    """Four words of 64 bits for a counter (below 2⁶⁴) and a key (its upper half 0)."""
    x = [counter, i64(0), i64(0), i64(0)]
    keys = [key, i64(0)]
    for round in range(ROUNDS):
        if round:
            keys = [f.binary("add", k, _unsigned(w)) for k, w in zip(keys, WEYL, strict=True)]
        (h0, l0), (h1, l1) = (_wide(f, x[i], m) for i, m in zip((0, 2), MULTIPLIERS, strict=True))
        x = [
            f.binary("xor", f.binary("xor", h1, x[1]), keys[0]),
            l1,
            f.binary("xor", f.binary("xor", h0, x[3]), keys[1]),
            l0,
        ]
    return x


def _unsigned(value: int) -> Value:
    return i64(value - 2**64 if value >= 2**63 else value)


def _wide(f: Function, x: Value, multiplier: int) -> tuple[Value, Value]:
    """The high and the low half of a product of 64 by 64 bits."""
    if not f.module.target.has_long_products:
        return _wide_of_halves(f, x, multiplier)
    long = f.put(f"zext i64 {x.text} to i128", I128)
    product = f.binary("mul", long, number(multiplier, I128))
    high = f.binary("lshr", product, number(64, I128))
    return f.put(f"trunc i128 {high.text} to i64", I64), f.put(f"trunc i128 {product.text} to i64", I64)


def _wide_of_halves(f: Function, x: Value, multiplier: int) -> tuple[Value, Value]:
    """The same by four products of 32 by 32 bits, with what the middle ones carry."""
    mask, shift = i64(2**32 - 1), i64(32)
    halves = f.binary("lshr", x, shift), f.binary("and", x, mask)
    (hh, hl), (lh, ll) = ([f.binary("mul", a, i64(m)) for m in divmod(multiplier, 2**32)] for a in halves)
    middle = f.binary("lshr", ll, shift)
    for part in (hl, lh):
        middle = f.binary("add", middle, f.binary("and", part, mask))
    high = f.binary("add", hh, f.binary("lshr", middle, shift))
    for part in (hl, lh):
        high = f.binary("add", high, f.binary("lshr", part, shift))
    return high, f.binary("mul", x, _unsigned(multiplier))


# NumPy's SeedSequence (after M. O'Neill's seed_seq_fe): how a new key is made of a key and a number.

INIT_A, MULT_A, INIT_B, MULT_B = 0x43B0D7E5, 0x931E8875, 0x8B51F9DD, 0x58F38DED
MIX_LEFT, MIX_RIGHT = 0xCA01F9DD, 0x4973F715
POOL = 4


class Hash:
    """The running hash; its multiplier is known when the code is made."""

    def __init__(self, f: Function, start: int, factor: int):
        self.f, self.constant, self.factor = f, start, factor

    def __call__(self, x: Value) -> Value:
        f = self.f
        x = f.binary("xor", x, number(self.constant, I32))
        self.constant = self.constant * self.factor % 2**32
        x = f.binary("mul", x, number(self.constant, I32))
        return f.binary("xor", x, f.binary("lshr", x, number(16, I32)))


class FoldInKernel(Kernel):
    """``SeedSequence([key[0], key[1], n]).generate_state(2)``."""

    name = "fold_in"
    node: FoldIn

    def details(self) -> Hashable:
        return (self.node.n,)

    def emit(self, site: Site) -> None:
        f, node = site.f, self.node
        n = node.n
        point = Point(f, site.pointers, {})
        entropy = [_key(site, self, i) for i in range(2)]
        entropy += [number(n >> shift & 0xFFFFFFFF, I32) for shift in range(0, max(n.bit_length(), 1), 32)]
        hashed = Hash(f, INIT_A, MULT_A)
        pool = [hashed(entropy[i] if i < len(entropy) else number(0, I32)) for i in range(POOL)]

        def mix(x: Value, y: Value) -> Value:
            z = f.binary(
                "sub", f.binary("mul", x, number(MIX_LEFT, I32)), f.binary("mul", y, number(MIX_RIGHT, I32))
            )
            return f.binary("xor", z, f.binary("lshr", z, number(16, I32)))

        for source in range(POOL):
            for target in range(POOL):
                if source != target:
                    pool[target] = mix(pool[target], hashed(pool[source]))
        for word in entropy[POOL:]:
            for target in range(POOL):
                pool[target] = mix(pool[target], hashed(word))
        last = Hash(f, INIT_B, MULT_B)
        for i in range(2):
            point.store(node, i64(i), last(pool[i]))
