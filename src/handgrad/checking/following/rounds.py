"""The turns of a loop in a forward, and what each hands on to the next."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from handgrad.checking.following.chain import Chain, Change
from handgrad.checking.following.trace import Step

WRITES = ("setitem", "add.at")  # whose first input is an array that what the turns made is gathered in
Edge = tuple[int, int]  # a step, by its number, and which of its inputs


@dataclass
class Rounds:
    """The steps of a chain by the turn of the loop that they were made in."""

    chain: Chain
    count: int
    of_step: list[int]  # the turn of each step; -1 before the first
    carried: list[list[Edge]]  # where one turn takes what an earlier one made, by the place in the code
    alike: list[list[Edge]]  # the same input of the same call, in each turn

    def cut(self, edges: list[Edge]) -> Change:
        """Nothing flows back through these."""
        return {(n, i): 0 * self.chain.steps[n].jacobian(i) for n, i in edges}

    def all_carried(self) -> list[Edge]:
        return [edge for edges in self.carried for edge in edges]


def rounds(chain: Chain) -> Rounds | None:
    """None where no call comes again and again, each on what the one before it made."""
    made_by = {slot: n for n, step in enumerate(chain.steps) for slot in step.outputs}
    before = _ancestors(chain.steps, made_by)
    by_site: dict[tuple, list[int]] = defaultdict(list)
    for n, step in enumerate(chain.steps):
        by_site[step.site, step.name].append(n)
    again = [m for (site, _), m in by_site.items() if site and len(m) > 1 and _is_line(m, before)]
    if not again:
        return None
    count = Counter(map(len, again)).most_common(1)[0][0]
    first = min((members for members in again if len(members) == count), key=lambda members: members[0])
    starts = sum(1 << n for n in first)
    turn = np.searchsorted(first, np.arange(len(chain.steps)), side="right") - 1
    is_again = {n for members in by_site.values() if len(members) > 1 for n in members}
    carried, alike = defaultdict(list), defaultdict(list)
    for n, step in enumerate(chain.steps):
        for i, slot in enumerate(step.inputs):
            if slot in chain.reach:
                # From the end: in the first turn, what comes before may be no step.
                place = step.site, step.name, len(step.inputs) - i
                alike[place].append((n, i))
                source = made_by.get(slot)
                if source is None or turn[source] >= turn[n] or n not in is_again:
                    continue  # made in the same turn, or taken after the last
                if (before[source] | 1 << source) & starts and not (step.name in WRITES and i == 0):
                    carried[place].append((n, i))
    same = [edges for edges in alike.values() if len(edges) == count]
    return Rounds(chain, count, turn.tolist(), list(carried.values()), same) if carried else None


def _ancestors(steps: list[Step], made_by: dict[int, int]) -> list[int]:
    """For each step, those that it depends on, as bits."""
    found: list[int] = []
    for step in steps:
        bits = 0
        for slot in step.inputs:
            source = made_by.get(slot)
            if source is not None:
                bits |= found[source] | 1 << source
        found.append(bits)
    return found


def _is_line(members: list[int], before: list[int]) -> bool:
    """Whether each depends on the one before it."""
    return all(before[b] >> a & 1 for a, b in itertools.pairwise(members))
