"""The error of a gradient, and the hypotheses about the forward's steps that are held against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handgrad.checking.causes.evidence import CLOSE, Evidence
from handgrad.checking.following.chain import Chain, Change
from handgrad.checking.kinds import Kind


@dataclass
class Predicted:
    """A mistake, and by how much the gradient would be off if it had been made, (douts, elements)."""

    kind: Kind
    sentence: str
    choices: int
    off: np.ndarray
    roughly: bool = False  # in the form of the error alone, to two digits


class Error:
    """By how much a gradient is off, and the steps that it could have come from."""

    def __init__(self, e: Evidence, chain: Chain):
        self.e, self.chain = e, chain
        self.due, self.keep = e.flat(e.expected), ~e.rough.ravel()
        self.off = (e.flat(e.got) - self.due)[:, self.keep]
        self.size = float(np.max(np.abs(self.off)))
        self.tolerance = max(20 * CLOSE * self.size, 1e-9 * float(np.max(np.abs(self.due))))

    @property
    def is_seen(self) -> bool:
        """Whether it is large enough to tell anything from."""
        return self.tolerance <= 0.1 * self.size

    def is_of(self, h: Predicted) -> bool:
        """Whether a mistake gives this error."""
        off = h.off[:, self.keep]
        tolerance = 0.02 * self.size if h.roughly else self.tolerance
        return bool(np.isfinite(off).all() and np.max(np.abs(off - self.off), initial=0.0) <= tolerance)

    def by(self, kind: Kind, sentence: str, choices: int, change: Change) -> Predicted:
        """A mistake that puts other Jacobians in the place of some."""
        return Predicted(kind, sentence, choices, self.chain.gradient(change) - self.due)
