"""Activations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

import handgrad as hg

from ..draws import away, normal
from .case import Case, elementwise

OWN_NUMBERS = dict.fromkeys(("jax", "torch"), "draws its own random numbers from the same key")


def activation() -> Iterator[Case]:
    for rule in (hg.sigmoid, hg.softplus, hg.gelu, hg.silu):
        yield from elementwise(rule, normal)
    yield from elementwise(hg.gelu, normal, label="tanh-", approximate="tanh")
    kinked = away(0.3, 2)
    for rule in (hg.relu, hg.leaky_relu, hg.elu):
        yield from elementwise(rule, kinked)
    for rule in (hg.logsigmoid, hg.mish, hg.softsign):
        yield from elementwise(rule, kinked if rule is hg.softsign else normal)
    for rule in (hg.selu, hg.celu, hg.hardsigmoid, hg.hardswish, hg.relu6):
        yield from elementwise(rule, kinked)
    for rule in (hg.hardsigmoid, hg.hardswish):
        yield Case(rule, "outside", lambda r: (away(3.1, 5)(r, 9),))
    yield Case(hg.relu6, "outside", lambda r: (away(6.1, 8)(r, 9),))
    yield Case(hg.celu, "alpha", lambda r: (kinked(r, 4, 2),), {"alpha": 0.7})
    of_number = dict.fromkeys(("strict", "torch"), "where takes no number for a condition")
    for case in elementwise(hg.prelu, kinked, normal):
        yield replace(case, cannot=of_number if case.label == "python-array" else {})
    for rule in (hg.softshrink, hg.hardshrink):
        yield from elementwise(rule, away(0.1, 0.4), label="zero-")
        yield Case(rule, "outside", lambda r: (away(0.6, 2)(r, 3, 4),))
        yield Case(rule, "lambd", lambda r: (kinked(r, 5),), {"lambd": 0.2})
    yield from elementwise(hg.hardtanh, kinked)
    yield Case(hg.hardtanh, "bounds", lambda r: (kinked(r, 9),), {"min_val": -1.1, "max_val": 0.2})
    yield from elementwise(hg.threshold, kinked, label="zero-", threshold=0.0, value=0.0)
    yield Case(hg.threshold, "value", lambda r: (kinked(r, 9),), {"threshold": 0.2, "value": -3.0})
    for rule in (hg.glu, hg.swiglu):
        yield Case(rule, "last", lambda r: (normal(r, 3, 6),))
        yield Case(rule, "first", lambda r: (normal(r, 4, 3),), {"axis": 0})
        yield Case(rule, "middle", lambda r: (normal(r, 3, 2, 5).T[::2],), {"axis": 1})
        yield Case(rule, "empty", lambda r: (normal(r, 0, 4),))
    drawing = dict.fromkeys(("jax", "torch"), "draws its own random numbers from the same key")
    key = np.array([1, 7], np.uint32)
    for name, options in {"rows": {}, "columns": {"axis": 0}, "cold": {"tau": 0.5}}.items():
        yield Case(hg.gumbel_softmax, name, lambda r: (normal(r, 5, 3), key), options, drawing)
    yield Case(hg.leaky_relu, "slope", lambda r: (kinked(r, 4, 2),), {"negative_slope": 0.3})
    yield Case(hg.elu, "alpha", lambda r: (kinked(r, 4, 2),), {"alpha": 0.7})
    for rate in (0.0, 0.3, 0.5):
        yield Case(
            hg.dropout, f"rate-{rate}",
            lambda r: (normal(r, 5, 3), np.array([1, 7], np.uint32)), {"rate": rate},
            OWN_NUMBERS,
        )  # fmt: skip
    for name, axes in {"channels": (0, 1), "last-axis": -1}.items():
        yield Case(
            hg.dropout, name,
            lambda r: (normal(r, 3, 4, 2, 2), np.array([1, 7], np.uint32)), {"axes": axes}, OWN_NUMBERS,
        )  # fmt: skip
