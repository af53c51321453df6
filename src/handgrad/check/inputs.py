"""Inputs to check a rule with: made from shapes, or found by trying."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.rules.rule import Rule

CANDIDATES = [(3, 4), (4, 5), (5,), (4,), (3,), (), (3, 5)]


def from_shapes(text: str, seed: int = 0) -> list[np.ndarray]:
    """Random float64 arrays from a list of shapes such as ``"(3, 4), (4, 5), (5,)"``.

    Raises:
        ValueError: the text is not a list of shapes.
    """
    try:
        shapes = ast.literal_eval(f"[{text}]")
        shapes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
        if not all(isinstance(n, int) and n >= 0 for s in shapes for n in s):
            raise TypeError
    except (ValueError, SyntaxError, TypeError):
        raise ValueError(f"shapes are written like (3, 4), (4, 5), (5,), not {text!r}") from None
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s) for s in shapes]


def found_by_trying(target: Callable, count: int, seed: int = 0) -> list[np.ndarray]:
    """The first combination of common shapes that the target's forward takes.

    Raises:
        ValueError: it takes none of them.
    """
    pair = target.vjp if isinstance(target, Rule) else target
    for shapes in itertools.product(CANDIDATES, repeat=count):
        inputs = _random(shapes, seed)
        try:
            with np.errstate(all="ignore"):
                pair(*inputs)
        except (ValueError, TypeError, IndexError):
            continue
        return inputs
    raise ValueError("it takes none of the shapes that were tried; give them with --inputs '(3, 4), (5,)'")


def _random(shapes: Any, seed: int) -> list[np.ndarray]:
    """Uniform in (0.2, 0.9): inside the domain of logarithms, roots and arcs."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.2, 0.9, s) for s in shapes]
