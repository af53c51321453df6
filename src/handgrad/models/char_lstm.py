"""A recurrent network that reads and writes, symbol by symbol.   Karpathy 2015, with an embedding"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.layers import LSTM, Affine, Embedding, Sequential, initialisers


def char_lstm(
    V: int = 65,
    length: int = 64,
    D: int = 64,
    H: int = 128,
    layers: int = 1,
    dropout: float = 0.0,
    seed: Any = None,
    dtype: Any = np.float32,
) -> Sequential:
    """x (N, T) of V symbols -> (N, T, V), logits of the symbol after each; ``length`` bounds nothing here.

    Examples:
        >>> net = hg.models.char_lstm(V=10, length=8, D=4, H=6, seed=0)
        >>> net(np.zeros((2, 8), int)).shape
        (2, 8, 10)
    """
    own = {"seed": np.random.default_rng(seed), "dtype": dtype}
    return Sequential(
        Embedding(V, D, **own),  # (N, T, D)
        LSTM(D, H, layers, dropout=dropout, **own),  # (N, T, H)
        Affine(H, V, initialisers.lecun_normal, **own),  # (N, T, V)
    )
