"""Losses over all alignments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import handgrad as hg

from ..draws import probabilities
from .case import Case


def alignment() -> Iterator[Case]:
    def logs(r: Any, *shape: int) -> Any:
        return np.log(probabilities(r, *shape))

    t = np.array([[1, 2, 2], [3, 1, 3]])
    lengths = np.array([5, 7]), np.array([1, 3])
    for reduction in ("mean", "sum", "none"):
        way = {"reduction": reduction}
        yield Case(hg.ctc_loss, reduction, lambda r: (logs(r, 6, 2, 4), t, None, None), way)
        yield Case(hg.ctc_loss, f"lengths-{reduction}", lambda r: (logs(r, 7, 2, 4), t, *lengths), way)
    yield Case(hg.ctc_loss, "last-blank", lambda r: (logs(r, 6, 2, 5), t - 1, None, None), {"blank": 4})
    yield Case(hg.ctc_loss, "one-label", lambda r: (logs(r, 3, 2, 3), np.array([[1], [2]]), None, None))
    yield Case(hg.ctc_loss, "no-label", lambda r: (logs(r, 3, 2, 3), t[:, :0], None, None))
    yield Case(hg.ctc_loss, "impossible", lambda r: (logs(r, 3, 2, 4), t, None, None),
               {"zero_infinity": True})  # fmt: skip
    yield Case(hg.ctc_loss, "no-sequence", lambda r: (logs(r, 3, 0, 4), t[:0], None, None))
