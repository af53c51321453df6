"""What came of an input at one point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Columns:
    """Columns of J for some elements of one input. ``J`` is None where it would not fit in memory."""

    elements: np.ndarray  # flat places in the input
    by_dout: np.ndarray  # (douts, elements): uᵀJ
    error: np.ndarray  # (douts, elements)
    size: np.ndarray  # (douts, elements): Σ|u·J|
    J: np.ndarray | None  # (outputs, elements)
    rough: np.ndarray  # elements with a kink in some output that counts


@dataclass
class InputTrial:
    """What came of one input at this point."""

    index: int
    name: str
    x: np.ndarray
    got: list[np.ndarray | None]  # one for each dout
    problem: str | None = None  # None, shape, missing, mismatch, not finite, unclear, unseen
    digits: float = 0.0
    columns: Columns | None = None
    wrong: np.ndarray | None = None  # (elements,) of columns
    off: np.ndarray | None = None  # elements without a derivative to compare with

    @property
    def is_off(self) -> bool:
        """Whether there is nothing to compare with."""
        return self.off is not None and self.off.size > 0 and bool(self.off.all())
