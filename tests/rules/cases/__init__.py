"""The table that every test of the rules walks: at least one case for each rule.

A case is a rule, a function ``rng -> inputs`` and options. Inputs keep their distance from kinks,
so that differences can be taken everywhere; the kinks have tests of their own. Each file of this folder
is a family of rules, and its function of that name gives the family's cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

import pytest

from handgrad.rules import ALL

from .case import Case as Case

NAMES = sorted({file.stem for file in Path(__file__).parent.glob("*.py")} - {"__init__", "case"})
FAMILIES = [getattr(import_module(f"{__name__}.{name}"), name) for name in NAMES]
CASES = [case for family in FAMILIES for case in family()]
SOME = 4  # cases of a rule that make test compiles, by us and by JAX; make test-all compiles all


def beyond_some() -> frozenset[str]:
    """The cases of each rule but a few from among them all, by their ids."""
    of_rule: dict[str, list[str]] = {}
    for case in CASES:
        of_rule.setdefault(case.rule.name, []).append(case.id)
    few = {name for names in of_rule.values() for name in names[:: -(-len(names) // SOME)]}
    return frozenset(name for names in of_rule.values() for name in names) - few


BEYOND_SOME = beyond_some()


def every(cases: Iterable[Case]) -> Callable[[Callable[[Case], None]], Callable[[str], None]]:
    """A test of each case, as one of each rule: to pytest a test of its own costs more than many take.

    Which case it was is noted with what failed.
    """
    of_rule: dict[str, list[Case]] = {}
    for case in cases:
        of_rule.setdefault(case.rule.name, []).append(case)

    def decorate(test: Callable[[Case], None]) -> Callable[[str], None]:
        def test_of_rule(name: str) -> None:
            for case in of_rule[name]:
                try:
                    test(case)
                except BaseException as error:
                    error.add_note(f"in the case {case.id}")
                    raise

        test_of_rule.__doc__ = test.__doc__
        test_of_rule.of_case = test
        return pytest.mark.parametrize("name", of_rule)(test_of_rule)

    return decorate


ALIASES = {name for name, rule in ALL.items() if name != rule.name}
