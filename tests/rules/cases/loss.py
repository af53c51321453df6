"""Losses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import handgrad as hg

from ..draws import away, integers, normal, one_hot, probabilities, within
from .case import Case


def loss() -> Iterator[Case]:
    for rule in (hg.softmax, hg.softmin, hg.log_softmax):
        yield Case(rule, "rows", lambda r: (normal(r, 3, 4),))
        yield Case(rule, "columns", lambda r: (normal(r, 3, 4).T,), {"axis": 0})
        yield Case(rule, "middle", lambda r: (normal(r, 2, 3, 6)[..., ::-2],), {"axis": 1})
        yield Case(rule, "vector", lambda r: (normal(r, 5),))
        yield Case(rule, "one-class", lambda r: (normal(r, 3, 1),))
        yield Case(rule, "empty", lambda r: (normal(r, 0, 3),))
        yield Case(rule, "no-class", lambda r: (normal(r, 3, 0),))

    labels = {
        "index": lambda r: integers(4)(r, 5),
        "one-hot": lambda r: one_hot(r, 5, 4),
        "soft": lambda r: probabilities(r, 5, 4),
    }
    for reduction in ("mean", "sum", "none"):
        for name, t in labels.items():
            label, options = f"{name}-{reduction}", {"reduction": reduction}
            if not (name == "one-hot" and reduction != "mean"):
                yield Case(
                    hg.cross_entropy,
                    label,
                    lambda r, t=t: (probabilities(r, 5, 4), t(r)),
                    options | {"eps": 0.01},
                )
            yield Case(hg.softmax_cross_entropy, label, lambda r, t=t: (normal(r, 5, 4), t(r)), options)
            full = options | {"weight": np.array([0.5, 2.0, 1.5, 0.7]), "label_smoothing": 0.1}
            yield Case(
                hg.softmax_cross_entropy, "full-" + label, lambda r, t=t: (normal(r, 5, 4), t(r)), full
            )
        ignoring = {"ignore_index": -1, "label_smoothing": 0.2, "reduction": reduction}
        yield Case(
            hg.softmax_cross_entropy, f"ignoring-{reduction}",
            lambda r: (normal(r, 6, 3), np.array([0, -1, 2, 1, -1, 1])), ignoring,
        )  # fmt: skip
        for rule in (hg.mean_squared_error, hg.mean_absolute_error, hg.huber):
            yield Case(rule, reduction, lambda r: (away(0.3, 2)(r, 3, 4), away(2.4, 4)(r, 3, 4)),
                       {"reduction": reduction})  # fmt: skip
        yield Case(hg.huber, f"delta-{reduction}", lambda r: (normal(r, 5), normal(r, 5)),
                   {"delta": 9.0, "reduction": reduction})  # fmt: skip
        yield Case(
            hg.binary_cross_entropy_with_logits, reduction,
            lambda r: (normal(r, 3, 2), within(0, 1)(r, 3, 2)), {"reduction": reduction},
        )  # fmt: skip
    one = lambda r: (normal(r, 4), np.array(2))  # noqa: E731
    yield Case(hg.softmax_cross_entropy, "one-row", one)
    yield Case(hg.softmax_cross_entropy, "three-axes", lambda r: (normal(r, 2, 3, 4), integers(4)(r, 2, 3)))
    yield Case(hg.softmax_cross_entropy, "strided", lambda r: (normal(r, 4, 9).T[::-3], integers(4)(r, 3)))
    yield Case(
        hg.softmax_cross_entropy, "unsigned", lambda r: (normal(r, 3, 4), np.array([0, 3, 1], np.uint8))
    )
    yield Case(hg.softmax_cross_entropy, "empty", lambda r: (normal(r, 0, 3), np.zeros(0, int)))
    yield Case(hg.binary_cross_entropy_with_logits, "scalars", lambda r: (normal(r), within(0, 1)(r)))
