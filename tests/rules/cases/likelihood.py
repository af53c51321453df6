"""Negative logarithms of probabilities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import handgrad as hg

from ..draws import away, integers, normal, probabilities, within
from .case import Case


def likelihood() -> Iterator[Case]:
    labels = {"index": lambda r: integers(4)(r, 5), "soft": lambda r: probabilities(r, 5, 4)}
    classes = np.array([0.5, 2.0, 1.5, 0.7])
    inside = within(0.1, 0.9)
    for reduction in ("mean", "sum", "none"):
        way = {"reduction": reduction}
        for name, t in labels.items():
            yield Case(hg.nll, f"{name}-{reduction}", lambda r, t=t: (normal(r, 5, 4), t(r)), way)
            full = way | {"weight": classes}
            yield Case(hg.nll, f"full-{name}-{reduction}", lambda r, t=t: (normal(r, 5, 4), t(r)), full)
        yield Case(hg.nll, f"ignoring-{reduction}", lambda r: (normal(r, 4, 3), np.array([0, -1, 2, 1])),
                   way | {"ignore_index": -1})  # fmt: skip
        yield Case(hg.binary_cross_entropy, reduction, lambda r: (inside(r, 3, 2), inside(r, 3, 2)), way)
        yield Case(hg.binary_cross_entropy, f"weight-{reduction}", lambda r: (inside(r, 3), inside(r, 3)),
                   way | {"weight": np.array([0.5, 2.0, 1.5])})  # fmt: skip
        for name, options in {"usual": {}, "sharp": {"gamma": 0.5}, "even": {"alpha": None}}.items():
            yield Case(hg.focal, f"{name}-{reduction}", lambda r: (normal(r, 3, 4), integers(2)(r, 3, 4)),
                       way | options)  # fmt: skip
        for name, options in {"rate": {"log_input": False}, "full": {"full": True}, "log": {}}.items():
            yield Case(hg.poisson_nll, f"{name}-{reduction}",
                       lambda r: (within(0.3, 2)(r, 3, 4), away(1.5, 4)(r, 3, 4)), way | options)  # fmt: skip
        for name, options in {"short": {}, "full": {"full": True}}.items():
            yield Case(hg.gaussian_nll, f"{name}-{reduction}",
                       lambda r: (normal(r, 5), normal(r, 5), inside(r, 5)), way | options)  # fmt: skip
    for reduction in ("mean", "sum", "batchmean", "none"):
        way = {"reduction": reduction}
        yield Case(hg.kl_divergence, reduction, lambda r: (normal(r, 3, 4), probabilities(r, 3, 4)), way)
        yield Case(hg.kl_divergence, f"log-{reduction}", lambda r: (normal(r, 3, 4), normal(r, 3, 4)),
                   way | {"log_target": True})  # fmt: skip
    yield Case(hg.kl_divergence, "empty", lambda r: (normal(r, 0, 4), normal(r, 0, 4)), {"reduction": "sum"})
    yield Case(hg.nll, "three-axes", lambda r: (normal(r, 2, 3, 4), integers(4)(r, 2, 3)))
    yield Case(hg.nll, "empty", lambda r: (normal(r, 0, 3), np.zeros(0, int)))
