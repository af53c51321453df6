"""Special functions: their values are PyTorch's, their derivatives are written here.

The formulas are those of the NIST Digital Library of Mathematical Functions.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import xp
from handgrad.rules import elementwise


def own(name: str, *args: Any) -> Any:
    """PyTorch's function of values; what is recorded outside comes back to the rule of that name."""
    import torch

    function: Any = functools.reduce(getattr, name.split("."), torch)
    return function(*args)


@elementwise
def lgamma(x: Any) -> Any:
    """out = log |Γ(x)|.   dx = ψ(x)·dout   DLMF 5.2.2"""

    def backward(dout: Any) -> Any:
        return dout * digamma(x)

    return own("lgamma", x), backward


@elementwise
def digamma(x: Any) -> Any:
    """out = ψ(x) = Γ'(x) / Γ(x).   dx = ψ'(x)·dout"""

    def backward(dout: Any) -> Any:
        return dout * polygamma(x, n=1)

    return own("digamma", x), backward


@elementwise
def polygamma(x: Any, n: int = 1) -> Any:
    """out = ψ⁽ⁿ⁾(x), the n-th derivative of digamma.   dx = ψ⁽ⁿ⁺¹⁾(x)·dout"""

    def backward(dout: Any) -> Any:
        return dout * polygamma(x, n=n + 1)

    return own("polygamma", n, x), backward


def multigammaln(input: Any, p: int) -> Any:
    """out = log Γₚ(x) = p (p - 1) / 4·log π + Σ log Γ(x - j / 2) over j < p.   DLMF 35.3.4"""
    out = p * (p - 1) / 4 * math.log(math.pi)
    for j in range(p):
        out = out + lgamma(input - j / 2)
    return out


@elementwise
def i0(x: Any) -> Any:
    """Modified Bessel function, out = I₀(x).   dx = I₁(x)·dout   DLMF 10.29.3"""

    def backward(dout: Any) -> Any:
        return dout * i1(x)

    return own("i0", x), backward


@elementwise
def i1(x: Any) -> Any:
    """out = I₁(x).   dx = (I₀(x) - I₁(x) / x)·dout, half of dout at 0   DLMF 10.29.1"""
    out = own("special.i1", x)

    def backward(dout: Any) -> Any:
        is_zero = x == 0
        safe = xp.where(is_zero, 1.0, x)
        return dout * xp.where(is_zero, 0.5, i0(x) - out / safe)

    return out, backward


@elementwise
def i0e(x: Any) -> Any:
    """out = exp(-|x|) I₀(x).   dx = (exp(-|x|) I₁(x) - sign(x)·out)·dout"""
    out = own("special.i0e", x)

    def backward(dout: Any) -> Any:
        return dout * (i1e(x) - xp.sign(x) * out)

    return out, backward


@elementwise
def i1e(x: Any) -> Any:
    """out = exp(-|x|) I₁(x).   dx = (exp(-|x|) I₀(x) - out·(sign(x) + 1 / x))·dout, half of dout at 0"""
    out = own("special.i1e", x)

    def backward(dout: Any) -> Any:
        is_zero = x == 0
        safe = xp.where(is_zero, 1.0, x)
        return dout * xp.where(is_zero, 0.5, i0e(x) - out * (xp.sign(x) + 1 / safe))

    return out, backward


@elementwise
def erfinv(x: Any) -> Any:
    """out with erf(out) = x.   dx = √π/2·exp(out²)·dout"""
    out = own("erfinv", x)

    def backward(dout: Any) -> Any:
        return dout * (math.sqrt(math.pi) / 2) * xp.exp(out * out)

    return out, backward


@elementwise
def erfcx(x: Any) -> Any:
    """out = exp(x²) erfc(x).   dx = (2x·out - 2/√π)·dout   DLMF 7.10.1"""
    out = own("special.erfcx", x)

    def backward(dout: Any) -> Any:
        return dout * (2 * x * out - 2 / math.sqrt(math.pi))

    return out, backward


@elementwise
def ndtri(x: Any) -> Any:
    """The quantile of the normal distribution, out with Φ(out) = x.   dx = √(2π)·exp(out² / 2)·dout"""
    out = own("special.ndtri", x)

    def backward(dout: Any) -> Any:
        return dout * math.sqrt(2 * math.pi) * xp.exp(out * out / 2)

    return out, backward


@elementwise
def log_ndtr(x: Any) -> Any:
    """The logarithm of the normal distribution, out = log Φ(x).   dx = √(2/π) / erfcx(-x / √2)·dout

    φ(x) / Φ(x), of which both may be 0.
    """

    def backward(dout: Any) -> Any:
        return dout * math.sqrt(2 / math.pi) / erfcx(-x / math.sqrt(2))

    return own("special.log_ndtr", x), backward


@elementwise
def fmod(x: Any, y: Any) -> Any:
    """Remainder with the sign of x, out = x - q·y with q = x/y rounded to 0.   dx = dout, dy = -q·dout"""

    def backward(dout: Any) -> Any:
        return dout, -dout * xp.trunc(x / y)

    return own("fmod", x, y), backward


def ndtr(input: Any) -> Any:
    return rules.erfc(input * -math.sqrt(0.5)) / 2


@elementwise
def xlogy(x: Any, y: Any) -> Any:
    """out = x·log y, and 0 where x is 0.   dx = log y·dout, 0 where x is 0 and y is not, dy = x/y·dout"""

    def backward(dout: Any) -> Any:
        counts = (x != 0) | (y > 0) | (y != y)
        return xp.where(counts, dout * xp.log(y), xp.zeros_like(dout)), dout * x / y

    return own("xlogy", x, y), backward


@elementwise
def xlog1py(x: Any, y: Any) -> Any:
    """out = x·log(1 + y), and 0 where x is 0.   dx = log(1 + y)·dout, dy = x / (1 + y)·dout"""

    def backward(dout: Any) -> Any:
        counts = (x != 0) | (y > -1) | (y != y)
        return xp.where(counts, dout * xp.log1p(y), xp.zeros_like(dout)), dout * x / (1 + y)

    return own("special.xlog1py", x, y), backward


@elementwise
def entr(x: Any) -> Any:
    """Entropy, out = -x·log x, 0 at 0 and -inf below.   dx = (-log x - 1)·dout"""

    def backward(dout: Any) -> Any:
        return dout * (-xp.log(x) - 1)

    return own("special.entr", x), backward


def order_first(n: int, input: Any) -> Any:
    return digamma(input) if n == 0 else polygamma(input, n=n)


TABLE: dict[str, Callable] = {
    "digamma": digamma,
    "erfinv": erfinv,
    "fmod": fmod,
    "i0": i0,
    "lgamma": lgamma,
    "mvlgamma": multigammaln,
    "polygamma": order_first,
    "special.entr": entr,
    "special.erf": rules.erf,
    "special.erfc": rules.erfc,
    "special.erfcx": erfcx,
    "special.erfinv": erfinv,
    "special.exp2": rules.exp2,
    "special.expit": rules.sigmoid,
    "special.expm1": rules.expm1,
    "special.gammaln": lgamma,
    "special.i0": i0,
    "special.i0e": i0e,
    "special.i1": i1,
    "special.i1e": i1e,
    "special.log1p": rules.log1p,
    "special.log_ndtr": log_ndtr,
    "special.multigammaln": multigammaln,
    "special.ndtr": ndtr,
    "special.ndtri": ndtri,
    "special.polygamma": order_first,
    "special.psi": digamma,
    "special.xlog1py": xlog1py,
    "special.xlogy": xlogy,
    "xlogy": xlogy,
}
