"""Images in other sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import handgrad as hg

from ..draws import normal
from .case import Case


def resampling() -> Iterator[Case]:
    for name, (own, options) in {
        "twice": ((2, 3, 2, 3), {"scale_factor": 2}),
        "uneven": ((1, 2, 3, 4), {"size": (5, 7)}),
        "smaller": ((1, 1, 5, 6), {"size": (2, 4)}),
        "by-half-as-much-again": ((1, 2, 4, 4), {"scale_factor": 1.5}),
        "sequences": ((2, 2, 4), {"size": 6}),
        "volumes": ((1, 1, 2, 3, 2), {"scale_factor": (2, 1, 3)}),
        "linear": ((2, 2, 3, 4), {"scale_factor": 2, "mode": "bilinear"}),
        "linear-uneven": ((1, 2, 3, 4), {"size": (5, 3), "mode": "bilinear"}),
        "linear-by-factor": ((1, 1, 4, 3), {"scale_factor": (1.7, 2.3), "mode": "bilinear"}),
        "linear-corners": ((1, 2, 3, 4), {"size": (5, 7), "mode": "bilinear", "align_corners": True}),
        "linear-to-one": ((1, 2, 3, 4), {"size": 1, "mode": "bilinear", "align_corners": True}),
        "linear-sequences": ((2, 2, 4), {"size": 7, "mode": "linear"}),
        "linear-volumes": ((1, 1, 2, 3, 2), {"size": (3, 2, 5), "mode": "trilinear"}),
        "no-image": ((0, 2, 3, 3), {"scale_factor": 2}),
    }.items():
        yield Case(hg.upsample, name, lambda r, own=own: (normal(r, *own),), options)
    for name, own in {"images": (2, 8, 2, 3), "one": (4, 3, 1), "more": (2, 1, 12, 1, 2)}.items():
        turned = (*own[:-3], own[-3] // 4, 2 * own[-2], 2 * own[-1])
        yield Case(hg.pixel_shuffle, name, lambda r, own=own: (normal(r, *own),), {"factor": 2})
        yield Case(hg.pixel_unshuffle, name, lambda r, own=turned: (normal(r, *own),), {"factor": 2})
    for name, options in {
        "zeros": {},
        "border": {"padding_mode": "border"},
        "corners": {"align_corners": True},
        "border-corners": {"padding_mode": "border", "align_corners": True},
    }.items():
        yield Case(hg.grid_sample, name, lambda r, o=options: (normal(r, 2, 3, 4, 5), between(r, o)), options)


def between(r: Any, options: dict) -> Any:
    """A grid (2, 3, 2, 2) of places that are not near a pixel's, some of them outside."""
    sizes = np.array([5, 4])
    pixels = np.floor(r.uniform(-2, sizes + 1, size=(2, 3, 2, 2))) + r.uniform(0.2, 0.8, size=(2, 3, 2, 2))
    if options.get("align_corners"):
        return pixels * 2 / (sizes - 1) - 1
    return (2 * pixels + 1) / sizes - 1
