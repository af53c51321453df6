"""Sums of products: each is transposes, reshapes and matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import contraction, shape
from handgrad.tape.functions.creation import gathered
from handgrad.tape.functions.shaping import moveaxis
from handgrad.tape.refusals import unwritten


def dot(a: Any, b: Any, out: Any = None) -> Any:
    unwritten("np.dot", out)
    a, b = gathered(a), gathered(b)
    if shape(a) == () or shape(b) == ():
        return rules.multiply(a, b)
    return rules.matmul(a, b) if len(shape(b)) <= 2 else tensordot(a, b, ([-1], [-2]))


def inner(a: Any, b: Any, /) -> Any:
    return rules.inner(gathered(a), gathered(b))


def outer(a: Any, b: Any, out: Any = None) -> Any:
    unwritten("np.outer", out)
    return rules.outer(gathered(a), gathered(b))


def vdot(a: Any, b: Any, /) -> Any:
    return rules.matmul(rules.reshape(gathered(a), (-1,)), rules.reshape(gathered(b), (-1,)))


def vecdot(a: Any, b: Any, axis: int = -1) -> Any:
    return rules.sum(rules.multiply(gathered(a), gathered(b)), axis=axis)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    return rules.tensordot(gathered(a), gathered(b), axes)


def einsum(subscripts: Any, /, *operands: Any, out: Any = None, optimize: Any = False, **options: Any) -> Any:
    """NumPy's, in which a letter may be twice in an operand, and an axis of size one repeats."""
    unwritten("np.einsum", out)
    if not isinstance(subscripts, str):
        return einsum(*_in_letters(subscripts, *operands))
    arrays = [gathered(x) for x in operands]
    inputs, target = contraction.spelled(subscripts, [shape(x) for x in arrays])
    sizes: dict[str, int] = {}
    for indices, x in zip(inputs, arrays, strict=True):
        for i, n in zip(indices, shape(x), strict=True):
            sizes[i] = n if sizes.get(i, 1) == 1 else sizes[i]
    terms = [_distinct(indices, x, sizes) for indices, x in zip(inputs, arrays, strict=True)]
    said = ",".join(indices for indices, _ in terms)
    return rules.einsum(f"{said}->{target}", *(x for _, x in terms))


def _in_letters(*given: Any) -> tuple:
    """``einsum(x, [0, 1], y, [1, 2], [0, 2])`` with letters: "ab,bc->ac"."""
    arrays, lists = list(given[: len(given) // 2 * 2 : 2]), list(given[1::2])

    def spelled(indices: Any) -> str:
        return "".join("..." if i is Ellipsis else contraction.LETTERS[int(i)] for i in indices)

    said = ",".join(map(spelled, lists))
    return (f"{said}->{spelled(given[-1])}" if len(given) % 2 else said), *arrays


def _distinct(indices: str, x: Any, sizes: dict[str, int]) -> tuple[str, Any]:
    """An operand in which each index stands once: twice is a diagonal, and size one is repeated."""
    for i in [i for i in dict.fromkeys(indices) if indices.count(i) > 1]:
        while indices.count(i) > 1:
            first, second = indices.index(i), indices.rindex(i)
            x = rules.diagonal(x, 0, first, second)
            indices = "".join(j for k, j in enumerate(indices) if k not in (first, second)) + i
    return indices, rules.broadcast_to(x, tuple(sizes[i] for i in indices))


def kron(a: Any, b: Any) -> Any:
    return rules.kron(gathered(a), gathered(b))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(gathered(a), axisa, -1), moveaxis(gathered(b), axisb, -1)
    if (shape(a)[-1], shape(b)[-1]) != (3, 3):
        raise ValueError(f"np.cross of recorded arrays takes vectors of three, not {shape(a)} and {shape(b)}")
    after, before = [1, 2, 0], [2, 0, 1]
    return moveaxis(a[..., after] * b[..., before] - a[..., before] * b[..., after], -1, axisc)


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    return rules.convolve(gathered(a), gathered(v), mode)


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = gathered(a), gathered(v)
    return convolve(a, v[::-1], mode) if len(a) >= len(v) else convolve(v[::-1], a, mode)


TABLE: dict[Any, Callable] = {
    np.matmul: rules.matmul,
    np.dot: dot,
    np.inner: inner,
    np.outer: outer,
    np.vdot: vdot,
    np.vecdot: vecdot,
    np.tensordot: tensordot,
    np.einsum: einsum,
    np.kron: kron,
    np.cross: cross,
    np.convolve: convolve,
    np.correlate: correlate,
}
if hasattr(np, "matvec"):  # since NumPy 2.2
    TABLE[np.matvec] = lambda a, v: (a @ rules.expand_dims(gathered(v), axis=-1))[..., 0]
    TABLE[np.vecmat] = lambda v, a: (rules.expand_dims(gathered(v), axis=-2) @ a)[..., 0, :]
