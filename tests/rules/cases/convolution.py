"""Convolutions and their transposes."""

from __future__ import annotations

from collections.abc import Iterator

import handgrad as hg

from ..draws import normal
from .case import Case

CONVOLUTIONS = {1: hg.conv1d, 2: hg.conv2d, 3: hg.conv3d}
TRANSPOSED = {1: hg.conv_transpose1d, 2: hg.conv_transpose2d, 3: hg.conv_transpose3d}

WAYS: dict[str, tuple[tuple, tuple, dict]] = {
    "images": ((2, 3, 5, 4), (4, 3, 3, 2), {}),
    "stride": ((2, 2, 6, 7), (3, 2, 3, 3), {"stride": 2, "padding": 1}),
    "uneven": ((1, 2, 5, 4), (2, 2, 2, 3), {"padding": ((0, 2), (3, 1)), "stride": (1, 2)}),
    "same": ((2, 1, 4, 5), (2, 1, 2, 3), {"padding": "same", "dilation": (1, 2)}),
    "dilated": ((1, 2, 7, 6), (2, 2, 3, 2), {"dilation": (2, 3), "stride": (2, 1)}),
    "groups": ((2, 4, 4, 3), (6, 2, 2, 2), {"groups": 2}),
    "depthwise": ((2, 3, 4, 4), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
    "one-pixel": ((2, 3, 1, 1), (2, 3, 1, 1), {}),
    "one-place": ((2, 2, 3, 4), (1, 2, 3, 4), {}),
    "one-image": ((2, 4, 3), (3, 2, 2, 2), {"padding": "valid"}),
    "more-axes": ((2, 2, 1, 3, 4), (2, 1, 2, 2), {}),
    "no-image": ((0, 2, 4, 4), (3, 2, 3, 3), {"padding": 1}),
    "sequences": ((2, 3, 8), (4, 3, 3), {"stride": 2, "padding": 1}),
    "sequences-apart": ((2, 3, 7), (2, 3, 2), {"stride": 3, "dilation": 2, "padding": ((2, 0),)}),
    "sequences-depthwise": ((1, 2, 6), (4, 1, 3), {"groups": 2}),
    "volumes": ((2, 2, 4, 3, 5), (3, 2, 2, 3, 2), {"padding": (1, 0, 1), "stride": (1, 1, 2)}),
    "volumes-in-groups": ((1, 2, 3, 4, 3), (2, 1, 2, 2, 2), {"groups": 2, "dilation": (1, 2, 1)}),
}
BACK: dict[str, tuple[tuple, tuple, dict]] = {
    "images": ((2, 3, 4, 3), (3, 2, 3, 2), {}),
    "stride": ((2, 2, 3, 4), (2, 3, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    "uneven": ((1, 2, 4, 4), (2, 2, 2, 3), {"padding": ((0, 1), (2, 1)), "stride": (1, 3)}),
    "dilated": ((1, 2, 3, 4), (2, 2, 3, 2), {"dilation": (2, 3), "stride": (2, 1)}),
    "room": ((1, 2, 3, 3), (2, 2, 3, 2), {"dilation": (2, 4), "padding": 1, "output_padding": (1, 3)}),
    "groups": ((2, 4, 3, 3), (4, 3, 2, 2), {"groups": 2, "stride": 2}),
    "one-image": ((3, 2, 2), (3, 1, 2, 2), {}),
    "no-image": ((0, 2, 3, 3), (2, 3, 3, 3), {"padding": 1}),
    "sequences": ((2, 3, 4), (3, 2, 3), {"stride": 3, "output_padding": 2}),
    "volumes": ((1, 2, 2, 3, 2), (2, 2, 2, 2, 2), {"stride": (1, 2, 2), "padding": (1, 0, 0)}),
}


def convolution() -> Iterator[Case]:
    for rules, ways in ((CONVOLUTIONS, WAYS), (TRANSPOSED, BACK)):
        for name, (own, kernel, way) in ways.items():
            rule = rules[len(kernel) - 2]
            filters = kernel[0] if rules is CONVOLUTIONS else kernel[1] * way.get("groups", 1)
            shapes = (own, kernel, (filters,))
            yield Case(rule, name, lambda r, shapes=shapes: tuple(normal(r, *s) for s in shapes), way)
        without = lambda r: (normal(r, 2, 3, 4, 5), normal(r, 3, 3, 2, 2), None)  # noqa: E731
        yield Case(rules[2], "no-bias", without)
        yield Case(rules[2], "strided", strided)


def strided(r):
    return normal(r, 8, 6, 3, 2).T[..., ::-2], normal(r, 2, 3, 6, 3).T[:, ::-2], normal(r, 6)[::2]
