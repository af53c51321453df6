"""Rolls, repetitions, diagonals and triangles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import handgrad as hg

from ..draws import normal
from .case import Case


def x(*shape: int) -> Callable:
    return lambda r: (normal(r, *shape),)


def rearranging() -> Iterator[Case]:
    for name, shape, options in (
        ("flat", (2, 3), {"shift": 2}),
        ("back", (5,), {"shift": -7, "axis": 0}),
        ("last", (2, 4), {"shift": 1, "axis": -1}),
        ("pair", (3, 4, 2), {"shift": (1, -2), "axis": (0, 1)}),
        ("one-for-both", (3, 4), {"shift": 2, "axis": (0, 1)}),
        ("nowhere", (3,), {"shift": 0}),
        ("empty", (0, 3), {"shift": 1, "axis": 0}),
    ):
        yield Case(hg.roll, name, x(*shape), options)
    yield Case(hg.roll, "strided", lambda r: (normal(r, 7, 6).T[::-2],), {"shift": 3, "axis": 1})
    for name, shape, options in (
        ("flat", (2, 3), {"repeats": 2}),
        ("scalar", (), {"repeats": 3}),
        ("rows", (2, 3), {"repeats": 3, "axis": 0}),
        ("last", (2, 3), {"repeats": 2, "axis": -1}),
        ("counts", (3, 2), {"repeats": [2, 0, 1], "axis": 0}),
        ("flat-counts", (2, 2), {"repeats": [1, 2, 3, 0]}),
        ("not-at-all", (2, 3), {"repeats": 0, "axis": 0}),
        ("empty", (0, 3), {"repeats": 2, "axis": 0}),
    ):
        yield Case(hg.repeat, name, x(*shape), options)
    for name, shape, options in (
        ("vector", (3,), {"reps": 2}),
        ("rows", (2, 3), {"reps": (2, 1)}),
        ("both", (2, 3), {"reps": (2, 3)}),
        ("more-axes", (2,), {"reps": (3, 1, 2)}),
        ("fewer", (2, 3), {"reps": 2}),
        ("scalar", (), {"reps": (2, 2)}),
        ("not-at-all", (2, 3), {"reps": 0}),
    ):
        yield Case(hg.tile, name, x(*shape), options)
    for rule in (hg.diagonal, hg.trace):
        for name, shape, options in (
            ("square", (3, 3), {}),
            ("wide", (2, 4), {"offset": 1}),
            ("tall", (4, 2), {"offset": -1}),
            ("last", (2, 3, 4), {"axis1": -2, "axis2": -1}),
            ("other-way", (2, 3, 4), {"axis1": 2, "axis2": 0, "offset": 1}),
            ("outside", (2, 3), {"offset": 5}),
            ("one", (1, 1), {}),
            ("empty", (0, 0), {}),
        ):
            yield Case(rule, name, x(*shape), options)
    for name, shape, k in (
        ("vector", (3,), 0),
        ("right", (2,), 1),
        ("left", (2,), -2),
        ("one", (1,), 0),
        ("matrix", (3, 4), 1),
        ("empty", (0,), 0),
    ):
        yield Case(hg.diag, name, x(*shape), {"k": k})
    for rule in (hg.tril, hg.triu):
        for name, shape, k in (
            ("square", (3, 3), 0),
            ("wide", (2, 4), 1),
            ("tall", (4, 2), -1),
            ("batch", (2, 3, 3), 0),
            ("none-or-all", (2, 2), 7),
            ("empty", (0, 2), 0),
        ):
            yield Case(rule, name, x(*shape), {"k": k})
