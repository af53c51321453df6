"""Margins and distances."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import handgrad as hg

from ..draws import apart, away, integers, normal, within
from .case import Case


def signs(r: Any, *shape: int) -> Any:
    return r.choice([-1, 1], size=shape)


def margin() -> Iterator[Case]:
    kinked = away(0.3, 0.9)

    def pair(*shape: int) -> Callable:
        return lambda r: (normal(r, *shape), normal(r, *shape))

    for reduction in ("mean", "sum", "none"):
        way = {"reduction": reduction}
        for rule in (hg.hinge, hg.hinge_embedding, hg.soft_margin):
            yield Case(rule, reduction, lambda r: (kinked(r, 3, 4), signs(r, 3, 4)), way)
        for rule in (hg.hinge, hg.hinge_embedding):
            yield Case(
                rule, f"margin-{reduction}", lambda r: (kinked(r, 9), signs(r, 9)), way | {"margin": 0.1}
            )
        ranked = lambda r: (kinked(r, 7), 2 * kinked(r, 7)[::-1], signs(r, 7))  # noqa: E731
        yield Case(hg.margin_ranking, reduction, ranked, way | {"margin": 0.0007})
        labelled = lambda r: (apart(r, 5, 4) + 0.1, integers(4)(r, 5))  # noqa: E731
        for p in (1, 2):
            yield Case(hg.multi_margin, f"{p}-{reduction}", labelled, way | {"p": p, "margin": 0.2})
        weighted = way | {"p": 2, "weight": np.array([0.5, 2.0, 1.5, 0.7])}
        labelled = lambda r: (normal(r, 2, 3, 4), integers(4)(r, 2, 3))  # noqa: E731
        yield Case(hg.multi_margin, f"weight-{reduction}", labelled, weighted)
        angles = lambda r: (*pair(6, 3)(r), np.array([1, -1, 1, -1, -1, 1]))  # noqa: E731
        yield Case(hg.cosine_embedding, reduction, angles, way | {"margin": 0.123})
        three = lambda r: (normal(r, 5, 3), normal(r, 5, 3), normal(r, 5, 3))  # noqa: E731
        for name, options in {"two": {}, "three": {"p": 3.0}, "swap": {"swap": True}}.items():
            yield Case(hg.triplet_margin, f"{name}-{reduction}", three, way | options)
        yield Case(hg.info_nce, reduction, pair(5, 3), way | {"temperature": 0.7})
        yield Case(hg.dice, reduction, lambda r: (within(0, 1)(r, 3, 4, 2), within(0, 1)(r, 3, 4, 2)), way)
    yield Case(hg.cosine_embedding, "one-row", lambda r: (*pair(4)(r), np.array(1)))
    yield Case(hg.triplet_margin, "one-row", lambda r: (normal(r, 3), normal(r, 3), normal(r, 3)))
    yield Case(hg.info_nce, "one-row", pair(1, 3))
    yield Case(hg.dice, "vector", lambda r: (within(0, 1)(r, 3), within(0, 1)(r, 3)))
    for name, (shape, axis) in {"last": ((3, 4), -1), "first": ((3, 4), 0), "vector": ((5,), 0),
                                "middle": ((2, 3, 4), 1)}.items():  # fmt: skip
        yield Case(hg.cosine_similarity, name, pair(*shape), {"axis": axis})
        yield Case(hg.pairwise_distance, name, pair(*shape), {"axis": axis})
    yield Case(hg.cosine_similarity, "empty", pair(0, 3))
    yield Case(hg.cosine_similarity, "strided", lambda r: (normal(r, 6, 5).T[::2], normal(r, 3, 6)))
    yield Case(hg.pairwise_distance, "three", pair(3, 4), {"p": 3.0})
    yield Case(hg.pairwise_distance, "one", pair(3, 4), {"p": 1.0})
