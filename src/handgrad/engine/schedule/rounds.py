"""Kernels that threads make together, part by part.

A batch of images leaves the near cache between one kernel and the next; an image does not. So kernels of a
phase that are divided at the same turns are made together: a thread runs them all over a few turns, a *part*
of its slice, and then over the next few, and what one writes the next finds near. That may be, as within a
phase a turn reads of kernels with as many turns only what the same turn of theirs made. ``rounds`` is how
many parts a slice has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from handgrad.engine.kernels.kernel import Kernel
from handgrad.engine.nodes import Node
from handgrad.engine.schedule.division import VECTOR, are_cut_at_vectors, slices

if TYPE_CHECKING:
    from handgrad.engine.schedule.phases import Plan

NEAR = 1 << 18  # bytes of a part's arrays: half of a core's second cache, or less
NARROW = 64  # bytes: where all that a turn moves on by is less, as in sums of columns, parts cut lines
WORTH = 512  # operations of a product in a part, for each byte that every part reads (and copies) anew


def grouped(phase: list[Kernel], plan: Plan) -> list[list[Kernel]]:
    """The kernels of a phase, those together that are made in parts, in an order in which they can be."""
    groups: list[list[Kernel]] = []
    where: dict[Kernel, int] = {}
    touching: dict[tuple[int, Node], set[int]] = {}  # the groups of so many turns that touch an array
    apart: set[int] = set()  # those that no other group of the phase needs, and that need no other
    for kernel in phase:
        before = {where[other] for other, _ in plan.links(kernel) if other in where}
        turns = turns_in_parts(kernel, plan.threads)
        keys = [(turns, array) for array in touched(kernel)] if turns else []
        fits = (g for key in keys for g in touching.get(key, ()) if g >= max(before, default=0))
        mine = where[kernel] = min(fits, default=len(groups))
        if mine == len(groups):
            groups.append([])
            apart.add(mine)
        groups[mine].append(kernel)
        for key in keys:
            touching.setdefault(key, set()).add(mine)
        if before - {mine}:
            apart -= before | {mine}
    for g, group in enumerate(groups):
        rounds = rounds_of(group, plan.threads)
        for kernel in group:
            kernel.rounds, kernel.is_dynamic = rounds, rounds > 1 and g in apart
    if all(kernel.rounds == 1 for kernel in phase):
        return [[kernel] for kernel in phase]
    return [one for g in groups for one in ([g] if g[0].rounds > 1 else [[kernel] for kernel in g])]


def turns_in_parts(kernel: Kernel, threads: int) -> int:
    """The turns of the loop that is divided; 0 where parts of a slice take more than their share of time."""
    divided = kernel.partition
    if divided is None or not kernel.keeps_to_slices or not kernel.scales:
        return 0
    steps = [kernel.block * kernel.node.dtype.itemsize]
    steps += [load.offset.stride(divided) * load.dtype.itemsize for load in kernel.reads]
    is_worth = max(steps) >= NARROW and most_rounds(kernel, threads) > 1
    return kernel.space[divided] if is_worth else 0


def share_of(kernel: Kernel, threads: int) -> tuple[int, int]:
    """The turns of a slice, and of all slices."""
    turns = kernel.space[kernel.partition or 0]
    return slices(turns, threads)[0][1], turns


def most_rounds(kernel: Kernel, threads: int) -> int:
    """In how many parts a slice may be made; of a product, which copies the same factor for each, as many as
    are worth that.
    """
    share, turns = share_of(kernel, threads)
    most = share // (VECTOR if are_cut_at_vectors(turns) else 1)
    if not kernel.product_flops:
        return most
    same = bytes_of(set(kernel.arrays) - moving(kernel))
    return min(most, kernel.product_flops * share // turns // max(same * WORTH, 1))


def rounds_of(group: list[Kernel], threads: int) -> int:
    """The fewest whose parts fit into the near cache; one, where what several kernels touch fits as it is."""
    if len(group) == 1:
        return 1
    arrays = Counter(array for kernel in group for array in touched(kernel))
    share, turns = share_of(group[0], threads)
    again = bytes_of(array for array, kernels in arrays.items() if kernels > 1)
    if again * share <= NEAR * turns:
        return 1
    most = min(most_rounds(kernel, threads) for kernel in group)
    least = VECTOR if are_cut_at_vectors(turns) else 1
    enough = bytes_of(arrays) * share / turns / NEAR
    counts = [n for n in range(1, most + 1) if share % (n * least) == 0]
    return next((n for n in counts if n >= enough), counts[-1])


def touched(kernel: Kernel) -> set[Node]:
    """The arrays of which each turn has its own part."""
    return {*moving(kernel), *kernel.stores}


def moving(kernel: Kernel) -> set[Node]:
    """The arrays that it reads at other places in other turns."""
    divided = kernel.partition or 0
    return {load.array for load in kernel.reads if load.gathers or load.offset.stride(divided)}


def bytes_of(arrays: Iterable[Node]) -> int:
    return sum(array.nbytes for array in arrays)


def parts_of(kernel: Kernel, threads: int) -> list[tuple[int, int]]:
    """Where each part begins and ends, those of each thread in a row; none, where no loop is divided."""
    if kernel.partition is None:
        return []
    share, n = share_of(kernel, threads)
    size = share // kernel.rounds
    return [(min(k * size, n), min((k + 1) * size, n)) for k in range(threads * kernel.rounds)]
