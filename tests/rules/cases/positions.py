"""Positions, as angles, waves and distances."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import handgrad as hg

from ..draws import normal
from .case import Case


def positions() -> Iterator[Case]:
    for name, shape in {"rows": (5, 4), "heads": (2, 3, 4, 6), "one": (1, 2), "nothing": (0, 4)}.items():
        yield Case(hg.rotary, name, lambda r, shape=shape: (normal(r, *shape), None))
        yield Case(hg.rotary, f"{name}-interleaved", lambda r, shape=shape: (normal(r, *shape), None),
                   {"interleaved": True, "base": 100.0})  # fmt: skip
    yield Case(hg.rotary, "given", lambda r: (normal(r, 2, 3, 4), np.array([7, 1, 900])))
    yield Case(hg.rotary, "own", lambda r: (normal(r, 2, 3, 4), r.integers(50, size=(2, 3))))
    yield Case(hg.rotary, "strided", lambda r: (normal(r, 4, 8, 6).T[::2, ::-2], None))
    for name, shape in {"row": (5,), "one": (), "batch": (2, 3), "nothing": (0,)}.items():
        yield Case(hg.sinusoidal, name, lambda r, shape=shape: (normal(r, *shape),), {"D": 6, "base": 50.0})
    for name, heads in {"heads": 3, "one": 1, "nothing": 0}.items():
        yield Case(hg.alibi, name, lambda r, heads=heads: (normal(r, heads),), {"T": 4})
    yield Case(hg.alibi, "wide", lambda r: (normal(r, 2),), {"T": 3, "S": 5})
