"""Sums that are made in parts: they begin at 0, and what is made of them comes when all parts are in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handgrad.engine.emit.ir import i64, number
from handgrad.engine.kernels.product.microkernel import Counters

if TYPE_CHECKING:
    from handgrad.engine.kernels.product.emission import Emission


def clear(emission: Emission) -> None:
    f, lanes = emission.f, emission.lanes
    vector = emission.type.of(lanes)
    with f.loop(i64(0), i64(emission.unfinished_elements()), lanes) as n:
        f.store(number(0, vector), f.offset(emission.unfinished, n, vector.scalar))


def finish(emission: Emission, at: Counters) -> None:
    """What is made of the sums, row by row."""
    f, c, lanes = emission.f, emission.c, emission.lanes
    vector = emission.type.of(lanes)
    with emission.nest(c.outer_columns) as columns:
        for panel in emission.panels():
            with emission.nest([*c.outer_rows, c.down]) as rows:
                here = {**at, **columns, **rows, c.along: panel.first}
                i = f.binary("sub", here[c.down], emission.start(c.down))
                place = emission.unfinished_of(here, i, panel)
                offsets = (f.offset(place, i64(v * lanes), vector.scalar) for v in range(panel.units))
                emission.epilogue.row(here, c.along, [f.load(p, vector) for p in offsets], panel.mask)
