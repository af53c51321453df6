"""Time beside ``torch.autograd.gradcheck``, slow mode, on the same operation and the same inputs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from bench.check.common import progress, silence, table
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


SIZES = {(5, 10, 5): 25, (10, 100, 10): 9, (20, 500, 20): 3}  # (N, D, M): rounds


def against(limit: int | None) -> Iterator[str]:
    rows = []
    for (n, d, m), rounds in progress(list(SIZES.items())[:limit], "time beside gradcheck"):
        for label, function in {"right": Dense, "wrong": DenseWrong}.items():
            contestants = _contestants(function, n, d, m)
            with silence():
                contestants["handgrad"]()
                turns = [[seconds_of(call) for call in contestants.values()] for _ in range(rounds)]
            ours, theirs = map(statistics.median, zip(*turns, strict=True))
            elements = n * d + d * m + m
            rows.append([label, elements, n * m, f"{ours:.3f}", f"{theirs:.3f}", f"{theirs / ours:.2f}"])
    yield "\n## Time beside gradcheck\n"
    yield (
        "Seconds of the processor for one check of tanh(x W + b), a `torch.autograd.Function`, on the same "
        "inputs, taking turns; medians. *Ratio*: slow gradcheck's time over handgrad's, above 1 handgrad is "
        "faster.\n"
    )
    heads = "backward|input elements|output elements|handgrad s|gradcheck, slow, s|ratio".split("|")
    yield from table(heads, *rows)


def seconds_of(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def _contestants(function: Any, n: int, d: int, m: int) -> dict[str, Callable[[], object]]:
    """Each makes one check."""
    r = np.random.default_rng(0)
    arrays = [r.standard_normal((n, d)), r.standard_normal((d, m)) / d**0.5, r.standard_normal(m)]
    tensors = tuple(torch.from_numpy(array).requires_grad_() for array in arrays)
    return {
        "handgrad": lambda: check(function, *arrays),
        "gradcheck": lambda: torch.autograd.gradcheck(function.apply, tensors, raise_exception=False),
    }
