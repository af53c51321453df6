"""Factors that are arrays among zeros: read where the array lies, and nowhere else.

A convolution's padding is such, and the zeros between the elements of its gradient where it has a stride. The
zeros are not stored: what lies beyond the array's border is left out of the sums, and where the array lies by
steps, the loops are run by the same steps, in as many phases.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from handgrad.engine.access import Affine, Coordinates, Shape, affine
from handgrad.engine.kernels.concatenate import Concatenate, laid_among_zeros
from handgrad.engine.kernels.product.contraction import FEW_ROWS, MOST_TURNS, Inside
from handgrad.engine.lowering import Load, Lowering, NotAffine, mapped
from handgrad.engine.nodes import Gather, Node, View


class Phase(NamedTuple):
    """Loops of fewer turns: the place of each one's turns among those of all, and how many there are."""

    loops: tuple[Affine, ...]
    space: tuple[int, ...]

    def moved(self, offset: Affine) -> Affine:
        """A place as it is reached by these loops."""
        found = Affine(offset.start)
        for loop, stride in offset.strides:
            found = found + self.loops[loop].scaled(stride)
        return found

    def load(self, load: Load) -> Load:
        return Load(load.array, self.moved(load.offset), load.gathers, load.dtype)

    def values(self, values: list) -> list:
        """What is computed of the result, by these loops."""
        changed = mapped([e for _, e in values], self.load)
        return [(node, e) for (node, _), e in zip(values, changed, strict=True)]


def whole(space: tuple[int, ...]) -> Phase:
    return Phase(tuple(affine(0, {loop: 1}) for loop in range(len(space))), space)


class Reading(NamedTuple):
    """An array, where it is read, and what must be so for that to be more than a zero."""

    node: Node
    coordinates: Coordinates
    guards: tuple[Inside, ...] = ()
    passed: tuple[Node, ...] = ()  # arrays with zeros around them, inside each other


def beyond(node: Node, coordinates: Coordinates) -> Reading | None:
    """What lies among zeros that views are of, where all is affine."""
    guards: list[Inside] = []
    passed: list[Node] = []
    while True:
        node, coordinates = through_views(node, coordinates)
        laid = laid_far(node, coordinates)
        if laid is None:
            return Reading(node, coordinates, tuple(guards), tuple(passed)) if passed else None
        passed.append(node)
        node, corner, steps = laid
        moved = [c + -low for c, low in zip(coordinates, corner, strict=True)]
        if not all(is_multiple(c, step) for c, step in zip(moved, steps, strict=True)):
            return None
        coordinates = tuple(divided(c, step) for c, step in zip(moved, steps, strict=True))
        guards += [Inside(c, n) for c, n in zip(coordinates, node.shape, strict=True)]


def through_views(node: Node, coordinates: Coordinates) -> tuple[Node, Coordinates]:
    """What a node is a view of, as far as all is affine, and where it is read."""
    while isinstance(node, View) and not isinstance(node, Gather):
        source = node.source(coordinates)
        if source is None:
            break
        node, coordinates = node.x, source
    return node, coordinates


def laid_far(node: Node, coordinates: Coordinates) -> tuple[Node, Shape, Shape] | None:
    """The array that lies among zeros, its corner and steps, if it is one that is not near them."""
    if not isinstance(node, Concatenate) or not all(isinstance(c, Affine) for c in coordinates):
        return None
    return None if node.near and not node.is_far else laid_among_zeros(node)


def is_multiple(offset: Affine, of: int) -> bool:
    return offset.start % of == 0 and all(stride % of == 0 for _, stride in offset.strides)


def divided(offset: Affine, by: int) -> Affine:
    return Affine(offset.start // by, tuple((loop, stride // by) for loop, stride in offset.strides))


def congruences(node: Node, coordinates: Coordinates) -> Iterator[tuple[Affine, int]]:
    """What must be a multiple of what for an element of an array that lies by steps to be read."""
    laid = laid_far(*through_views(node, coordinates))
    if laid is not None:
        _, coordinates = through_views(node, coordinates)
        for c, low, step in zip(coordinates, *laid[1:], strict=True):
            if step > 1:
                yield c + -low, step


def phases(space: tuple[int, ...], outputs: int, wanted: list[tuple[Affine, int]]) -> list[Phase] | None:
    """The phases in which all that must be a multiple is one; None where there are none such.

    Each is c + a·i + b·k for a loop i of the output, or none, and a summed one k, and others that run by
    multiples anyway: of i every so manieth turn, and of k those that fit it.
    """
    choices = []
    taken: set[int] = set()
    for offset, step in wanted:
        loops = {loop: stride for loop, stride in offset.strides if stride % step}
        out, summed = ([loop for loop in loops if (loop < outputs) == is_out] for is_out in (True, False))
        if len(out) > 1 or len(summed) != 1 or math.gcd(loops[summed[0]], step) > 1 or taken & set(loops):
            return None
        taken |= set(loops)
        some = []
        for first in range(step if out else 1):
            place = offset.start + sum(loops[loop] * first for loop in out)
            fits = next(k for k in range(step) if (place + loops[summed[0]] * k) % step == 0)
            some.append({**dict.fromkeys(out, (step, first)), summed[0]: (step, fits)})
        choices.append(some)
    found = []
    for choice in itertools.product(*choices):
        moves = {loop: move for each in choice for loop, move in each.items()}
        steps = [moves.get(loop, (1, 0)) for loop in range(len(space))]
        sizes = tuple(len(range(first, n, step)) for n, (step, first) in zip(space, steps, strict=True))
        places = tuple(affine(first, {loop: step}) for loop, (step, first) in enumerate(steps))
        if all(sizes[:outputs]):
            found.append(Phase(places, sizes))
    return found


class Factor(NamedTuple):
    """A factor as it is read in each phase: the array that must be stored, its coordinates and guards."""

    node: Node
    readings: list[Reading]

    @property
    def passed(self) -> list[Node]:
        """The arrays with their zeros."""
        return list(self.readings[0].passed)


def factor(node: Node, coordinates: Coordinates, some: list[Phase], outputs: int) -> Factor | None:
    """A factor among zeros that are not stored; None where it is none, or is better read from those.

    Where a tile's rows are at several places of a guarded axis, the loop that is summed must be short, as
    tiles at the border are written down by themselves.
    """
    readings = []
    for phase in some:
        here = tuple(phase.moved(c) if isinstance(c, Affine) else c for c in coordinates)
        reading = beyond(node, here)
        if reading is None:
            return None
        kept = needed(reading, phase.space, outputs)
        if kept is None:
            return None
        readings.append(reading._replace(guards=kept))
    return Factor(viewed(readings[0].node), readings)


def needed(reading: Reading, space: tuple[int, ...], outputs: int) -> tuple[Inside, ...] | None:
    """The guards that say something; None where one of them says too much."""
    if 0 in space:
        return ()
    place = place_of(reading)
    sums = [loop for loop in range(outputs, len(space)) if space[loop] > 1]
    rows = [loop for loop in range(outputs) if space[loop] > 1 and place.stride(loop)]
    is_short = bool(rows) and rows[-1] < outputs - 1 and space[rows[-1]] < FEW_ROWS
    down = max(rows, key=lambda loop: (is_short and space[loop], loop), default=-1)
    kept = tuple(guard for guard in reading.guards if not holds(guard, space))
    for guard in kept:
        mine = [loop for loop in sums if guard.offset.stride(loop)]
        most = min(MOST_TURNS, space[down]) if guard.offset.stride(down) else math.inf
        is_never = not guard.offset.strides  # nothing but zeros is read
        if is_never or not sums or len(mine) > 1 or any(space[loop] > most for loop in mine):
            return None
    return kept


def place_of(reading: Reading) -> Affine:
    base = viewed(reading.node)
    try:
        made = Lowering({base}, {}).lower(reading.node, reading.coordinates)
    except NotAffine:
        return Affine(0)
    return made.offset if isinstance(made, Load) else Affine(0)


def viewed(node: Node) -> Node:
    """What a node is a view of."""
    while isinstance(node, View) and not isinstance(node, Gather):
        node = node.x
    return node


def holds(guard: Inside, space: tuple[int, ...]) -> bool:
    """Whether it does everywhere."""
    ends = [stride * (space[loop] - 1) for loop, stride in guard.offset.strides]
    low, high = (guard.offset.start + sum(pick(end, 0) for end in ends) for pick in (min, max))
    return low >= 0 and high < guard.size
