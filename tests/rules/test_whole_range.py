"""NumPy's functions, recorded, over the whole range of float64: NumPy's values, and mpmath's derivatives.

Numbers are huge, tiny, subnormal, infinite, nan, zeros of both signs, and drawn by their bits, so that
each exponent is as likely as another.
"""

import mpmath
import numpy as np
import pytest

import handgrad as hg
from handgrad.tape.functions import TABLE

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, of overflow and nan

INFO = np.finfo(np.float64)
SIZES = (
    0.0, 5e-324, 3e-320, 2.3e-308, 1e-300, 3e-200, 1e-100, 1e-17, 1e-9, 0.1, 0.5, 1 - 2**-53, 1.0, 1 + 2**-52,
    1.5, 2.0, 3.0, 17.0, 30.0, 700.0, 1000.0, 2.0**29, 1e10, 1e16, 1e100, 4e200, 1e308, INFO.max, np.inf,
)  # fmt: skip
EDGES = np.array([*SIZES, *(-x for x in SIZES), np.nan])


def by_bits(seed, n):
    return np.random.default_rng(seed).integers(0, 2**64, n, np.uint64).view(np.float64)


POINTS = np.concatenate([EDGES, by_bits(0, 300), np.random.default_rng(1).normal(size=60) * 3])
PAIRS = np.concatenate(
    [
        np.stack(np.meshgrid(EDGES, EDGES), -1).reshape(-1, 2),
        by_bits(2, 400).reshape(-1, 2),
        np.repeat(by_bits(3, 60), 2).reshape(-1, 2),
        np.random.default_rng(4).normal(size=(60, 2)) * 3,
    ]
)
UFUNCS = [f for f in TABLE if isinstance(f, np.ufunc) and f.nout == 1 and {t[-1] for t in f.types} != {"?"}]
WHOLE = "bitwise_and bitwise_or bitwise_xor invert left_shift right_shift bitwise_count".split()
UNARY = [f for f in UFUNCS if f.nin == 1 and f.__name__ not in WHOLE]
NOT_OF_NUMBERS = [*WHOLE, *"gcd lcm ldexp matmul matvec nextafter vecdot vecmat".split()]
BINARY = [f for f in UFUNCS if f.nin == 2 and f.__name__ not in NOT_OF_NUMBERS]


def ulps_apart(a, b):
    """How many floats lie between; 0 for two nan."""
    places = [np.asarray(x, np.float64).view(np.int64) for x in (a, b)]
    p, q = (np.where(x < 0, np.int64(-(2**63)) - x, x).astype(object) for x in places)
    return np.where(np.isnan(a) & np.isnan(b), 0, np.asarray(abs(p - q), object))


def assert_numpys(function, *xs):
    wanted = np.asarray(function(*xs))
    got = function(*map(hg.variable, xs))
    got = np.asarray(getattr(got, "value", got))
    far = ulps_apart(got, wanted)
    worst = np.argmax(far)
    assert np.array_equal(np.isfinite(got), np.isfinite(wanted)), function
    assert far[worst] <= 4, f"{function} of {[x[worst] for x in xs]}: {got[worst]}, NumPy's {wanted[worst]}"


@pytest.mark.parametrize("function", UNARY, ids=lambda f: f.__name__)
def test_values_of_one_number_are_numpys(function):
    assert_numpys(function, POINTS)


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_values_of_two_numbers_are_numpys(function):
    assert_numpys(function, *PAIRS.T)


def test_python_numbers_are_numpys_too():
    for function in (np.divide, np.power, np.float_power, np.hypot):
        for x, y in ((1.0, 0.0), (-2.0, 0.5), (0.0, -1.0), (10.0, 400.0), (0.0, 0.0), (-0.0, -1.0)):
            got = function(hg.variable(x), y).value
            np.testing.assert_array_equal(got, function(x, y))
    assert np.isnan(hg.grad(lambda x: x**0.5)(-2.0))
    assert hg.grad(lambda x: 1 / x)(0.0) == -np.inf
    assert hg.power(2, 3) == 8
    assert isinstance(hg.power(2, 3), int)


# Derivatives. A function that saturates is not asked for eˣ of a number of three hundred digits.

NEAR = 1e5


def exp(x):
    return mpmath.exp(x) if x > -NEAR else mpmath.mpf(0)


def one(x):
    return mpmath.mpf(1)


def root(x):
    return mpmath.sqrt((1 - x) * (1 + x))


def degree(x):
    return mpmath.pi / 180


DERIVATIVES = {
    np.absolute: mpmath.sign,
    np.fabs: mpmath.sign,
    np.sign: lambda x: mpmath.mpf(0),
    np.positive: one,
    np.conjugate: one,
    np.negative: lambda x: -one(x),
    np.square: lambda x: 2 * x,
    np.sqrt: lambda x: 1 / (2 * mpmath.sqrt(x)),
    np.cbrt: lambda x: 1 / (3 * mpmath.cbrt(abs(x)) ** 2),
    np.reciprocal: lambda x: -1 / x**2,
    np.exp: exp,
    np.exp2: lambda x: exp(x * mpmath.log(2)) * mpmath.log(2),
    np.expm1: exp,
    np.log: lambda x: 1 / x,
    np.log1p: lambda x: 1 / (1 + x),
    np.log2: lambda x: 1 / (x * mpmath.log(2)),
    np.log10: lambda x: 1 / (x * mpmath.log(10)),
    np.sin: mpmath.cos,
    np.cos: lambda x: -mpmath.sin(x),
    np.tan: lambda x: mpmath.sec(x) ** 2,
    np.arcsin: lambda x: 1 / root(x),
    np.arccos: lambda x: -1 / root(x),
    np.arctan: lambda x: 1 / (1 + x * x),
    np.sinh: mpmath.cosh,
    np.cosh: mpmath.sinh,
    np.tanh: lambda x: mpmath.sech(x) ** 2,
    np.arcsinh: lambda x: 1 / mpmath.sqrt(1 + x * x),
    np.arccosh: lambda x: 1 / mpmath.sqrt((x - 1) * (x + 1)),
    np.arctanh: lambda x: 1 / ((1 - x) * (1 + x)),
    np.deg2rad: degree,
    np.radians: degree,
    np.rad2deg: lambda x: 1 / degree(x),
    np.degrees: lambda x: 1 / degree(x),
}
SATURATE = (np.exp, np.exp2, np.expm1, np.sinh, np.cosh, np.tanh)
ROUNDED_TO_ONE = (np.tanh, np.expm1)  # their backward reuses the result: 1 - out², out + 1
WITHOUT = frozenset(
    "ceil floor rint trunc fix logical_not spacing".split()
)  # no derivative but 0, and no gradient


def test_every_function_of_one_number_has_its_derivative_here():
    assert {f for f in UNARY if f.__name__ not in WITHOUT} == set(DERIVATIVES)


def exact_or_none(derivative, *xs):
    """The derivative, if it is a finite real number."""
    try:
        found = derivative(*map(mpmath.mpf, map(float, xs)))
    except (ZeroDivisionError, ValueError):
        return None
    is_real = isinstance(found, mpmath.mpf) and mpmath.isfinite(found)
    return found if is_real else None


def assert_right(got, exact, floor, where):
    """Within 64 roundings, of the floor where the number is smaller; beyond the range, infinite."""
    if abs(exact) > INFO.max * (1 - 1e-13):
        assert abs(got) > INFO.max * (1 - 1e-13), (*where, got, exact)
        assert mpmath.sign(exact) == np.sign(got)
        return
    error = abs(mpmath.mpf(float(got)) - exact)
    assert error <= 64 * INFO.eps * max(abs(exact), floor), (*where, got, mpmath.nstr(exact, 17))


@pytest.mark.parametrize("function", DERIVATIVES, ids=lambda f: f.__name__)
def test_derivatives_of_one_number_are_mpmaths(function):
    derivative, checked = DERIVATIVES[function], 0
    grads = hg.vjp(function, POINTS)[1](np.ones_like(POINTS))[0]
    floor = 1.0 if function in ROUNDED_TO_ONE else INFO.tiny
    with mpmath.workdps(50):
        for x, value, got in zip(POINTS, function(POINTS), grads, strict=True):
            if not np.isfinite(x) or np.isnan(value) or (function in SATURATE and abs(x) > NEAR):
                continue
            exact = exact_or_none(derivative, x)
            if exact is not None:
                assert_right(got, exact, floor, (function, x))
                checked += 1
    assert checked > 40


def logistic(d):
    return 1 / (1 + mpmath.exp(-d)) if abs(d) < NEAR else mpmath.mpf(int(d > 0))


def power_by_base(x, y):
    return y * x ** (y - 1) if y else mpmath.mpf(0)


PARTIALS = {
    np.add: (lambda x, y: one(x), lambda x, y: one(x)),
    np.subtract: (lambda x, y: one(x), lambda x, y: -one(x)),
    np.multiply: (lambda x, y: y, lambda x, y: x),
    np.divide: (lambda x, y: 1 / y, lambda x, y: -x / y**2),
    np.hypot: (
        lambda x, y: x / mpmath.sqrt(x * x + y * y),
        lambda x, y: y / mpmath.sqrt(x * x + y * y),
    ),
    np.arctan2: (lambda y, x: x / (x * x + y * y), lambda y, x: -y / (x * x + y * y)),
    np.logaddexp: (lambda x, y: logistic(x - y), lambda x, y: logistic(y - x)),
    np.logaddexp2: (
        lambda x, y: logistic((x - y) * mpmath.log(2)),
        lambda x, y: logistic((y - x) * mpmath.log(2)),
    ),
}


@pytest.mark.parametrize("function", PARTIALS, ids=lambda f: f.__name__)
def test_derivatives_of_two_numbers_are_mpmaths(function):
    x, y = PAIRS[::3].T
    grads = hg.vjp(function, x, y)[1](np.ones(len(x)))
    floor = INFO.tiny if function not in (np.logaddexp, np.logaddexp2) else 1.0
    with mpmath.workdps(700 if function in (np.logaddexp, np.logaddexp2) else 50):
        for partial, found in zip(PARTIALS[function], grads, strict=True):
            for a, b, got in zip(x, y, found, strict=True):
                exact = exact_or_none(partial, a, b) if np.isfinite([a, b]).all() else None
                if exact is not None:
                    assert_right(got, exact, floor, (function, a, b))


@pytest.mark.parametrize("function", [np.power, np.float_power], ids=lambda f: f.__name__)
def test_derivatives_of_powers_are_mpmaths(function):
    x = np.concatenate(
        [np.abs(by_bits(5, 200)), np.random.default_rng(6).uniform(0, 9, 60), [1e300, 1e-300, 2.0]]
    )
    x = x[np.isfinite(x) & (x > 0)]
    y = np.random.default_rng(7).choice([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.7, 2.0, 3.0], len(x))
    dx, dy = hg.vjp(function, x, y)[1](np.ones(len(x)))
    with mpmath.workdps(50):
        for a, b, by_base, by_exponent in zip(x, y, dx, dy, strict=True):
            base, exponent = mpmath.mpf(float(a)), mpmath.mpf(float(b))
            assert_right(by_base, power_by_base(base, exponent), INFO.tiny, ("base", a, b))
            value = base**exponent
            if INFO.tiny < value < INFO.max:  # the value itself is in the formula
                assert_right(by_exponent, value * mpmath.log(base), INFO.eps, ("exponent", a, b))


# Reductions.


@pytest.mark.parametrize("size", [1e-320, 1e-300, 1e-170, 1.0, 1e150, 1e200, 1e307])
def test_norms_neither_overflow_nor_underflow(size):
    x = np.array([3.0, -4.0, 0.0]) * size
    for out, dx in (
        hg.value_and_grad(np.linalg.norm)(x),
        hg.value_and_grad(lambda x: np.hypot(x[0], x[1]))(x),
        hg.value_and_grad(hg.norm)(x),
    ):
        np.testing.assert_allclose(out, 5 * size, rtol=1e-3 if size < 1e-310 else 4 * INFO.eps)
        np.testing.assert_allclose(dx, [0.6, -0.8, 0.0], rtol=1e-3 if size < 1e-310 else 4 * INFO.eps)


def test_norms_over_axes_are_numpys():
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    for axis in (0, -1, (0, 2), None):
        for keepdims in (False, True):
            wanted = np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))
            np.testing.assert_allclose(hg.norm(x, axis=axis, keepdims=keepdims), wanted, rtol=4 * INFO.eps)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "var", "std"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_reductions_are_numpys(name, dtype):
    function, info = getattr(np, name), np.finfo(dtype)
    drawn = np.random.default_rng(0).normal(size=(4, 999))
    for x in (drawn, drawn * 0 + 1, drawn + 100, np.full((2, 3), np.inf), np.array([[1.0, np.nan, -np.inf]]),
              np.full((2, 5), float(info.max) / 4), np.zeros((2, 3)), np.array([[-0.0, -0.0]])):  # fmt: skip
        x = x.astype(dtype)
        for axis in (None, 0, 1):
            got, wanted = function(hg.variable(x), axis=axis).value, function(x, axis=axis)
            np.testing.assert_allclose(got, wanted, rtol=4 * float(info.eps))
            assert got.dtype == wanted.dtype


def test_the_mean_of_many_half_floats():
    x = np.ones(100_000, np.float16)
    out, backward = hg.vjp(np.mean, x)
    assert out == 1.0
    np.testing.assert_array_equal(backward(np.float16(1))[0], np.float16(1e-5))


def test_logarithms_of_round_numbers_are_whole():
    assert [np.log10(hg.variable(10.0**n)).value for n in range(23)] == list(range(23))
    assert [np.log2(hg.variable(2.0**n)).value for n in range(-1074, 1024, 7)] == list(range(-1074, 1024, 7))


# Higher derivatives at places where a formula branches and the function does not.

SMOOTH = {
    "sigmoid": (hg.sigmoid, lambda x: 1 / (1 + mpmath.exp(-x))),
    "softplus": (hg.softplus, lambda x: mpmath.log(1 + mpmath.exp(x))),
    "silu": (hg.silu, lambda x: x / (1 + mpmath.exp(-x))),
    "gelu": (hg.gelu, lambda x: x * mpmath.ncdf(x)),
    "tanh": (hg.tanh, mpmath.tanh),
    "erf": (hg.erf, mpmath.erf),
    "erfc": (hg.erfc, mpmath.erfc),
    "arctan": (hg.arctan, mpmath.atan),
    "arcsinh": (hg.arcsinh, mpmath.asinh),
    "sinc": (np.sinc, mpmath.sincpi),
    "binary_cross_entropy": (
        lambda x: hg.binary_cross_entropy_with_logits(x, 0.3),
        lambda x: mpmath.log(1 + mpmath.exp(x)) - x * mpmath.mpf("0.3"),
    ),
    "logaddexp": (
        lambda x: hg.logaddexp(x, -x) + hg.logaddexp(x, 0.0),
        lambda x: mpmath.log(2 * mpmath.cosh(x)) + mpmath.log(1 + mpmath.exp(x)),
    ),
    "logsumexp": (
        lambda x: hg.logsumexp(hg.stack([x, -x, 0 * x])),
        lambda x: mpmath.log(2 * mpmath.cosh(x) + 1),
    ),
    "hypot": (lambda x: hg.hypot(x, 1.0), lambda x: mpmath.sqrt(1 + x * x)),
    "norm": (lambda x: hg.norm(hg.stack([x, 1 + 0 * x])), lambda x: mpmath.sqrt(1 + x * x)),
    "arctan2": (lambda x: hg.arctan2(x, 1.0), mpmath.atan),
    "power": (lambda x: x**3.0, lambda x: x**3),
    "prod": (lambda x: hg.prod(hg.stack([x, x, 2 + 0 * x])), lambda x: 2 * x * x),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_to_the_fourth_order_where_formulas_branch(name):
    function, exact = SMOOTH[name]
    with mpmath.workdps(60):
        for x in (0.0, 0.5, 1.0, -1.0):
            wanted = mpmath.taylor(exact, x, 4)
            derivative = function
            for order in range(1, 5):
                derivative = hg.grad(derivative)
                right = float(wanted[order] * mpmath.factorial(order))
                np.testing.assert_allclose(
                    derivative(x), right, rtol=1e-9, atol=1e-9, err_msg=f"{x}, {order}"
                )
