"""What a wrong array is, where a simple relation to what is due says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from handgrad.checking.findings import Cause, Explains
from handgrad.checking.kernels.due import slope
from handgrad.checking.kinds import Kind


@dataclass
class Wrong:
    """One array that is not what is due, and what else is at hand where it was made.

    ``fits(x)`` says whether x is what is due, as far as rounding lets it be told.
    """

    name: str
    got: np.ndarray
    exact: np.ndarray
    wrong: np.ndarray
    fits: Callable[[np.ndarray], bool]
    u: float  # the relative error of one rounding
    given: dict[str, np.ndarray] = field(default_factory=dict)  # inputs and douts
    before: np.ndarray | None = None  # what was due at the point that was looked at before
    peers: dict[str, np.ndarray] = field(default_factory=dict)  # what is due of the other results
    undriven: np.ndarray | None = None  # what would be due for dout = 1

    def cause(self, kind: Kind, sentence: str) -> Cause:
        return Cause(kind, f"{self.name} {sentence}", self.name, Explains.NUMBERS)

    def is_like(self, other: np.ndarray) -> bool:
        """Whether it is this, and this is not what is due."""
        if other.shape != self.exact.shape or not np.isfinite(other).all():
            return False
        size = 32 * self.u * float(np.sqrt(np.mean(other * other))) if other.size else 0.0
        return bool(np.allclose(self.got, other, rtol=32 * self.u, atol=size)) and not self.fits(other)

    @property
    def sizes(self) -> dict[str, int]:
        """Of the axes of what was given."""
        return {f"axis {i} of {name}": n for name, x in self.given.items() for i, n in enumerate(x.shape)}

    @property
    def usable(self) -> np.ndarray:
        return np.isfinite(self.got) & np.isfinite(self.exact)


def cause_of(w: Wrong) -> Cause:
    """The first relation that holds."""
    for relation in RELATIONS:
        found = next(relation(w), None)
        if found is not None:
            return found
    return Cause(Kind.UNKNOWN, f"{w.name}: no simple relation to what is due", w.name)


def not_finite(w: Wrong) -> Iterator[Cause]:
    bad = ~np.isfinite(w.got) & w.wrong
    if not bad.any():
        return
    what = (
        "nan"
        if np.isnan(w.got[bad]).all()
        else "infinite"
        if np.isinf(w.got[bad]).all()
        else "nan or infinite"
    )
    unwritten = "; is it left unwritten, or divided by 0?" if np.isnan(w.got[bad]).all() else ""
    size = max((float(np.max(np.abs(x), initial=0.0)) for x in w.given.values()), default=0.0)
    over = (
        f": is exp taken of numbers up to {size:.3g}, the maximum not subtracted?" if size > 11 else unwritten
    )
    yield w.cause(Kind.UNSTABLE, f"is {what} on {bad.sum()} of {bad.size} elements{over}")


def constants(w: Wrong) -> Iterator[Cause]:
    if w.got.size < 2:
        return
    if not w.got.any():
        yield w.cause(Kind.CONSTANT, "is all zeros")
    elif np.ptp(w.got) == 0:
        yield w.cause(Kind.CONSTANT, f"is the constant {w.got.flat[0]:.6g}, whatever the inputs are")


def copies(w: Wrong) -> Iterator[Cause]:
    for name, x in w.given.items():
        if x.size == w.got.size and x.size > 1 and x.any():
            for sign, said in ((1, ""), (-1, "-")):
                if np.array_equal(w.got.ravel(), sign * x.ravel()):
                    yield w.cause(Kind.COPY, f"is a copy of {said}{name}")


def stale(w: Wrong) -> Iterator[Cause]:
    if w.before is not None and w.is_like(w.before):
        yield w.cause(Kind.STALE_CACHE, "is what an earlier call returned, for other inputs")


def swapped(w: Wrong) -> Iterator[Cause]:
    for name, other in w.peers.items():
        if w.is_like(other):
            yield w.cause(Kind.SWAPPED, f"is what is due for {name}: are the two swapped?")


def without_dout(w: Wrong) -> Iterator[Cause]:
    if w.undriven is not None and w.is_like(w.undriven):
        yield w.cause(Kind.UPSTREAM_IGNORED, "is that for dout = 1: dout is ignored")


def factors(w: Wrong) -> Iterator[Cause]:
    if not w.usable.all():
        return
    a = 1 + slope(w.got - w.exact, w.exact, w.usable)
    if abs(a) < 1e-6:
        return
    for factor in (float(round(a)), 1 / (round(1 / a) or 1), a):
        if factor and w.fits(w.got / factor):
            yield w.cause(Kind.FACTOR, f"is {named_factor(factor, w.sizes)} what is due")


def named_factor(a: float, sizes: dict[str, int]) -> str:
    """3x, 1/64 of, with the axis that has as many elements."""
    for value, form in ((a, "{:.0f}x"), (1 / a, "1/{:.0f} of")):
        if abs(value) < 1e6 and abs(value - round(value)) < 1e-9 * abs(value):
            axis = next((name for name, n in sizes.items() if n == abs(round(value)) and n > 2), "")
            return form.format(value) + (f" (as many as {axis})" if axis else "")
    return f"{a:.6g}x"


def moved(w: Wrong) -> Iterator[Cause]:
    got, shape = w.got, w.exact.shape
    if len(shape) >= 2 and shape[-1] > 1 and shape[-1] == shape[-2] and w.fits(np.swapaxes(got, -1, -2)):
        yield w.cause(Kind.TRANSPOSED, "is transposed")
    if len(shape) >= 2 and w.fits(got.reshape(*shape[:-2], shape[-1], shape[-2]).swapaxes(-1, -2)):
        yield w.cause(Kind.TRANSPOSED, "has its elements in the order of the transposed")
    for axis, n in enumerate(shape):
        if n > 1 and w.fits(np.flip(got, axis)):
            yield w.cause(Kind.FLIPPED, f"is flipped along axis {axis}")
        for by in (1, -1) if n > 2 else ():
            if w.fits(np.roll(got, by, axis)):
                yield w.cause(Kind.OFF_BY_ONE, f"is shifted by one along axis {axis}")


def parts(w: Wrong) -> Iterator[Cause]:
    """Only some of it is wrong: a tail that no block covers, a row at the border."""
    for axis, n in enumerate(w.exact.shape):
        others = tuple(i for i in range(w.exact.ndim) if i != axis)
        rows = np.flatnonzero(w.wrong.any(axis=others))
        if 0 < rows.size < n and rows[-1] - rows[0] + 1 == rows.size:
            at = np.take(w.got, rows, axis)
            what = "is 0" if not at.any() else "is wrong"
            end = "; is the last block left out?" if rows[-1] == n - 1 else ""
            there = f"{rows[0]}..{rows[-1]}" if rows.size > 1 else f"{rows[0]}"
            yield w.cause(
                Kind.PART, f"{what} at {there} of axis {axis}, which has {n}, and right elsewhere{end}"
            )


def offsets(w: Wrong) -> Iterator[Cause]:
    off = np.where(w.usable, w.got - w.exact, 0.0)
    for axis, n in enumerate(w.exact.shape):
        mean = off.mean(axis=axis, keepdims=True)
        if n > 2 and w.fits(w.got - mean):
            yield w.cause(
                Kind.MEAN_TERM,
                f"is off by a number that is the same all along axis {axis}: is a mean not subtracted?",
            )


RELATIONS = (not_finite, constants, copies, stale, swapped, without_dout, factors, moved, parts, offsets)
