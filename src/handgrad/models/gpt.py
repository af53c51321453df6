"""GPT-2: blocks of causal attention and a perceptron, each beside the identity.   Radford et al. 2019"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape
from handgrad.layers import GELU, Affine, Dropout, Embedding, Layer, LayerNorm, MultiHeadAttention, Sequential
from handgrad.layers.initialisers import normal


class Block(Layer):
    """Every place looks at those before it, then thinks for itself; ``out`` begins what is added to x."""

    def __init__(self, D: int, heads: int, dropout: float, out: Any, **own: Any):
        self.norm1, self.norm2 = LayerNorm(D, dtype=own["dtype"]), LayerNorm(D, dtype=own["dtype"])
        self.attention = MultiHeadAttention(D, heads, None, True, dropout, normal(0.02), out, **own)
        self.perceptron = Sequential(
            Affine(D, 4 * D, normal(0.02), **own), GELU(), Affine(4 * D, D, out, **own)
        )
        self.drop1, self.drop2 = Dropout(dropout, own["seed"]), Dropout(dropout, own["seed"])

    def forward(self, x: Any) -> Any:  # (N, T, D)
        x = x + self.drop1(self.attention(self.norm1(x)))  # (N, T, D)
        return x + self.drop2(self.perceptron(self.norm2(x)))  # (N, T, 4D) -> (N, T, D)


class GPT(Layer):
    """x (N, T) of V symbols -> (N, T, V), logits of the symbol after each; T is up to ``length``.

    The vectors of symbols are the weights of the outputs too.

    Examples:
        >>> net = hg.models.GPT(V=10, length=8, D=16, heads=2, blocks=1, seed=0).evaluate()
        >>> net(np.zeros((2, 8), int)).shape  # which of ten symbols comes next, at each place
        (2, 8, 10)
    """

    def __init__(self, V: int = 65, length: int = 64, D: int = 128, heads: int = 4, blocks: int = 4,
                 dropout: float = 0.0, seed: Any = None, dtype: Any = np.float32):  # fmt: skip
        own = {"seed": np.random.default_rng(seed), "dtype": dtype}
        out = normal(0.02 / math.sqrt(2 * blocks))
        self.symbols = Embedding(V, D, weight=normal(0.02), **own)
        self.places = Embedding(length, D, weight=normal(0.02), **own)
        self.drop = Dropout(dropout, own["seed"])
        self.blocks = [Block(D, heads, dropout, out, **own) for _ in range(blocks)]
        self.norm = LayerNorm(D, dtype=dtype)

    def forward(self, x: Any) -> Any:  # (N, T)
        T, length = shape(x)[1], shape(self.places.params["W"])[0]
        if length < T:
            raise ValueError(f"{self.label} was made for sequences of up to {length}, not {T}")
        x = self.drop(self.symbols(x) + self.places(np.arange(T)))  # (N, T, D) + (T, D)
        for block in self.blocks:
            x = block(x)  # (N, T, D)
        return rules.matmul(self.norm(x), rules.transpose(self.symbols.params["W"]))  # (N, T, V)
