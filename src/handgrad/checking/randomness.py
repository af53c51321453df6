"""Whether a backward draws random numbers, as far as its code tells."""

from __future__ import annotations

from typing import Any

from handgrad.checking.subject import Subject

RANDOM = frozenset(
    "random rng default_rng randn rand standard_normal uniform permutation shuffle bernoulli binomial choice "
    "rand_like randn_like normal normal_ uniform_ bernoulli_ dropout integers".split()
)


def draws(subject: Subject) -> bool:
    """Whether the backward's code names something random."""
    return any(RANDOM & _names(f.__code__) for f in subject.functions() if hasattr(f, "__code__"))


def _names(code: Any) -> set[str]:
    """The names in a function's code: of the backward inside it, if there is one, and of what that calls."""
    inner = [c for c in code.co_consts if hasattr(c, "co_names")]
    back = [c for c in inner if "back" in c.co_name] or inner
    found = set() if inner else set(code.co_names) | set(code.co_varnames) | set(code.co_freevars)
    found = found.union(*map(_names, back))
    return found.union(*(_names(c) for c in inner if c.co_name in found))
