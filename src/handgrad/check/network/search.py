"""Which part is wrong, and what is wrong because of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from handgrad.check.network import layers, rules
from handgrad.check.network.part import Part
from handgrad.check.report import WRONG, Report
from handgrad.check.subject import Subject
from handgrad.check.trial import Clock, OutOfTime

TRAVELLING = frozenset({"stale-cache", "mutates", "accumulates", "updated-weights", "random"})

Examine = Callable[..., Report]


def parts_of(subject: Subject) -> list[Part]:
    """What a target is made of, each part on the values that it really saw, in the order of the forward.

    Empty where it is not made of parts. A layer made of layers comes after those that it is made of.
    """
    if subject.style == "function":
        return rules.parts(subject)
    if subject.style == "layer":
        return layers.parts(subject)
    if subject.style == "torch":
        from handgrad.check.network import torch_calls

        return torch_calls.parts(subject)
    if subject.style == "jax":
        from handgrad.check.network import jax_calls

        return jax_calls.parts(subject)
    return []


def first_wrong(
    subject: Subject, seed: int, clock: Clock, examine: Examine, parts: list[Part] | None = None
) -> list[Report]:
    """Reports of a network's wrong parts, the first wrong one first, each with the part's name as target.

    Every part is looked at by its numbers alone; of those that are wrong, the first of each kind (a rule, a
    class) is then examined in full. Where no part gives wrong numbers but the network does, the parts are
    looked at for what one does to another: a cache overwritten, an array written into. Empty: all parts are
    right, so what is wrong is how they are put together.

    Args:
        subject: the network.
        seed: of the random douts and directions.
        clock: the time that is left.
        examine: ``examine(subject, seed, clock, light) -> Report``.
        parts: what ``parts_of`` gave, if it is known.
    """
    search = Search(parts_of(subject) if parts is None else parts, seed, clock, examine)
    return search.run()


class Search:
    """A search under way."""

    def __init__(self, parts: list[Part], seed: int, clock: Clock, examine: Examine):
        self.parts, self.seed, self.clock, self.examine = parts, seed, clock, examine
        self.known: dict[Any, Report] = {}  # by fingerprint

    def run(self) -> list[Report]:
        wrong = self.wrong_by_numbers()
        found = self.in_full(wrong)
        if all(part.inside for part, _ in wrong):
            found = self.troublemakers() + found
        return found

    def in_time(self, parts: list[Part]) -> Iterator[Part]:
        """The parts, as long as there is time."""
        for part in parts:
            try:
                self.clock.look(part.name)
            except OutOfTime:
                return
            yield part

    def wrong_by_numbers(self) -> list[tuple[Part, Report]]:
        """The parts that are wrong on what they saw, but not those that are because something in them is."""
        wrong: dict[int, tuple[Part, Report]] = {}
        for part in self.in_time(self.parts):
            if not any(order in wrong for order in part.inside):
                report = self.by_numbers(part)
                if report.verdict == WRONG:
                    wrong[part.order] = part, report
        return list(wrong.values())

    def by_numbers(self, part: Part) -> Report:
        """A light report, from memory where the same was checked before."""
        fingerprint = part.fingerprint()
        if fingerprint is None:
            return self.examine(part.subject, self.seed, self.clock, light=True)
        if fingerprint not in self.known:
            self.known[fingerprint] = self.examine(part.subject, self.seed, self.clock, light=True)
        return self.known[fingerprint]

    def in_full(self, wrong: list[tuple[Part, Report]]) -> list[Report]:
        """Full reports of the first of each kind; of its like, what their numbers say."""
        firsts: dict[Any, str] = {}
        found = []
        for part, light in wrong:
            if part.kind in firsts:
                found.append(
                    renamed(light, part.name, f"looked at by its numbers alone; see {firsts[part.kind]}")
                )
                continue
            firsts[part.kind] = part.name
            full = self.examine(part.subject, self.seed, self.clock)
            found.append(renamed(full if full.verdict == WRONG else light, part.name))
        return found

    def troublemakers(self) -> list[Report]:
        """Parts that spoil others, the first of each kind examined."""
        firsts = {part.kind: part for part in reversed(self.parts) if not part.inside}
        found = []
        for part in self.in_time(sorted(firsts.values(), key=lambda part: part.order)):
            report = self.examine(part.subject, self.seed, self.clock)
            if any(cause.kind in TRAVELLING for cause in report.causes):
                found.append(renamed(report, part.name))
        return found


def renamed(report: Report, name: str, *notes: str) -> Report:
    """The report under the part's name, with more notes."""
    return replace(report, target=name, notes=[*report.notes, *notes])


def consequences(subject: Subject, parts: list[Part], wrong: list[Report]) -> list[str]:
    """The network's inputs and parameters whose gradients come through what is wrong in the first wrong part.

    Exact for functions of rules and for JAX. For layer objects and PyTorch by the order of the calls: the
    inputs, and the parameters of all earlier parts.
    """
    part = next((part for part in parts if wrong and part.name == wrong[0].target), None)
    if part is None:
        return []
    bad = {i.name for i in wrong[0].inputs if i.verdict == WRONG} or set(part.subject.names)
    through = zip(part.subject.names, part.sources, strict=True)
    numbers = set().union(*(sources for name, sources in through if name in bad))
    return [subject.names[k] for k in sorted(numbers)]
