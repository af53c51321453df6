"""float32 at any finite input: finite, silent (warnings are errors), and right against mpmath.

Errors are measured in roundings: of the value itself, or of the input, whichever changes the result
more. So nothing is small in itself, except that below the smallest normal number (1.2e-38) digits
run out.
"""

import mpmath
import numpy as np
import pytest

import handgrad as hg

TINY, EPS = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).eps)
POINTS = [0.0]
for size in (1e-45, 1e-40, 1e-30, 1e-8, 1e-3, 0.1, 0.5, 1.0, 3.0, 5.5, 9.0, 13.0, 17.0, 30.0, 88.0, 89.0,
             104.0, 1e4, 1e20, 3e38):  # fmt: skip
    POINTS += [size, -size]
X = np.array([*POINTS, *np.linspace(-15, 15, 121)], np.float32)
EXACT = [mpmath.mpf(float(x)) for x in X]
PI = mpmath.pi


@pytest.fixture(autouse=True)
def sixty_digits():
    with mpmath.workdps(60):
        yield


def logistic(x):
    return 1 / (1 + mpmath.exp(-x)) if x > -1e5 else mpmath.mpf(0)


def normal(x):
    return mpmath.ncdf(x) if abs(x) < 1e3 else mpmath.mpf(int(x > 0))


def density(x):
    return mpmath.npdf(x) if abs(x) < 1e3 else mpmath.mpf(0)


def exp(x):
    return mpmath.exp(x) if x > -1e5 else mpmath.mpf(0)


def gauss(x):
    return 2 / mpmath.sqrt(PI) * exp(-x * x)


def erf(x):
    return mpmath.erf(x) if abs(x) < 1e3 else mpmath.mpf(int(mpmath.sign(x)))


def erfc(x):
    return mpmath.erfc(x) if abs(x) < 1e3 else mpmath.mpf(0 if x > 0 else 2)


def tanh(x):
    return mpmath.tanh(x) if abs(x) < 1e3 else mpmath.sign(x)


def sech2(x):
    return mpmath.sech(x) ** 2 if abs(x) < 1e3 else mpmath.mpf(0)


def softplus(x):
    return max(x, mpmath.mpf(0)) + mpmath.log1p(exp(-abs(x)))


C, K = mpmath.sqrt(2 / PI), mpmath.mpf("0.044715")


def tanh_gelu(x):
    return x * (1 + tanh(C * (x + K * x**3))) / 2


def tanh_gelu_slope(x):
    u = C * (x + K * x**3)
    return (1 + tanh(u)) / 2 + x / 2 * sech2(u) * C * (1 + 3 * K * x * x)


def silu_slope(x):
    return logistic(x) * (1 + x * logistic(-x))


FUNCTIONS = {
    "sigmoid": (hg.sigmoid, {}, logistic, lambda x: logistic(x) * logistic(-x)),
    "softplus": (hg.softplus, {}, softplus, logistic),
    "silu": (hg.silu, {}, lambda x: x * logistic(x), silu_slope),
    "gelu": (hg.gelu, {}, lambda x: x * normal(x), lambda x: normal(x) + x * density(x)),
    "gelu-tanh": (hg.gelu, {"approximate": "tanh"}, tanh_gelu, tanh_gelu_slope),
    "relu": (hg.relu, {}, lambda x: max(x, mpmath.mpf(0)), lambda x: mpmath.mpf(int(x > 0))),
    "leaky_relu": (
        hg.leaky_relu, {"negative_slope": 0.25},
        lambda x: x if x > 0 else x / 4, lambda x: mpmath.mpf(1) if x > 0 else mpmath.mpf("0.25"),
    ),
    "elu": (
        hg.elu, {}, lambda x: x if x > 0 else (mpmath.expm1(x) if x > -1e5 else mpmath.mpf(-1)),
        lambda x: mpmath.mpf(1) if x > 0 else exp(x),
    ),
    "tanh": (hg.tanh, {}, tanh, sech2),
    "erf": (hg.erf, {}, erf, gauss),
    "erfc": (hg.erfc, {}, erfc, lambda x: -gauss(x)),
}  # fmt: skip


# Their backward reuses the forward's result y, as 1 - y² and y + α: right to the rounding of 1.
SLOPE_TO_ONE = ("tanh", "elu")


def assert_right(got, exact, floor=0.0):
    """Within 8 roundings of the input, the exact value, or ``floor`` where the value is smaller."""
    assert got.dtype == np.float32
    assert np.all(np.isfinite(got))
    for x, a in zip(EXACT, got, strict=True):
        b = exact(x)
        size = max(abs(b), floor, TINY * max(1, abs(x)), abs(exact(x * (1 + EPS)) - b) / EPS)
        error = float(abs(mpmath.mpf(float(a)) - b) / size / EPS)
        assert error <= 8, f"at {float(x)}: {a}, exactly {mpmath.nstr(b, 9)}, {error:.3g} roundings apart"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_value(name):
    rule, options, exact, _ = FUNCTIONS[name]
    assert_right(rule(X, **options), exact)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradient(name):
    rule, options, _, slope = FUNCTIONS[name]
    (dx,) = rule.vjp(X, **options)[1](np.full_like(X, 0.75))
    assert_right(dx, lambda x: slope(x) * 0.75, floor=1 if name in SLOPE_TO_ONE else 0)


@pytest.mark.parametrize("rule", [hg.erf, hg.erfc], ids=lambda rule: rule.name)
def test_the_error_function_in_float64(rule):
    """Its rational approximations are written here, in arrays/lacking.py; beyond 26 erfc is subnormal."""
    for x in np.linspace(-7, 26, 500):
        exact = (erf if rule is hg.erf else erfc)(mpmath.mpf(float(x)))
        assert abs(float(rule(x)) / exact - 1) < 1e-15


def test_a_power_that_vanishes():
    """y·dout overflows here; y·x**(y-1) is 0."""
    out, backward = hg.power.vjp(np.array([1.25]), np.array([-1.5e308]))
    dx, dy = backward(np.array([1.5]))
    assert (out.tolist(), dx.tolist(), dy.tolist()) == ([0.0], [0.0], [0.0])


@pytest.mark.parametrize("shape", [(12,), (3, 4), (7, 1)])
@pytest.mark.parametrize("value", [0.01897, -1.2659449, 0.1, 1e5 / 3, 1.5])
def test_moments_of_equal_elements(shape, value):
    """The mean of equal elements is rounded, so that they deviate from it, all by the same."""
    x = np.full(shape, value)
    for rule, size in ((hg.std, 1.0), (hg.var, np.spacing(abs(value)))):
        _, backward = rule.vjp(x)
        assert np.max(np.abs(backward(np.ones(()))[0])) < 1e-14 * size


def test_deviations_sum_to_nothing():
    rng = np.random.default_rng(4)
    x = 1e8 + rng.standard_normal((5, 30))
    for rule in (hg.std, hg.var):
        (dx,) = rule.vjp(x, axis=1)[1](rng.standard_normal(5))
        assert np.max(np.abs(np.sum(dx, axis=1))) < 1e-15
