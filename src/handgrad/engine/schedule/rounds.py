"""Kernels that a thread takes together, in rounds over small parts of its slice.

A batch of images leaves the near cache between one kernel and the next; an image does not. Where each turn of
several kernels reads only what the same turn of the others made, a thread runs them all over a few turns, and
then over the next few: what one writes the next finds near.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from handgrad.engine.kernels.kernel import Kernel
from handgrad.engine.nodes import Node
from handgrad.engine.schedule.division import VECTOR, are_cut_at_vectors, slices, stays_inside

if TYPE_CHECKING:
    from handgrad.engine.schedule.phases import Link, Plan

NEAR = 1 << 18  # bytes of a round's arrays: half of a core's second cache, or less
NARROW = 64  # bytes from turn to turn: of less, as of columns, parts are pieces of lines
WORTH = 512  # operations of a product in a round, for each byte that every round reads (and copies) anew


def grouped(phase: list[Kernel], plan: Plan) -> list[list[Kernel]]:
    """The kernels of a phase, those together that are taken in rounds, in an order in which they can be."""
    groups: list[list[Kernel]] = []
    where: dict[Kernel, int] = {}
    linked: set[int] = set()  # groups of which a thread needs in another group what it made itself
    of_turns: dict[int, list[int]] = {}  # the groups whose divided loops have so many
    for kernel in phase:
        turns = turns_of(kernel)
        alike = of_turns.setdefault(turns, []) if turns else []
        links = [(where[other], link) for other, link in plan.links(kernel) if other in where]
        first = max((g for g, _ in links), default=0)
        fits = (g for g in alike if g >= first and may_join(g, links, turns))
        where[kernel] = next(fits, len(groups))
        if where[kernel] == len(groups):
            alike.append(len(groups))
            groups.append([])
        groups[where[kernel]].append(kernel)
        linked |= {g for one, _ in links if one != where[kernel] for g in (one, where[kernel])}
    for g, group in enumerate(groups):
        rounds = rounds_of(group, plan.threads)
        for kernel in group:
            kernel.rounds = rounds
            kernel.is_dynamic = rounds > 1 and plan.threads > 1 and g not in linked
    if all(kernel.rounds == 1 for kernel in phase):
        return [[kernel] for kernel in phase]
    return [one for g in groups for one in ([g] if g[0].rounds > 1 else [[kernel] for kernel in g])]


def may_join(group: int, links: list[tuple[int, Link]], turns: int) -> bool:
    """Whether each turn of a kernel needs no more of those in a group than their turns up to the same."""
    return all(stays_inside(*link, turns) for g, link in links if g == group)


def turns_of(kernel: Kernel) -> int:
    """Of the loop that is divided; 0 where none is, or where parts of it would take more than their time."""
    divided = kernel.partition
    if divided is None or not kernel.keeps_to_slices or not kernel.scales:
        return 0
    steps = [kernel.block * kernel.node.dtype.itemsize]
    steps += [load.offset.stride(divided) * load.dtype.itemsize for load in kernel.reads]
    return kernel.space[divided] if max(steps) >= NARROW else 0


def rounds_of(group: list[Kernel], threads: int) -> int:
    """As few as fit into the near cache; one, where what several kernels touch fits in any case; and no more
    than is worth it for products that copy the same factor in each of them.
    """
    turns = turns_of(group[0])
    if not turns:
        return 1
    share = slices(turns, threads)[0][1]
    touched = Counter(array for kernel in group for array in {*moving(kernel), *kernel.stores})
    again = bytes_of(array for array, kernels in touched.items() if kernels > 1) * share // turns
    if again <= NEAR:
        return 1
    least = VECTOR if are_cut_at_vectors(turns) else 1
    most = share // least
    for kernel in group:
        if kernel.product_flops:
            same = bytes_of(set(kernel.arrays).difference(moving(kernel)))
            most = min(most, kernel.product_flops * share // turns // max(same * WORTH, 1))
    enough = bytes_of(touched) * share // turns / NEAR
    counts = [n for n in range(1, most + 1) if share % (n * least) == 0]
    return next((n for n in counts if n >= enough), counts[-1] if counts else 1)


def moving(kernel: Kernel) -> set[Node]:
    """The arrays that it reads at other places in other turns."""
    divided = kernel.partition or 0
    return {load.array for load in kernel.reads if load.gathers or load.offset.stride(divided)}


def bytes_of(arrays: Iterable[Node]) -> int:
    return sum(array.nbytes for array in arrays)


def parts_of(kernel: Kernel, threads: int) -> list[tuple[int, int]]:
    """Where each round of each thread begins and ends; none, where no loop is divided."""
    if kernel.partition is None:
        return []
    threads = 1 if kernel.is_private else threads
    n = kernel.space[kernel.partition]
    size = slices(n, threads)[0][1] // kernel.rounds
    return [(min(k * size, n), min((k + 1) * size, n)) for k in range(threads * kernel.rounds)]
