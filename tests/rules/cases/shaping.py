"""Shapes, joins and windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import handgrad as hg

from ..draws import normal
from .case import Case


def shaping() -> Iterator[Case]:
    def x(*shape: int) -> Callable:
        return lambda r: (normal(r, *shape),)

    yield Case(hg.reshape, "other", x(2, 6), {"shape": (3, 4)})
    yield Case(hg.reshape, "left-over", x(2, 6), {"shape": (3, -1)})
    yield Case(hg.reshape, "number", x(2, 3), {"shape": -1})
    yield Case(hg.reshape, "to-scalar", x(1, 1), {"shape": ()})
    yield Case(hg.reshape, "from-scalar", x(), {"shape": (1,)})
    yield Case(hg.reshape, "transposed", lambda r: (normal(r, 2, 6).T,), {"shape": (3, 4)})
    yield Case(hg.reshape, "empty", x(0, 3), {"shape": (3, 0, 2)})
    yield Case(hg.transpose, "reversed", x(2, 3, 4))
    yield Case(hg.transpose, "ordered", x(2, 3, 4), {"axes": (1, 2, 0)})
    yield Case(hg.transpose, "negative", x(2, 3, 4), {"axes": (-1, 0, 1)})
    yield Case(hg.transpose, "vector", x(3))
    yield Case(hg.transpose, "scalar", x())
    yield Case(hg.expand_dims, "first", x(3, 2), {"axis": 0})
    yield Case(hg.expand_dims, "last", x(3, 2), {"axis": -1})
    yield Case(hg.expand_dims, "two", x(3, 2), {"axis": (0, -1)})
    yield Case(hg.expand_dims, "scalar", x(), {"axis": 0})
    yield Case(hg.squeeze, "all", x(1, 3, 1))
    yield Case(hg.squeeze, "one", x(1, 3, 1), {"axis": -1})
    yield Case(hg.squeeze, "pair", x(1, 3, 1), {"axis": (0, 2)})
    yield Case(hg.broadcast_to, "row", x(3), {"shape": (2, 3)})
    yield Case(hg.broadcast_to, "column", x(2, 1), {"shape": (4, 2, 3)})
    yield Case(hg.broadcast_to, "scalar", x(), {"shape": (2, 3)})
    yield Case(hg.broadcast_to, "same", x(2, 3), {"shape": (2, 3)})
    yield Case(hg.broadcast_to, "to-empty", x(1, 3), {"shape": (0, 3)})

    def several(*shapes: tuple) -> Callable:
        return lambda r: ([normal(r, *shape) for shape in shapes],)

    yield Case(hg.concatenate, "first", several((2, 3), (1, 3), (4, 3)))
    yield Case(hg.concatenate, "last", several((2, 3), (2, 1)), {"axis": -1})
    yield Case(hg.concatenate, "one", several((2, 3)))
    yield Case(hg.concatenate, "empty", several((2, 3), (0, 3)))
    yield Case(hg.concatenate, "flat", several((2, 3), (), (1, 2)), {"axis": None})
    yield Case(hg.concatenate, "tuple", lambda r: ((normal(r, 2), normal(r, 4)[::-2]),))
    yield Case(hg.stack, "first", several((2, 3), (2, 3), (2, 3)))
    yield Case(hg.stack, "last", several((2, 3), (2, 3)), {"axis": -1})
    yield Case(hg.stack, "scalars", several((), ()))
    yield Case(hg.split, "equal", x(6, 2), {"sections": 3})
    yield Case(hg.split, "places", x(2, 7), {"sections": [1, 4], "axis": 1})
    yield Case(hg.split, "negative-place", x(2, 7), {"sections": [-2], "axis": -1})
    yield Case(hg.split, "empty-part", x(4), {"sections": [2, 2]})
    yield Case(hg.split, "falling-places", x(4, 2), {"sections": [3, 1]})
    yield Case(hg.split, "places-outside", x(4), {"sections": [2, 9, 1]})
    yield Case(hg.flip, "all", x(2, 3))
    yield Case(hg.flip, "one", x(2, 3), {"axis": -1})
    yield Case(hg.flip, "pair", x(2, 3, 2), {"axis": (0, 2)})
    yield Case(hg.pad, "zero", x(2, 3), {"width": 1})
    yield Case(hg.pad, "value", x(2, 3), {"width": ((0, 2), (1, 0)), "value": 1.5})
    yield Case(hg.pad, "vector", x(4), {"width": (2, 1)})
    for mode in ("edge", "reflect", "symmetric", "wrap"):
        yield Case(hg.pad, mode, x(3, 4), {"width": ((1, 2), (2, 0)), "mode": mode})
    ways: dict[str, tuple[tuple, Any, dict]] = {
        "vector": ((7,), 3, {}),
        "overlapping": ((2, 5), 3, {}),
        "side-by-side": ((2, 6), 2, {"stride": 2}),
        "apart": ((8,), 2, {"stride": 3}),
        "dilated": ((2, 9), 3, {"stride": 2, "dilation": 2}),
        "images": ((2, 3, 5, 6), (3, 2), {"stride": (1, 2), "dilation": (2, 1)}),
        "one-place": ((3, 4), (3, 4), {}),
        "size-one": ((2, 3), 1, {}),
        "first-axis": ((5, 2), 2, {"axes": 0}),
        "two-axes": ((4, 2, 5), (2, 3), {"axes": (0, -1)}),
        "empty": ((0, 5), 2, {}),
    }
    for name, (own, size, way) in ways.items():
        yield Case(hg.windows, name, x(*own), {"size": size, **way})
        windowed = np.shape(hg.windows(np.zeros(own), size, **way))
        yield Case(hg.unwindows, name, x(*windowed), {"shape": own, **way})
    yield Case(hg.windows, "strided", lambda r: (normal(r, 7, 6).T[::-2],), {"size": 3})
    yield Case(hg.pad, "reflect-twice", x(3), {"width": (5, 4), "mode": "reflect"})
