"""How far rounding moves each gradient: what is no larger is zero, as far as its type can tell.

The backward is run a second time, with every gradient on its way moved by a few units in its last place, up
or down at random. What then differs is what the digits cannot tell: of a sum whose terms cancel, as much as
the terms' own rounding. That is Monte Carlo arithmetic (Parker, Pierce & Eggert 2000) with a single sample.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from handgrad.arrays import stripped
from handgrad.tape import Backpropagation, Node
from handgrad.view.summary import Summary, as_numpy, summary

UNITS = 2.0  # in the last place, by which a gradient is moved
LARGEST = 4.0  # times what moving it changed: up to that it cannot be told from zero


Answered = dict[int, tuple[list[Any], float]]
"""By a node's order: what its rule answered, and in how many seconds."""


def noise_of(
    seeds: list[tuple[Any, Any]], answered: Answered, grads: dict[int, Any]
) -> tuple[dict[int, list[float]], dict[int, float]]:
    """How far rounding moves each answer, by the order of its node, and each sum, by its variable's id."""
    shaken = Shaken(seeds, answered)
    with np.errstate(all="ignore"):
        moves = {id(x): apart(grads[id(x)], dx) for x, dx in shaken.run()}
    return shaken.noise, moves


class Shaken(Backpropagation):
    """Backpropagation that moves each gradient on its way, and compares what rules answer."""

    def __init__(self, seeds: list[tuple[Any, Any]], answered: Answered):
        self.answered = answered
        self.noise: dict[int, list[float]] = {}  # the same: how far that moved
        self.rng = np.random.default_rng(0)
        super().__init__(seeds)

    def answers(self, node: Node, dout: Any) -> list[tuple[Any, Any]]:
        moved = tuple(map(self.moved, dout)) if isinstance(dout, tuple) else self.moved(dout)
        pairs = super().answers(node, moved)
        first = self.answered[node.order][0]
        self.noise[node.order] = [apart(a, b) for a, (_, b) in zip(first, pairs, strict=True)]
        return pairs

    def moved(self, dout: Any) -> Any:
        """Each element by a few units in its last place; what is not NumPy's stays as it is."""
        bare = stripped(dout)
        if not isinstance(bare, (np.ndarray, np.floating, float)) or np.asarray(bare).dtype.kind != "f":
            return dout
        array = np.asarray(bare)
        sign = self.rng.integers(0, 2, array.shape).astype(array.dtype) * 2 - 1
        return dout * (1 + UNITS * np.finfo(array.dtype).eps * sign)


def apart(a: Any, b: Any) -> float:
    """The largest difference of two gradients; 0 where there is none, or it is not finite."""
    if a is None or b is None:
        return 0.0
    difference = float(np.max(np.abs(as_numpy(a).astype(float) - as_numpy(b)), initial=0.0))
    return difference if math.isfinite(difference) else 0.0


def is_rounding(dx: Any, noise: float) -> bool:
    """Whether a gradient is zero up to rounding, and not zero."""
    if dx is None or noise == 0:
        return False
    return 0 < float(np.max(np.abs(as_numpy(dx)), initial=0.0)) <= LARGEST * noise


def told(dx: Any, noise: float) -> Summary:
    """What is told of a gradient."""
    return summary(dx, is_rounding=is_rounding(dx, noise))
