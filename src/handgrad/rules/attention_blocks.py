"""Attention head by head, and in a head by blocks of queries, so that no more than a block of scores exists.

The same numbers as P v with P = softmax(q kᵀ / √D), in the memory of a few blocks; what a causal query does
not see is not computed. The backward makes P again, from the logarithm of each row's sum (Dao et al. 2022).
"""

import numpy as np

from handgrad.arrays import shape, xp
from handgrad.rules.linear import transposed

LEAST = 32  # queries of a block
BLOCKS = 4


def attention_in_blocks(q, k, v, causal, scale):
    """``(out, backward)`` of attention: q (N, T, D), k (N, S, D), v (N, S, E) -> (N, T, E), for N heads."""
    T, S = shape(q)[1], shape(k)[1]
    blocks = [Block(a, b, min(b, S) if causal else S, causal) for a, b in cuts(T)]

    def one(nothing, head):
        q, k, v = head
        found = [block.forward(q, k, v, scale) for block in blocks]
        return nothing, tuple(xp.concat(list(rows), axis=0) for rows in zip(*found, strict=True))

    _, (out, logs) = xp.scan(one, (), (q, k, v))

    def backward(dout):
        def one(nothing, head):
            q, k, v, out, logs, dout = head
            shares = xp.sum(out * dout, axis=1, keepdims=True)
            found = [block.backward(q, k, v, logs, shares, dout, scale) for block in blocks]
            dq, dk, dv = zip(*found, strict=True)
            return nothing, (xp.concat(list(dq), axis=0), added(dk, S), added(dv, S))

        _, grads = xp.scan(one, (), (q, k, v, out, logs, dout))
        return grads

    return out, backward


def cuts(T):
    """Where blocks of queries begin and end."""
    size = max(LEAST, -(-T // BLOCKS))
    return [(a, min(a + size, T)) for a in range(0, T, size)]


class Block:
    """Queries a to b of a head; they see its first ``seen`` keys, if ``causal`` up to their own place."""

    def __init__(self, a, b, seen, causal):
        self.rows, self.keys = slice(a, b), slice(0, seen)
        past = np.arange(seen) <= np.arange(a, b)[:, None]
        self.past = past if causal and not past.all() else None

    def scores(self, q, k, scale):
        s = q[self.rows] @ transposed(k[self.keys]) * scale
        return s if self.past is None else xp.where(self.past, s, -np.inf)

    def forward(self, q, k, v, scale):
        """The rows' means of v, and the logarithms of the sums of their weights."""
        s = self.scores(q, k, scale)
        most = xp.max(s, axis=1, keepdims=True)
        e = xp.exp(s - most)
        total = xp.sum(e, axis=1, keepdims=True)
        return e @ v[self.keys] / total, most + xp.log(total)

    def backward(self, q, k, v, logs, shares, dout, scale):
        """dq of the rows, and what they add to dk and dv of the keys that they see."""
        P = xp.exp(self.scores(q, k, scale) - logs[self.rows])
        dP = dout[self.rows] @ transposed(v[self.keys])
        dS = P * (dP - shares[self.rows]) * scale
        return dS @ k[self.keys], transposed(dS) @ q[self.rows], transposed(P) @ dout[self.rows]


def added(parts, S):
    """The sum of arrays of the first keys, of which the last has most."""
    total = parts[-1]
    for part in reversed(parts[:-1]):
        n = shape(part)[0]
        total = xp.concat([total[:n] + part, total[n:]], axis=0) if n < shape(total)[0] else total + part
    unseen = (S - shape(total)[0], shape(total)[1])
    return (
        xp.concat([total, xp.broadcast_to(xp.zeros_like(total[:1]), unseen)], axis=0) if unseen[0] else total
    )
