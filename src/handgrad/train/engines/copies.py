"""Copies in memory that is used again: the pages of new memory take several times as long as a copy does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

HAS_LOCK = not hasattr(sys, "_is_gil_enabled") or sys._is_gil_enabled()
AT_HAND = 2  # copies of an array: the one that a training is called with, and the one that it makes


class Copies:
    """Copies of the same arrays, again and again, each its holder's for as long as anybody has it."""

    def __init__(self) -> None:
        self.made: dict[int, list[np.ndarray]] = {}  # by the number of the array

    def of(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self.copy(number, a) for number, a in enumerate(arrays)]

    def copy(self, number: int, a: np.ndarray) -> np.ndarray:
        made = self.made.setdefault(number, [])
        free = next((i for i in range(len(made)) if is_held_here_only(made, i)), None)
        if free is None:
            made.append(np.empty(a.shape, a.dtype))
            del made[:-AT_HAND]
            free = -1
        made[free][...] = a
        return made[free]


def is_held_here_only(arrays: list[np.ndarray], i: int) -> bool:
    """Whether only this list holds an array, and nobody a view of it, which would hold it too.

    Never where threads run without the interpreter's lock, and counts of holders are no longer exact.
    """
    return HAS_LOCK and references(arrays, i) == references([np.empty(0)], 0)


def references(arrays: list[Any], i: int) -> int:
    """How many hold it, and this call; so two counts can be compared in every Python."""
    return sys.getrefcount(arrays[i])
