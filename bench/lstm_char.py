"""lstm-char: which character comes next, by one LSTM.   Karpathy 2015"""

from functools import partial
from typing import Any

from bench.characters import SYMBOLS, embedded, plays
from bench.networks import Network
from handgrad.models import char_lstm
from handgrad.optim import Adam

T, D, H = 64, 64, 128


def torch_model(symbols: int = SYMBOLS) -> Any:
    from torch import nn

    class Recurrent(nn.LSTM):
        def __init__(self):
            super().__init__(D, H, batch_first=True)
            nn.init.zeros_(self.bias_hh_l0).requires_grad_(False)  # ours has one bias

        def forward(self, x: Any) -> Any:
            return super().forward(x)[0]

    return nn.Sequential(nn.Embedding(symbols, D), Recurrent(), nn.Linear(H, symbols))


def jax_model(p: dict, moved: dict, x: Any) -> Any:
    import jax
    import jax.numpy as jnp

    def step(carry: Any, a: Any) -> Any:
        h, c = carry
        i, f, g, o = jnp.split(a + h @ p["1.U0"].T, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    a = embedded(p["0.W"], x) @ p["1.W0"].T + p["1.b0"]  # (N, T, 4H)
    zeros = jnp.zeros((len(x), H), a.dtype)
    _, h = jax.lax.scan(step, (zeros, zeros), a.swapaxes(0, 1))  # (T, N, H)
    return h.swapaxes(0, 1) @ p["2.W"] + p["2.b"]


WORKLOAD = Network(
    "lstm-char",
    batch=32,
    rows=640,
    optimiser=Adam(2e-3),
    data=partial(plays, T),
    model=partial(char_lstm, SYMBOLS, T, D, H, seed=0),
    torch_model=torch_model,
    jax_model=jax_model,
    flops=2 * T * (D * 4 * H + H * 4 * H + H * SYMBOLS),
    kind=f"characters of {SYMBOLS} by an LSTM, embedded in {D}, H {H}, T {T}",
)
