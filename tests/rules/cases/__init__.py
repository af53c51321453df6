"""The table that every test of the rules walks: at least one case for each rule.

A case is a rule, a function ``rng -> inputs`` and options. Inputs keep their distance from kinks,
so that differences can be taken everywhere; the kinks have tests of their own.
"""

from __future__ import annotations

from handgrad.rules import ALL

from .activation import activation
from .arithmetic import arithmetic
from .case import Case as Case
from .convolution import convolution
from .elementary import elementary
from .indexing import indexing
from .likelihood import likelihood
from .linear import linear
from .loss import loss
from .margin import margin
from .reduction import reduction
from .shaping import shaping

FAMILIES = (
    arithmetic,
    elementary,
    activation,
    reduction,
    shaping,
    indexing,
    linear,
    convolution,
    loss,
    likelihood,
    margin,
)
CASES = [case for family in FAMILIES for case in family()]
ALIASES = {name for name, rule in ALL.items() if name != rule.name}
