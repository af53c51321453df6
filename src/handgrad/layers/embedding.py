"""Vectors for words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape
from handgrad.layers import initialisers
from handgrad.layers.layer import Layer

if TYPE_CHECKING:
    Seed = int | np.random.Generator | None


STANDARD_NORMAL = initialisers.normal(1.0)


class Embedding(Layer):
    """A vector for each of V integers, out = W[x].   x (...) -> (..., D)

    W (V, D) begins by ``weight``, normal with a standard deviation of 1, drawn from ``seed``. The row
    ``padding_idx``, which stands for no word, begins as 0 and stays so.

    Examples:
        >>> layer = hg.layers.Embedding(10, 4, seed=0)
        >>> layer(np.array([[1, 2, 3]])).shape
        (1, 3, 4)
    """

    def __init__(
        self,
        V: int,
        D: int,
        padding_idx: int | None = None,
        weight: initialisers.Initialiser = STANDARD_NORMAL,
        seed: Seed = None,
        dtype: Any = np.float32,
    ):
        W = weight(np.random.default_rng(seed), (V, D)).astype(dtype)
        if padding_idx is not None:
            W[padding_idx] = 0
        self.padding_idx = padding_idx
        self.params = {"W": W}

    def forward(self, x: Any) -> Any:
        return rules.embedding(x, self.params["W"], padding_idx=self.padding_idx)

    def describe(self) -> str:
        return "Embedding({}, {})".format(*shape(self.params["W"]))
