"""Time beside ``torch.autograd.gradcheck``, slow mode, on the same operation and the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from bench.check.common import progress, silence, table
from bench.timing import interleaved
from handgrad.checking import check


class Dense(torch.autograd.Function):
    """tanh(x W + b).   x (N, D), W (D, M), b (M,) -> (N, M)"""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, W: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        out = torch.tanh(x @ W + b)
        ctx.save_for_backward(x, W, out)
        return out

    @staticmethod
    def backward(ctx: Any, dout: torch.Tensor) -> tuple:
        x, W, out = ctx.saved_tensors
        dz = dout * (1 - out * out)
        return dz @ W.T, x.T @ dz, dz.sum(0)


class DenseWrong(Dense):
    """db is the mean over the batch, in place of the sum."""

    @staticmethod
    def backward(ctx: Any, dout: torch.Tensor) -> tuple:
        dx, dW, db = Dense.backward(ctx, dout)
        return dx, dW, db / len(dx)


SIZES = {(5, 10, 5): 5, (10, 100, 10): 3, (20, 500, 20): 1}  # (N, D, M): rounds


def against(limit: int | None) -> Iterator[str]:
    rows = []
    for (n, d, m), rounds in progress(list(SIZES.items())[:limit], "time beside gradcheck"):
        for label, function in {"right": Dense, "wrong": DenseWrong}.items():
            contestants = _contestants(function, n, d, m)
            with silence():
                times = interleaved(contestants, 1, rounds, turn=0)
            ours, theirs = times["handgrad"].median, times["gradcheck"].median
            elements = n * d + d * m + m
            rows.append([label, elements, n * m, f"{ours:.3f}", f"{theirs:.3f}", f"{theirs / ours:.2f}"])
    yield "\n## Time beside gradcheck\n"
    yield (
        "Seconds of one check of tanh(x W + b), a `torch.autograd.Function`, on the same inputs, taking "
        "turns; medians. *Ratio*: slow gradcheck's time over handgrad's, above 1 handgrad is faster.\n"
    )
    heads = "backward|input elements|output elements|handgrad s|gradcheck, slow, s|ratio".split("|")
    yield from table(heads, *rows)


def _contestants(function: Any, n: int, d: int, m: int) -> dict[str, Callable[[int], object]]:
    """Each makes so many checks."""
    r = np.random.default_rng(0)
    arrays = [r.standard_normal((n, d)), r.standard_normal((d, m)) / d**0.5, r.standard_normal(m)]
    tensors = tuple(torch.from_numpy(array).requires_grad_() for array in arrays)
    return {
        "handgrad": lambda n: [check(function, *arrays) for _ in range(n)],
        "gradcheck": lambda n: [
            torch.autograd.gradcheck(function.apply, tensors, raise_exception=False) for _ in range(n)
        ],
    }
