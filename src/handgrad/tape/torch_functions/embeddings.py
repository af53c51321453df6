"""Rows of a weight by number, and bags of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import shape, stripped, xp
from handgrad.tape.torch_functions.indexing import scatter_reduce


def embedding(
    input: Any,
    weight: Any,
    padding_idx: Any = None,
    max_norm: Any = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Rows of the weight; that of ``padding_idx`` has no gradient.

    Raises:
        TypeError: ``max_norm``, by which PyTorch writes into the weight.
    """
    if max_norm is not None:
        raise TypeError("PyTorch's embedding of a recorded array has no max_norm=, which writes into weight")
    index = stripped(input)
    rows = rules.take(weight, index, axis=0)
    rows = by_frequency(rows, index, shape(weight)[0]) if scale_grad_by_freq else rows
    if padding_idx is None:
        return rows
    is_padding = xp.expand_dims(index == padding_idx % shape(weight)[0], axis=-1)
    return rules.where(is_padding, stripped(rows), rows)


def by_frequency(rows: Any, index: Any, count: int) -> Any:
    """The rows, with their gradient over how often each is there."""
    often = xp.bincount(xp.reshape(index, (-1,)), minlength=count)
    share = xp.expand_dims(1.0 / xp.astype(often[index], stripped(rows).dtype), axis=-1)
    return rows * share + stripped(rows) * (1 - share)


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: Any = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: Any = None,
) -> Any:
    """The sum, mean or largest of the rows of each bag, (..., D); what is padding is in no bag."""
    import torch

    index = xp.reshape(stripped(input), (-1,)).to(torch.int64)
    n, D = shape(index)[0], shape(weight)[1]
    if offsets is None:
        B = shape(input)[0]
        bags = torch.arange(n) // max(n // max(B, 1), 1)
    else:
        starts = stripped(offsets)[:-1] if include_last_offset else stripped(offsets)
        B = shape(starts)[0]
        bags = torch.searchsorted(starts, torch.arange(n, dtype=starts.dtype), right=True) - 1
    kept = (
        torch.arange(n)
        if padding_idx is None
        else torch.nonzero(index != padding_idx % shape(weight)[0])[:, 0]
    )
    index, bags = index[kept], bags[kept]
    rows = embedding(index, weight, None, max_norm, norm_type, scale_grad_by_freq)
    zeros = stripped(rows).new_zeros((B, D))
    if mode == "max":
        places = torch.broadcast_to(bags[:, None], shape(rows))
        return scatter_reduce(zeros, 0, places, rows, "amax", include_self=False)
    if per_sample_weights is not None:
        rows = rows * rules.expand_dims(rules.reshape(per_sample_weights, (n,))[kept], axis=-1)
    total = rules.scatter_add(rows, (bags,), (B, D))
    if mode == "sum":
        return total
    counts = torch.bincount(bags, minlength=B).clip(1).to(zeros.dtype)
    return total / counts[:, None]


TABLE: dict[str, Callable] = {"F.embedding": embedding, "F.embedding_bag": embedding_bag}
