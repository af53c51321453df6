"""Other points: where ties, zeros, large numbers or the other branch show what the first point hides."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from handgrad.checking.quietly import quiet
from handgrad.checking.subject import Values, at_place, copied, joined
from handgrad.checking.trial import Trial
from handgrad.checking.trial.rounding import is_extreme

LARGE = 1e4


def points(trial: Trial) -> Iterator[tuple[str, Values]]:
    """Values to check at as well, with what is special about them. Parameters stay as they are."""
    yield "where all inputs have the other sign", _mapped(trial, lambda x: -x)
    yield "where all inputs are three times as large", _mapped(trial, lambda x: 3 * x)
    yield "where all inputs are a tenth as large", _mapped(trial, lambda x: x / 10)
    yield "where some elements are equal", _tied(trial)
    yield "where all elements are equal", _mapped(trial, _constant)
    yield "where some elements are zero", _mapped(trial, _with_zeros)
    yield "where elements are whole and half numbers", _mapped(trial, lambda x: np.round(2 * x) / 2)


def _mapped(trial: Trial, f: Callable) -> Values:
    return [np.asarray(f(x)) if _moves(trial, k) else x for k, x in enumerate(trial.values)]


def _moves(trial: Trial, k: int) -> bool:
    """Whether an input is moved: not a layer's own array, nor one without a gradient (bounds, rates)."""
    subject = trial.subject
    return subject.checked[k] and k not in subject.parameters and trial.raw[0][k] is not None


def _constant(x: np.ndarray) -> np.ndarray:
    return np.full(x.shape, x.flat[0]) if x.size else x


def _with_zeros(x: np.ndarray) -> np.ndarray:
    flat = x.copy().ravel()
    flat[::3] = 0.0
    return flat.reshape(x.shape)


def _tied(trial: Trial) -> Values:
    """The first two along each axis made equal, and inputs of one shape equal to each other."""
    made: Values = []
    by_shape: dict[tuple, np.ndarray] = {}
    for k, x in enumerate(trial.values):
        if not _moves(trial, k):
            made.append(x)
            continue
        y = x.copy()
        for axis in range(y.ndim):
            if y.shape[axis] > 1:
                rows = np.moveaxis(y, axis, 0)
                rows[1] = rows[0]
        if x.shape in by_shape:
            y.ravel()[: y.size // 2 + 1] = by_shape[x.shape].ravel()[: y.size // 2 + 1]
        by_shape.setdefault(x.shape, y)
        made.append(y)
    return made


def overflows(trial: Trial) -> str | None:
    """Whether the backward is not finite for large inputs where the forward is."""
    if is_extreme(trial):
        return None
    values = _mapped(trial, lambda x: LARGE * x)
    if not all(np.isfinite(x).all() for x in values if isinstance(x, np.ndarray) and x.dtype.kind == "f"):
        return None
    with quiet():
        try:
            outs, back = trial.subject.pair(copied(values))
            f0 = joined(outs)
            if not np.isfinite(f0).all() or f0.shape != trial.f0.shape:
                return None
            grads = trial.gradients_by(back, np.where(trial.smooth, trial.douts[0], 0.0))
        except Exception:
            return None  # refused, which is safe
    for k, (name, x, dx) in enumerate(zip(trial.subject.names, values, grads, strict=True)):
        if dx is None or not isinstance(x, np.ndarray) or dx.dtype.kind != "f" or np.shape(x) != dx.shape:
            continue
        bad = ~np.isfinite(dx) & ~trial.off.get(k, np.zeros(x.shape, bool))
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            return (
                f"for inputs {LARGE:g} times as large the forward is finite, but the gradient of {name} is "
                f"{dx[place]} on {int(bad.sum())} of {dx.size} elements, first at "
                f"{at_place(name, place)} = {x[place]:.4g}: write it in a form that does not overflow"
            )
    return None
