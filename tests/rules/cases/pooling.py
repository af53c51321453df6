"""Pooling; inputs of which no two are near, since differences know no ties."""

from __future__ import annotations

from collections.abc import Iterator

import handgrad as hg

from ..draws import apart, normal
from .case import Case

MAX = {1: hg.max_pool1d, 2: hg.max_pool2d, 3: hg.max_pool3d}
MEAN = {1: hg.avg_pool1d, 2: hg.avg_pool2d, 3: hg.avg_pool3d}
MAX_OF_PARTS = {1: hg.adaptive_max_pool1d, 2: hg.adaptive_max_pool2d, 3: hg.adaptive_max_pool3d}
MEAN_OF_PARTS = {1: hg.adaptive_avg_pool1d, 2: hg.adaptive_avg_pool2d, 3: hg.adaptive_avg_pool3d}

WAYS: dict[str, tuple[int, tuple, dict]] = {
    "images": (2, (2, 3, 4, 6), {"size": 2}),
    "overlapping": (2, (1, 2, 5, 6), {"size": (3, 2), "stride": (2, 1), "padding": 1}),
    "last-partly": (2, (2, 1, 5, 6), {"size": 3, "stride": 2, "ceil_mode": True}),
    "last-partly-padded": (2, (1, 1, 6, 5), {"size": 2, "stride": 3, "padding": 1, "ceil_mode": True}),
    "uneven": (2, (1, 2, 3, 4), {"size": 2, "stride": 1, "padding": ((0, 1), (1, 0))}),
    "one-image": (2, (2, 4, 4), {"size": 2, "stride": 2}),
    "whole": (2, (2, 3, 3, 2), {"size": (3, 2)}),
    "size-one": (2, (1, 2, 2, 3), {"size": 1}),
    "no-image": (2, (0, 2, 4, 4), {"size": 2}),
    "sequences": (1, (2, 3, 7), {"size": 3, "stride": 2, "padding": 1}),
    "volumes": (3, (1, 2, 4, 3, 4), {"size": (2, 3, 2), "stride": (1, 2, 2), "padding": (1, 1, 0)}),
}
PARTS: dict[str, tuple[tuple, object]] = {
    "images": ((2, 3, 5, 7), (3, 2)),
    "more-than-there-are": ((1, 2, 2, 3), (3, 4)),
    "all": ((2, 3, 4, 3), 1),
    "halves": ((2, 1, 4, 6), 2),
    "one-image": ((2, 4, 5), 3),
    "sequences": ((2, 3, 7), 3),
    "volumes": ((1, 2, 3, 4, 5), (2, 3, 2)),
}


def pooling() -> Iterator[Case]:
    for rules, draw in ((MAX, apart), (MEAN, normal)):
        for name, (n, own, way) in WAYS.items():
            yield Case(rules[n], name, lambda r, draw=draw, own=own: (draw(r, *own),), way)
        strided = lambda r, draw=draw: (draw(r, 6, 8, 2, 3).T[:, :, ::-2],)  # noqa: E731
        yield Case(rules[2], "strided", strided, {"size": 2, "stride": 1})
    dilated = {"size": 2, "dilation": (1, 3), "padding": (1, 0)}
    yield Case(hg.max_pool2d, "dilated", lambda r: (apart(r, 1, 2, 4, 6),), dilated)
    without = {"size": 3, "stride": 2, "padding": 1, "count_include_pad": False, "ceil_mode": True}
    yield Case(hg.avg_pool2d, "padding-not-counted", lambda r: (normal(r, 1, 2, 4, 5),), without)
    for rules, draw in ((MAX_OF_PARTS, apart), (MEAN_OF_PARTS, normal)):
        for name, (own, size) in PARTS.items():
            n = {"sequences": 1, "volumes": 3}.get(name, 2)
            yield Case(rules[n], name, lambda r, draw=draw, own=own: (draw(r, *own),), {"size": size})
