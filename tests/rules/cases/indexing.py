"""Elements picked by place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import handgrad as hg

from ..draws import normal
from .case import Case

LIST_INDEX = {"jax": "an index must not be a list"}
BYTE_INDEX = {"torch": "takes bytes for a mask"}
MASK_SHAPE = {"jax-jit": "the shape of the result hangs on the mask's values"}


def indexing() -> Iterator[Case]:
    def at(*shape: int, index: Any) -> Callable:
        return lambda r: (normal(r, *shape), index)

    everything = slice(None)
    places, again = np.array([0, 2, 2]), np.array([1, 0, 0])
    mask = np.array([[True, False, True], [False, False, True]])
    indices: dict[str, tuple[tuple, Any, dict]] = {
        "integer": ((4,), 1, {}),
        "negative": ((4, 2), -1, {}),
        "integers": ((4, 3), (1, -2), {}),
        "slice": ((5,), slice(1, 4), {}),
        "step": ((7, 3), slice(None, None, 3), {}),
        "backwards": ((5, 3), (slice(None, None, -2), everything), {}),
        "none": ((3,), (None, everything), {}),
        "ellipsis": ((2, 3, 4), (..., 1), {}),
        "all-kinds": ((2, 3, 4), (1, ..., None, slice(0, 3)), {}),
        "array": ((3, 2), places, {}),
        "array-2d": ((4,), np.array([[0, 1], [3, 3]]), {}),
        "negative-array": ((4,), np.array([-1, 0, -1]), {}),
        "arrays": ((3, 2), (places, again), {}),
        "column-of-arrays": ((3, 2), (places[:, None], again), {}),
        "array-slice": ((3, 4), (places, slice(1, 3)), {}),
        "slice-array": ((4, 3), (slice(1, 3), places), {}),
        "array-integer": ((3, 4), (places, 1), {}),
        "array-apart": ((3, 2, 3), (places, everything, places), {}),
        "array-none": ((3, 2), (places, None), {}),
        "list": ((4, 2), [0, 0, 3], LIST_INDEX),
        "mask": ((2, 3), mask, MASK_SHAPE),
        "mask-rows": ((2, 3), (np.array([False, True]),), MASK_SHAPE),
        "nothing": ((3, 2), np.array([], dtype=int), {}),
        "empty-slice": ((3, 2), slice(0, 0), {}),
        "whole": ((3, 2), (), {}),
        "scalar": ((), (), {}),
        "uint8": ((3, 2), np.array([2, 0], np.uint8), BYTE_INDEX),
    }
    for name, (shape, index, cannot) in indices.items():
        yield Case(hg.getitem, name, at(*shape, index=index), cannot=cannot)
    yield Case(hg.scatter_add, "integer", at(2, index=1), {"shape": (4, 2)})
    yield Case(hg.scatter_add, "slice", at(2, 3, index=slice(1, 3)), {"shape": (4, 3)})
    yield Case(hg.scatter_add, "repeats", at(3, 2, index=places), {"shape": (4, 2)})
    yield Case(hg.scatter_add, "arrays", at(3, index=(places, again)), {"shape": (3, 2)})
    yield Case(hg.scatter_add, "mask", at(3, index=mask), {"shape": (2, 3)}, MASK_SHAPE)
    for name, axis in {"flat": None, "first": 0, "last": -1, "middle": 1}.items():
        index = np.array([[0, 2], [1, 1]])
        yield Case(hg.take, name, at(3, 3, 3, index=index), {"axis": axis})
    yield Case(hg.take, "one-place", at(3, 2, index=np.array(1)), {"axis": 0})
    yield Case(hg.take, "negative", at(3, 2, index=np.array([-1, 0, -1])), {"axis": 0})
    yield Case(hg.take, "nothing", at(3, 2, index=np.array([], int)), {"axis": 1})
    pick = np.array([[0, 2, 0], [1, 1, 2]])
    yield Case(hg.take_along_axis, "last", at(2, 3, index=pick))
    yield Case(hg.take_along_axis, "first", at(3, 3, index=pick), {"axis": 0})
    yield Case(hg.take_along_axis, "wider", at(2, 2, index=pick % 2))
    yield Case(hg.take_along_axis, "negative", at(2, 3, index=pick - 3))
    yield Case(hg.take_along_axis, "three-axes", at(2, 3, 2, index=pick.reshape(2, 3, 1)[:, :2]), {"axis": 1})
    words = {
        "repeated": (np.array([[0, 2, 2], [3, 0, 2]]), {}),
        "padded": (np.array([2, 3, 2, 0]), {"padding_idx": 1}),  # which is not there: it has no gradient
        "padded-from-the-end": (np.array([[0, 0, 1]]), {"padding_idx": -1}),
        "one": (np.array(2), {}),
        "none": (np.zeros((0, 2), int), {}),
    }
    for name, (x, options) in words.items():
        yield Case(hg.embedding, name, lambda r, x=x: (x, normal(r, 4, 3)), options)
        yield Case(hg.one_hot, name, lambda r, x=x: (x,), {"classes": 4})
