"""Attention: queries, keys and values, one head and several."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal
from tests.checking.mutants.softmax import probabilities

QKV = normal((3, 4), (5, 4), (5, 2))
SQUARE = normal((4, 4), (4, 4), (4, 4))


def attend(q, k, v):
    """out = P v with P = softmax(q kᵀ / √d): the output, P, and 1 / √d"""
    scale = 1 / np.sqrt(q.shape[-1])
    P = probabilities(q @ np.swapaxes(k, -1, -2) * scale)
    return P @ v, P, scale


def softmax_backward(P, dP):
    return P * (dP - np.sum(dP * P, axis=-1, keepdims=True))


@correct(QKV)
def attention(q, k, v):
    """(T, D), (S, D), (S, E) -> (T, E)"""
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dscores = softmax_backward(P, dout @ v.T) * scale
        return dscores @ k, dscores.T @ q, P.T @ dout

    return out, backward


@mutant("factor", QKV)
def attention_scale_forgotten(q, k, v):
    out, P, _scale = attend(q, k, v)

    def backward(dout):
        dscores = softmax_backward(P, dout @ v.T)  # * scale
        return dscores @ k, dscores.T @ q, P.T @ dout

    return out, backward


@mutant("factor", QKV)
def attention_scale_twice(q, k, v):
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dscores = softmax_backward(P, dout @ v.T) * scale
        return dscores @ k * scale, dscores.T @ q * scale, P.T @ dout

    return out, backward


@mutant("factor", QKV)
def attention_scale_for_queries_only(q, k, v):
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dscores = softmax_backward(P, dout @ v.T)
        return dscores @ k * scale, dscores.T @ q, P.T @ dout  # dk * scale

    return out, backward


@mutant("diagonal", QKV)
def attention_softmax_diagonal(q, k, v):
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dscores = (dout @ v.T) * P * (1 - P) * scale  # softmax_backward
        return dscores @ k, dscores.T @ q, P.T @ dout

    return out, backward


@mutant("missing-path", QKV)
def attention_softmax_normaliser_constant(q, k, v):
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dscores = (dout @ v.T) * P * scale  # - P Σ dP P
        return dscores @ k, dscores.T @ q, P.T @ dout

    return out, backward


@mutant("local-derivative", QKV)
def attention_softmax_skipped(q, k, v):
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dscores = dout @ v.T * scale  # softmax_backward
        return dscores @ k, dscores.T @ q, P.T @ dout

    return out, backward


@mutant("wrong-axis", SQUARE)
def attention_softmax_over_queries(q, k, v):
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dP = dout @ v.T
        dscores = P * (dP - np.sum(dP * P, axis=0, keepdims=True)) * scale  # axis=-1
        return dscores @ k, dscores.T @ q, P.T @ dout

    return out, backward


@mutant("transposed", SQUARE)
def attention_values_by_P(q, k, v):
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dscores = softmax_backward(P, dout @ v.T) * scale
        return dscores @ k, dscores.T @ q, P @ dout  # P.T

    return out, backward


@mutant("transposed", SQUARE)
def attention_keys_by_dscores(q, k, v):
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dscores = softmax_backward(P, dout @ v.T) * scale
        return dscores @ k, dscores @ q, P.T @ dout  # dscores.T

    return out, backward


@mutant("transposed", SQUARE)
def attention_v_not_transposed(q, k, v):
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dscores = softmax_backward(P, dout @ v) * scale  # v.T
        return dscores @ k, dscores.T @ q, P.T @ dout

    return out, backward


@mutant("swapped", SQUARE)
def attention_queries_and_keys(q, k, v):
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dscores = softmax_backward(P, dout @ v.T) * scale
        return dscores.T @ q, dscores @ k, P.T @ dout  # dq, dk

    return out, backward


@mutant("wrong-array", SQUARE)
def attention_dq_by_q(q, k, v):
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dscores = softmax_backward(P, dout @ v.T) * scale
        return dscores @ q, dscores.T @ q, P.T @ dout  # dscores @ k

    return out, backward


@mutant("missing-gradient", QKV)
def attention_keys_constant(q, k, v):
    out, P, scale = attend(q, k, v)

    def backward(dout):
        dscores = softmax_backward(P, dout @ v.T) * scale
        return dscores @ k, np.zeros_like(k), P.T @ dout  # dscores.T @ q

    return out, backward


@mutant("precision", QKV)
def attention_probabilities_in_half(q, k, v):
    out, P, scale = attend(q, k, v)
    P = P.astype(np.float16).astype(float)

    def backward(dout):
        dscores = softmax_backward(P, dout @ v.T) * scale
        return dscores @ k, dscores.T @ q, P.T @ dout

    return out, backward


@correct(normal((4, 3)))
def self_attention(x):
    """Queries, keys and values are x."""
    out, P, scale = attend(x, x, x)

    def backward(dout):
        dscores = softmax_backward(P, dout @ x.T) * scale
        return dscores @ x + dscores.T @ x + P.T @ dout

    return out, backward


@mutant("missing-path", normal((4, 3)))
def self_attention_keys_forgotten(x):
    out, P, scale = attend(x, x, x)

    def backward(dout):
        dscores = softmax_backward(P, dout @ x.T) * scale
        return dscores @ x + P.T @ dout  # + dscores.T @ x

    return out, backward


@mutant("missing-path", normal((4, 3)))
def self_attention_values_only(x):
    out, P, _ = attend(x, x, x)

    def backward(dout):
        return P.T @ dout  # + dq + dk

    return out, backward


@mutant("double-path", normal((4, 3)))
def self_attention_queries_twice(x):
    out, P, scale = attend(x, x, x)

    def backward(dout):
        dscores = softmax_backward(P, dout @ x.T) * scale
        dq = dscores @ x
        return dq + dscores.T @ x + P.T @ dout + dq

    return out, backward


@mutant("double-path", normal((4, 3)))
def self_attention_skip_twice(x):
    """out = x + attention(x)"""
    out, right = self_attention(x)

    def backward(dout):
        return right(dout) + 2 * dout  # the skip is one

    return x + out, backward


@mutant("missing-path", normal((4, 3)))
def self_attention_skip_missing(x):
    """out = x + attention(x)"""
    out, right = self_attention(x)

    def backward(dout):
        return right(dout)  # + dout

    return x + out, backward


def causal(x):
    """Nothing of what comes later: P, and 1 / √d"""
    T, D = x.shape
    scores = np.where(np.tri(T) > 0, x @ x.T / np.sqrt(D), -np.inf)
    return probabilities(scores), 1 / np.sqrt(D)


@correct(normal((4, 3), (4, 2)))
def causal_attention(x, v):
    P, scale = causal(x)

    def backward(dout):
        dscores = softmax_backward(P, dout @ v.T) * scale
        return dscores @ x + dscores.T @ x, P.T @ dout

    return P @ v, backward


@mutant("mask", normal((4, 3), (4, 2)))
def causal_attention_unmasked_backward(x, v):
    P, scale = causal(x)

    def backward(dout):
        Q = probabilities(x @ x.T * scale)  # P, where nothing is seen of what comes later
        dscores = softmax_backward(Q, dout @ v.T) * scale
        return dscores @ x + dscores.T @ x, P.T @ dout

    return P @ v, backward


@mutant("off-by-one", normal((4, 3), (4, 2)))
def causal_attention_diagonal_masked(x, v):
    P, scale = causal(x)

    def backward(dout):
        dscores = np.tril(softmax_backward(P, dout @ v.T), -1) * scale  # 0
        return dscores @ x + dscores.T @ x, P.T @ dout

    return P @ v, backward


def heads(x, H):
    """(T, H D) -> (H, T, D)"""
    return x.reshape(len(x), H, -1).swapaxes(0, 1)


def joined(x):
    """(H, T, D) -> (T, H D)"""
    return x.swapaxes(0, 1).reshape(x.shape[1], -1)


HEADS = normal((3, 4), (5, 4), (5, 4))


def heads_backward(q, k, v, P, scale, d):
    dscores = softmax_backward(P, d @ np.swapaxes(v, 1, 2)) * scale
    return dscores @ k, np.swapaxes(dscores, 1, 2) @ q, np.swapaxes(P, 1, 2) @ d


@correct(HEADS)
def attention_heads(q, k, v, H=2):
    split = [heads(each, H) for each in (q, k, v)]
    out, P, scale = attend(*split)

    def backward(dout):
        return tuple(joined(d) for d in heads_backward(*split, P, scale, heads(dout, H)))

    return joined(out), backward


@mutant("group", HEADS)
def attention_heads_first_only(q, k, v, H=2):
    split = [heads(each, H) for each in (q, k, v)]
    out, P, scale = attend(*split)

    def backward(dout):
        only = np.zeros(H)[:, None, None]
        only[0] = 1
        return tuple(joined(d * only) for d in heads_backward(*split, P, scale, heads(dout, H)))

    return joined(out), backward


@mutant("group", HEADS)
def attention_heads_by_blocks(q, k, v, H=2):
    split = [heads(each, H) for each in (q, k, v)]
    out, P, scale = attend(*split)

    def backward(dout):
        blocks = dout.reshape(H, len(q), -1)  # without the swap of axes
        return tuple(joined(d) for d in heads_backward(*split, P, scale, blocks))

    return joined(out), backward


@mutant("factor", HEADS)
def attention_heads_scale_of_full_width(q, k, v, H=2):
    split = [heads(each, H) for each in (q, k, v)]
    out, P, _ = attend(*split)

    def backward(dout):
        scale = 1 / np.sqrt(q.shape[1])  # of one head
        return tuple(joined(d) for d in heads_backward(*split, P, scale, heads(dout, H)))

    return joined(out), backward


@mutant(("group", "broadcast"), normal((3, 4), (5, 2), (5, 2)))  # the heads are what k is repeated over
def attention_one_key_for_two_heads(q, k, v, H=2):
    """Several heads of queries share one of keys and values."""
    split = heads(q, H), k[None], v[None]
    out, P, scale = attend(*split)

    def backward(dout):
        dq, dk, dv = heads_backward(*split, P, scale, heads(dout, H))
        return joined(dq), dk[0], dv[0]  # np.sum(..., axis=0)

    return joined(out), backward
