"""``scipy.special``: logsumexp, polygamma, multigammaln by rules; all else is SciPy's own, which records."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as own

from handgrad import rules
from handgrad.arrays import shape, stripped
from handgrad.tape.functions.creation import gathered


def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """log Σ b·exp(a), or, with ``return_sign``, the logarithm of the size of that sum, and its sign."""
    a = gathered(a)
    if b is None:
        out = rules.logsumexp(a, axis=axis, keepdims=keepdims)
        return (out, np.ones(shape(out))) if return_sign else out
    a, b = np.broadcast_arrays(a, gathered(b))
    peak = np.max(np.where(stripped(b) == 0, -math.inf, stripped(a)), axis=axis, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    terms = b * rules.exp(rules.where(stripped(b) == 0, 0.0, a - peak))
    total = rules.sum(terms, axis=axis, keepdims=True)
    sign = np.sign(stripped(total))
    out = rules.log(total * sign if return_sign else total) + peak
    if not keepdims:
        out = rules.reshape(out, shape(rules.sum(stripped(a), axis=axis)))
        sign = np.reshape(sign, shape(out))
    return (out, sign) if return_sign else out


def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of psi, (-1)ⁿ⁺¹ n! ζ(n + 1, x)."""
    n = np.asarray(n)
    order = np.where(n == 0, 1, n)
    above = (-1.0) ** (order + 1) * own.gamma(order + 1.0) * own.zeta(order + 1.0, x)
    return rules.where(n == 0, own.psi(x), above)


def multigammaln(a: Any, d: int) -> Any:
    """log π d (d - 1) / 4 + Σ log Γ(a - j / 2) over j < d."""
    a = gathered(a)
    if np.any(stripped(a) <= (d - 1) / 2):
        raise ValueError(f"multigammaln is of numbers above (d - 1) / 2 = {(d - 1) / 2}")
    terms = own.gammaln(rules.expand_dims(a, axis=-1) - np.arange(d) / 2.0)
    return rules.sum(terms, axis=-1) + d * (d - 1) / 4 * math.log(math.pi)


def __getattr__(name: str) -> Any:
    return getattr(own, name)
