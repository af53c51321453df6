"""The sums of a tile, over all that is summed or over a part of it."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Container, Iterator

from handgrad.engine.emit.ir import Function, Type, Value, i64, number
from handgrad.engine.kernels.product.contraction import MOST_TURNS, Contraction
from handgrad.engine.kernels.product.guards import Span, Stretch
from handgrad.engine.kernels.product.microkernel import Counters, Panel, Tile
from handgrad.engine.kernels.product.plan import FAR, Plan
from handgrad.engine.kernels.product.source import Size, as_value, halved

FEW_TURNS = 8  # too few for an innermost loop


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of the sums: where it begins, and its loops with their turns, outermost first."""

    at: Counters
    loops: list[tuple[int, Size]]

    @staticmethod
    def whole(c: Contraction) -> Part:
        return Part({}, windows_outside(c, [(loop, c.sizes[loop]) for loop in c.sums]))

    def lines(self, plan: Plan, f: Function) -> list[tuple[int, Size]]:
        """The loops over a panel's lines."""
        if not plan.in_pairs:
            return self.loops
        *outer, (inner, n) = self.loops
        return [*outer, (inner, halved(f, n))]

    def spans(self, plan: Plan, f: Function) -> list[Span]:
        return [Span(loop, 0, n, n) for loop, n in self.lines(plan, f)]

    def row_major(self, plan: Plan, width: int, f: Function) -> dict[int, int]:
        """How far apart the loops' turns lie in a panel."""
        strides, step = {}, width
        for loop, n in reversed(self.lines(plan, f)):
            strides[loop] = step
            step *= n if isinstance(n, int) else 0  # of the outermost loop, which nothing is outside
        return strides


def windows_outside(c: Contraction, loops: list[tuple[int, Size]]) -> list[tuple[int, Size]]:
    """The loops over a panel's lines, those over windows among zeros outside the others.

    At a border a window has fewer turns: innermost, it would be foretold wrongly again and again.
    """
    windows = {c.guarded(guard) for guard in c.x.guards}
    inside = [(loop, n) for loop, n in loops if loop not in windows]
    turns = math.prod(n if isinstance(n, int) else 0 for _, n in inside)
    reach = sum((c.sizes[loop] - 1) * abs(c.x.strides[loop]) for loop, _ in inside) * c.dtype.itemsize
    is_short = all(c.sizes[loop] <= MOST_TURNS for loop in windows)
    if not is_short or turns < FEW_TURNS or reach > FAR:
        return loops
    return [*((loop, n) for loop, n in loops if loop in windows), *inside]


class Sums:
    def __init__(self, f: Function, c: Contraction, plan: Plan, vector: Type):
        self.f, self.c, self.plan, self.vector = f, c, plan, vector

    @contextlib.contextmanager
    def parts(self) -> Iterator[Part]:
        """The parts of sums that are cut, in loops."""
        f, c, cut = self.f, self.c, self.plan.cut
        assert cut is not None
        outer, loop, inner = c.sums[: cut.place], c.sums[cut.place], c.sums[cut.place + 1 :]
        with contextlib.ExitStack() as stack:
            at = {each: stack.enter_context(f.loop(i64(0), i64(c.sizes[each]))) for each in outer}
            start = stack.enter_context(f.loop(i64(0), i64(c.sizes[loop]), cut.block))
            turns: Size = cut.block
            if c.sizes[loop] % cut.block:
                left = f.binary("sub", i64(c.sizes[loop]), start)
                turns = f.intrinsic("smin", left, i64(cut.block))
            loops = [(loop, turns), *((each, c.sizes[each]) for each in inner)]
            yield Part({**at, loop: start}, windows_outside(c, loops))

    def of(
        self,
        tile: Tile,
        x: Panel,
        y: Panel,
        spans: list[Span],
        mask: Value | None,
        old: Value | None,
        ahead: Callable[[Value], None] | None,
        stretches: dict[int, list[Stretch]],
    ) -> list[Value]:
        """A tile's sums over some turns; where they are not finished, added to what was there before.

        ``stretches`` say of loops whose turns are of fewer rows of which.
        """
        f, cut, kernel = self.f, self.plan.cut, self.plan.microkernel
        n = tile.rows * tile.units
        places = (
            [f.offset(old, i64(k * self.vector.lanes), self.vector.scalar) for k in range(n)] if old else []
        )
        begun = [number(0, self.vector)] * n
        if cut and not cut.apart:
            begun = [f.load(p, self.vector) for p in places]
        apart = {*stretches, *(span.loop for span in spans if kernel.is_along_sum and not span.is_whole)}
        loops = merged(f, spans, x, y, apart)
        sums = self.along(tile, x, y, loops, {}, begun, mask, ahead, stretches)
        if cut and cut.apart:
            sums = [f.binary("fadd", f.load(p, self.vector), s) for p, s in zip(places, sums, strict=True)]
        for s, place in zip(sums, places, strict=False):
            f.store(s, place)
        return sums

    def along(self, tile, x, y, loops, at, sums, mask, ahead, stretches) -> list[Value]:
        """The loops over what is summed, outermost first. The first one may ask ``ahead`` on its way, at as
        many places as the tile has rows.
        """
        f, kernel = self.f, self.plan.microkernel
        if not loops:
            return kernel.turn(f, tile, x, y, at, sums, mask)
        span, *rest = loops
        if kernel.is_along_sum and not rest:
            return self.by_vectors(tile, x, y, span.loop, span.end, at, sums)

        def turns(begin: Size, end: Size, tile: Tile, x: Panel, sums: list[Value]) -> list[Value]:
            def turn(k: Value, sums: list[Value]) -> list[Value]:
                return self.along(tile, x, y, rest, {**at, span.loop: k}, sums, mask, None, stretches)

            if end == begin + 1 if isinstance(begin, int) and isinstance(end, int) else False:
                return turn(as_value(begin), sums)
            return f.carrying(as_value(begin), as_value(end), sums, turn)

        if span.loop in stretches:
            sums = list(sums)
            for some in stretches[span.loop]:
                rows = Tile(some.last - some.first, tile.units)
                mine = slice(some.first * tile.units, some.last * tile.units)
                below = x.below(f, some.first, self.vector.scalar)
                sums[mine] = turns(some.begin, some.end, rows, below, sums[mine]) if rows.rows else []
            return sums
        share = span.end // tile.rows if span.is_whole and isinstance(span.end, int) else 0
        inside = math.prod(s.end for s in rest if isinstance(s.end, int))
        if ahead is None or share < 1 or share * inside < 4:
            return turns(span.begin, span.end, tile, x, sums)

        def stretch(row: Value, sums: list[Value]) -> list[Value]:
            ahead(row)
            begin = f.binary("mul", row, i64(share))
            is_last = f.compare("icmp eq", row, i64(tile.rows - 1))
            end = f.select(is_last, as_value(span.end), f.binary("add", begin, i64(share)))
            return turns(begin, end, tile, x, sums)

        return f.carrying(i64(0), i64(tile.rows), sums, stretch)

    def by_vectors(self, tile, x, y, loop, n, at, sums) -> list[Value]:
        """The innermost loop where vectors run along it; what is left over goes under a mask."""
        f, kernel, lanes = self.f, self.plan.microkernel, self.vector.lanes
        whole = n // lanes * lanes

        def turn(k: Value, sums: list[Value]) -> list[Value]:
            return kernel.turn(f, tile, x, y, {**at, loop: k}, sums)

        if whole:
            sums = f.carrying(i64(0), i64(whole), sums, turn, lanes)
        if whole < n:
            mask = f.compare("icmp slt", f.lane_numbers(lanes), i64(n - whole))
            sums = kernel.turn(f, tile, x, y, {**at, loop: i64(whole)}, sums, mask)
        return sums


def merged(f: Function, spans: list[Span], x: Panel, y: Panel, apart: Container[int]) -> list[Span]:
    """The loops, of which neighbours are one where both panels run through them as through one; those that
    are ``apart`` are none of them.
    """
    found: list[Span] = []
    panels = [x, y, *filter(None, [y.kept])]
    for span in spans:
        n = span.turns
        if found and span.is_whole and isinstance(n, int) and span.loop not in apart:
            outer = found[-1]
            runs_on = all(p.strides[outer.loop] == n * p.strides[span.loop] for p in panels)
            if runs_on and outer.loop not in apart:
                found[-1] = Span(span.loop, *(times(f, size, n) for size in outer[1:]))
                continue
        found.append(span)
    return found


def times(f: Function, size: Size, n: int) -> Size:
    return size * n if isinstance(size, int) else f.binary("mul", size, i64(n))
