"""The table that every test of the rules walks: at least one case for each rule.

A case is a rule, a function ``rng -> inputs`` and options. Inputs keep their distance from kinks,
so that differences can be taken everywhere; the kinks have tests of their own. Each module here but
``case`` is a family: a function of its name gives its cases.
"""

from __future__ import annotations

import importlib
import pkgutil

from handgrad.rules import ALL

from .case import Case as Case

FAMILIES = [name for _, name, _ in pkgutil.iter_modules(__path__) if name != "case"]
CASES = [case for name in FAMILIES for case in getattr(importlib.import_module(f"{__name__}.{name}"), name)()]
ALIASES = {name for name, rule in ALL.items() if name != rule.name}
