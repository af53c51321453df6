"""Terms that are missing: what a gradient lacks, recognised by its form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from handgrad.checking.causes.evidence import CLOSE, Evidence, subsets
from handgrad.checking.causes.factors import common_ratio
from handgrad.checking.findings import Cause
from handgrad.checking.kinds import Kind


def normalisation(e: Evidence) -> Iterator[Cause]:
    """The terms through a mean and a variance over some axes.

    For y = (x - μ)/σ the gradient sums to 0 over the normalised axes, and so does its product with
    x - μ. Without the term through the mean it is off by a constant along them; without that through
    the variance by a multiple of x - μ; without both by a mixture.
    """
    if not e.is_whole or not e.has_shape or common_ratio(e) is not None:
        return
    for axes in _axes(e.shape):
        if not _sums_to_zero(e, axes):
            continue
        yield from _terms(e, axes)


def _axes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    return (axes for axes in subsets(range(len(shape))) if np.prod([shape[a] for a in axes]) > 2)


def _sums_to_zero(e: Evidence, axes: tuple[int, ...]) -> bool:
    return all(
        np.max(np.abs(np.sum(d, axes))) <= 1e-7 * np.max(np.abs(d), initial=0.0) * d.size for d in e.expected
    ) and any(np.any(d) for d in e.expected)


def _terms(e: Evidence, axes: tuple[int, ...]) -> Iterator[Cause]:
    centred = e.x - e.x.mean(axes, keepdims=True)
    variance = np.sum(centred**2, axes, keepdims=True)
    if np.any(variance == 0):
        return
    has_mean, has_variance, leftover = False, False, False
    for g, d in zip(e.got, e.expected, strict=True):
        off = g - d
        size = np.max(np.abs(off), initial=0.0)
        mean = off.mean(axes, keepdims=True)
        slope = np.sum(off * centred, axes, keepdims=True) / variance
        has_mean |= bool(np.max(np.abs(mean)) > 1e-5 * size)
        has_variance |= bool(np.max(np.abs(slope * centred)) > 1e-5 * size)
        leftover |= bool(np.max(np.abs(off - mean - slope * centred)) > 1e-5 * size)
    if leftover or not np.prod([e.shape[a] for a in axes]) > 3:
        return
    over = f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"
    if has_mean and has_variance:
        kind = Kind.STATISTICS_CONSTANT
        said = "lacks the terms through the mean and the variance, as if both were constants"
    elif has_mean:
        kind, said = Kind.MEAN_TERM, "is off by a constant along it: the term through the mean is missing"
    elif has_variance:
        kind = Kind.VARIANCE_TERM
        said = (
            f"is off by a multiple of {e.name} - mean({e.name}): the term through "
            f"the variance is missing or wrong"
        )
    else:
        return
    yield e.cause(kind, f"what is due sums to 0 over {over}; {e.d} {said}", choices=3 * len(e.shape))


def other_sum(e: Evidence) -> Iterator[Cause]:
    """The sum in softmax's or log-softmax's backward, over other axes than its own."""
    if not e.is_whole or e.out_shape != e.shape or len(e.shape) < 2:
        return
    with np.errstate(all="ignore"):
        out, p = e.out, np.exp(e.out)

    def summed(u: np.ndarray, pattern: np.ndarray, axes: Any) -> np.ndarray:
        """dout - pattern·Σdout"""
        d = u.reshape(e.shape)
        return d - pattern * np.sum(d, axes, keepdims=True)

    def softmax(u: np.ndarray, axes: Any) -> np.ndarray:
        d = u.reshape(e.shape)
        return out * (d - np.sum(out * d, axes, keepdims=True))

    def log_softmax(u: np.ndarray, axes: Any) -> np.ndarray:
        return summed(u, p, axes)

    some = (axes for axes in subsets(range(len(e.shape))) if len(axes) < len(e.shape))
    for axes in (None, *some):
        for pattern, name in ((out, "the output"), (e.x, e.name)):
            if e.fits(partial(summed, pattern=pattern, axes=axes)):
                said = f"{e.d} is dout - {name}·Σdout: log-softmax's is dout - softmax·Σdout"
                yield e.cause(Kind.WRONG_ARRAY, said, choices=4)
                return
        for f, shares in ((softmax, out), (log_softmax, p)):
            if not np.allclose(np.sum(shares, axes), 1) and e.fits(partial(f, axes=axes)):
                over = "all axes" if axes is None else f"axis {', '.join(map(str, axes))}"
                said = f"{e.d} sums dout over {over}, which is not the axis of {f.__name__}"
                yield e.cause(Kind.WRONG_AXIS, said, choices=4)
                return


FORMULAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "1 - z²": lambda z: 1 - z * z,
    "z·(1 - z)": lambda z: z * (1 - z),
    "z": lambda z: z,
    "2z": lambda z: 2 * z,
    "1/z": lambda z: 1 / z,
    "1/(2z)": lambda z: 1 / (2 * z),
    "-z²": lambda z: -z * z,
    "-1/z²": lambda z: -1 / (z * z),
    "z + 1": lambda z: z + 1,
    "exp z": np.exp,
    "cos z": np.cos,
    "-sin z": lambda z: -np.sin(z),
    "1/(1 + z²)": lambda z: 1 / (1 + z * z),
    "1 + z²": lambda z: 1 + z * z,
    "cosh z": np.cosh,
    "sinh z": np.sinh,
    "sigmoid z": lambda z: 1 / (1 + np.exp(-z)),
}


def wrong_array(e: Evidence) -> Iterator[Cause]:
    """A formula in the output that was given the input, or the reverse."""
    if not e.is_whole or e.out_shape != e.shape or e.J is None or not e.has_shape:
        return
    if not e.is_diagonal:
        return
    local = np.diag(e.J).reshape(e.shape)
    atol = 1e-9 * np.max(np.abs(local))
    with np.errstate(all="ignore"):
        for said, f in FORMULAS.items():
            for due_in, given, names in ((e.out, e.x, ("out", e.name)), (e.x, e.out, (e.name, "out"))):
                if not np.allclose(f(due_in), local, rtol=CLOSE, atol=atol):
                    continue
                if e.fits(lambda u, f=f, given=given: u.reshape(e.shape) * f(given)):
                    formula = said.replace("z", "·")
                    what = f"{e.d} puts {names[1]} into {formula} where {names[0]} is due"
                    yield e.cause(Kind.WRONG_ARRAY, what, choices=12)
                    return
