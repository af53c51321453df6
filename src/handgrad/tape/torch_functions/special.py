"""Special functions: their values are PyTorch's, their derivatives those of SciPy's of the same names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import xp
from handgrad.rules import elementwise
from handgrad.tape.functions.special import rule_of


def as_scipys(name: str) -> Callable:
    """``torch.special``'s function of a name that SciPy has too."""

    def function(*xs: Any) -> Any:
        import torch

        table_name = "_zeta" if name == "zeta" else name
        return rule_of(getattr(torch.special, name), table_name, torch.special)(*xs)

    return function


def polygamma(n: int, input: Any) -> Any:
    """out = ψ⁽ⁿ⁾(x) = (-1)ⁿ⁺¹ n! ζ(n + 1, x).   DLMF 25.11.12"""
    if n == 0:
        return as_scipys("psi")(input)
    return (-1) ** (n + 1) * math.factorial(n) * as_scipys("zeta")(float(n + 1), input)


def multigammaln(input: Any, p: int) -> Any:
    """out = log Γₚ(x) = p (p - 1) / 4·log π + Σ log Γ(x - j / 2) over j < p.   DLMF 35.3.4"""
    out = p * (p - 1) / 4 * math.log(math.pi)
    for j in range(p):
        out = out + as_scipys("gammaln")(input - j / 2)
    return out


@elementwise
def fmod(x: Any, y: Any) -> Any:
    """Remainder with the sign of x, out = x - q·y with q = x/y rounded to 0.   dx = dout, dy = -q·dout"""
    import torch

    def backward(dout: Any) -> Any:
        return dout, -dout * xp.trunc(x / y)

    return torch.fmod(x, y), backward


OF_SPECIAL = "entr erfcx erfinv gammaln i0 i0e i1 i1e log_ndtr ndtr ndtri psi xlog1py xlogy zeta".split()
TABLE: dict[str, Callable] = {
    **{f"special.{name}": as_scipys(name) for name in OF_SPECIAL},
    **{name: as_scipys(name) for name in ("erfinv", "i0", "xlogy")},
    "digamma": as_scipys("psi"),
    "fmod": fmod,
    "lgamma": as_scipys("gammaln"),
    "mvlgamma": multigammaln,
    "polygamma": polygamma,
    "special.digamma": as_scipys("psi"),
    "special.erf": rules.erf,
    "special.erfc": rules.erfc,
    "special.exp2": rules.exp2,
    "special.expit": rules.sigmoid,
    "special.expm1": rules.expm1,
    "special.log1p": rules.log1p,
    "special.multigammaln": multigammaln,
    "special.polygamma": polygamma,
}
