"""SciPy's functions that are no ufuncs: its values, and gradients that are those of differences."""

import numpy as np
import pytest
import scipy.special as own

import handgrad as hg
from handgrad.scipy import special

from .test_stats import assert_same


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2), -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp(axis, keepdims):
    r = np.random.default_rng(0)
    a, b = r.normal(size=(2, 3, 2)), r.uniform(0.5, 2, (3, 1))
    how = {"axis": axis, "keepdims": keepdims}
    assert_same(lambda a: special.logsumexp(a, **how), lambda a: own.logsumexp(a, **how), [a])
    ours, theirs = (lambda a, b, f=f: f(a, b=b, **how) for f in (special.logsumexp, own.logsumexp))
    assert_same(ours, theirs, [a, b])


def test_logsumexp_of_both_signs_and_zero_weights():
    a, b = np.array([1000.0, 999.0, 3000.0]), np.array([1.0, -3.0, 0.0])
    got, wanted = special.logsumexp(a, b=b, return_sign=True), own.logsumexp(a, b=b, return_sign=True)
    np.testing.assert_allclose(got, wanted, rtol=1e-14)
    da = hg.grad(lambda a: special.logsumexp(a, b=b, return_sign=True)[0])(a)
    assert np.isfinite(da).all()
    assert da[2] == 0


def test_polygamma_and_multigammaln():
    x = np.array([1.5, 2.5, 0.7])
    for n in (0, 1, 3):
        assert_same(lambda x, n=n: special.polygamma(n, x), lambda x, n=n: own.polygamma(n, x), [x])
    n = np.array([0, 2, 1])
    assert_same(lambda x: special.polygamma(n, x), lambda x: own.polygamma(n, x), [x])
    assert_same(lambda x: special.multigammaln(x, 2), lambda x: own.multigammaln(x, 2), [x])
    with pytest.raises(ValueError, match=r"above \(d - 1\) / 2 = 1\.5"):
        special.multigammaln(np.array([1.0]), 4)


def test_all_else_is_scipys():
    assert special.gammaln is own.gammaln
    with pytest.raises(AttributeError):
        special.no_such_function  # noqa: B018
