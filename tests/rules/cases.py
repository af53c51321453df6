"""The table that every test of the rules walks: at least one case for each rule.

A case is a rule, a function ``rng -> inputs`` and options. Inputs keep their distance from kinks,
so that differences can be taken everywhere; the kinks have tests of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import handgrad as hg
from handgrad.rules import ALL, Rule

from .draws import Draw, apart, away, integers, normal, one_hot, probabilities, within


@dataclass(frozen=True)
class Case:
    """One use of a rule. ``cannot`` says which array library has no such operation, and why."""

    rule: Rule
    label: str
    make: Callable[[np.random.Generator], tuple]
    options: dict[str, Any] = field(default_factory=dict)
    cannot: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.rule.name}-{self.label}"

    def inputs(self, seed: int = 0) -> tuple:
        return self.make(np.random.default_rng([seed, *self.id.encode()]))


# How one array may lie in memory, and how several may broadcast.

LAYOUTS: dict[str, Callable[[Draw, Any], Any]] = {
    "python": lambda draw, r: float(draw(r)),
    "numpy-scalar": lambda draw, r: np.float64(draw(r)),
    "scalar": lambda draw, r: draw(r),
    "one": lambda draw, r: draw(r, 1),
    "odd": lambda draw, r: draw(r, 7),
    "transposed": lambda draw, r: draw(r, 5, 3).T,
    "strided": lambda draw, r: draw(r, 6, 7)[::2, ::-3],
    "empty": lambda draw, r: draw(r, 0, 3),
}

PAIRS: dict[str, Callable[[Draw, Draw, Any], tuple]] = {
    "python-python": lambda a, b, r: (float(a(r)), float(b(r))),
    "python-array": lambda a, b, r: (float(a(r)), b(r, 4)),
    "array-python": lambda a, b, r: (a(r, 3, 2), float(b(r))),
    "scalar-array": lambda a, b, r: (a(r), b(r, 2, 3)),
    "row": lambda a, b, r: (a(r, 3, 5), b(r, 5)),
    "column-row": lambda a, b, r: (a(r, 3, 1), b(r, 1, 5)),
    "one-matrix": lambda a, b, r: (a(r, 1), b(r, 3, 5).T),
    "three-axes": lambda a, b, r: (a(r, 2, 3, 1)[::-1], b(r, 1, 7)[:, ::2]),
    "empty": lambda a, b, r: (a(r, 0, 3), b(r, 3)),
}

MIXED = {"strict": "the standard leaves mixing integers and floats undefined"}


def elementwise(rule: Rule, *draws: Draw, label: str = "", **options: Any) -> Iterator[Case]:
    """A unary or binary rule over all layouts."""
    for name, layout in (LAYOUTS if len(draws) == 1 else PAIRS).items():
        make = (lambda r, layout=layout: (layout(*draws, r),)) if len(draws) == 1 else (
            lambda r, layout=layout: layout(*draws, r))  # fmt: skip
        yield Case(rule, f"{label}{name}", make, options)


def arithmetic() -> Iterator[Case]:
    for rule in (hg.add, hg.subtract, hg.multiply):
        yield from elementwise(rule, normal, normal)
        yield Case(rule, "integers", lambda r: (integers(9)(r, 4), normal(r, 3, 1)), cannot=MIXED)
    yield from elementwise(hg.divide, normal, away(0.5, 2))
    yield Case(hg.divide, "integers", lambda r: (1 + integers(9)(r, 4), away(0.5, 2)(r, 4)), cannot=MIXED)
    yield from elementwise(hg.power, within(0.5, 2), normal)
    yield Case(hg.power, "square-of-negative", lambda r: (away(0.5, 2)(r, 3, 2), 2))
    yield Case(hg.power, "cube-of-negative", lambda r: (away(0.5, 2)(r, 5), 3))
    yield Case(hg.power, "inverse", lambda r: (away(0.5, 2)(r, 5), -1))
    yield Case(hg.power, "of-number", lambda r: (2, normal(r, 5)))
    for rule in (hg.maximum, hg.minimum):
        yield from elementwise(rule, away(0.5, 2), away(2.5, 4))
    yield from elementwise(hg.remainder, within(2.1, 2.9), within(0.95, 1.04))
    yield Case(
        hg.remainder, "signs", lambda r: (away(0.3, 0.8)(r, 8), np.array([0.9, -0.9])[r.integers(2, size=8)])
    )
    yield from elementwise(hg.hypot, away(0.5, 2), normal)
    yield from elementwise(hg.negative, normal)
    yield from elementwise(hg.square, normal)
    yield from elementwise(hg.sqrt, within(0.5, 3))
    yield from elementwise(hg.abs, away(0.3, 2))
    yield from elementwise(hg.sign, away(0.3, 2))
    outside = away(0.3, 2)
    yield from elementwise(hg.clip, outside, label="both-", min=-1.1e-1, max=0.15)
    yield from elementwise(hg.clip, outside, label="wide-", min=-5.0, max=5)
    yield Case(hg.clip, "low", lambda r: (outside(r, 4),), {"min": 0.0})
    yield Case(hg.clip, "high", lambda r: (outside(r, 4),), {"max": 0.0})
    yield Case(hg.clip, "neither", lambda r: (outside(r, 4),))
    yield Case(hg.clip, "array-bounds", lambda r: (outside(r, 2, 3),),
               {"min": np.array([[-9.0, 0.0, 0.1]] * 2), "max": np.array([[9.0, 0.1, 9.0]] * 2)})  # fmt: skip
    yield Case(hg.where, "full", lambda r: (normal(r, 3, 4) > 0, normal(r, 3, 4), normal(r, 3, 4)))
    yield Case(hg.where, "broadcast", lambda r: (normal(r, 3, 1) > 0, normal(r, 4), normal(r)))
    yield Case(hg.where, "numbers", lambda r: (normal(r, 5) > 0, normal(r, 5), 0.0))
    yield Case(hg.where, "empty", lambda r: (normal(r, 0, 2) > 0, normal(r, 0, 2), normal(r, 2)))
    yield Case(hg.astype, "same", lambda r: (normal(r, 3, 2),), {"dtype": "float64"},
               dict.fromkeys(("strict", "jax", "torch"), "has dtypes of its own"))  # fmt: skip


def elementary() -> Iterator[Case]:
    for rule in (hg.exp, hg.exp2, hg.expm1, hg.sin, hg.cos, hg.arctan, hg.sinh, hg.cosh, hg.tanh):
        yield from elementwise(rule, normal)
    for rule in (hg.erf, hg.erfc):
        yield from elementwise(rule, normal)
        yield Case(rule, "tails", lambda r: (away(0.6, 5.5)(r, 12),))
    yield from elementwise(hg.tan, within(-1.2, 1.2))
    for rule in (hg.log, hg.log2, hg.log10):
        yield from elementwise(rule, within(0.5, 3))
    for rule in (hg.logaddexp, hg.logaddexp2):
        yield from elementwise(rule, normal, normal)
    yield from elementwise(hg.log1p, within(-0.4, 3))
    for rule in (hg.arcsin, hg.arccos, hg.arctanh):
        yield from elementwise(rule, within(-0.7, 0.7))
    yield from elementwise(hg.arcsinh, normal)
    yield from elementwise(hg.arccosh, within(1.2, 3))
    yield from elementwise(hg.arctan2, away(0.3, 2), away(0.3, 2))


def activation() -> Iterator[Case]:
    for rule in (hg.sigmoid, hg.softplus, hg.gelu, hg.silu):
        yield from elementwise(rule, normal)
    yield from elementwise(hg.gelu, normal, label="tanh-", approximate="tanh")
    kinked = away(0.3, 2)
    for rule in (hg.relu, hg.leaky_relu, hg.elu):
        yield from elementwise(rule, kinked)
    yield Case(hg.leaky_relu, "slope", lambda r: (kinked(r, 4, 2),), {"negative_slope": 0.3})
    yield Case(hg.elu, "alpha", lambda r: (kinked(r, 4, 2),), {"alpha": 0.7})
    for rate in (0.0, 0.3, 0.5):
        yield Case(
            hg.dropout, f"rate-{rate}",
            lambda r: (normal(r, 5, 3), np.array([1, 7], np.uint32)), {"rate": rate},
            dict.fromkeys(("jax", "torch"), "draws its own random numbers from the same key"),
        )  # fmt: skip


AXES: dict[str, tuple[tuple[int, ...], Any]] = {
    "all": ((3, 4), None),
    "first": ((3, 4), 0),
    "last": ((2, 3, 4), -1),
    "pair": ((2, 3, 4), (0, 2)),
    "negative-pair": ((2, 3, 4), (-1, 1)),
    "every": ((3, 2), (0, 1)),
    "none-of-them": ((3, 2), ()),
    "one": ((1,), 0),
    "scalar": ((), None),
}


def reduction() -> Iterator[Case]:
    shared = {hg.sum: normal, hg.mean: normal, hg.var: normal, hg.std: normal, hg.logsumexp: normal,
              hg.prod: away(0.5, 1.5), hg.norm: away(0.5, 2), hg.max: apart, hg.min: apart}  # fmt: skip
    for rule, draw in shared.items():
        for name, (shape, axis) in AXES.items():
            if rule is hg.std and (math.prod(shape) == 1 or axis == ()):
                continue  # one element has no deviation: the kink of std
            for keepdims in (False, True):
                yield Case(
                    rule,
                    f"{name}-{'kept' if keepdims else 'gone'}",
                    lambda r, draw=draw, shape=shape: (draw(r, *shape),),
                    {"axis": axis, "keepdims": keepdims},
                )
        yield Case(rule, "strided", lambda r, draw=draw: (draw(r, 6, 7)[::2, ::-3],), {"axis": 1})
        yield Case(rule, "transposed", lambda r, draw=draw: (draw(r, 5, 3).T,), {"axis": 0})
        yield Case(rule, "empty", lambda r, draw=draw: (draw(r, 0, 3),), {"axis": 1})
    for rule in (hg.sum, hg.prod):
        yield Case(rule, "of-nothing", lambda r: (normal(r, 0, 3),), {"axis": 0})
        yield Case(rule, "python", lambda r: (float(normal(r)),))
    for rule in (hg.var, hg.std):
        yield Case(rule, "correction", lambda r: (normal(r, 3, 4),), {"axis": 1, "correction": 1})
    for name, (shape, axis) in {
        "flat": ((3, 4), None),
        "last": ((2, 3, 4), -1),
        "first": ((3, 2), 0),
    }.items():
        yield Case(hg.cumsum, name, lambda r, shape=shape: (normal(r, *shape),), {"axis": axis})
    yield Case(hg.cumsum, "strided", lambda r: (normal(r, 6, 7)[::2, ::-3],), {"axis": 1})
    yield Case(hg.cumsum, "empty", lambda r: (normal(r, 0, 3),), {"axis": 0})
    yield Case(hg.prod, "one-zero", lambda r: (np.array([[1.5, 0.0, -2.0], [0.5, 3.0, 1.0]]),), {"axis": 1})
    yield Case(hg.prod, "two-zeros", lambda r: (np.array([1.5, 0.0, -2.0, 0.0, 3.0]),))
    yield Case(hg.prod, "odd", lambda r: (away(0.5, 1.5)(r, 7, 2),), {"axis": 0})


def shaping() -> Iterator[Case]:
    def x(*shape: int) -> Callable:
        return lambda r: (normal(r, *shape),)

    yield Case(hg.reshape, "other", x(2, 6), {"shape": (3, 4)})
    yield Case(hg.reshape, "left-over", x(2, 6), {"shape": (3, -1)})
    yield Case(hg.reshape, "number", x(2, 3), {"shape": -1})
    yield Case(hg.reshape, "to-scalar", x(1, 1), {"shape": ()})
    yield Case(hg.reshape, "from-scalar", x(), {"shape": (1,)})
    yield Case(hg.reshape, "transposed", lambda r: (normal(r, 2, 6).T,), {"shape": (3, 4)})
    yield Case(hg.reshape, "empty", x(0, 3), {"shape": (3, 0, 2)})
    yield Case(hg.transpose, "reversed", x(2, 3, 4))
    yield Case(hg.transpose, "ordered", x(2, 3, 4), {"axes": (1, 2, 0)})
    yield Case(hg.transpose, "negative", x(2, 3, 4), {"axes": (-1, 0, 1)})
    yield Case(hg.transpose, "vector", x(3))
    yield Case(hg.transpose, "scalar", x())
    yield Case(hg.expand_dims, "first", x(3, 2), {"axis": 0})
    yield Case(hg.expand_dims, "last", x(3, 2), {"axis": -1})
    yield Case(hg.expand_dims, "two", x(3, 2), {"axis": (0, -1)})
    yield Case(hg.expand_dims, "scalar", x(), {"axis": 0})
    yield Case(hg.squeeze, "all", x(1, 3, 1))
    yield Case(hg.squeeze, "one", x(1, 3, 1), {"axis": -1})
    yield Case(hg.squeeze, "pair", x(1, 3, 1), {"axis": (0, 2)})
    yield Case(hg.broadcast_to, "row", x(3), {"shape": (2, 3)})
    yield Case(hg.broadcast_to, "column", x(2, 1), {"shape": (4, 2, 3)})
    yield Case(hg.broadcast_to, "scalar", x(), {"shape": (2, 3)})
    yield Case(hg.broadcast_to, "same", x(2, 3), {"shape": (2, 3)})
    yield Case(hg.broadcast_to, "to-empty", x(1, 3), {"shape": (0, 3)})

    def several(*shapes: tuple) -> Callable:
        return lambda r: ([normal(r, *shape) for shape in shapes],)

    yield Case(hg.concatenate, "first", several((2, 3), (1, 3), (4, 3)))
    yield Case(hg.concatenate, "last", several((2, 3), (2, 1)), {"axis": -1})
    yield Case(hg.concatenate, "one", several((2, 3)))
    yield Case(hg.concatenate, "empty", several((2, 3), (0, 3)))
    yield Case(hg.concatenate, "flat", several((2, 3), (), (1, 2)), {"axis": None})
    yield Case(hg.concatenate, "tuple", lambda r: ((normal(r, 2), normal(r, 4)[::-2]),))
    yield Case(hg.stack, "first", several((2, 3), (2, 3), (2, 3)))
    yield Case(hg.stack, "last", several((2, 3), (2, 3)), {"axis": -1})
    yield Case(hg.stack, "scalars", several((), ()))
    yield Case(hg.split, "equal", x(6, 2), {"sections": 3})
    yield Case(hg.split, "places", x(2, 7), {"sections": [1, 4], "axis": 1})
    yield Case(hg.split, "negative-place", x(2, 7), {"sections": [-2], "axis": -1})
    yield Case(hg.split, "empty-part", x(4), {"sections": [2, 2]})
    yield Case(hg.split, "falling-places", x(4, 2), {"sections": [3, 1]})
    yield Case(hg.split, "places-outside", x(4), {"sections": [2, 9, 1]})
    yield Case(hg.flip, "all", x(2, 3))
    yield Case(hg.flip, "one", x(2, 3), {"axis": -1})
    yield Case(hg.flip, "pair", x(2, 3, 2), {"axis": (0, 2)})
    yield Case(hg.pad, "zero", x(2, 3), {"width": 1})
    yield Case(hg.pad, "value", x(2, 3), {"width": ((0, 2), (1, 0)), "value": 1.5})
    yield Case(hg.pad, "vector", x(4), {"width": (2, 1)})
    for mode in ("edge", "reflect", "symmetric", "wrap"):
        yield Case(hg.pad, mode, x(3, 4), {"width": ((1, 2), (2, 0)), "mode": mode})
    ways: dict[str, tuple[tuple, Any, dict]] = {
        "vector": ((7,), 3, {}),
        "overlapping": ((2, 5), 3, {}),
        "side-by-side": ((2, 6), 2, {"stride": 2}),
        "apart": ((8,), 2, {"stride": 3}),
        "dilated": ((2, 9), 3, {"stride": 2, "dilation": 2}),
        "images": ((2, 3, 5, 6), (3, 2), {"stride": (1, 2), "dilation": (2, 1)}),
        "one-place": ((3, 4), (3, 4), {}),
        "size-one": ((2, 3), 1, {}),
        "first-axis": ((5, 2), 2, {"axes": 0}),
        "two-axes": ((4, 2, 5), (2, 3), {"axes": (0, -1)}),
        "empty": ((0, 5), 2, {}),
    }
    for name, (own, size, way) in ways.items():
        yield Case(hg.windows, name, x(*own), {"size": size, **way})
        windowed = np.shape(hg.windows(np.zeros(own), size, **way))
        yield Case(hg.unwindows, name, x(*windowed), {"shape": own, **way})
    yield Case(hg.windows, "strided", lambda r: (normal(r, 7, 6).T[::-2],), {"size": 3})
    yield Case(hg.pad, "reflect-twice", x(3), {"width": (5, 4), "mode": "reflect"})


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


def linear() -> Iterator[Case]:
    def pair(*shapes: tuple) -> Callable:
        return lambda r: tuple(normal(r, *shape) for shape in shapes)

    for name, shapes in {
        "matrices": ((3, 4), (4, 2)),
        "row": ((4,), (4, 2)),
        "column": ((3, 4), (4,)),
        "inner": ((4,), (4,)),
        "batched": ((2, 3, 4), (2, 4, 5)),
        "batch-matrix": ((2, 3, 4), (4, 2)),
        "matrix-batch": ((3, 4), (2, 4, 2)),
        "row-batch": ((4,), (2, 4, 3)),
        "batch-column": ((2, 3, 4), (4,)),
        "batches-broadcast": ((2, 1, 3, 4), (3, 4, 2)),
        "ones": ((1, 1), (1, 1)),
        "nothing": ((0, 3), (3, 2)),
        "nothing-summed": ((2, 0), (0, 3)),
    }.items():
        yield Case(hg.matmul, name, pair(*shapes))
    yield Case(hg.matmul, "strided", lambda r: (normal(r, 4, 3).T, normal(r, 8, 3)[::-2]))
    yield Case(hg.matmul, "integers", lambda r: (integers(9)(r, 2, 3), normal(r, 3, 2)),
               cannot={**MIXED, "torch": "multiplies no matrices of two dtypes"})  # fmt: skip
    for name, lead in {"one": (), "rows": (5,), "more": (2, 3), "nothing": (0,)}.items():
        yield Case(hg.affine, name, pair((*lead, 4), (4, 3), (3,)))
    yield Case(hg.affine, "nothing-summed", pair((2, 3, 0), (0, 3), (3,)))
    yield Case(
        hg.affine, "strided", lambda r: (normal(r, 4, 6).T[::2], normal(r, 3, 4).T, normal(r, 6)[::-2])
    )
    yield Case(hg.affine, "integers", lambda r: (integers(9)(r, 3, 4), normal(r, 4, 2), normal(r, 2)),
               cannot={**MIXED, "torch": "multiplies no matrices of two dtypes"})  # fmt: skip
    for name, stats in {"columns": (3,), "kept": (1, 3)}.items():
        yield Case(
            hg.batch_norm, name, lambda r, s=stats: (
                normal(r, 4, 3), normal(r, *s), within(0.5, 2)(r, *s), normal(r, 3), normal(r, 3)),
        )  # fmt: skip
    for name, (subscripts, *shapes) in {
        "product": ("ij,jk->ik", (3, 4), (4, 2)),
        "implicit": ("ij,jk", (3, 4), (4, 2)),
        "transposed": ("ij,kj->ki", (3, 4), (2, 4)),
        "inner": ("i,i->", (5,), (5,)),
        "outer": ("i,j->ji", (3,), (2,)),
        "elementwise": ("ij,ij->ij", (2, 3), (2, 3)),
        "batches": ("bij,bkj->bik", (2, 3, 4), (2, 5, 4)),
        "heads": ("nthd,nshd->nhts", (2, 3, 2, 4), (2, 5, 2, 4)),
        "bilinear": ("ni,kij,nj->nk", (4, 3), (2, 3, 2), (4, 2)),
        "row-summed": ("ij,jk->k", (3, 4), (4, 2)),
        "alone-summed": ("ij,k->ik", (2, 3), (4,)),
        "of-one": ("ijk->ki", (2, 3, 4)),
        "sum-of-one": ("ij->", (2, 3)),
        "ellipsis": ("...ij,jk->...ik", (2, 3, 4), (4, 2)),
        "ellipses": ("...i,...i->...", (2, 3, 4), (2, 3, 4)),
        "nothing": ("ij,jk->ik", (0, 3), (3, 2)),
        "nothing-summed": ("ij,jk->ik", (2, 0), (0, 3)),
        "convolution": ("ncyij,ocij->noy", (2, 3, 4, 2, 1), (5, 3, 2, 1)),
    }.items():
        arrays = lambda r, shapes=shapes: ([normal(r, *shape) for shape in shapes],)  # noqa: E731
        yield Case(hg.einsum, name, arrays, {"subscripts": subscripts})
    yield Case(
        hg.einsum, "strided", lambda r: ([normal(r, 4, 3).T, normal(r, 8, 3)[::-2]],), {"subscripts": "ij,jk"}
    )
    yield Case(
        hg.batch_norm, "eps",
        lambda r: (normal(r, 4), 0.3, within(0.5, 2)(r), normal(r, 4), normal(r, 1)), {"eps": 0.1},
    )  # fmt: skip


def loss() -> Iterator[Case]:
    for rule in (hg.softmax, hg.log_softmax):
        yield Case(rule, "rows", lambda r: (normal(r, 3, 4),))
        yield Case(rule, "columns", lambda r: (normal(r, 3, 4).T,), {"axis": 0})
        yield Case(rule, "middle", lambda r: (normal(r, 2, 3, 6)[..., ::-2],), {"axis": 1})
        yield Case(rule, "vector", lambda r: (normal(r, 5),))
        yield Case(rule, "one-class", lambda r: (normal(r, 3, 1),))
        yield Case(rule, "empty", lambda r: (normal(r, 0, 3),))
        yield Case(rule, "no-class", lambda r: (normal(r, 3, 0),))

    labels = {
        "index": lambda r: integers(4)(r, 5),
        "one-hot": lambda r: one_hot(r, 5, 4),
        "soft": lambda r: probabilities(r, 5, 4),
    }
    for reduction in ("mean", "sum", "none"):
        for name, t in labels.items():
            label, options = f"{name}-{reduction}", {"reduction": reduction}
            if not (name == "one-hot" and reduction != "mean"):
                yield Case(
                    hg.cross_entropy,
                    label,
                    lambda r, t=t: (probabilities(r, 5, 4), t(r)),
                    options | {"eps": 0.01},
                )
            yield Case(hg.softmax_cross_entropy, label, lambda r, t=t: (normal(r, 5, 4), t(r)), options)
            full = options | {"weight": np.array([0.5, 2.0, 1.5, 0.7]), "label_smoothing": 0.1}
            yield Case(
                hg.softmax_cross_entropy, "full-" + label, lambda r, t=t: (normal(r, 5, 4), t(r)), full
            )
        ignoring = {"ignore_index": -1, "label_smoothing": 0.2, "reduction": reduction}
        yield Case(
            hg.softmax_cross_entropy, f"ignoring-{reduction}",
            lambda r: (normal(r, 6, 3), np.array([0, -1, 2, 1, -1, 1])), ignoring,
        )  # fmt: skip
        for rule in (hg.mean_squared_error, hg.mean_absolute_error, hg.huber):
            yield Case(rule, reduction, lambda r: (away(0.3, 2)(r, 3, 4), away(2.4, 4)(r, 3, 4)),
                       {"reduction": reduction})  # fmt: skip
        yield Case(hg.huber, f"delta-{reduction}", lambda r: (normal(r, 5), normal(r, 5)),
                   {"delta": 9.0, "reduction": reduction})  # fmt: skip
        yield Case(
            hg.binary_cross_entropy_with_logits, reduction,
            lambda r: (normal(r, 3, 2), within(0, 1)(r, 3, 2)), {"reduction": reduction},
        )  # fmt: skip
    one = lambda r: (normal(r, 4), np.array(2))  # noqa: E731
    yield Case(hg.softmax_cross_entropy, "one-row", one)
    yield Case(hg.softmax_cross_entropy, "three-axes", lambda r: (normal(r, 2, 3, 4), integers(4)(r, 2, 3)))
    yield Case(hg.softmax_cross_entropy, "strided", lambda r: (normal(r, 4, 9).T[::-3], integers(4)(r, 3)))
    yield Case(
        hg.softmax_cross_entropy, "unsigned", lambda r: (normal(r, 3, 4), np.array([0, 3, 1], np.uint8))
    )
    yield Case(hg.softmax_cross_entropy, "empty", lambda r: (normal(r, 0, 3), np.zeros(0, int)))
    yield Case(hg.binary_cross_entropy_with_logits, "scalars", lambda r: (normal(r), within(0, 1)(r)))


FAMILIES = (arithmetic, elementary, activation, reduction, shaping, indexing, linear, loss)
CASES = [case for family in FAMILIES for case in family()]
ALIASES = {name for name, rule in ALL.items() if name != rule.name}
