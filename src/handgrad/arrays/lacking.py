"""Functions that the standard lacks, written with those that it has."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from handgrad.arrays.dispatch import namespace_of, xp
from handgrad.arrays.questions import is_floating, is_half


def wide(function: Callable) -> Callable:
    """``function`` of arrays of 16 bits computed in 32: for what knows none, or loses too much in them."""

    @functools.wraps(function)
    def computed(*arrays: Any, **options: Any) -> Any:
        halves = [x for x in arrays if is_half(x)]
        if not halves:
            return function(*arrays, **options)
        wider = namespace_of(*arrays).float32
        made = function(*(xp.astype(x, wider) if is_half(x) else x for x in arrays), **options)
        if len(halves) < sum(map(is_floating, arrays)):
            return made
        dtype = halves[0].dtype
        if isinstance(made, tuple):
            return tuple(xp.astype(x, dtype) for x in made)
        return xp.astype(made, dtype)

    return computed


def polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    """Horner's scheme, highest power first."""
    total: Any = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


# W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969).
# Numerators and denominators, highest power first: erf on [0, 1/2], erfc on [1/2, 4] and above 4.
ERF_NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)  # fmt: skip
ERFC_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip
ERFC_FAR = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def _ratio(fraction: tuple, x: Any) -> Any:
    return polynomial(fraction[0], x) / polynomial(fraction[1], x)


def _erf_parts(x: Any) -> tuple[Any, Any, Any]:
    """Whether |x| <= 1/2, erf(x) there, and erfc(|x|) elsewhere."""
    ax = xp.abs(x)
    near = xp.where(ax < 0.5, x, xp.zeros_like(x))
    erf_near = near * _ratio(ERF_NEAR, near * near)
    middle = xp.clip(ax, 0.5, 4.0)
    far = xp.clip(ax, 4.0, 30.0)
    inverse = 1 / (far * far)
    tail = (1 / math.sqrt(math.pi) - inverse * _ratio(ERFC_FAR, inverse)) / far
    # exp(-x²) with x² split in two, so that the rounding of x² does not grow with x.
    capped = xp.clip(ax, 0.0, 30.0)
    coarse = xp.floor(capped * 16) / 16
    gauss = xp.exp(-coarse * coarse) * xp.exp(-(capped - coarse) * (capped + coarse))
    erfc_beyond = gauss * xp.where(ax <= 4, _ratio(ERFC_MIDDLE, middle), tail)
    return ax < 0.5, erf_near, erfc_beyond


@wide
def erf(x: Any) -> Any:
    x = x * 1.0
    is_near, near, beyond = _erf_parts(x)
    return xp.where(is_near, near, xp.where(x < 0, beyond - 1, 1 - beyond))


@wide
def erfc(x: Any) -> Any:
    x = x * 1.0
    is_near, near, beyond = _erf_parts(x)
    return xp.where(is_near, 1 - near, xp.where(x < 0, 2 - beyond, beyond))


def getitem(x: Any, index: Any) -> Any:
    return x[index]


def stop_gradient(x: Any) -> Any:
    return x
