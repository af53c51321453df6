"""What a case is, and elementwise ones in all layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad.rules import Rule

from ..draws import Draw


@dataclass(frozen=True)
class Case:
    """One use of a rule. ``cannot`` says which array library has no such operation, and why;
    ``is_derivative``, whether its backward is meant to be the derivative of its forward.
    """

    rule: Rule
    label: str
    make: Callable[[np.random.Generator], tuple]
    options: dict[str, Any] = field(default_factory=dict)
    cannot: dict[str, str] = field(default_factory=dict)
    is_derivative: bool = True

    @property
    def id(self) -> str:
        return f"{self.rule.name}-{self.label}"

    def inputs(self, seed: int = 0) -> tuple:
        return self.make(np.random.default_rng([seed, *self.id.encode()]))


# How one array may lie in memory, and how several may broadcast.

LAYOUTS: dict[str, Callable[[Draw, Any], Any]] = {
    "python": lambda draw, r: float(draw(r)),
    "numpy-scalar": lambda draw, r: np.float64(draw(r)),
    "scalar": lambda draw, r: draw(r),
    "one": lambda draw, r: draw(r, 1),
    "odd": lambda draw, r: draw(r, 7),
    "transposed": lambda draw, r: draw(r, 5, 3).T,
    "strided": lambda draw, r: draw(r, 6, 7)[::2, ::-3],
    "empty": lambda draw, r: draw(r, 0, 3),
}

PAIRS: dict[str, Callable[[Draw, Draw, Any], tuple]] = {
    "python-python": lambda a, b, r: (float(a(r)), float(b(r))),
    "python-array": lambda a, b, r: (float(a(r)), b(r, 4)),
    "array-python": lambda a, b, r: (a(r, 3, 2), float(b(r))),
    "scalar-array": lambda a, b, r: (a(r), b(r, 2, 3)),
    "row": lambda a, b, r: (a(r, 3, 5), b(r, 5)),
    "column-row": lambda a, b, r: (a(r, 3, 1), b(r, 1, 5)),
    "one-matrix": lambda a, b, r: (a(r, 1), b(r, 3, 5).T),
    "three-axes": lambda a, b, r: (a(r, 2, 3, 1)[::-1], b(r, 1, 7)[:, ::2]),
    "empty": lambda a, b, r: (a(r, 0, 3), b(r, 3)),
}

MIXED = {"strict": "the standard leaves mixing integers and floats undefined"}


def elementwise(rule: Rule, *draws: Draw, label: str = "", **options: Any) -> Iterator[Case]:
    """A unary or binary rule over all layouts."""
    for name, layout in (LAYOUTS if len(draws) == 1 else PAIRS).items():
        make = (lambda r, layout=layout: (layout(*draws, r),)) if len(draws) == 1 else (
            lambda r, layout=layout: layout(*draws, r))  # fmt: skip
        yield Case(rule, f"{label}{name}", make, options)
