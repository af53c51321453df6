"""Sums that are made in parts: they begin at 0, and what is made of them comes when all parts are in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handgrad.engine.emit.ir import Value, i64, number
from handgrad.engine.kernels.product.microkernel import Counters

if TYPE_CHECKING:
    from handgrad.engine.kernels.product.emission import Emission
    from handgrad.engine.kernels.product.factors import Columns


def elements(emission: Emission) -> int:
    """Room for them: of each row a vector for each of its units."""
    c, plan = emission.c, emission.plan
    units = emission.units * emission.turns(c.outer_columns)
    return emission.turns(c.row_loops) * units * emission.lanes if plan.cut else 0


def place_of(emission: Emission, at: Counters, i: Value, panel: Columns) -> Value:
    """Where a tile's are: row after row of a panel."""
    f, c, width = emission.f, emission.c, emission.width
    column = f.binary("sub", panel.first, emission.start(c.along))
    outer = f.binary("mul", emission.flat(c.outer_columns, at), i64(emission.units * width))
    above = f.binary("mul", f.binary("add", outer, column), i64(emission.turns(c.row_loops)))
    rows = f.binary("mul", emission.flat(c.outer_rows, at), i64(emission.sizes[c.down]))
    row = f.binary("mul", f.binary("add", rows, i), i64(panel.units * width))
    place = f.binary("mul", f.binary("add", above, row), i64(emission.lanes // width))
    return f.offset(emission.unfinished, place, emission.type.scalar)


def clear(emission: Emission) -> None:
    f, lanes = emission.f, emission.lanes
    vector = emission.type.of(lanes)
    with f.loop(i64(0), i64(elements(emission)), lanes) as n:
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
                place = place_of(emission, here, i, panel)
                offsets = (f.offset(place, i64(v * lanes), vector.scalar) for v in range(panel.units))
                sums, mask = emission.epilogue.finished([f.load(p, vector) for p in offsets], panel.mask)
                emission.epilogue.row(here, c.along, sums, mask)
