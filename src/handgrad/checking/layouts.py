"""The same numbers in another layout of memory: the answer must be the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from handgrad.checking.equality import same
from handgrad.checking.findings import Explains, Findings
from handgrad.checking.kinds import Kind
from handgrad.checking.subject import Values, copied, joined, parted
from handgrad.checking.trial import Trial
from handgrad.checking.trial.rounding import noise_of_backward, noise_of_gradient


def fortran(x: np.ndarray) -> np.ndarray:
    return np.asfortranarray(x)


def strided(x: np.ndarray) -> np.ndarray:
    """Every other element of a larger array, whose other elements are nan."""
    if x.ndim == 0:
        return x
    wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan)
    wide[..., ::2] = x
    return wide[..., ::2]


def reversed_view(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x[::-1])[::-1] if x.ndim else x


def overlapping(x: np.ndarray) -> np.ndarray:
    """All rows the first row, as one row in memory."""
    if x.ndim == 0 or x.shape[0] < 2:
        return x
    return np.lib.stride_tricks.as_strided(x[:1].copy(), x.shape, (0, *x[:1].strides[1:]), writeable=True)


HUGE = 1e75

LAYOUTS: dict[str, Callable] = {
    "in Fortran order": fortran,
    "a view of every other element": strided,
    "a reversed view": reversed_view,
    "an overlapping view (one row repeated)": overlapping,
}


def layouts(trial: Trial, findings: Findings) -> None:
    """The same numbers in another layout of memory."""
    if trial.f0.size == 0 or _is_huge(trial):
        return
    for said, lay in LAYOUTS.items():
        if _makes_no_difference(trial, lay):
            continue
        for found in (_input_layout(trial, said, lay), _dout_layout(trial, said, lay)):
            if found is not None:
                findings.wrong(Kind.LAYOUT, found, explains=Explains.LITTLE, choices=100)
                return


def _laid(trial: Trial, lay: Callable) -> Values:
    if trial.subject.is_of_library:
        return copied(trial.values)  # some of its operations are of the layout
    return [lay(x) if trial.subject.checked[k] else x for k, x in enumerate(copied(trial.values))]


def _makes_no_difference(trial: Trial, lay: Callable) -> bool:
    """Whether inputs and douts, all laid out so at once, give what these numbers give in C order."""
    laid, douts = _laid(trial, lay), parted(trial.douts[0], trial.outs)
    laid_douts = [lay(d) for d in douts]
    before, after = [*trial.values, *douts], [*laid, *laid_douts]
    if [np.asarray(x).strides for x in before] == [np.asarray(x).strides for x in after]:
        return True
    try:
        due = trial.f0, trial.raw[0]
        if not all(map(np.array_equal, before, after)):
            due = _answer(trial, _plain(laid), _plain(laid_douts))
        out, got = _answer(trial, laid, laid_douts)
    except Exception:
        return False
    return same(out, due[0], 1e-9) and all(map(same, got, due[1]))


def _answer(trial: Trial, values: Values, douts: Values) -> tuple[np.ndarray, Values]:
    """The outputs and the gradients."""
    outs, back = trial.subject.pair(values)
    return joined(outs), trial.fitted(back(douts))


def _plain(arrays: Values) -> Values:
    return [np.array(x, order="C") if isinstance(x, np.ndarray) else x for x in arrays]


def _is_huge(trial: Trial) -> bool:
    """Whether sums and products may overflow in one order, and not in another."""
    sizes = [np.abs(trial.values[k][np.isfinite(trial.values[k])]) for k in trial.checked]
    return any(size.max(initial=0.0) > HUGE for size in sizes) or not np.isfinite(trial.f0).all()


def rounding_of_gradients(trial: Trial) -> float:
    """What rounding leaves of a gradient that cancels, or that rounding moves, of the inputs or inside it."""
    noises = [
        float(np.max(noise(trial, k), initial=0.0))
        for k, c in enumerate(trial.subject.checked)
        for noise in (noise_of_gradient, noise_of_backward)
        if c and trial.values[k].size and trial.raw[0][k] is not None
    ]
    return max(_cancelled(trial), 64 * max(noises, default=0.0))


def _cancelled(trial: Trial) -> float:
    sizes = [
        float(np.max(np.abs(g), initial=0.0)) for g in trial.raw[0] if g is not None and g.dtype.kind == "f"
    ]
    finite = [s for s in sizes if np.isfinite(s)]
    return 1e-11 * max(finite, default=0.0)


def _input_layout(trial: Trial, said: str, lay: Callable) -> str | None:
    laid = _laid(trial, lay)
    try:
        outs, back = trial.subject.pair(_plain(laid))
        wanted = trial.gradients_by(back, trial.douts[0])
        before = np.concatenate([np.ravel(o) for o in outs]) if outs else trial.f0
    except Exception:
        return None  # these values are outside the domain
    try:
        outs, back = trial.subject.pair(laid)
    except Exception:
        return None  # refused with an error, which is safe
    noise = 64 * float(np.max(trial.noise, initial=0.0))
    if not same(np.concatenate([np.ravel(o) for o in outs]), before, 1e-9, noise):
        return f"the output is another where an input is {said}"
    try:
        got = trial.gradients_by(back, trial.douts[0])
    except Exception as error:
        return f"the backward fails where an input is {said}: {error}"
    for name, a, b in zip(trial.subject.names, wanted, got, strict=True):
        if not same(a, b, 1e-9) and not same(a, b, 1e-9, rounding_of_gradients(trial)):
            return f"the gradient of {name} is another where an input is {said}, with the same numbers in it"
    return None


def _dout_layout(trial: Trial, said: str, lay: Callable) -> str | None:
    douts = parted(trial.douts[0], trial.outs)
    laid = [lay(d) for d in douts]
    try:
        wanted = trial.subject.pair(copied(trial.values))[1](_plain(laid))
    except Exception:
        return None
    try:
        got = trial.subject.pair(copied(trial.values))[1](laid)
    except Exception as error:
        return f"the backward fails where dout is {said}: {error}"
    for name, a, b in zip(trial.subject.names, wanted, got, strict=True):
        if not same(a, b, 1e-9) and not same(a, b, 1e-9, rounding_of_gradients(trial)):
            return f"the gradient of {name} is another where dout is {said}, with the same numbers in it"
    return None
