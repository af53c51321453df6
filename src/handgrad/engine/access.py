"""Where an element lies: sums of loop counters times strides, carried back through views of an array.

A coordinate of an array inside a loop is ``Affine``, or hangs on a value (``x[i]`` with i an array) and is
``Gathered``. Views only rearrange coordinates, so they cost nothing in a loop.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

Shape = tuple[int, ...]


class Affine(NamedTuple):
    """start + Σ stride·counter, strides by the number of the loop."""

    start: int
    strides: tuple[tuple[int, int], ...] = ()

    def __add__(self, other: Any) -> Affine:
        if isinstance(other, int):
            return Affine(self.start + other, self.strides)
        strides = dict(self.strides)
        for loop, stride in other.strides:
            strides[loop] = strides.get(loop, 0) + stride
        return affine(self.start + other.start, strides)

    def scaled(self, factor: int) -> Affine:
        return affine(self.start * factor, {loop: stride * factor for loop, stride in self.strides})

    def stride(self, loop: int) -> int:
        return dict(self.strides).get(loop, 0)


def affine(start: int, strides: dict[int, int]) -> Affine:
    return Affine(start, tuple(sorted((loop, stride) for loop, stride in strides.items() if stride)))


def counter(loop: int, size: int) -> Affine:
    """A loop's counter, which is 0 in a loop of one turn."""
    return Affine(0, ((loop, 1),)) if size != 1 else ZERO


ZERO = Affine(0)


class Gathered(NamedTuple):
    """A coordinate that is read from an array of integers: ``index`` at ``coordinates``, of ``size``
    places.
    """

    index: Any
    coordinates: tuple
    size: int


Coordinates = tuple  # of Affine | Gathered


def row_major(shape: Shape) -> Shape:
    """The stride of each axis."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def broadcast(coordinates: Coordinates, shape: Shape) -> Coordinates:
    """Coordinates in an operand of ``shape`` that was repeated to a larger shape."""
    own = coordinates[len(coordinates) - len(shape) :]
    return tuple(ZERO if n == 1 else c for n, c in zip(shape, own, strict=True))


def permuted(coordinates: Coordinates, axes: Shape) -> Coordinates:
    """Coordinates in x, of those in x with its axes in the order ``axes``."""
    return tuple(coordinates[axes.index(i)] for i in range(len(axes)))


def reshaped(coordinates: Coordinates, shape: Shape, source: Shape) -> Coordinates | None:
    """Coordinates in an array of shape ``source``, of those in its reshaping; None where they are not
    affine.
    """
    if math.prod(shape) == 0:
        return tuple(ZERO for _ in source)
    found: list[Any] = []
    done = 0
    for n in source:
        if n == 1:
            found.append(ZERO)
            continue
        while done < len(shape) and shape[done] == 1:
            done += 1
        merged = done
        inside = shape[merged] if merged < len(shape) else 0
        while inside < n and merged + 1 < len(shape):
            merged += 1
            inside *= shape[merged]
        if inside != n:
            return None
        found.append(_flat(coordinates[done : merged + 1], shape[done : merged + 1]))
        if found[-1] is None:
            return None
        done = merged + 1
    return tuple(found)


def _flat(coordinates: Coordinates, shape: Shape) -> Any:
    kept = [(c, step) for c, n, step in zip(coordinates, shape, row_major(shape), strict=True) if n != 1]
    if len(kept) == 1:
        return kept[0][0]
    total = ZERO
    for c, step in kept:
        if not isinstance(c, Affine):
            return None
        total = total + c.scaled(step)
    return total


def sliced(coordinates: Coordinates, index: tuple, shape: Shape) -> Coordinates | None:
    """Coordinates in x of ``shape``, of those in x[index]: integers, slices, None and one ``...``."""
    found: list[Any] = []
    given = iter(coordinates)
    for part, n in spelled_out(index, shape):
        if part is None:
            next(given)
        elif isinstance(part, slice):
            start, _, step = part.indices(n)
            found.append(moved(next(given), start, step))
        else:
            found.append(Affine(int(part) + (n if part < 0 else 0)))
    return tuple(found) if all(c is not None for c in found) else None


def moved(c: Any, start: int, step: int) -> Any:
    """start + step·c; None where c is gathered."""
    if (start, step) == (0, 1):
        return c
    return c.scaled(step) + start if isinstance(c, Affine) else None


def spelled_out(index: tuple, shape: Shape) -> list[tuple[Any, int]]:
    """An index with its ``...`` written as slices: each part, beside the size of its axis (0 for None)."""
    index = index if any(part is Ellipsis for part in index) else (*index, Ellipsis)
    where = next(i for i, part in enumerate(index) if part is Ellipsis)
    taken = sum(part is not None for part in index) - 1
    whole = (slice(None),) * (len(shape) - taken)
    sizes = iter(shape)
    return [
        (part, 0 if part is None else next(sizes)) for part in (*index[:where], *whole, *index[where + 1 :])
    ]
