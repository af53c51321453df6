"""GPTs that say which character comes next.   Radford et al. 2019"""

from functools import partial
from typing import Any

from bench.characters import SYMBOLS, embedded, plays
from bench.networks import Network
from handgrad.models import GPT
from handgrad.optim import Adam


def gpt(name: str, T: int, D: int, heads: int, blocks: int, batch: int, steps: int) -> Network:
    """``steps`` of an epoch."""
    pairs = T * (T + 1) // 2  # of a query and a key before it
    return Network(
        name,
        batch=batch,
        rows=batch * steps,
        optimiser=Adam(1e-3),
        data=partial(plays, T),
        model=partial(GPT, SYMBOLS, T, D, heads, blocks, seed=0),
        torch_model=partial(torch_model, T, D, heads, blocks),
        jax_model=partial(jax_model, heads, blocks),
        flops=blocks * (2 * T * 12 * D * D + 4 * pairs * D) + 2 * T * D * SYMBOLS,
        kind=f"GPT of {blocks} blocks, D {D}, {heads} heads, T {T}, {SYMBOLS} characters",
    )


def torch_model(T: int, D: int, heads: int, blocks: int, symbols: int = SYMBOLS) -> Any:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(D), nn.LayerNorm(D)
            self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
            self.perceptron = nn.Sequential(nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))

        def forward(self, x: Any) -> Any:
            parts = self.qkv(self.norm1(x)).unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
            found = nn.functional.scaled_dot_product_attention(*parts.unbind(), is_causal=True)
            x = x + self.out(found.transpose(1, 2).flatten(2))
            return x + self.perceptron(self.norm2(x))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.symbols, self.places = nn.Embedding(symbols, D), nn.Embedding(T, D)
            self.blocks = nn.Sequential(*(Block() for _ in range(blocks)))
            self.norm = nn.LayerNorm(D)

        def forward(self, x: Any) -> Any:
            x = self.symbols(x) + self.places(torch.arange(T))
            return nn.functional.linear(self.norm(self.blocks(x)), self.symbols.weight)

    return Model()


def jax_model(heads: int, blocks: int, p: dict, moved: dict, x: Any) -> Any:
    import jax
    import jax.numpy as jnp

    def normed(name: str, x: Any) -> Any:
        mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(var + 1e-5) * p[f"{name}.gamma"] + p[f"{name}.beta"]

    N, T = x.shape
    x = embedded(p["symbols.W"], x) + p["places.W"]
    for i in range(blocks):
        name = f"blocks.{i}"
        qkv = normed(f"{name}.norm1", x) @ p[f"{name}.attention.W"] + p[f"{name}.attention.b"]
        q, k, v = jnp.moveaxis(qkv.reshape(N, T, 3, heads, -1), 2, 0)  # (N, T, heads, E) each
        found = jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(N, T, -1)
        x = x + found @ p[f"{name}.attention.V"] + p[f"{name}.attention.c"]
        h = normed(f"{name}.norm2", x) @ p[f"{name}.perceptron.0.W"] + p[f"{name}.perceptron.0.b"]
        h = jax.nn.gelu(h, approximate=False)
        x = x + h @ p[f"{name}.perceptron.2.W"] + p[f"{name}.perceptron.2.b"]
    return normed("norm", x) @ p["symbols.W"].T
