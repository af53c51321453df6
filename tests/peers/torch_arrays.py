"""PyTorch's own functions for the rules of arrays: products, order, repetitions, distances."""

from __future__ import annotations

from typing import Any

import torch

F = torch.nn.functional


def flat_or(function: Any) -> Any:
    """Of x made flat where there is no axis."""
    return lambda x, axis=None: function(x.reshape(-1) if axis is None else x, axis or 0)


def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    if isinstance(axis, tuple) and isinstance(shift, int):
        shift = (shift,) * len(axis)
    return torch.roll(x, shift, axis)


def repeat(x: Any, repeats: Any, axis: Any = None) -> Any:
    return torch.repeat_interleave(x, torch.as_tensor(repeats), axis)


def tensordot(x: Any, y: Any, axes: Any) -> Any:
    if isinstance(axes, tuple):
        axes = tuple((a,) if isinstance(a, int) else a for a in axes)
    return torch.tensordot(x, y, axes)


def convolve(x: Any, y: Any, mode: str = "full") -> Any:
    n, m = max(len(x), len(y)), min(len(x), len(y))
    long, short = (x, y) if len(x) >= len(y) else (y, x)
    full = F.conv1d(long[None, None], short.flip(0)[None, None], padding=m - 1)[0, 0]
    start = {"full": 0, "same": (m - 1) // 2, "valid": m - 1}[mode]
    return full[start : start + {"full": n + m - 1, "same": n, "valid": n - m + 1}[mode]]


def interp(x: Any, xs: Any, ys: Any, left: Any = None, right: Any = None) -> Any:
    """It has no such function: this is a sum of lines, each on its own piece, written for autograd."""
    out = torch.where(x < xs[0], ys[0] if left is None else left, 0.0)
    out = out + torch.where(x > xs[-1], ys[-1] if right is None else right, 0.0)
    for k in range(len(xs) - 1):
        line = ys[k] + (x - xs[k]) / (xs[k + 1] - xs[k]) * (ys[k + 1] - ys[k])
        out = out + torch.where((x >= xs[k]) & (x < xs[k + 1]), line, 0.0)
    return out


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return torch.diagonal(x, offset, axis1, axis2)


def norm(x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    return torch.linalg.vector_norm(x, ord, tuple(range(x.dim())) if axis is None else axis, keepdims)


ARRAYS = {
    "roll": roll,
    "repeat": repeat,
    "tile": lambda x, reps: torch.tile(x, (reps,) if isinstance(reps, int) else reps),
    "diagonal": diagonal,
    "trace": lambda x, **options: diagonal(x, **options).sum(-1),
    "diag": lambda x, k=0: torch.diag(x, k),
    "tril": lambda x, k=0: torch.tril(x, k),
    "triu": lambda x, k=0: torch.triu(x, k),
    "tensordot": tensordot,
    "inner": torch.inner,
    "outer": lambda x, y: torch.outer(x.reshape(-1), y.reshape(-1)),
    "kron": torch.kron,
    "convolve": convolve,
    "cumprod": flat_or(torch.cumprod),
    "logcumsumexp": flat_or(torch.logcumsumexp),
    "diff": lambda x, n=1, axis=-1: torch.diff(x, n, axis),
    "interp": interp,
    "sort": lambda x, axis=-1, descending=False: (
        torch.sort(x.reshape(-1) if axis is None else x, -1 if axis is None else axis, descending).values
    ),
    "topk": lambda x, k, axis=-1, largest=True: torch.topk(x, k, axis, largest).values,
    "norm": norm,
    "cdist": lambda x, y, p=2: torch.cdist(x, y, float(p)),
}
HAS_NOT = {
    "trace-outside": "no diagonal there",
    "diagonal-outside": "no diagonal there",
    "kron-empty": "has no such",
}
