"""Distributions: SciPy's values, and gradients that are those of differences of SciPy's own functions."""

import numpy as np
import pytest
import scipy.stats

import handgrad as hg
from handgrad.scipy import stats

from ..rules.draws import normal, within
from ..rules.numerics import assert_gradient, element_directions

few, inside = within(1.2, 3.0), within(0.2, 0.8)
# Where the point of each distribution is drawn, and its shapes.
DRAWN = {
    "norm": (normal, []),
    "t": (normal, [few]),
    "gamma": (few, [few]),
    "chi2": (few, [few]),
    "beta": (inside, [few, few]),
}
DENSITIES, FUNCTIONS = ("pdf", "logpdf"), ("cdf", "sf", "logcdf", "logsf")
CALLS = [(name, f) for name in DRAWN for f in (*DENSITIES, *FUNCTIONS)]


def assert_same(ours, theirs, xs, constants=()):
    r = np.random.default_rng(3)
    out, backward = hg.vjp(lambda *xs: ours(*xs, *constants), *xs)
    wanted = theirs(*xs, *constants)
    np.testing.assert_allclose(out, wanted, rtol=1e-12)
    dout = np.asarray(r.normal(size=np.shape(wanted)))
    grads = list(backward(dout))
    assert_gradient(lambda xs: theirs(*xs, *constants), xs, dout, grads, element_directions(xs), 1e-7)


@pytest.mark.parametrize(("name", "function"), CALLS)
def test_values_and_gradients(name, function):
    draw, shapes = DRAWN[name]
    r = np.random.default_rng([*name.encode()])
    x = draw(r, 3)
    more = [d(r, 3) for d in shapes]
    ours, theirs = getattr(getattr(stats, name), function), getattr(getattr(scipy.stats, name), function)
    if function in DENSITIES:
        assert_same(ours, theirs, [x, *more, np.full(3, 0.02), np.array(1.3)])
    else:

        def by_place(f):
            return lambda x, loc, scale: f(x, *more, loc, scale)

        assert_same(by_place(ours), by_place(theirs), [x, np.full(3, 0.02), np.array(1.3)])


def test_by_keyword_and_broadcast():
    r = np.random.default_rng(0)
    x, scale = r.normal(size=(4, 3)), r.uniform(1, 2, (4, 1))
    got = hg.grad(lambda s: hg.sum(stats.norm.logpdf(x, loc=0.5, scale=s)))(scale)
    np.testing.assert_allclose(got, np.sum(((x - 0.5) ** 2 / scale**3) - 1 / scale, axis=1, keepdims=True))


def test_outside_of_the_support():
    x = np.array([-1.0, 0.5, 2.0])
    for name, shapes in {"gamma": (2.0,), "beta": (2.0, 3.0), "chi2": (3.0,)}.items():
        ours, theirs = getattr(stats, name), getattr(scipy.stats, name)
        for function in ("pdf", "logpdf", "cdf", "sf"):
            wanted = getattr(theirs, function)(x, *shapes)
            np.testing.assert_allclose(getattr(ours, function)(x, *shapes), wanted, rtol=1e-12)
        assert hg.grad(lambda x, f=ours.pdf, s=shapes: hg.sum(f(x, *s)))(x)[0] == 0


def test_tails_of_the_normal_distribution_keep_their_digits():
    x = np.array([-40.0, -9.0, 9.0, 40.0])
    for function in ("logcdf", "logsf", "sf"):
        np.testing.assert_allclose(
            getattr(stats.norm, function)(x), getattr(scipy.stats.norm, function)(x), rtol=1e-12
        )
    assert np.isfinite(hg.grad(lambda x: hg.sum(stats.norm.logcdf(x)))(x)).all()


@pytest.mark.parametrize("function", ["pmf", "logpmf", "cdf", "sf"])
def test_poisson(function):
    k, mu = np.array([0.0, 2.0, 5.0]), np.array([0.7, 1.5, 3.0])
    ours, theirs = getattr(stats.poisson, function), getattr(scipy.stats.poisson, function)
    assert_same(lambda mu: ours(k, mu), lambda mu: theirs(k, mu), [mu])
    odd = np.array([-1.0, 1.5, 3.0])
    np.testing.assert_allclose(ours(odd, 2.0), theirs(odd, 2.0), rtol=1e-12)


@pytest.mark.parametrize("function", ["pdf", "logpdf"])
def test_multivariate_normal(function):
    r = np.random.default_rng(1)
    A = r.normal(size=(3, 3))
    ours, theirs = (getattr(m.multivariate_normal, function) for m in (stats, scipy.stats))

    def of_factor(f):
        return lambda x, mean, A: f(x, mean, A @ np.swapaxes(A, 0, 1) + np.eye(3))

    assert_same(of_factor(ours), of_factor(theirs), [r.normal(size=(4, 3)), r.normal(size=3), A])
    assert_same(lambda x: ours(x, None, 2.0), lambda x: theirs(x, None, 2.0), [np.array(0.3)])
    variances = np.array([1.0, 2.0, 0.5])
    x, mean = r.normal(size=3), np.zeros(3)
    assert_same(lambda x: ours(x, mean, variances), lambda x: theirs(x, mean, variances), [x])
    assert_same(lambda x: ours(x, None, 2.0), lambda x: theirs(x, None, 2.0), [x])
    assert_same(lambda x: ours(x, mean, 2.0), lambda x: theirs(x, mean, 2.0), [x])


def test_multivariate_normal_of_lower_rank_and_its_entropy():
    cov = np.diag([1.0, 2.0, 0.0])
    x = np.array([0.4, -1.2, 0.0])
    got = stats.multivariate_normal.logpdf(x, None, cov, allow_singular=True)
    wanted = scipy.stats.multivariate_normal.logpdf(x, None, cov, allow_singular=True)
    assert got == pytest.approx(wanted, rel=1e-12)
    S = np.array([[2.0, 0.5], [0.5, 1.0]])
    entropy = stats.multivariate_normal.entropy
    wanted = scipy.stats.multivariate_normal.entropy(np.zeros(2), S)
    assert entropy(None, S) == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(hg.grad(lambda S: entropy(None, S))(S), np.linalg.inv(S) / 2, rtol=1e-12)


def test_dirichlet():
    r = np.random.default_rng(2)
    x, alpha = r.dirichlet([1.0, 2.0, 3.0]), np.array([1.5, 2.5, 0.7])
    for function in ("pdf", "logpdf"):
        ours, theirs = (getattr(m.dirichlet, function) for m in (stats, scipy.stats))
        assert_same(lambda a, f=ours: f(x, a), lambda a, f=theirs: f(x, a), [alpha])


def test_what_has_no_derivative_is_refused_and_the_rest_is_scipys():
    with pytest.raises(TypeError, match=r"derivative of stdtr by its argument 0"):
        hg.grad(lambda df: stats.t.cdf(0.5, df))(2.0)
    with pytest.raises(TypeError, match="norm takes loc, scale, and got loc, scale, sigma"):
        stats.norm.pdf(0.0, sigma=2.0)
    with pytest.raises(TypeError, match="t takes df, loc, scale, and got loc, scale"):
        stats.t.pdf(0.0)
    assert stats.norm.rvs(size=3, random_state=0).shape == (3,)
    assert stats.dirichlet.mean([1.0, 1.0]) == pytest.approx([0.5, 0.5])
