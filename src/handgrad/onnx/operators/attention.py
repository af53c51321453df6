"""Attention, linear attention, and positions that are turned."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from handgrad import rules
from handgrad.arrays import shape


def by_heads(x: Any, heads: Any) -> Any:
    """(N, T, heads·D) -> (N, heads, T, D)."""
    if len(shape(x)) == 4:
        return x
    N, T, D = shape(x)
    return rules.transpose(rules.reshape(x, (N, T, heads, D // heads)), axes=(0, 2, 1, 3))


def side_by_side(x: Any) -> Any:
    N, heads, T, D = shape(x)
    return rules.reshape(rules.transpose(x, axes=(0, 2, 1, 3)), (N, T, heads * D))


def repeated(x: Any, heads: int) -> Any:
    """Each head for as many queries' heads."""
    return rules.repeat(x, heads // shape(x)[1], axis=1) if shape(x)[1] != heads else x


def seen(shape_of_scores: tuple, offset: Any, causal: int, left: int, right: int) -> np.ndarray:
    """Which keys a query may look at: not those after it, none further away than the window."""
    rows, columns = np.arange(shape_of_scores[-2])[:, None], np.arange(shape_of_scores[-1])
    ahead = columns - rows - np.reshape(offset, (-1, 1, 1, 1))
    allowed = np.ones(ahead.shape, bool)
    allowed &= (ahead <= 0) if causal else True
    allowed &= (ahead >= -left) if left >= 0 else True
    return allowed & ((ahead <= right) if right >= 0 else True)


def bias_of(mask: Any, keys: int, dtype: Any) -> Any:
    """A mask as what is added; keys that it does not reach are not looked at."""
    missing = keys - shape(mask)[-1]
    is_boolean = mask.dtype == bool
    pairs = ((0, 0),) * (len(shape(mask)) - 1) + ((0, missing),)
    wide = np.pad(mask, pairs, constant_values=False if is_boolean else -np.inf) if missing > 0 else mask
    return np.where(wide, 0.0, -np.inf).astype(dtype) if is_boolean else wide.astype(dtype)


def attention(
    Q: Any,
    K: Any,
    V: Any,
    attn_mask: Any = None,
    past_key: Any = None,
    past_value: Any = None,
    nonpad_kv_seqlen: Any = None,
    *,
    is_causal: int = 0,
    q_num_heads: Any = None,
    kv_num_heads: Any = None,
    scale: Any = None,
    softcap: float = 0.0,
    softmax_precision: Any = None,
    qk_matmul_output_mode: int = 0,
    left_window_size: int = -1,
    right_window_size: int = -1,
) -> tuple:
    """Rows that may look at nothing are 0."""
    is_flat, dtype = len(shape(Q)) == 3, Q.dtype
    Q, K, V = by_heads(Q, q_num_heads), by_heads(K, kv_num_heads), by_heads(V, kv_num_heads)
    K = K if past_key is None else rules.concatenate([past_key, K], axis=2)
    V = V if past_value is None else rules.concatenate([past_value, V], axis=2)
    heads, T, S = shape(Q)[1], shape(Q)[2], shape(K)[2]
    offset = 0 if past_key is None else shape(past_key)[2]
    if past_key is None and nonpad_kv_seqlen is not None:
        offset = nonpad_kv_seqlen.reshape(-1) - T
    allowed = seen((T, S), offset, is_causal, left_window_size, right_window_size)
    if nonpad_kv_seqlen is not None:
        allowed = allowed & (np.arange(S) < nonpad_kv_seqlen.reshape(-1, 1, 1, 1))
    bias = np.where(allowed, 0.0, -np.inf).astype(dtype)
    bias = bias if attn_mask is None else bias + bias_of(attn_mask, S, dtype)
    root = np.sqrt(1 / math.sqrt(shape(Q)[3]) if scale is None else scale).astype(dtype)
    keys, values = repeated(K, heads), repeated(V, heads)
    scores = (Q * root) @ rules.transpose(keys * root, axes=(0, 1, 3, 2))
    capped = softcap * rules.tanh(scores / softcap) if softcap else scores
    biased = capped + bias
    given = onnx.helper.tensor_dtype_to_np_dtype(softmax_precision) if softmax_precision else dtype
    P = softmax_of_some(biased.astype(given), np.isneginf(bias)).astype(dtype)
    out = P @ values
    kinds = (scores, capped, biased, P)
    return (side_by_side(out) if is_flat else out), K, V, kinds[qk_matmul_output_mode].astype(dtype)


def softmax_of_some(scores: Any, hidden: Any) -> Any:
    lost = np.all(hidden, axis=-1, keepdims=True)
    return rules.where(lost, 0.0, rules.softmax(rules.where(lost, 0.0, scores), axis=-1))


def rotary_embedding(
    x: Any,
    cos: Any,
    sin: Any,
    places: Any = None,
    *,
    interleaved: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> Any:
    """Pairs of numbers, beside one another or half of a head apart, turned by an angle of their place."""
    heads = by_heads(x, num_heads)
    D = rotary_embedding_dim or shape(heads)[3]
    cos, sin = (np.expand_dims(v if places is None else v[places], 1) for v in (cos, sin))
    turned, rest = heads[..., :D], heads[..., D:]
    pairs = (slice(0, None, 2), slice(1, None, 2)) if interleaved else (slice(0, D // 2), slice(D // 2, None))
    a, b = (turned[..., part] for part in pairs)
    real, imaginary = cos * a - sin * b, sin * a + cos * b
    if interleaved:
        made = rules.reshape(rules.stack([real, imaginary], axis=-1), shape(turned))
    else:
        made = rules.concatenate([real, imaginary], axis=-1)
    out = rules.concatenate([made, rest], axis=-1)
    return side_by_side(out) if len(shape(x)) == 3 else out


def linear_attention(
    q: Any,
    k: Any,
    v: Any,
    past: Any = None,
    decay: Any = None,
    beta: Any = None,
    *,
    q_num_heads: int,
    kv_num_heads: int,
    update_rule: str = "gated_delta",
    scale: float = 0.0,
    chunk_size: int = 64,
) -> tuple:
    """A state (D, E) that each key writes a value into and each query reads, one step after another."""
    dtype = q.dtype
    q, k, v = by_heads(q, q_num_heads), by_heads(k, kv_num_heads), by_heads(v, kv_num_heads)
    N, H, T, D = shape(k)
    S = np.zeros((N, H, D, shape(v)[3]), np.float32) if past is None else past
    scale = scale or 1 / math.sqrt(D)
    outs = []
    for t in range(T):
        key, value = rules.expand_dims(k[:, :, t], axis=-1), rules.expand_dims(v[:, :, t], axis=-2)
        if "gated" in update_rule:
            S = S * rules.exp(of_heads(decay[:, t], H, D))
        if "delta" in update_rule:
            value = of_heads(beta[:, t], H, 1) * (value - rules.sum(S * key, axis=-2, keepdims=True))
        S = S + key * value
        read = rules.repeat(S, q_num_heads // kv_num_heads, axis=1)
        outs.append(scale * rules.sum(read * rules.expand_dims(q[:, :, t], axis=-1), axis=-2))
    out = rules.stack(outs, axis=2)
    return side_by_side(out).astype(dtype), S.astype(dtype if past is None else past.dtype)


def of_heads(x: Any, heads: int, D: int) -> Any:
    """A number for each head, or one for each key's element, to multiply states with."""
    if shape(x)[-1] < heads:
        return rules.reshape(x, (shape(x)[0], 1, 1, 1))
    per = shape(x)[-1] // heads
    return rules.reshape(x, (shape(x)[0], heads, per if per > 1 else 1, 1))


TABLE: dict[str, Callable] = {
    "Attention": attention,
    "LinearAttention": linear_attention,
    "RotaryEmbedding": rotary_embedding,
}
