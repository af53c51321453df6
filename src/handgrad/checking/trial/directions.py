"""Random directions of one input: the backward against the values, in a handful of evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.checking import numerics
from handgrad.checking.numerics import Estimate
from handgrad.checking.trial.results import InputTrial

if TYPE_CHECKING:
    from handgrad.checking.trial.trial import Trial

SAFETY = 10.0
FLOOR = 2e-10  # relative: below this, rounding of the backward itself is met


def by_directions(trial: Trial, k: int, lines: list[tuple[np.ndarray, Estimate]]) -> InputTrial:
    x = trial.values[k]
    got = [grads[k] for grads in trial.raw]
    result = InputTrial(k, trial.subject.names[k], x, got, off=trial.off[k])
    if any(g is not None and g.shape != x.shape for g in got):
        result.problem = "shape"
        return result
    shares = []
    for v, e in lines:
        line = Line(trial, e, np.stack([products(g, v) for g in got]), v)
        for i, u in enumerate(trial.douts):
            if not np.isfinite(line.actual[i]):
                result.problem = "not finite"
                return result
            if not np.isfinite(line.expected[i]):
                result.problem, shares = "unclear", [1.0]
                break
            if line.is_apart[i]:
                result.problem = "missing" if got[i] is None else "mismatch"
                if _is_beyond(trial, line.gv[i], e, u):
                    result.problem, shares = "unclear", [1.0]
                    break
            shares.append(line.share(i))
    result.digits = digits_of(max(shares, default=0.0))
    if result.problem is None and result.digits < 2 and lines:
        result.problem = "unclear"
    return result


def products(g: Any, v: np.ndarray) -> np.ndarray:
    """The terms of ⟨g, v⟩; of no gradient, zeros."""
    with np.errstate(all="ignore"):
        return np.zeros(v.size) if g is None else np.where(v == 0, 0.0, g * v).ravel()


class Line:
    """The gradients along a direction: ⟨g, v⟩ by the backward beside uᵀ(J v) by the values, for each dout."""

    def __init__(self, trial: Trial, e: Estimate, gv: np.ndarray, v: np.ndarray):
        self.trial, self.gv, self.U = trial, gv, np.stack(trial.douts)
        with np.errstate(all="ignore"):
            terms = np.where(trial.smooth, self.U * e.value, 0.0)
            self.errors = np.where(trial.smooth, np.abs(self.U) * e.error, 0.0).sum(axis=1)
            tiny = 1e-13 * np.abs(terms).sum(axis=1) + numerics.UNDERFLOW * np.abs(v).sum()
            self.expected, self.actual = terms.sum(axis=1), gv.sum(axis=1)
            self.scales = numerics.lengths(gv) + np.abs(self.expected)
            self.apart = np.abs(self.actual - self.expected)
            self.is_apart = self.apart > SAFETY * self.errors + FLOOR * self.scales + tiny

    def share(self, i: int) -> float:
        """How far the two may be apart, for one dout, over their size."""
        scale, error = self.scales[i], self.errors[i]
        if scale <= SAFETY * error:  # a gradient of zeros, as far as can be seen
            scale = np.sum(np.abs(self.U[i] * self.trial.f0)[self.trial.smooth]) + 1.0
        with np.errstate(all="ignore"):
            return float((self.apart[i] + error) / scale)

    @property
    def is_right(self) -> bool:
        is_finite = np.isfinite(self.actual).all() and np.isfinite(self.expected).all()
        return bool(is_finite and not self.is_apart.any()) and all(
            self.share(i) < 0.01 for i in range(len(self.U))
        )


def _is_beyond(trial: Trial, gv: np.ndarray, e: Estimate, u: np.ndarray) -> bool:
    """Whether the smallest step alone would take an output through all of its range, as of sin(1e20)."""
    is_noise = trial.smooth & (trial.f0 != 0) & (trial.noise > 1e-2 * np.abs(trial.f0))
    is_noise &= np.abs(e.value) <= SAFETY * e.error
    whole = float(np.sum(np.where(is_noise, np.abs(u) * (trial.noise + np.abs(trial.f0)), 0.0)))
    return bool(is_noise.any()) and numerics.MORE_STEPS[-1] * float(np.sum(np.abs(gv))) > whole


def digits_of(share: float) -> float:
    """How many digits a relative error leaves."""
    return float(np.clip(-np.log10(max(share, 1e-16)), 0.0, 15.0)) if np.isfinite(share) else 0.0
