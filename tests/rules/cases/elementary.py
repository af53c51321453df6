"""Elementary functions."""

from __future__ import annotations

from collections.abc import Iterator

import handgrad as hg

from ..draws import away, normal, within
from .case import Case, elementwise


def elementary() -> Iterator[Case]:
    for rule in (hg.exp, hg.exp2, hg.expm1, hg.sin, hg.cos, hg.arctan, hg.sinh, hg.cosh, hg.tanh):
        yield from elementwise(rule, normal)
    for rule in (hg.erf, hg.erfc):
        yield from elementwise(rule, normal)
        yield Case(rule, "tails", lambda r: (away(0.6, 5.5)(r, 12),))
    yield from elementwise(hg.tan, within(-1.2, 1.2))
    for rule in (hg.log, hg.log2, hg.log10):
        yield from elementwise(rule, within(0.5, 3))
    for rule in (hg.logaddexp, hg.logaddexp2):
        yield from elementwise(rule, normal, normal)
    yield from elementwise(hg.log1p, within(-0.4, 3))
    for rule in (hg.arcsin, hg.arccos, hg.arctanh):
        yield from elementwise(rule, within(-0.7, 0.7))
    yield from elementwise(hg.arcsinh, normal)
    yield from elementwise(hg.arccosh, within(1.2, 3))
    yield from elementwise(hg.arctan2, away(0.3, 2), away(0.3, 2))
