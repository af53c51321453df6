"""Vectors of elements that lie apart in memory."""

from __future__ import annotations

from handgrad.engine.emit.ir import I1, Function, Type, Value, i64, number


def vector_at(f: Function, pointer: Value, step: int, vector: Type, mask: Value | None) -> Value:
    """Elements ``step`` apart; those masked out are not read."""
    if vector.lanes == 1:
        return f.load(pointer, vector)
    if step == 1:
        return f.masked_load(pointer, vector, mask) if mask else f.load(pointer, vector)
    if step == 2:
        return alternate(f, pointer, vector, mask)
    spread = f.binary("mul", f.lane_numbers(vector.lanes), i64(step))
    return f.gather(f.offset(pointer, spread, vector.scalar), vector, mask)


def alternate(f: Function, pointer: Value, vector: Type, mask: Value | None) -> Value:
    """Every second element of two rows, the last of which is the second's last."""
    n = vector.lanes

    def row(first: int) -> Value:
        start = f.offset(pointer, i64(first), vector.scalar)
        if mask is None:
            return f.load(start, vector)
        on = [n if e % 2 else e // 2 for e in range(first, first + n)]
        return f.masked_load(start, vector, f.shuffle(mask, number(False, I1.of(n)), on))

    return f.shuffle(row(0), row(n - 1), [2 * k + (k >= n // 2) for k in range(n)])
