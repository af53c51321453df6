"""Polynomials by their coefficients, highest power first."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped
from handgrad.tape.functions.creation import array, concatenate, gathered
from handgrad.tape.functions.ordering import trim_zeros


def polyval(p: Any, x: Any) -> Any:
    p, x = gathered(p), gathered(x)
    return functools.reduce(lambda total, k: total * x + p[k], range(len(p)), 0 * x)


def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    x = gathered(x)
    powers = np.arange(len(x) if N is None else N)
    return rules.power(rules.expand_dims(x, axis=-1), powers if increasing else powers[::-1])


def polyadd(a1: Any, a2: Any) -> Any:
    a1, a2 = array(a1, ndmin=1), array(a2, ndmin=1)
    longest = max(len(a1), len(a2))
    return sum(rules.pad(a, (longest - len(a), 0)) for a in (a1, a2))


def polysub(a1: Any, a2: Any) -> Any:
    return polyadd(a1, rules.negative(gathered(a2)))


def polymul(a1: Any, a2: Any) -> Any:
    """Without the zeros at the front of either."""
    factors = [trim_zeros(array(a, ndmin=1), "f") for a in (a1, a2)]
    return rules.convolve(*(a if len(a) else np.zeros(1) for a in factors))


def polyder(p: Any, m: int = 1) -> Any:
    p = gathered(p)
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """With the constants of integration k, one for each of the m times."""
    p = gathered(p)
    constants = array(0.0 if k is None else k, ndmin=1)
    constants = rules.broadcast_to(constants, (m,)) if len(constants) == 1 else constants
    for i in range(m):
        p = concatenate([p / np.arange(len(p), 0, -1), constants[i : i + 1]])
    return p


def poly(seq_of_zeros: Any) -> Any:
    zeros = array(seq_of_zeros, ndmin=1)
    if len(shape(zeros)) != 1:
        raise TypeError("np.poly of a recorded matrix has no rule: its eigenvalues may be complex")
    made: Any = np.ones(1)
    for z in zeros:  # made·(x - z)
        made = rules.concatenate([made[:1], made[1:] - z * made[:-1], -z * made[-1:]])
    return made


def polyfit(
    x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: bool = False
) -> Any:
    """By least squares, the columns of powers scaled to one length, as NumPy's."""
    if full or cov:
        raise TypeError("np.polyfit of recorded arrays has no full= or cov=: the coefficients alone")
    x, y = gathered(x), gathered(y)
    powers = vander(x, int(deg) + 1)
    if w is not None:
        w = gathered(w)
        powers = powers * rules.expand_dims(w, axis=-1)
        y = y * (rules.expand_dims(w, axis=-1) if len(shape(y)) > 1 else w)
    scale = rules.norm(powers, axis=0)
    rtol = len(x) * float(np.finfo(np.asarray(stripped(scale)).dtype).eps) if rcond is None else rcond
    made = rules.lstsq(powers / scale, y, rtol=rtol)
    return made / (rules.expand_dims(scale, axis=-1) if len(shape(y)) > 1 else scale)


TABLE: dict[Any, Callable] = {
    np.poly: poly,
    np.polyadd: polyadd,
    np.polyder: polyder,
    np.polyfit: polyfit,
    np.polyint: polyint,
    np.polymul: polymul,
    np.polysub: polysub,
    np.polyval: polyval,
    np.vander: vander,
}
