"""Inputs for the corpus: arrays of given shapes from the few distributions that most files draw."""

from __future__ import annotations

from tests.checking.mutants.corpus import Draw


def normal(*shapes: tuple[int, ...]) -> Draw:
    """Standard normal arrays, one of each shape."""
    return lambda r: tuple(r.standard_normal(shape) for shape in shapes)


def uniform(low: float, high: float, *shapes: tuple[int, ...]) -> Draw:
    """Arrays between ``low`` and ``high``, one of each shape."""
    return lambda r: tuple(r.uniform(low, high, shape) for shape in shapes)


def positive(*shapes: tuple[int, ...]) -> Draw:
    """Arrays well above zero, one of each shape."""
    return uniform(0.5, 2.0, *shapes)
