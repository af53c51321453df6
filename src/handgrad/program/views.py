"""Reshape, permute and broadcast, each composed with those that made its argument.

What these write is in a form that they know: at most one broadcast, of at most one reshape, of at most one
permutation, where only axes of size one are added and removed. So each looks back a few operations, however
long the chain in the given program was.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import shape, size
from handgrad.program.draft import Draft
from handgrad.program.inference import Shape
from handgrad.program.program import Operation

CHAIN = 3  # how far to look back: what is written here is never longer


def reshaped(draft: Draft, x: Any, target: Shape) -> Any:
    """x in another shape."""
    source = draft.argument(x, "reshape")
    x = x if source is None else source
    if shape(x) == target:
        return x
    repeated_from = draft.argument(x, "broadcast_to")
    if repeated_from is not None and size(repeated_from) == 1:
        return repeated(draft, repeated_from, target)
    if large(shape(x)) != large(target):
        return draft.emit("reshape", x, target)
    if repeated_from is not None:
        small = _small_target(shape(repeated_from), shape(x), target)
        return repeated(draft, reshaped(draft, repeated_from, small), target)
    moved = _moved(draft, x, list(range(len(large(target)))), target)
    return draft.emit("reshape", x, target) if moved is None else moved


def permuted(draft: Draft, x: Any, axes: tuple[int, ...]) -> Any:
    """x with its axes in another order."""
    inner = draft.maker(x, "permute_dims")
    if inner is not None:
        first = axis_order(inner)
        x, axes = inner.args[0], tuple(first[a] for a in axes)
    if axes == tuple(range(len(axes))):
        return x
    target = tuple(shape(x)[a] for a in axes)
    source = draft.argument(x, "broadcast_to")
    if source is not None and size(source) == 1:
        return repeated(draft, source, target)
    if source is not None and len(shape(source)) == len(axes):
        return repeated(draft, permuted(draft, source, axes), target)
    moved = _moved(draft, x, order_of_large(shape(x), axes), target)
    return draft.emit("permute_dims", x, axes) if moved is None else moved


def repeated(draft: Draft, x: Any, target: Shape) -> Any:
    """x broadcast to a shape; NumPy itself adds axes in front."""
    source = draft.argument(x, "broadcast_to")
    x = x if source is None else source
    if shape(x) == target:
        return x
    source = draft.argument(x, "reshape")
    if source is not None and (adds_in_front(source, x) or is_number(source, target)):
        x = source
    if len(shape(x)) > len(target):
        x = reshaped(draft, x, ())
    return x if shape(x) == target else draft.emit("broadcast_to", x, target)


def bare(draft: Draft, x: Any) -> Any:
    """What broadcasting makes x of, where x is an operand of an elementwise operation."""
    source = draft.argument(x, "broadcast_to")
    x = x if source is None else source
    source = draft.argument(x, "reshape")
    return source if source is not None and adds_in_front(source, x) else x


def _moved(draft: Draft, x: Any, order: list[int], target: Shape) -> Any:
    """The axes larger than one in another order, the others where ``target`` has them.

    ``order`` counts the axes larger than one. Permutations and reshapes that made x are taken in. None where
    that saves no operation; but what moves only axes of size one is always a reshape.
    """
    base, taken = x, 0
    while taken < CHAIN and (step := _small_step(draft, base)) is not None:
        base, before = step
        order, taken = [before[i] for i in order], taken + 1
    axes = _axes(shape(base), order, target)
    moves = axes != tuple(range(len(axes)))
    middle = tuple(shape(base)[a] for a in axes)
    if moves + (middle != target) > max(taken, 1) or (moves and not taken):
        return None
    x = draft.emit("permute_dims", base, axes) if moves else base
    return x if middle == target else draft.emit("reshape", x, target)


def _small_step(draft: Draft, x: Any) -> tuple[Any, list[int]] | None:
    """If x only has the axes of another array moved: that array, and in which order x has its large axes."""
    operation = draft.maker(x, "permute_dims")
    if operation is not None:
        before = shape(operation.args[0])
        return operation.args[0], order_of_large(before, axis_order(operation))
    source = draft.argument(x, "reshape")
    if source is not None and large(shape(source)) == large(shape(x)):
        return source, list(range(len(large(shape(x)))))
    return None


def _axes(before: Shape, order: list[int], target: Shape) -> tuple[int, ...]:
    """A permutation with the large axes in order, those of size one where ``target`` has them if they fit."""
    places = [a for a, n in enumerate(before) if n != 1]
    ones = [a for a, n in enumerate(before) if n == 1]
    if order == list(range(len(order))):
        return tuple(range(len(before)))
    if len(before) != len(target):
        return (*ones, *(places[i] for i in order))
    wanted, free = iter(order), iter(ones)
    return tuple(next(free) if n == 1 else places[next(wanted)] for n in target)


def _small_target(source: Shape, whole: Shape, target: Shape) -> Shape:
    """``target``, with the axes that were repeated from ``source`` to ``whole`` of size one."""
    aligned = (1,) * (len(whole) - len(source)) + source
    sizes = iter(n for n, m in zip(aligned, whole, strict=True) if m != 1)
    return tuple(1 if n == 1 else next(sizes) for n in target)


def axis_order(operation: Operation) -> tuple[int, ...]:
    """The axes of a ``permute_dims``, counted from the front."""
    axes = operation.args[1] if len(operation.args) > 1 else operation.options["axes"]
    return tuple(a % len(axes) for a in axes)


def order_of_large(before: Shape, axes: tuple[int, ...]) -> list[int]:
    """A permutation of axes, of those that are larger than one alone."""
    places = [a for a, n in enumerate(before) if n != 1]
    return [places.index(a) for a in axes if before[a] != 1]


def large(sizes: Shape) -> Shape:
    """The axes that are not of size one."""
    return tuple(n for n in sizes if n != 1)


def adds_in_front(x: Any, reshaped: Any) -> bool:
    """Whether a reshape of x only added axes of size one in front."""
    added = len(shape(reshaped)) - len(shape(x))
    return added >= 0 and shape(reshaped) == (1,) * added + shape(x)


def is_number(x: Any, target: Shape) -> bool:
    return size(x) == 1 and len(shape(x)) <= len(target)


def in_place_of(draft: Draft, x: Any, out: Any) -> Any:
    """x where ``out`` was: as it is, or repeated to its shape; None where the dtype is another."""
    if getattr(x, "dtype", out.dtype) != out.dtype:
        return None
    x = x if hasattr(x, "dtype") else np.asarray(x, out.dtype)
    return repeated(draft, x, out.shape)
