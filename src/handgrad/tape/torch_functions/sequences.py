"""Attention and losses of sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped
from handgrad.tape.torch_functions.products import linear


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


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """softmax(q kᵀ / √d) v of each head, joined, times W_out; q, k and v are (T, N, D), or (T, D).

    Raises:
        TypeError: keys that are added, or given as they are, and weights that are asked for and dropped.
    """
    if bias_k is not None or add_zero_attn or static_k is not None or static_v is not None:
        raise TypeError(
            "multi_head_attention_forward is recorded without bias_k, add_zero_attn and static keys"
        )
    heads, is_one = num_heads, len(shape(query)) == 2
    if is_one:
        query, key, value = (rules.expand_dims(x, 1) for x in (query, key, value))
    weights = (q_proj_weight, k_proj_weight, v_proj_weight)
    if not use_separate_proj_weight:
        weights = rules.split(in_proj_weight, 3, axis=0)
    biases = (None,) * 3 if in_proj_bias is None else rules.split(in_proj_bias, 3, axis=0)
    projected = (linear(x, W, b) for x, W, b in zip((query, key, value), weights, biases, strict=True))
    q, k, v = (_by_head(x, heads) for x in projected)
    T, N, D = shape(query)
    mask = _masked(attn_mask, key_padding_mask, (N, heads, T, shape(key)[0]), stripped(q).dtype)
    if need_weights and dropout_p and training:
        raise TypeError("weights that are asked for and dropped: write need_weights=False")
    out = scaled_dot_product_attention(q, k, v, mask, dropout_p if training else 0.0)
    out = linear(rules.reshape(rules.transpose(out, (2, 0, 1, 3)), (T, N, D)), out_proj_weight, out_proj_bias)
    found = None
    if need_weights:
        scores = rules.matmul(q, rules.transpose(k, (0, 1, 3, 2))) / shape(q)[-1] ** 0.5
        found = rules.softmax(scores if mask is None else scores + mask)
        found = rules.mean(found, axis=1) if average_attn_weights else found
    if is_one:
        out, found = out[:, 0], None if found is None else found[0]
    return out, found


def _by_head(x: Any, heads: int) -> Any:
    """(T, N, D) -> (N, heads, T, D / heads)"""
    T, N, D = shape(x)
    return rules.transpose(rules.reshape(x, (T, N, heads, D // heads)), (1, 2, 0, 3))


def _masked(attention: Any, padding: Any, whole: tuple[int, ...], dtype: Any) -> Any:
    """What is added to the scores (N, heads, T, S), None for nothing; of truth values True is left out."""
    import torch

    N, heads, T, S = whole
    total = None
    parts = [(attention, lambda m: m.reshape((N, heads, T, S) if m.ndim == 3 else (1, 1, T, S)))]
    parts.append((padding, lambda m: m.reshape(N, 1, 1, S)))
    for mask, laid in parts:
        if mask is None:
            continue
        if mask.dtype == torch.bool:
            mask = torch.zeros(mask.shape, dtype=dtype).masked_fill(mask, -torch.inf)
        total = laid(mask) if total is None else total + laid(mask)
    return total


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
    "F.multi_head_attention_forward": multi_head_attention_forward,
    "F.scaled_dot_product_attention": scaled_dot_product_attention,
}
