"""Attention and losses of sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Fewer heads of keys are shared with ``enable_gqa`` alone. Weights are dropped by PyTorch's own numbers.

    Raises:
        ValueError: heads are shared that are not said to be, or dropped too.
    """
    heads = [shape(x)[-3] if len(shape(x)) > 2 else 1 for x in (query, key)]
    is_shared = heads[0] != heads[1] and 1 not in heads
    if is_shared and not enable_gqa:
        raise ValueError(f"{heads[0]} heads of queries and {heads[1]} of keys: enable_gqa=True shares these")
    options = {"causal": is_causal, "scale": scale}
    if not dropout_p:
        return rules.scaled_dot_product_attention(query, key, value, attn_mask, None, **options)
    if is_shared:
        raise ValueError("weights of shared heads are dropped by handgrad.scaled_dot_product_attention alone")
    import torch

    S = shape(key)[-2]
    each = torch.eye(S, dtype=stripped(value).dtype).expand(*shape(key)[:-1], S)
    weights = rules.scaled_dot_product_attention(query, key, each, attn_mask, None, **options)
    kept = torch.nn.functional.dropout(torch.ones(shape(weights), dtype=each.dtype), dropout_p)
    return rules.matmul(weights * kept, value)


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """Targets are rows (N, S), or all labels one after the other; log_probs of one sequence are (T, C).

    The gradient is that by log_probs, -γ. PyTorch's own is y - γ, which comes to the same behind log_softmax.
    """
    steps, ends = (np.asarray(stripped(x), np.int64).reshape(-1) for x in (input_lengths, target_lengths))
    labels, is_one = np.asarray(stripped(targets)), len(shape(log_probs)) == 2
    if is_one:
        log_probs = rules.reshape(log_probs, (shape(log_probs)[0], 1, shape(log_probs)[1]))
    if labels.ndim == 1:
        flat, labels = labels, np.full((len(ends), max(ends, default=0)), blank)
        for row, begin, n in zip(labels, np.cumsum(ends) - ends, ends, strict=True):
            row[:n] = flat[begin : begin + n]
    loss = rules.ctc_loss(
        log_probs, labels, steps, ends, blank=blank, reduction=reduction, zero_infinity=zero_infinity
    )
    return loss[0] if is_one and reduction == "none" else loss


TABLE: dict[str, Callable] = {
    "F.ctc_loss": ctc_loss,
    "F.scaled_dot_product_attention": scaled_dot_product_attention,
}
