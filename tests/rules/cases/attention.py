"""Attention: masks, heads that share keys, dropout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import handgrad as hg

from ..draws import normal
from .case import Case

KEY = np.array([3, 5], np.uint32)
OTHERS = {name: f"{name} draws other numbers by a key" for name in ("torch", "jax")}


def some(r: Any, *shape: int) -> Any:
    return r.random(shape) < 0.6


def nobody(r: Any, *shape: int) -> Any:
    """Of which the first query sees no key."""
    seen = some(r, *shape)
    seen[..., 0, :] = False
    return seen


def infinite(r: Any, *shape: int) -> Any:
    return np.where(some(r, *shape), 0.0, -np.inf)


def attention() -> Iterator[Case]:
    def qkv(q: tuple, k: tuple, v: tuple, mask: Callable = lambda r: None, key: Any = None) -> Callable:
        return lambda r: (normal(r, *q), normal(r, *k), normal(r, *v), mask(r), key)

    ours = hg.scaled_dot_product_attention
    heads = (2, 3, 4, 2), (2, 3, 5, 2), (2, 3, 5, 3)
    shared = (2, 4, 3, 2), (2, 2, 5, 2), (2, 2, 5, 3)
    for name, shapes, mask, options in (
        ("plain", ((4, 3), (5, 3), (5, 2)), None, {}),
        ("heads", heads, None, {"scale": 0.4}),
        ("causal", ((2, 4, 3), (2, 4, 3), (2, 4, 3)), None, {"causal": True}),
        ("causal-wide", ((3, 2), (5, 2), (5, 2)), None, {"causal": True}),
        ("truths", heads, lambda r: some(r, 4, 5), {}),
        ("unseen", heads, lambda r: nobody(r, 2, 1, 4, 5), {}),
        ("biases", heads, lambda r: normal(r, 3, 1, 5), {"causal": True}),
        ("shared", shared, None, {}),
        ("shared-truths", shared, lambda r: nobody(r, 4, 3, 5), {"causal": True}),
        ("shared-biases", shared, lambda r: normal(r, 2, 1, 3, 5), {}),
        ("one-key-head", ((2, 3, 4, 2), (2, 1, 3, 2), (2, 1, 3, 2)), None, {}),
        ("broadcast", ((2, 1, 3, 2), (1, 2, 4, 2), (1, 2, 4, 2)), None, {}),
        ("one", ((1, 1), (1, 1), (1, 1)), None, {}),
        ("no-key", ((2, 3), (0, 3), (0, 2)), None, {}),
        ("no-query", ((0, 3), (2, 3), (2, 2)), None, {"causal": True}),
        ("no-example", ((0, 2, 3, 2), (0, 2, 3, 2), (0, 2, 3, 2)), None, {}),
    ):
        yield Case(ours, name, qkv(*shapes, mask or (lambda r: None)), options)
    yield Case(ours, "infinite", lambda r: (*qkv(*heads)(r)[:3], infinite(r, 4, 5), None),
               cannot={"differences": "of -∞ there are none"})  # fmt: skip
    yield Case(ours, "dropped", qkv(*shared, key=KEY), {"rate": 0.3}, cannot=OTHERS)

    def projected(D: int, E: int, H: int, G: int, M: int) -> Callable:
        columns = (H + 2 * G) * E
        return lambda r: (normal(r, D, columns), normal(r, columns), normal(r, H * E, M), normal(r, M))

    several = hg.multi_head_attention
    weights, less = projected(4, 2, 2, 2, 3), projected(4, 2, 2, 1, 4)
    rest = (None, None, None)
    yield Case(several, "self", lambda r: (normal(r, 2, 3, 4), *weights(r), *rest), {"heads": 2})
    yield Case(several, "causal-shared", lambda r: (normal(r, 2, 3, 4), *less(r), *rest),
               {"heads": 2, "kv_heads": 1, "causal": True})  # fmt: skip
    yield Case(several, "one-example", lambda r: (normal(r, 3, 4), *less(r), *rest),
               {"heads": 2, "kv_heads": 1})  # fmt: skip
    yield Case(
        several, "context", lambda r: (normal(r, 2, 3, 4), *weights(r), normal(r, 2, 5, 4), None, None),
        {"heads": 2},
    )  # fmt: skip
    yield Case(
        several,
        "biased",
        lambda r: (normal(r, 2, 3, 4), *weights(r), None, normal(r, 2, 3, 3), None),
        {"heads": 2},
    )
    yield Case(
        several, "dropped", lambda r: (normal(r, 2, 3, 4), *weights(r), None, nobody(r, 3, 3), KEY),
        {"heads": 2, "rate": 0.2}, cannot=OTHERS,
    )  # fmt: skip
