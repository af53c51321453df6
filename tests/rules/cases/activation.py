"""Activations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import handgrad as hg

from ..draws import away, normal
from .case import Case, elementwise


def activation() -> Iterator[Case]:
    for rule in (hg.sigmoid, hg.softplus, hg.gelu, hg.silu):
        yield from elementwise(rule, normal)
    yield from elementwise(hg.gelu, normal, label="tanh-", approximate="tanh")
    kinked = away(0.3, 2)
    for rule in (hg.relu, hg.leaky_relu, hg.elu):
        yield from elementwise(rule, kinked)
    yield Case(hg.leaky_relu, "slope", lambda r: (kinked(r, 4, 2),), {"negative_slope": 0.3})
    yield Case(hg.elu, "alpha", lambda r: (kinked(r, 4, 2),), {"alpha": 0.7})
    for rate in (0.0, 0.3, 0.5):
        yield Case(
            hg.dropout, f"rate-{rate}",
            lambda r: (normal(r, 5, 3), np.array([1, 7], np.uint32)), {"rate": rate},
            dict.fromkeys(("jax", "torch"), "draws its own random numbers from the same key"),
        )  # fmt: skip
