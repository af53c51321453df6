"""How a factor is read: as it lies, or copied into panels, transposed on the way or in pairs of bfloat16.

A panel has a line for each turn of the sums, and in it the elements of some rows of x or columns of y.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from handgrad.engine.emit.ir import Function, Type, Value, i64, number
from handgrad.engine.emit.vectors import vector_at
from handgrad.engine.kernels.nest import nest, transposed

Place = Callable[[dict[int, Value]], Value]
Size = int | Value


@dataclasses.dataclass(frozen=True)
class Block:
    """Elements to copy: where they begin, how far apart those of a line are, how many there are of them, and
    the loops over lines, outermost first: (number, stride, turns); and of those of fewer turns which.
    """

    start: Value
    across: int
    count: Size
    lines: list[tuple[int, int, Size]]
    inside: dict[int, tuple[Size, Size]] = dataclasses.field(default_factory=dict)

    def bounds(self, some: list[tuple[int, int, Size]]) -> list[tuple[int, Value, Value]]:
        """Of loops over lines, from where to where they run."""
        whole = {loop: (0, n) for loop, _, n in some} | self.inside
        return [(loop, as_value(whole[loop][0]), as_value(whole[loop][1])) for loop, _, _ in some]


def as_value(n: Size) -> Value:
    return n if isinstance(n, Value) else i64(n)


def as_int(n: Size) -> int:
    return n if isinstance(n, int) else int(n.text)


def copy(f: Function, block: Block, target: Value, width: int, vector: Type) -> None:
    """A block as a panel, whose lines of ``width`` elements lie one behind the other.

    What a line has more than the block is written too, before the next line is: behind a panel there must
    be room for a vector.
    """
    inner = block.lines[-1] if block.lines else (0, 0, 0)
    if vector.lanes > 1 and inner[1] == 1 and block.across != 1 and inner[0] not in block.inside:
        copy_transposed(f, block, target, width, vector)
        return
    with nest(f, block.bounds(block.lines)) as at:
        source, line = line_of(f, block, at), target_of(f, block, at, target, width, vector.scalar)
        for first, x in chunks(f, block, source, width, vector):
            f.store(x, f.offset(line, i64(first), vector.scalar))


def line_of(f: Function, block: Block, at: dict[int, Value]) -> Value:
    """How many elements behind the block's first a line begins."""
    place = i64(0)
    for loop, stride, _ in block.lines:
        place = f.binary("add", place, f.binary("mul", at[loop], i64(stride)))
    return place


def flat(f: Function, block: Block, at: dict[int, Value]) -> Value:
    """A line's number."""
    number = i64(0)
    for loop, _, n in block.lines:
        number = f.binary("add", f.binary("mul", number, as_value(n)), at[loop])
    return number


def target_of(
    f: Function, block: Block, at: dict[int, Value], target: Value, width: int, scalar: str
) -> Value:
    return f.offset(target, f.binary("mul", flat(f, block, at), i64(width)), scalar)


def chunks(f: Function, block: Block, line: Value, width: int, vector: Type) -> list[tuple[int, Value]]:
    """A line's elements in vectors; those that are not in the block are 0."""
    found = []
    for first in range(0, width, vector.lanes):
        is_whole = isinstance(block.count, int) and first + vector.lanes <= block.count
        mask = None
        if not is_whole:
            left = f.binary("sub", as_value(block.count), i64(first))
            mask = f.compare("icmp slt", f.lane_numbers(vector.lanes), left)
        place = f.binary("add", line, i64(first * block.across))
        pointer = f.offset(block.start, place, vector.scalar)
        found.append((first, vector_at(f, pointer, block.across, vector, mask)))
    return found


def copy_transposed(f: Function, block: Block, target: Value, width: int, vector: Type) -> None:
    """A block that lies in order along its lines' innermost loop, by squares; of columns that it does not
    have the last one is taken.
    """
    *outer, (inner, _, depth) = block.lines
    lanes, scalar = vector.lanes, vector.scalar
    end = as_value(depth)
    whole = f.binary("and", end, i64(-lanes))
    last = f.binary("sub", as_value(block.count), i64(1))

    def column(c: Value) -> Value:
        if c.text.isdigit() and isinstance(block.count, int):
            return i64(min(int(c.text), block.count - 1))
        return c if block.count == width else f.intrinsic("smin", c, last)

    def source(at: dict[int, Value], c: Value) -> Value:
        place = f.binary("add", line_of(f, block, at), f.binary("mul", column(c), i64(block.across)))
        return f.offset(block.start, place, scalar)

    def squares(k: Value, first: Value, n: int, around: dict[int, Value]) -> None:
        """n squares beside each other, line by line."""
        at = {**around, inner: k}
        starts = [f.binary("add", first, i64(s * lanes)) for s in range(n)]
        columns = ([f.binary("add", start, i64(c)) for c in range(lanes)] for start in starts)
        lines = [transposed(f, [f.load(source(at, c), vector) for c in some]) for some in columns]
        for i, row in enumerate(zip(*lines, strict=True)):
            here = {**around, inner: f.binary("add", k, i64(i))}
            line = target_of(f, block, here, target, width, scalar)
            for start, x in zip(starts, row, strict=True):
                f.store(x, f.offset(line, start, scalar))

    with nest(f, block.bounds(outer)) as around:
        with f.loop(i64(0), whole, lanes) as k:
            if width % lanes:
                squares(k, i64(0), -(-width // lanes), around)
            else:
                with f.loop(i64(0), i64(width), lanes) as first:
                    squares(k, first, 1, around)
        with f.loop(whole, end) as k, f.loop(i64(0), i64(width)) as c:
            at = {**around, inner: k}
            x = f.load(source(at, c), vector.of(1))
            f.store(x, f.offset(target_of(f, block, at, target, width, scalar), c, scalar))


def copy_pairs(f: Function, block: Block, target: Value, width: int, vector: Type) -> None:
    """A block whose lines are rounded to bfloat16, two of the innermost loop in one; an odd last one is
    beside zeros.
    """
    *outer, (inner, stride, depth) = block.lines
    pairs = halved(f, depth)
    paired = dataclasses.replace(block, lines=[*outer, (inner, 2 * stride, pairs)])
    whole = f.binary("lshr", as_value(depth), i64(1))

    def write(at: dict[int, Value], has_second: bool) -> None:
        source = line_of(f, paired, at)
        line = target_of(f, paired, at, target, width, vector.scalar)
        firsts = chunks(f, block, source, width, vector)
        second = f.binary("add", source, i64(stride))
        seconds = chunks(f, block, second, width, vector) if has_second else []
        for n, (first, x) in enumerate(firsts):
            y = seconds[n][1] if has_second else number(0, vector)
            f.store(interleaved(f, x, y), f.offset(line, i64(first), vector.scalar))

    with nest(f, [(loop, i64(0), as_value(n)) for loop, _, n in outer]) as around:
        with f.loop(i64(0), whole) as k:
            write({**around, inner: k}, True)
        with f.loop(whole, as_value(pairs)) as k:
            write({**around, inner: k}, False)


def halved(f: Function, n: Size) -> Size:
    """Half of n, rounded up."""
    return (n + 1) // 2 if isinstance(n, int) else f.binary("lshr", f.binary("add", n, i64(1)), i64(1))


def interleaved(f: Function, x: Value, y: Value) -> Value:
    """x₀ y₀ x₁ y₁ ..., rounded to bfloat16, as so many 32 bits."""
    lanes = x.lanes
    first, second = (f.convert("fptrunc", a, "bfloat") for a in (x, y))
    both = f.shuffle(first, second, [n // 2 + lanes * (n % 2) for n in range(2 * lanes)])
    return f.put(f"bitcast {both.type} {both.text} to {x.type}", x.type)
