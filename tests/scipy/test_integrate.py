"""Differential equations: SciPy's solution, and gradients that are those of differences of it."""

import numpy as np
import scipy.integrate

import handgrad as hg
from handgrad.scipy import integrate

TIGHT = {"rtol": 1e-11, "atol": 1e-12}


def falling(y, t, A, k):
    return np.array(y) @ A - k * np.sin(t) * y


def test_odeint_and_its_gradients():
    r = np.random.default_rng(0)
    y, t, A, k = r.normal(size=2), np.array([0.0, 0.3, 1.0]), r.normal(size=(2, 2)), 0.7

    def ours(y, t, A, k):
        return integrate.odeint(falling, y, t, (A, k), **TIGHT)

    out, backward = hg.vjp(ours, y, t, A, k)

    def exact(*xs):
        return scipy.integrate.odeint(falling, *xs[:2], xs[2:], **TIGHT)

    np.testing.assert_allclose(out, exact(y, t, A, k), rtol=1e-9)
    dout = r.normal(size=out.shape)
    directions = [r.normal(size=np.shape(x)) for x in (y, t, A, k)]
    h = 1e-4
    ends = [exact(*(x + s * h * d for x, d in zip((y, t, A, k), directions, strict=True))) for s in (1, -1)]
    wanted = np.sum(dout * (ends[0] - ends[1])) / (2 * h)
    got = sum(np.sum(d * g) for d, g in zip(directions, backward(dout), strict=True))
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_time_first_and_lists():
    def f(t, y):
        return [y[1], -y[0]]

    out = integrate.odeint(f, [1, 0], [0, 1, 2], tfirst=True)
    np.testing.assert_allclose(out[:, 0], np.cos([0, 1, 2]), rtol=1e-7)


def test_all_else_is_scipys():
    assert integrate.quad is scipy.integrate.quad
