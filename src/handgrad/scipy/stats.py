"""Densities and distribution functions, with SciPy's names and arguments, on arrays and on recorded arrays.

>>> hg.grad(lambda mu: hg.sum(norm.logpdf(x, mu, 2.0)))(0.5)

The arguments are the point, the shapes of the distribution, ``loc`` and ``scale``; all broadcast. There is a
gradient by each argument that SciPy's special functions have a derivative by: a distribution function of t,
gamma, beta and chi2 has none by the shapes, and says so. All else that a distribution has is SciPy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from handgrad import rules
from handgrad.arrays import shape, stripped
from handgrad.tape.functions.creation import gathered


def _complement(p: Any) -> Any:
    return 1.0 - p


class Distribution:
    """What is not here is SciPy's own."""

    name: str

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        from scipy import stats  # which takes long

        return getattr(getattr(stats, self.name), name)


@dataclass(frozen=True)
class Continuous(Distribution):
    """A density of z = (x - loc) / scale, by its logarithm, and its distribution function.

    ``survival`` and the logarithms are given where they are exact in the tails, where 1 - cdf is not.
    """

    name: str
    shapes: tuple[str, ...]
    density: Callable
    cumulative: Callable
    survival: Callable | None = None
    log_cumulative: Callable | None = None
    log_survival: Callable | None = None
    support: tuple[float, float] = (-math.inf, math.inf)

    def _standard(self, x: Any, args: tuple, options: dict) -> tuple:
        """z, the shapes, and the scale.

        Raises:
            TypeError: there are too few arguments, or too many.
        """
        names = (*self.shapes, "loc", "scale")
        if len(args) > len(names):
            raise TypeError(f"{self.name} takes {', '.join(names)}, and got {len(args)} arguments")
        given = {"loc": 0.0, "scale": 1.0} | dict(zip(names, args, strict=False)) | options
        missing = [name for name in names if name not in given]
        if missing or len(given) > len(names):
            raise TypeError(f"{self.name} takes {', '.join(names)}, and got {', '.join(given)}")
        loc, scale = gathered(given["loc"]), gathered(given["scale"])
        return (gathered(x) - loc) / scale, [gathered(given[name]) for name in self.shapes], scale

    def logpdf(self, x: Any, *args: Any, **options: Any) -> Any:
        z, shapes, scale = self._standard(x, args, options)
        low, high = self.support
        is_inside = (stripped(z) >= low) & (stripped(z) <= high)
        middle = 0.5 if math.isfinite(high) else 1.0
        z = z if np.all(is_inside) else rules.where(is_inside, z, middle)
        out = self.density(z, *shapes) - rules.log(scale)
        return out if np.all(is_inside) else rules.where(is_inside, out, -math.inf)

    def pdf(self, x: Any, *args: Any, **options: Any) -> Any:
        return rules.exp(self.logpdf(x, *args, **options))

    def cdf(self, x: Any, *args: Any, **options: Any) -> Any:
        z, shapes, _ = self._standard(x, args, options)
        return self.cumulative(self._clipped(z), *shapes)

    def sf(self, x: Any, *args: Any, **options: Any) -> Any:
        z, shapes, _ = self._standard(x, args, options)
        if self.survival is None:
            return _complement(self.cumulative(self._clipped(z), *shapes))
        return self.survival(self._clipped(z), *shapes)

    def logcdf(self, x: Any, *args: Any, **options: Any) -> Any:
        z, shapes, _ = self._standard(x, args, options)
        if self.log_cumulative is not None:
            return self.log_cumulative(z, *shapes)
        return rules.log(self.cdf(x, *args, **options))

    def logsf(self, x: Any, *args: Any, **options: Any) -> Any:
        z, shapes, _ = self._standard(x, args, options)
        if self.log_survival is not None:
            return self.log_survival(z, *shapes)
        return rules.log(self.sf(x, *args, **options))

    def _clipped(self, z: Any) -> Any:
        low, high = self.support
        return rules.clip(z, low, high) if (low, high) != (-math.inf, math.inf) else z


norm = Continuous(
    "norm",
    (),
    density=lambda z: -z * z / 2.0 - math.log(2 * math.pi) / 2,
    cumulative=special.ndtr,
    survival=lambda z: special.ndtr(-z),
    log_cumulative=special.log_ndtr,
    log_survival=lambda z: special.log_ndtr(-z),
)
t = Continuous(
    "t",
    ("df",),
    density=lambda z, df: (
        special.gammaln((df + 1.0) / 2.0)
        - special.gammaln(df / 2.0)
        - rules.log(df * math.pi) / 2.0
        - (df + 1.0) / 2.0 * rules.log1p(z * z / df)
    ),
    cumulative=lambda z, df: special.stdtr(df, z),
    survival=lambda z, df: special.stdtr(df, -z),
)
gamma = Continuous(
    "gamma",
    ("a",),
    density=lambda z, a: special.xlogy(a - 1.0, z) - z - special.gammaln(a),
    cumulative=lambda z, a: special.gammainc(a, z),
    survival=lambda z, a: special.gammaincc(a, z),
    support=(0.0, math.inf),
)
chi2 = Continuous(
    "chi2",
    ("df",),
    density=lambda z, df: gamma.density(z / 2.0, df / 2.0) - math.log(2),
    cumulative=lambda z, df: special.gammainc(df / 2.0, z / 2.0),
    survival=lambda z, df: special.gammaincc(df / 2.0, z / 2.0),
    support=(0.0, math.inf),
)
beta = Continuous(
    "beta",
    ("a", "b"),
    density=lambda z, a, b: special.xlogy(a - 1.0, z) + special.xlog1py(b - 1.0, -z) - special.betaln(a, b),
    cumulative=lambda z, a, b: special.betainc(a, b, z),
    support=(0.0, 1.0),
)


class Poisson(Distribution):
    """Counts of a mean mu: of what is no whole number, 0 or more, the probability is 0."""

    name = "poisson"

    def logpmf(self, k: Any, mu: Any, loc: Any = 0) -> Any:
        k, mu = np.asarray(stripped(gathered(k))) - stripped(loc), gathered(mu)
        is_count = (k >= 0) & (k == np.floor(k))
        n = np.where(is_count, k, 0.0)
        return rules.where(is_count, special.xlogy(n, mu) - special.gammaln(n + 1.0) - mu, -math.inf)

    def pmf(self, k: Any, mu: Any, loc: Any = 0) -> Any:
        return rules.exp(self.logpmf(k, mu, loc))

    def cdf(self, k: Any, mu: Any, loc: Any = 0) -> Any:
        k, mu = np.floor(stripped(gathered(k)) - stripped(loc)), gathered(mu)
        return rules.where(k >= 0, special.gammaincc(np.maximum(k, 0.0) + 1.0, mu), 0.0)

    def sf(self, k: Any, mu: Any, loc: Any = 0) -> Any:
        k, mu = np.floor(stripped(gathered(k)) - stripped(loc)), gathered(mu)
        return rules.where(k >= 0, special.gammainc(np.maximum(k, 0.0) + 1.0, mu), 1.0)


class MultivariateNormal(Distribution):
    """x (..., N), mean (N,), cov (N, N), or one number or N variances."""

    name = "multivariate_normal"

    def logpdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        """-(N log 2π + log |cov| + zᵀz) / 2 with z = L⁻¹ (x - mean), cov = L Lᵀ.

        With ``allow_singular`` cov⁺ and the product of the eigenvalues that are not 0 take their places; N is
        the rank then, and x is taken to be where there is a density.
        """
        x, S = gathered(x), _covariance(mean, cov)
        if len(shape(x)) < 2 and shape(S)[-1] == 1:
            x = rules.expand_dims(x, axis=-1)  # points of one number each
        deviation = x if mean is None else x - gathered(mean)
        if allow_singular:
            w = rules.eigh(S)[0]
            is_there = stripped(w) > 1e6 * np.finfo(float).eps * np.max(np.abs(stripped(w)))
            length = rules.sum(deviation @ rules.pinv(S, rtol=1e-10) * deviation, axis=-1)
            n, size = int(np.sum(is_there)), rules.sum(rules.log(rules.where(is_there, w, 1.0)))
        else:
            L = rules.cholesky(S)
            z = rules.solve_triangular(L, rules.expand_dims(deviation, axis=-1), lower=True)
            length, n = rules.sum(z * z, axis=(-2, -1)), shape(S)[-1]
            size = 2.0 * rules.sum(rules.log(rules.diagonal(L)))
        return (n * math.log(2 * math.pi) + size + length) / -2.0

    def pdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        return rules.exp(self.logpdf(x, mean, cov, allow_singular))

    def entropy(self, mean: Any = None, cov: Any = 1) -> Any:
        """(N (1 + log 2π) + log |cov|) / 2"""
        S = _covariance(mean, cov)
        return (shape(S)[-1] * (1 + math.log(2 * math.pi)) + rules.slogdet(S)[1]) / 2.0


def _covariance(mean: Any, cov: Any) -> Any:
    """The matrix; of one number, of the size of the mean."""
    cov = gathered(cov)
    if shape(cov) == ():
        return cov * np.eye(1 if mean is None else np.size(stripped(mean)))
    return rules.diag(cov) if len(shape(cov)) == 1 else cov


class Dirichlet(Distribution):
    """x (N, ...), whose sums along the first axis are 1, and alpha (N,)."""

    name = "dirichlet"

    def logpdf(self, x: Any, alpha: Any) -> Any:
        x, alpha = gathered(x), gathered(alpha)
        powers = rules.reshape(alpha - 1.0, (-1,) + (1,) * (len(shape(x)) - 1))
        constant = rules.sum(special.gammaln(alpha)) - special.gammaln(rules.sum(alpha))
        return rules.sum(special.xlogy(powers, x), axis=0) - constant

    def pdf(self, x: Any, alpha: Any) -> Any:
        return rules.exp(self.logpdf(x, alpha))


poisson, multivariate_normal, dirichlet = Poisson(), MultivariateNormal(), Dirichlet()
