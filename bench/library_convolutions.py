"""``python -m bench.library_convolutions``: conv1d to conv3d of tensors and JAX's arrays beside their own.

Prints how many times as long ours take, forward, and with all three gradients. The two are measured by turns,
and the least of many counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import handgrad as hg

SHAPES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, int]]] = [
    ((16, 32, 256), (64, 32, 5), {"padding": 2}),
    ((16, 16, 32, 32), (32, 16, 3, 3), {"padding": 1}),
    ((16, 32, 32, 32), (32, 1, 3, 3), {"padding": 1, "groups": 32}),
    ((16, 16, 32, 32), (32, 16, 3, 3), {"padding": 1, "stride": 2}),
    ((4, 8, 12, 12, 12), (16, 8, 3, 3, 3), {"padding": 1}),
]
REPEATS = 200


def drawn(x: tuple[int, ...], W: tuple[int, ...]) -> list[np.ndarray]:
    r = np.random.default_rng(0)
    return [r.standard_normal(shape).astype(np.float32) for shape in (x, W, W[:1])]


def of_torch(arrays: list[np.ndarray], options: dict[str, int]) -> dict[str, tuple[Callable, Callable]]:
    """Ours and PyTorch's, forward and with gradients."""
    import torch

    n = arrays[0].ndim - 2
    rule, own = getattr(hg, f"conv{n}d"), getattr(torch.nn.functional, f"conv{n}d")
    values = [torch.tensor(x) for x in arrays]
    leaves = [torch.tensor(x, requires_grad=True) for x in arrays]
    dout = torch.ones_like(rule(*values, **options))

    def ours() -> Any:
        return rule.vjp(*values, **options)[1](dout)

    def theirs() -> Any:
        return torch.autograd.grad(own(*leaves, **options), leaves, dout)

    return {
        "forward": (lambda: rule(*values, **options), lambda: own(*values, **options)),
        "with gradients": (ours, theirs),
    }


def of_jax(arrays: list[np.ndarray], options: dict[str, int]) -> dict[str, tuple[Callable, Callable]]:
    """Ours and JAX's, both compiled by JAX."""
    import jax
    import jax.numpy as jnp

    n = arrays[0].ndim - 2
    rule = getattr(hg, f"conv{n}d")
    values = [jnp.asarray(x) for x in arrays]

    def own(x: Any, W: Any, b: Any) -> Any:
        pads = [(options.get("padding", 0),) * 2] * n
        strides = (options.get("stride", 1),) * n
        groups = options.get("groups", 1)
        out = jax.lax.conv_general_dilated(x, W, strides, pads, feature_group_count=groups)
        return out + jnp.reshape(b, (-1,) + (1,) * n)

    dout = jnp.ones_like(own(*values))
    forward, theirs_forward = jax.jit(lambda *xs: rule(*xs, **options)), jax.jit(own)
    ours = jax.jit(lambda *xs: rule.vjp(*xs, **options)[1](dout))
    theirs = jax.jit(lambda *xs: jax.vjp(own, *xs)[1](dout))

    def waited(f: Callable) -> Callable:
        return lambda: jax.block_until_ready(f(*values))

    return {
        "forward": (waited(forward), waited(theirs_forward)),
        "with gradients": (waited(ours), waited(theirs)),
    }


def least(pair: tuple[Callable, Callable]) -> tuple[float, float]:
    """Seconds of each, by turns."""
    best = [float("inf")] * 2
    for _ in range(REPEATS):
        for i, f in enumerate(pair):
            begun = time.perf_counter()
            f()
            best[i] = min(best[i], time.perf_counter() - begun)
    return best[0], best[1]


def main() -> None:
    for library, pairs_of in (("PyTorch", of_torch), ("JAX", of_jax)):
        for x, W, options in SHAPES:
            for what, pair in pairs_of(drawn(x, W), options).items():
                ours, theirs = least(pair)
                said = f"{library:8} {x} by {W} {options or ''}"
                print(f"{said:76} {what:15} {theirs * 1e3:7.2f} ms  {ours / theirs:5.2f}x", flush=True)


if __name__ == "__main__":
    main()
