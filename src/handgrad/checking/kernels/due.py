"""What is due of a kernel at one point: the reference in float64, and how far rounding may lead from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from handgrad.arrays import is_floating
from handgrad.checking import numerics
from handgrad.checking.kernels.arithmetic import Arithmetic, Format, coarser
from handgrad.checking.kernels.by_program import Run

DRAWS = 16
WIDE = 8.0  # root mean squares of what is drawn that an element may be off by: see bench/KERNELS.md
MEAN = 5.0  # the same of an average, which is nearly normal
JUMPS = 8  # draws with three bits less, in which what may fall to the other side of a kink does
LESS = 3
JUMP = 4.0  # times what three bits less make of a slope


class Reference:
    """A readable forward, evaluated in float64, with its gradient by the library that it is written for."""

    def __init__(self, f: Callable, tree: list[Any], library: str):
        self.f, self.tree, self.library = f, tree, library.partition(":")[0]

    def prepared(self, values: list[Any], douts: list[Any] | None = None) -> tuple[Run, bool]:
        if self.library == "torch":
            from handgrad.checking.kernels.by_torch import prepared
        elif self.library == "jax":
            from handgrad.checking.kernels.by_jax import prepared
        else:
            from handgrad.checking.kernels.by_program import prepared
        return prepared(self.f, self.tree, values, douts)

    def outputs(self, values: list[Any]) -> list[np.ndarray]:
        return [np.asarray(x) for x in self.prepared(values)[0](None, np.random.default_rng(0))]


@dataclass
class Allowed:
    """How far from the reference one array may be, in one arithmetic."""

    elements: np.ndarray  # each of them; infinite where a right kernel may overflow
    averages: dict[int, np.ndarray]  # over each axis
    factor: float  # of all of them, in proportion
    smooth: np.ndarray  # which elements averages and factor are taken of


@dataclass
class Misfit:
    """Which elements are not within the allowed, and how that is seen."""

    wrong: np.ndarray
    seen: str = ""  # by an average, where no element alone shows it


class Due:
    """What is due at one point, for one dout.

    ``is_near``: the point may be extreme, where all that is asked of a kernel is to be near: right for inputs
    that are off by a unit in the last place, and beside the largest element.
    """

    def __init__(
        self,
        reference: Reference,
        values: list[Any],
        douts: list[Any] | None,
        dtype: Format,
        seed: list[int],
        is_near: bool = False,
    ):
        self.values, self.douts, self.dtype, self.seed, self.is_near = values, douts, dtype, seed, is_near
        self.run, self.is_seen = reference.prepared(values, douts)
        self.exact = [np.asarray(x) for x in self.run(None, np.random.default_rng(0))]
        self._allowed: dict[str, list[Allowed]] = {}

    def allowed(self, arithmetic: Arithmetic) -> list[Allowed]:
        """For each array, in the order of the reference's outputs and its inputs' gradients."""
        if arithmetic.name not in self._allowed:
            rng, share = np.random.default_rng(self.seed), 2 if self.is_near else 1
            a = replace(arithmetic, nudges=self.is_near)
            draws = [self.run(a, rng) for _ in range(DRAWS // share)]
            wide = [self.run(coarser(a, LESS), rng) for _ in range(JUMPS // share)]
            out_of_range = self.run(replace(a, overflows=True), rng)
            found = [
                allowance(
                    exact, [d[k] for d in draws], [w[k] for w in wide], out_of_range[k], self.dtype, a.cut
                )
                for k, exact in enumerate(self.exact)
            ]
            if self.is_near:
                found = [near(each, x, arithmetic) for each, x in zip(found, self.exact, strict=True)]
            self._allowed[arithmetic.name] = found
        return self._allowed[arithmetic.name]

    def misfit(self, k: int, got: np.ndarray, arithmetic: Arithmetic) -> Misfit | None:
        return misfit(got, self.exact[k], self.allowed(arithmetic)[k])


def allowance(
    exact: np.ndarray,
    draws: list[np.ndarray],
    wide: list[np.ndarray],
    out_of_range: np.ndarray,
    dtype: Format,
    cut: float,
) -> Allowed:
    """From how far draws are off.

    What is written is rounded once more, by half a unit, or cut by a whole; ``cut``: by what part a product
    may be too small because its factors are.
    """
    unit = dtype.ulp(exact)
    off = [d - exact for d in draws]
    spread = WIDE * rms(off)
    leap = np.max(np.abs(np.stack([w - exact for w in wide])), axis=0)
    jumps = leap > JUMP * 2**LESS * rms(off) + unit
    elements = unit + dtype.smallest + np.where(jumps, np.maximum(spread, 1.5 * leap), spread)
    apart = np.abs(out_of_range - exact)  # where an infinity on the way makes it 0
    ends = np.isfinite(apart) & (apart > elements)
    elements = np.where(ends, 1.5 * apart, elements)
    may_overflow = ~np.isfinite(out_of_range) | (np.abs(exact) > dtype.largest)
    elements = np.where(np.isfinite(elements) & ~may_overflow, elements, np.inf)
    usable = np.isfinite(elements) & np.isfinite(exact) & ~jumps & ~ends
    off = [np.where(usable, d, 0.0) for d in off]
    unit, exact = np.where(usable, unit, 0.0), np.where(usable, exact, 0.0)
    bias = unit / 2 + cut * np.abs(exact) + dtype.smallest
    averages = {
        axis: MEAN * rms([d.mean(axis) for d in off]) + bias.mean(axis)
        for axis in range(exact.ndim) if exact.shape[axis] > 1
    }  # fmt: skip
    slopes = rms([np.asarray(slope(d, exact, usable)) for d in off])
    return Allowed(elements, averages, MEAN * float(slopes) + dtype.u + cut, usable)


def near(allowed: Allowed, exact: np.ndarray, arithmetic: Arithmetic) -> Allowed:
    """Beside the largest element, and what the others may be off by, as where all but rounding cancels."""
    finite = allowed.elements[np.isfinite(allowed.elements)]
    largest = float(np.max(np.abs(exact[np.isfinite(exact)]), initial=0.0))
    others = float(np.sqrt(np.mean(finite * finite))) if finite.size else 0.0
    floor = WIDE * arithmetic.steps.u * largest + others
    return Allowed(allowed.elements + floor, {}, np.inf, allowed.smooth)


def rms(table: list[np.ndarray]) -> np.ndarray:
    return np.sqrt(np.mean(np.square(np.stack(table)), axis=0))


def slope(off: np.ndarray, exact: np.ndarray, usable: np.ndarray) -> float:
    """a of off = a·exact, by least squares."""
    e = np.where(usable, exact, 0.0)
    size = float(np.sum(e * e))
    return float(np.sum(np.where(usable, off, 0.0) * e)) / size if size else 0.0


def misfit(got: np.ndarray, exact: np.ndarray, allowed: Allowed) -> Misfit | None:
    """Whether an array is further from what is due than it may be; None where it is not."""
    usable = np.isfinite(allowed.elements) & ~np.isnan(exact)
    infinite = np.isinf(exact)
    usable &= np.isfinite(exact)
    off = np.where(usable, got - exact, 0.0)
    limit = np.where(usable, allowed.elements, 1.0)
    ratio = np.where(np.isfinite(off), np.abs(off) / limit, np.inf)
    ratio = np.where(infinite & (got != exact), np.inf, ratio)
    wrong = ratio > 1
    if wrong.any():
        return Misfit(wrong)
    off = np.where(allowed.smooth, off, 0.0)
    for axis, most in allowed.averages.items():
        far = np.abs(off.mean(axis)) / most
        if far.size and far.max() > 1:
            mask = np.broadcast_to(np.expand_dims(far > 1, axis), exact.shape) & usable
            return Misfit(mask, f"by its mean over axis {axis}")
    a = slope(off, exact, allowed.smooth)
    return Misfit(usable, f"by its factor {1 + a:.6g}") if abs(a) > allowed.factor else None


def digits(off: np.ndarray, exact: np.ndarray) -> float:
    """How many digits are right, of the array as a whole."""
    usable = np.isfinite(off) & np.isfinite(exact)
    size, error = np.linalg.norm(exact[usable]), np.linalg.norm(off[usable])
    if not error or not size:
        return 17.0 if not error else 0.0
    return float(np.clip(-np.log10(error / size), 0.0, 17.0)) + 0.0


def own_gradient_is_right(reference: Reference, due: Due, outputs: int, seed: list[int]) -> bool:
    """Whether the gradient that is due is the derivative of the reference's values, along one direction."""
    rng = np.random.default_rng(seed)
    floats = [k for k, x in enumerate(due.values) if is_floating(x)]
    moves = {k: numerics.sizes(due.values[k]) * numerics.signed(rng, due.values[k].shape) for k in floats}

    def phi(t: complex) -> np.ndarray:
        moved = [x + t * moves[k] if k in moves else x for k, x in enumerate(due.values)]
        outs = reference.outputs(moved)
        return np.array([sum(float(np.sum(o * d)) for o, d in zip(outs, due.douts or [], strict=True))])

    f0 = phi(0.0)
    with np.errstate(all="ignore"):
        found = numerics.derivative(phi, f0, 1e-14 * np.abs(f0))
        said = sum(float(np.sum(g * moves[k])) for k, g in zip(floats, due.exact[outputs:], strict=True))
    if not np.isfinite(found.value).all() or found.rough.any() or not np.isfinite(said):
        return True  # a kink, or an end of the domain: nothing to compare with
    size = sum(float(np.sum(np.abs(g * moves[k]))) for k, g in zip(floats, due.exact[outputs:], strict=True))
    return bool(abs(found.value[0] - said) <= 1e-5 * size + 10 * found.error[0])
