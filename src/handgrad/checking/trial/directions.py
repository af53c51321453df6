"""Random directions of one input: the backward against the values, in a handful of evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    U = np.stack(trial.douts)
    G = np.stack([np.zeros(x.size) if g is None else g.ravel() for g in got])
    with np.errstate(all="ignore"):
        for v, e in lines:
            gv = np.where(v.ravel() == 0, 0.0, G * v.ravel())
            terms = np.where(trial.smooth, U * e.value, 0.0)
            errors = np.sum(np.where(trial.smooth, np.abs(U) * e.error, 0.0), axis=1)
            tiny = 1e-13 * np.sum(np.abs(terms), axis=1) + numerics.UNDERFLOW * np.sum(np.abs(v))
            expected, actual = np.sum(terms, axis=1), np.sum(gv, axis=1)
            scales, apart = numerics.lengths(gv) + np.abs(expected), np.abs(actual - expected)
            is_apart = apart > SAFETY * errors + FLOOR * scales + tiny
            for i, (error, scale) in enumerate(zip(errors, scales, strict=True)):
                if not np.isfinite(actual[i]):
                    result.problem = "not finite"
                    return result
                if not np.isfinite(expected[i]):
                    result.problem, shares = "unclear", [1.0]
                    break
                if is_apart[i]:
                    result.problem = "missing" if got[i] is None else "mismatch"
                    if _is_beyond(trial, gv[i], e, U[i]):
                        result.problem, shares = "unclear", [1.0]
                        break
                if scale <= SAFETY * error:  # a gradient of zeros, as far as can be seen
                    scale = np.sum(np.abs(U[i] * trial.f0)[trial.smooth]) + 1.0
                shares.append(float((apart[i] + error) / scale))
    result.digits = digits_of(max(shares, default=0.0))
    if result.problem is None and result.digits < 2 and lines:
        result.problem = "unclear"
    return result


def _is_beyond(trial: Trial, gv: np.ndarray, e: Estimate, u: np.ndarray) -> bool:
    """Whether the smallest step alone would take an output through all of its range, as of sin(1e20)."""
    is_noise = trial.smooth & (trial.f0 != 0) & (trial.noise > 1e-2 * np.abs(trial.f0))
    is_noise &= np.abs(e.value) <= SAFETY * e.error
    whole = float(np.sum(np.where(is_noise, np.abs(u) * (trial.noise + np.abs(trial.f0)), 0.0)))
    return bool(is_noise.any()) and numerics.MORE_STEPS[-1] * float(np.sum(np.abs(gv))) > whole


def digits_of(share: float) -> float:
    """How many digits a relative error leaves."""
    return float(np.clip(-np.log10(max(share, 1e-16)), 0.0, 15.0)) if np.isfinite(share) else 0.0
