"""Loops inside each other, along vectors, and neighbouring ones made one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from handgrad.engine.access import Affine, affine
from handgrad.engine.emit.ir import Function, Value, i64
from handgrad.engine.kernels.kernel import Bounds
from handgrad.engine.lowering import Load, mapped, walk

Groups = list[list[tuple[int, int]]]


class Placed(Protocol):
    """What runs through loops: the element of an array, a coordinate."""

    @property
    def offset(self) -> Affine:
        """Where it is."""


def lanes_for(expressions: list, vector_bytes: int) -> int:
    """Elements in a vector: of eight bytes where such floats are computed, else of four."""
    wide = any(e.dtype == np.float64 for e in walk(expressions))
    return vector_bytes // (8 if wide else 4)


@contextlib.contextmanager
def nest(f: Function, loops: list[tuple[int, Value, Value]]) -> Iterator[dict[int, Value]]:
    """Loops inside each other, outermost first: (number, start, stop). Gives their counters."""
    with contextlib.ExitStack() as stack:
        yield {loop: stack.enter_context(f.loop(start, stop)) for loop, start, stop in loops}


def along(f: Function, start: Value, stop: Value, lanes: int, body: Callable) -> None:
    """body(i, lanes, mask) for vectors from start to stop; what is left over goes under a mask."""
    if lanes == 1:
        with f.loop(start, stop) as i:
            body(i, 1, None)
        return
    end = whole_blocks(f, start, stop, lanes)
    with f.loop(start, end, lanes) as i:
        body(i, lanes, None)
    with f.when(f.compare("icmp slt", end, stop)):
        mask = f.compare("icmp slt", f.lane_numbers(lanes), f.binary("sub", stop, end))
        body(end, lanes, mask)


def whole_blocks(f: Function, start: Value, stop: Value, block: int) -> Value:
    """Where the last whole block ends; ``block`` is a power of two."""
    length = f.binary("sub", stop, start)
    return f.binary("add", start, f.binary("and", length, i64(-block)))


def transposed(f: Function, lines: list[Value]) -> list[Value]:
    """A square of vectors, transposed: blocks of 1, 2, 4, ... are exchanged."""
    n = len(lines)
    lines = list(lines)
    step = 1
    while step < n:
        picks = (
            [e if e & step == 0 else n + e - step for e in range(n)],
            [e + step if e & step == 0 else n + e for e in range(n)],
        )
        for a in range(n):
            if a & step == 0:
                pair = lines[a], lines[a + step]
                lines[a], lines[a + step] = (f.shuffle(*pair, picked) for picked in picks)
        step *= 2
    return lines


def total(f: Function, parts: list[tuple[Value, int]]) -> Value:
    """Σ counter·stride."""
    found = i64(0)
    for count, stride in parts:
        found = f.binary("add", found, f.binary("mul", count, i64(stride)))
    return found


def collapsed(
    space: tuple, reads: Sequence[Placed], apart: int | None, kept: Any = None
) -> tuple[list[int], Groups]:
    """Neighbouring loops made one where every read runs through them as through one.

    Gives the sizes of the new loops, and for each the old ones in it with their strides. Loops in one group
    are all alike in ``kept``; the loop ``apart``, which threads divide, is the first in its group.
    """
    sizes: list[int] = []
    groups: Groups = []
    for loop, n in enumerate(space):
        if n == 1:
            continue
        fits = bool(groups) and loop != apart and (kept is None or kept[groups[-1][-1][0]] == kept[loop])
        if fits and all(
            load.offset.stride(groups[-1][-1][0]) == n * load.offset.stride(loop) for load in reads
        ):
            groups[-1] = [(old, stride * n) for old, stride in groups[-1]] + [(loop, 1)]
            sizes[-1] *= n
        else:
            groups.append([(loop, 1)])
            sizes.append(n)
    return sizes, groups


def ranges_of(
    f: Function, sizes: list[int], groups: Groups, partition: int | None, bounds: Bounds | None
) -> list[Bounds]:
    """The bounds of the collapsed loops, of which the divided one runs over a thread's slice."""
    ranges = [(i64(0), i64(n)) for n in sizes]
    if bounds is None or partition is None:
        return ranges
    for g, members in enumerate(groups):
        if partition in dict(members):
            start, stop = bounds
            factor = i64(dict(members)[partition])
            ranges[g] = f.binary("mul", start, factor), f.binary("mul", stop, factor)
    return ranges


def regrouped(groups: Groups) -> Callable[[Load], Load]:
    """A load over the old loops as one over the collapsed ones."""

    def change(load: Load) -> Load:
        strides = {g: load.offset.stride(members[-1][0]) for g, members in enumerate(groups)}
        return Load(load.array, affine(load.offset.start, strides), load.gathers, load.dtype)

    return change


def over_groups(values: list[tuple[Any, Any]], groups: Groups) -> list[tuple[Any, Any]]:
    """Values over the old loops as values over the collapsed ones."""
    changed = mapped([e for _, e in values], regrouped(groups))
    return [(node, e) for (node, _), e in zip(values, changed, strict=True)]
