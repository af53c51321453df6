"""Blocks of attention and a perceptron, as PyTorch has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad import rules
from handgrad.layers import initialisers
from handgrad.layers.attention import MultiHeadAttention
from handgrad.layers.layer import Layer
from handgrad.layers.normalisation import LayerNorm
from handgrad.layers.standard import Affine, Dropout

if TYPE_CHECKING:
    Seed = int | np.random.Generator | None


class TransformerEncoderLayer(Layer):
    """Attention to oneself, then a perceptron, each beside the identity.   Vaswani et al. 2017

    out = norm2(y + f(y)) with y = norm1(x + attention(x)) and f(y) = activation(y W₁ + b₁) W₂ + b₂; with
    ``norm_first`` y = x + attention(norm1(x)), out = y + f(norm2(y)).

    x (..., T, D) -> (..., T, D); ``M`` numbers in the middle of the perceptron, ``activation`` "relu" or
    "gelu". ``mask=`` is that of ``MultiHeadAttention``. While training, ``dropout`` is dropped of weights and
    of what is added.

    Examples:
        >>> layer = hg.layers.TransformerEncoderLayer(8, 2, 16, seed=0).evaluate()
        >>> layer(np.ones((3, 5, 8), np.float32)).shape
        (3, 5, 8)
    """

    def __init__(
        self,
        D: int,
        heads: int,
        M: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        eps: float = 1e-5,
        norm_first: bool = False,
        causal: bool = False,
        seed: Seed = None,
        dtype: Any = np.float32,
    ):
        if activation not in ("relu", "gelu"):
            raise ValueError(f'activation is "relu" or "gelu", not {activation!r}')
        own: dict[str, Any] = {"seed": np.random.default_rng(seed), "dtype": dtype}
        self.self_attn = MultiHeadAttention(D, heads, causal=causal, dropout=dropout, **own)
        self.linear1 = Affine(D, M, **own)
        self.linear2 = Affine(M, D, initialisers.lecun_normal, **own)
        self.norm1, self.norm2 = LayerNorm(D, eps, dtype), LayerNorm(D, eps, dtype)
        self.dropout, self.dropout1, self.dropout2 = (Dropout(dropout, own["seed"]) for _ in range(3))
        self.activation, self.norm_first = activation, norm_first

    def forward(self, x: Any, mask: Any = None) -> Any:  # (..., T, D)
        if self.norm_first:
            x = x + self.attended(self.norm1(x), mask)
            return x + self.thought(self.norm2(x))
        x = self.norm1(x + self.attended(x, mask))
        return self.norm2(x + self.thought(x))

    def attended(self, x: Any, mask: Any) -> Any:
        return self.dropout1(self.self_attn(x, mask=mask))

    def thought(self, x: Any) -> Any:  # (..., T, D) -> (..., T, M) -> (..., T, D)
        activation = rules.relu if self.activation == "relu" else rules.gelu
        return self.dropout2(self.linear2(self.dropout(activation(self.linear1(x)))))

    def describe(self) -> str:
        return f"TransformerEncoderLayer({self.linear1.params['W'].shape[0]}, {self.self_attn.heads})"


class TransformerEncoder(Layer):
    """Several ``TransformerEncoderLayer``s, one after the other, and a norm if there is one.

    x (..., T, D) -> (..., T, D)

    Examples:
        >>> layers = [hg.layers.TransformerEncoderLayer(8, 2, 16, seed=i) for i in range(2)]
        >>> net = hg.layers.TransformerEncoder(*layers, norm=hg.layers.LayerNorm(8)).evaluate()
        >>> net(np.ones((3, 5, 8), np.float32)).shape
        (3, 5, 8)
    """

    def __init__(self, *layers: Layer, norm: Layer | None = None):
        self.layers = list(layers)
        if norm is not None:
            self.norm = norm
        self.has_norm = norm is not None

    def forward(self, x: Any, mask: Any = None) -> Any:  # (..., T, D)
        for layer in self.layers:
            x = layer(x, mask=mask)
        return self.norm(x) if self.has_norm else x
