"""Arrays among zeros, which are not stored: of a sum, only the turns that read inside the array are made.

A guard restricts the turns of one loop that is summed, by where the other loops are. Where a tile's rows are
at different places of a guarded axis, those at the border have turns of fewer rows.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

from handgrad.engine.emit.ir import Function, Value, i64
from handgrad.engine.kernels.product.contraction import Contraction, Guard
from handgrad.engine.kernels.product.source import Size, as_value

MOST_STRETCHES = 16  # of a tile at a border


class Span(NamedTuple):
    """Turns of a loop, and how many it has in all."""

    loop: int
    begin: Size
    end: Size
    turns: Size

    @property
    def is_whole(self) -> bool:
        return self.begin == 0 and self.end == self.turns


class Stretch(NamedTuple):
    """Turns of a loop for which the same rows of a tile read inside the array."""

    begin: int
    end: int
    first: int
    last: int


Stretches = dict[int, list[Stretch]]  # of each loop that a guard restricts


def base(f: Function, guard: Guard, at: dict[int, Value]) -> Value:
    """The guard's coordinate in the first turn of the loop that it restricts."""
    place = i64(guard.start)
    for loop, count in at.items():
        place = f.binary("add", place, f.binary("mul", count, i64(guard.strides[loop])))
    return place


def restricted(
    f: Function,
    spans: list[Span],
    c: Contraction,
    guards: tuple[Guard, ...],
    at: dict[int, Value],
) -> list[Span]:
    """Of the loops those turns that all guards let through, at the other loops' counters ``at``; a part of
    the sums begins at its loops' counters there.
    """
    turns_of = {span.loop: span.turns for span in spans}
    for guard in guards:
        loop, stride = c.guarded(guard), guard.strides[c.guarded(guard)]
        if loop not in turns_of:  # of which this part has one turn: all is inside, or nothing
            loop, stride = spans[0].loop, 0
        begin, end = turns_inside(f, base(f, guard, at), stride, guard.size, turns_of[loop])
        spans = [
            span._replace(
                begin=f.intrinsic("smax", as_value(span.begin), begin),
                end=f.intrinsic("smin", as_value(span.end), end),
            )
            if span.loop == loop
            else span
            for span in spans
        ]
    return spans


def turns_inside(f: Function, start: Value, stride: int, size: int, turns: Size) -> tuple[Value, Value]:
    """From where to where start + stride·k is in range(size)."""
    if stride == 0:
        inside = f.compare("icmp ult", start, i64(size))
        return i64(0), f.select(inside, as_value(turns), i64(0))
    reach = f.binary("sub", i64(size), start)
    if stride > 0:
        return divided(f, f.binary("sub", i64(0), start), stride), divided(f, reach, stride)
    return divided(f, f.binary("sub", i64(1), reach), -stride), divided(
        f, f.binary("add", start, i64(1)), -stride
    )


def divided(f: Function, n: Value, by: int) -> Value:
    """n / by, rounded up; of a negative n something that is not positive."""
    return f.binary("sdiv", f.binary("add", n, i64(by - 1)), i64(by)) if by > 1 else n


def borders(c: Contraction, places: list[int], rows: int) -> dict[int, Stretches] | None:
    """Of tiles that begin at those places those in which not all rows read inside the array in all turns;
    None where that hangs on other loops too, or is too much to write down.
    """
    loops = {c.guarded(guard) for guard in c.guards if guard.strides[c.down]}
    mine = [guard for guard in c.guards if c.guarded(guard) in loops]
    if any(
        stride and loop not in (c.down, c.guarded(g)) for g in mine for loop, stride in enumerate(g.strides)
    ):
        return None
    if not all(guard.strides[c.down] for guard in mine):
        return None
    found: dict[int, Stretches] = {}
    for i in places:
        some = {
            loop: stretches(c, [g for g in mine if c.guarded(g) == loop], loop, i, rows) for loop in loops
        }
        whole = {loop: [Stretch(0, c.sizes[loop], 0, rows)] for loop in loops}
        if some != whole:
            found[i] = some
    is_short = sum(len(each) for some in found.values() for each in some.values()) <= MOST_STRETCHES
    return found if is_short else None


def stretches(c: Contraction, guards: list[Guard], loop: int, i: int, rows: int) -> list[Stretch]:
    """For the turns of a loop which of the rows from the i-th on read inside the array: neighbours."""

    mine = [guard for guard in guards if c.guarded(guard) == loop]

    def inside(k: int) -> tuple[int, int]:
        places = [r for r in range(rows) if all(is_inside(guard, i + r, k) for guard in mine)]
        return (places[0], places[-1] + 1) if places else (0, 0)

    def is_inside(guard: Guard, row: int, k: int) -> bool:
        return 0 <= guard.start + guard.strides[c.down] * row + guard.strides[loop] * k < guard.size

    found = []
    for (first, last), same in itertools.groupby(range(c.sizes[loop]), inside):
        turns = list(same)
        found.append(Stretch(turns[0], turns[-1] + 1, first, last))
    return found
