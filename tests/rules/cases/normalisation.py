"""Normalisations."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import handgrad as hg

from ..draws import away, normal, within
from .case import Case


def normalisation() -> Iterator[Case]:
    def arrays(*shapes: tuple | None) -> Callable:
        return lambda r: tuple(None if shape is None else normal(r, *shape) for shape in shapes)

    for name, stats in {"columns": (3,), "kept": (1, 3)}.items():
        yield Case(
            hg.batch_norm, name, lambda r, s=stats: (
                normal(r, 4, 3), normal(r, *s), within(0.5, 2)(r, *s), normal(r, 3), normal(r, 3)),
        )  # fmt: skip
    yield Case(
        hg.batch_norm, "eps",
        lambda r: (normal(r, 4), 0.3, within(0.5, 2)(r), normal(r, 4), normal(r, 1)), {"eps": 0.1},
    )  # fmt: skip

    for name, (own, gain, options) in {
        "rows": ((3, 5), (5,), {}),
        "sequences": ((2, 3, 4), (4,), {"eps": 0.1}),
        "images": ((2, 3, 2, 4), (3, 2, 4), {}),
        "first-axis": ((4, 3), (4,), {"axis": 0}),
        "two-axes": ((2, 3, 4), (2, 4), {"axis": (0, 2)}),
        "one-example": ((6,), (6,), {}),
        "nothing": ((0, 3), (3,), {}),
        "size-one": ((3, 1), (1,), {"eps": 0.5}),
    }.items():
        yield Case(hg.layer_norm, name, arrays(own, gain, gain), options)
        yield Case(hg.rms_norm, name, arrays(own, gain), options)
    yield Case(hg.layer_norm, "plain", arrays((3, 5), None, None))
    yield Case(hg.layer_norm, "shifted", arrays((3, 5), None, (5,)))
    yield Case(hg.layer_norm, "strided", lambda r: (normal(r, 9, 8).T[::-2, ::3], normal(r, 3), normal(r, 3)))
    yield Case(hg.rms_norm, "plain", arrays((3, 5), None), {"eps": 0.01})

    for name, (own, groups) in {
        "images": ((2, 4, 2, 3), 2),
        "one-group": ((3, 2, 3), 1),
        "each-channel": ((2, 3, 4), 3),
        "no-places": ((3, 6), 2),
        "nothing": ((0, 2, 3), 2),
    }.items():
        gain = (own[1],)
        yield Case(hg.group_norm, name, arrays(own, gain, gain), {"groups": groups})
    yield Case(hg.group_norm, "plain", arrays((2, 4, 3), None, None), {"groups": 2, "eps": 0.1})
    yield Case(hg.instance_norm, "images", arrays((2, 3, 2, 3), (3,), (3,)))
    yield Case(hg.instance_norm, "plain", arrays((2, 2, 4), None, None))

    for name, (own, axis, length) in {
        "rows": ((3, 4), 0, (3,)),
        "filters": ((3, 2, 2, 2), 0, (3, 1, 1, 1)),
        "last": ((3, 4), -1, (1, 4)),
        "all": ((3, 4), None, ()),
    }.items():
        make = lambda r, own=own, length=length: (away(0.5, 2)(r, *own), normal(r, *length))  # noqa: E731
        yield Case(hg.weight_norm, name, make, {"axis": axis})
