"""Backwards that are no derivatives."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

import handgrad as hg

from ..draws import normal
from .case import Case

Surrogate = partial(Case, is_derivative=False)


def surrogate() -> Iterator[Case]:
    def rounded(r: np.random.Generator, *shape: int) -> tuple:
        x = 3 * normal(r, *shape)
        return x, np.round(x)

    for name, shape in {"matrix": (3, 4), "scalar": (), "empty": (0, 2)}.items():
        one = lambda r, shape=shape: (normal(r, *shape),)  # noqa: E731
        yield Surrogate(hg.straight_through, name, lambda r, shape=shape: rounded(r, *shape))
        yield Surrogate(hg.reverse_gradient, name, one, {"scale": 0.3})
        yield Surrogate(hg.clip_gradient, name, one, {"limit": 0.4})
        yield Surrogate(hg.clip_gradient, f"norm-{name}", one, {"max_norm": 0.4})
