"""How most entries draw their inputs: standard normal arrays of given shapes."""

from __future__ import annotations

from tests.checking.mutants.corpus import Draw


def normal(*shapes: tuple[int, ...]) -> Draw:
    """One standard normal array of each shape."""
    return lambda r: tuple(r.standard_normal(shape) for shape in shapes)
