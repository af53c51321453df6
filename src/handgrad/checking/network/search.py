"""Which part is wrong, and what is wrong because of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from handgrad.checking.clock import Clock, OutOfTime
from handgrad.checking.kinds import Kind
from handgrad.checking.network import layers, rules, shared
from handgrad.checking.network.part import Part
from handgrad.checking.network.screen import first_look
from handgrad.checking.report import WRONG, Report
from handgrad.checking.subject import Subject

TRAVELLING = frozenset({Kind.STALE_CACHE, Kind.MUTATES, Kind.UPDATED_WEIGHTS, Kind.RANDOM})

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
        from handgrad.checking.network import torch_calls

        return torch_calls.parts(subject)
    if subject.style == "jax":
        from handgrad.checking.network import jax_calls

        return jax_calls.parts(subject)
    return []


def first_wrong(
    subject: Subject, seed: int, clock: Clock, examine: Examine, parts: list[Part] | None = None
) -> list[Report]:
    """Reports of a network's wrong parts, the first wrong one first, each with the part's name as target.

    Every part is looked at in a few evaluations, with more care where these leave a doubt; of those that are
    wrong, the first of each kind (a rule, a class) is examined in full. Where no part is wrong on what it
    saw, they are looked at for what one does to another: an object used twice that keeps one cache, arrays of
    others written into. Empty: all parts are right, so what is wrong is how they are put together.

    Args:
        subject: the network.
        seed: of the random douts and directions.
        clock: the time that is left.
        examine: ``examine(subject, seed, clock, light) -> Report``.
        parts: what ``parts_of`` gave, if it is known.
    """
    return Search(parts_of(subject) if parts is None else parts, seed, clock, examine).run()


class Search:
    """A search under way."""

    def __init__(self, parts: list[Part], seed: int, clock: Clock, examine: Examine):
        self.parts, self.seed, self.clock, self.examine = parts, seed, clock, examine
        self.firsts: dict[Any, str] = {}  # the first wrong part of each kind
        self.known: dict[tuple, Report | None] = {}  # by fingerprint

    def run(self) -> list[Report]:
        looks = (first_look, lambda *given: None)
        found = next((found for look in looks if (found := self.wrong_by_numbers(look))), {})
        reports = [report for _, report in sorted(found.items())]
        if any(not part.inside for part in self.parts if part.order in found):
            return reports
        return shared.reports(self.parts) + self.spoilers() + reports

    def in_time(self, parts: list[Part]) -> Iterator[Part]:
        """The parts, as long as there is time."""
        for part in parts:
            try:
                self.clock.look(part.name)
            except OutOfTime:
                return
            yield part

    def wrong_by_numbers(self, look: Callable) -> dict[int, Report]:
        """Reports by order of the parts that are wrong on what they saw, not because something in them is."""
        wrong: dict[int, Report] = {}
        for part in self.in_time(self.parts):
            if not any(order in wrong for order in part.inside):
                report = self.remembered(part, look)
                if report is not None:
                    wrong[part.order] = renamed(report, part.name)
        return wrong

    def remembered(self, part: Part, look: Callable) -> Report | None:
        """``report_of``, from memory where the same was checked before."""
        key = part.fingerprint()
        if key is None:
            return self.report_of(part, look)
        key = (look, *key)
        if key not in self.known:
            self.known[key] = self.report_of(part, look)
        return self.known[key]

    def report_of(self, part: Part, look: Callable) -> Report | None:
        """Of a wrong part; in full for the first of its kind."""
        seen = look(part.subject, self.seed, self.clock)
        if seen is True:
            return None
        first = self.firsts.get(part.kind)
        if seen is False and first is not None:
            return Report(part.name, WRONG, notes=[f"the same kind of part as {first}, so not looked into"])
        known = Report(part.name, WRONG, notes=["no time was left to look into it"])
        if seen is None:
            known = self.examine(part.subject, self.seed, self.clock, light=True)
            if known.verdict != WRONG or first is not None:
                return known if known.verdict == WRONG else None
        full = self.examine(part.subject, self.seed, self.clock)
        if full.verdict != WRONG and seen is False and self.clock.left > 0:
            return None  # it was a kink
        self.firsts[part.kind] = part.name
        return full if full.verdict == WRONG else known

    def spoilers(self) -> list[Report]:
        """Parts that write into what is others', the first of each kind examined."""
        firsts = {part.kind: part for part in reversed(self.parts) if not part.inside}
        found = []
        for part in self.in_time(sorted(firsts.values(), key=lambda part: part.order)):
            report = self.examine(part.subject, self.seed, self.clock)
            if any(cause.kind in TRAVELLING for cause in report.causes):
                found.append(renamed(report, part.name))
        return found


def renamed(report: Report, name: str) -> Report:
    """The report under the part's name."""
    return replace(report, target=name, whose="")


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
