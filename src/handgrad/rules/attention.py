"""Attention: means of values v, weighted by how well their keys k fit the queries q.

Positions lie along the second last axis, heads along the one before: (..., H, T, D).
"""

import math

from handgrad.arrays import (
    beside,
    cast,
    is_floating,
    is_integer,
    is_symbolic,
    shape,
    size,
    stripped,
    sum_to,
    xp,
)
from handgrad.rules.attention_blocks import attention_in_blocks
from handgrad.rules.linear import affine, transposed
from handgrad.rules.reduction import exponentials
from handgrad.rules.rule import rule

SOME_SCORES = 2048  # of a head of causal queries, from which half of them are worth leaving out
MANY_SCORES = 2**22  # of all heads, from which they are worth making twice


@rule
def scaled_dot_product_attention(q, k, v, mask=None, key=None, /, causal=False, scale=None, rate=0.0):
    """Each query's mean of the values, weighted by softmax, out = P v with P = softmax(q kᵀ / √D).

    dv = Pᵀ dout, dq = dS k / √D, dk = dSᵀ q / √D with dS = P·(dP - Σ P·dP), dP = dout vᵀ

    q (..., H, T, D), k (..., G, S, D), v (..., G, S, E) -> (..., H, T, E); the scores S = q kᵀ / √D and the
    weights P are (..., H, T, S). dout goes back through the product P v, through softmax row by row, and
    through the product q kᵀ. Where key heads are fewer, G, each serves H / G heads of queries, and its
    gradient is a sum over these; leading axes broadcast.   Vaswani et al. 2017; Ainslie et al. 2023

    ``mask`` broadcasts to the scores: truth values, False where a key is not seen, or floats that are added
    (-∞: not seen), which have a gradient, dS. ``causal``: query t sees keys 0 to t. Who sees no key has an
    out and gradients of 0. ``scale`` replaces 1 / √D. With ``rate`` that share of the weights is dropped,
    by ``key`` (two uint32 numbers), and the rest scaled by 1 / (1 - rate). Compiled, without mask and rate,
    it goes head by head and by blocks of queries, where that is quicker or needs much less memory.

    Raises:
        ValueError: shapes do not fit, H is no multiple of G, or there is a ``rate`` and no key.
        TypeError: a mask of integers.

    Examples:
        >>> q, k, v = np.zeros((1, 4)), np.ones((2, 4)), np.array([[1.0], [3.0]])
        >>> out, backward = hg.scaled_dot_product_attention.vjp(q, k, v)
        >>> dq, dk, dv, *_ = backward(np.ones((1, 1)))
        >>> print(out, dv.T)  # all scores are 0, so each value weighs a half
        [[2.]] [[0.5 0.5]]
    """
    groups = groups_of(q, k, v)
    T, D = shape(q)[-2:]
    scale = 1 / math.sqrt(max(D, 1)) if scale is None else scale
    if mask is None and not rate and pays_in_blocks(q, k, v, causal):
        return by_heads(q, k, v, causal, scale)
    queries = folded(q, groups)
    scores = unfolded(queries @ transposed(k) * scale, groups, T)
    mask = as_mask(mask, scores)
    _, _, e, total = exponentials(masked(scores, mask, causal), -1)
    P = e / total
    kept = dropping(P, key, rate)
    weights = folded(kept(P), groups)

    def backward(dout):
        dout = folded(dout, groups)
        dv = transposed(weights) @ dout
        dP = kept(unfolded(dout @ transposed(v), groups, T))
        dS = P * (dP - xp.sum(P * dP, axis=-1, keepdims=True))
        dmask = sum_to(dS, shape(mask)) if mask is not None and is_floating(mask) else None
        dproduct = folded(dS, groups) * scale
        dq = unfolded(dproduct @ k, groups, T)
        dk = transposed(dproduct) @ queries
        return sum_to(dq, shape(q)), sum_to(dk, shape(k)), sum_to(dv, shape(v)), dmask, None

    return unfolded(weights @ v, groups, T), backward


def groups_of(q, k, v):
    """How many heads of queries each head of keys serves.

    Raises:
        ValueError: shapes do not fit.
    """
    told = f"q {shape(q)}, k {shape(k)} and v {shape(v)}"
    if min(len(shape(x)) for x in (q, k, v)) < 2:
        raise ValueError(f"attention is of q (..., T, D), k (..., S, D) and v (..., S, E), not of {told}")
    if shape(q)[-1] != shape(k)[-1] or shape(k)[-2] != shape(v)[-2]:
        raise ValueError(f"q and k have one last axis, k and v as many positions (axis -2), not {told}")
    heads, served = ((*(1, 1), *shape(x))[-3] for x in (q, k))
    if served != (*(1, 1), *shape(v))[-3]:
        raise ValueError(f"k and v have as many heads (axis -3), not {told}")
    if len(shape(k)) < 3 or heads in (1, served) or not served:
        return 1
    if heads % served:
        raise ValueError(f"{heads} heads of queries are no multiple of {served} of keys: {told}")
    return heads // served


def folded(x, groups):
    """Heads that share keys, one below the other: (..., G·r, T, D) -> (..., G, r·T, D)."""
    if groups == 1:
        return x
    *lead, H, T, D = shape(x)
    return xp.reshape(x, (*lead, H // groups, groups * T, D))


def unfolded(x, groups, T):
    """(..., G, r·T, D) -> (..., G·r, T, D)"""
    if groups == 1:
        return x
    *lead, G, _, D = shape(x)
    return xp.reshape(x, (*lead, G * groups, T, D))


def pays_in_blocks(q, k, v, causal):
    """Whether compiled code is quicker, or needs much less memory, when it goes head by head."""
    if not is_symbolic(stripped(q)) or not shape(q)[:-2] == shape(k)[:-2] == shape(v)[:-2]:
        return False
    scores = shape(q)[-2] * shape(k)[-2]
    return scores >= SOME_SCORES if causal else size(q) // shape(q)[-1] * shape(k)[-2] >= MANY_SCORES


def by_heads(q, k, v, causal, scale):
    """``attention_in_blocks`` of any leading axes."""
    lead = shape(q)[:-2]

    def flat(x):
        return xp.reshape(x, (math.prod(lead), *shape(x)[-2:]))

    def shaped(x):
        return xp.reshape(x, (*lead, *shape(x)[-2:]))

    out, backward = attention_in_blocks(flat(q), flat(k), flat(v), causal, scale)
    return shaped(out), lambda dout: (*map(shaped, backward(flat(dout))), None, None)


def as_mask(mask, scores):
    """A mask of truth values, or floats in the dtype of the scores.

    Raises:
        TypeError: it is of integers.
    """
    if mask is None:
        return None
    mask = beside(mask, scores)
    if is_integer(mask):
        raise TypeError("a mask is of truth values, True where a key is seen, or of floats that are added")
    return cast(mask, like=scores) if is_floating(mask) else mask


def masked(scores, mask, causal):
    """The scores, -∞ where a query does not see a key."""
    if mask is not None:
        scores = scores + mask if is_floating(mask) else xp.where(mask, scores, -math.inf)
    if causal:
        T, S = shape(scores)[-2:]
        is_past = xp.reshape(xp.arange_like(scores, T), (T, 1)) >= xp.arange_like(scores, S)
        scores = xp.where(is_past, scores, -math.inf)
    return scores


def dropping(P, key, rate):
    """What drops a share of weights, and of their gradients."""
    if not 0 <= rate < 1:
        raise ValueError(f"rate is the share to drop, in [0, 1), not {rate}")
    if rate and key is None:
        raise ValueError("weights are dropped by a key, two uint32 numbers: give key= beside rate=")
    if not rate:
        return lambda x: x
    kept = xp.random_uniform(P, key) >= rate
    return lambda x: xp.where(kept, x / (1 - rate), xp.zeros_like(x))


@rule
def multi_head_attention(
    x, W, b, V, c, context=None, mask=None, key=None, /, heads=1, kv_heads=None, causal=False, rate=0.0
):
    """Attention of heads that each see a part of x W + b, and an affine map of what they find.

    out = A V + c with A = attention(q, k, v), [q k v] = x W + b.   dV = Aᵀ dout, dc = Σ dout,
    dx = [dq dk dv] Wᵀ, dW = xᵀ [dq dk dv], db = Σ [dq dk dv]

    x (..., T, D), W (D, (H + 2G)·E), b ((H + 2G)·E,), V (H·E, M), c (M,) -> (..., T, M), for H ``heads`` of
    queries and G ``kv_heads`` of keys and values (default H), E numbers each. The backward is that of the
    parts, the last first: affine, attention, affine. With a ``context`` (..., S, D), keys and values are of
    that. ``mask``, ``key``, ``causal`` and ``rate`` are those of ``scaled_dot_product_attention``.
    Vaswani et al. 2017

    Raises:
        ValueError: shapes do not fit, H is no multiple of G, or there is a ``rate`` and no key.

    Examples:
        >>> x, W, b = np.ones((1, 3, 4)), np.zeros((4, 12)), np.zeros(12)
        >>> hg.multi_head_attention(x, W, b, np.eye(4), np.ones(4), heads=2).shape
        (1, 3, 4)
    """
    G = heads if kv_heads is None else kv_heads
    E, rest = divmod(shape(W)[-1], heads + 2 * G)
    if rest or shape(V)[0] != heads * E:
        raise ValueError(
            f"W {shape(W)} and V {shape(V)} do not fit {heads} heads of queries and {G} of keys: W is "
            f"(D, (H + 2G)·E), V (H·E, M)"
        )
    H = heads * E
    if context is None:
        qkv, through_qkv = affine.body(x, W, b)
        q, kv = qkv[..., :H], qkv[..., H:]
    else:
        q, through_q = affine.body(x, W[:, :H], b[:H])
        kv, through_kv = affine.body(context, W[:, H:], b[H:])
    k, v = kv[..., : G * E], kv[..., G * E :]
    parts = apart(q, heads), apart(k, G), apart(v, G)
    found, through_attention = scaled_dot_product_attention.body(*parts, mask, key, causal=causal, rate=rate)
    out, through_out = affine.body(joined(found), V, c)

    def backward(dout):
        dfound, dV, dc = through_out(dout)
        *dparts, dmask, _ = through_attention(apart(dfound, heads))
        dq, dk, dv = map(joined, dparts)
        if context is None:
            dx, dW, db = through_qkv(xp.concat([dq, dk, dv], axis=-1))
            return dx, dW, db, dV, dc, None, dmask, None
        dx, dW_q, db_q = through_q(dq)
        dcontext, dW_kv, db_kv = through_kv(xp.concat([dk, dv], axis=-1))
        dW, db = xp.concat([dW_q, dW_kv], axis=1), xp.concat([db_q, db_kv], axis=0)
        return dx, dW, db, dV, dc, dcontext, dmask, None

    return out, backward


def apart(x, heads):
    """Columns as heads: (..., T, H·E) -> (..., H, T, E)."""
    *lead, T, C = shape(x)
    n = len(lead)
    order = (*range(n), n + 1, n, n + 2)
    return xp.permute_dims(xp.reshape(x, (*lead, T, heads, C // heads)), order)


def joined(x):
    """Heads as columns: (..., H, T, E) -> (..., T, H·E)."""
    *lead, H, T, E = shape(x)
    n = len(lead)
    return xp.reshape(xp.permute_dims(x, (*range(n), n + 1, n, n + 2)), (*lead, T, H * E))
