"""Attention, with its projections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, xp
from handgrad.layers import initialisers
from handgrad.layers.layer import Layer

if TYPE_CHECKING:
    Seed = int | np.random.Generator | None


class MultiHeadAttention(Layer):
    """Attention of several heads, between affine maps.   x (..., T, D) -> (..., T, D), Vaswani et al. 2017

    ``heads`` of queries, each of D / heads numbers, and ``kv_heads`` of keys and values (default: as many).
    ``attention(x)`` is of x to itself, ``attention(x, context)`` of x to a context (..., S, D). ``mask=``
    is True where a key is seen, or floats that are added to the scores; ``causal`` hides what comes later.
    While training, ``dropout`` of the weights is dropped.

    W (D, (heads + 2·kv_heads)·D / heads) makes queries, keys and values side by side, V (D, D) the out;
    they begin by ``weight`` and ``out``, b and c as 0.

    Examples:
        >>> layer = hg.layers.MultiHeadAttention(8, heads=2, causal=True, seed=0)
        >>> layer(np.ones((2, 5, 8), np.float32)).shape
        (2, 5, 8)
    """

    def __init__(
        self,
        D: int,
        heads: int,
        kv_heads: int | None = None,
        causal: bool = False,
        dropout: float = 0.0,
        weight: initialisers.Initialiser = initialisers.xavier_uniform,
        out: initialisers.Initialiser = initialisers.xavier_uniform,
        seed: Seed = None,
        dtype: Any = np.float32,
    ):
        kv_heads = heads if kv_heads is None else kv_heads
        if D % heads or heads % kv_heads:
            raise ValueError(f"{heads} heads divide D {D}, and are a multiple of kv_heads, {kv_heads}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is the share to drop, in [0, 1), not {dropout}")
        rng = np.random.default_rng(seed)
        columns = (heads + 2 * kv_heads) * (D // heads)
        self.heads, self.kv_heads, self.causal, self.rate = heads, kv_heads, causal, dropout
        drawn = {
            "W": weight(rng, (D, columns)),
            "b": np.zeros(columns),
            "V": out(rng, (D, D)),
            "c": np.zeros(D),
        }
        self.params = {name: x.astype(dtype) for name, x in drawn.items()}
        if dropout:
            self.state = {"key": rng.integers(2**32, size=2, dtype=np.uint32)}

    def forward(self, x: Any, context: Any = None, mask: Any = None) -> Any:
        W, b, V, c = (self.params[name] for name in "WbVc")
        if shape(x)[-1:] != shape(W)[:1] or len(shape(x)) < 2:
            raise ValueError(f"{self.label} takes x of shape (..., T, {shape(W)[0]}), got {shape(x)}")
        key, rate = None, 0.0
        if self.rate and self.is_training():
            key, rate = self.state["key"], self.rate
            self.state["key"] = xp.fold_in(key, 1)
        own = {"heads": self.heads, "kv_heads": self.kv_heads, "causal": self.causal, "rate": rate}
        return rules.multi_head_attention(x, W, b, V, c, context, mask, key, **own)

    def describe(self) -> str:
        more = f", kv_heads={self.kv_heads}" * (self.kv_heads != self.heads) + ", causal=True" * self.causal
        return f"MultiHeadAttention({shape(self.params['W'])[0]}, {self.heads}{more})"
