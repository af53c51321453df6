"""What stands in for the C library where a target has none, against mpmath and NumPy."""

import dataclasses
import functools
import itertools

import mpmath
import numpy as np
import pytest

from handgrad.arrays import NUMPY
from handgrad.engine.emit import library
from handgrad.engine.emit.ir import Module
from handgrad.engine.targets.here import at_level, levels
from tests.engine.test_functions import DTYPES, SPECIAL, Compiled, add_loop, ulps

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

OF_TWO = {"pow", "fmod", "hypot", "atan2"}
NAMES = {
    name: name.replace("acos", "arccos").replace("asin", "arcsin").replace("atan", "arctan")
    for name in library.FUNCTIONS
} | {"pow": "power"}
EXACT = {
    "exp2": lambda x: mpmath.power(2, x),
    "log2": lambda x: mpmath.log(x, 2),
    "pow": mpmath.power,
    "hypot": lambda x, y: mpmath.sqrt(x * x + y * y),
    "fmod": lambda x, y: mpmath.sign(x) * mpmath.fmod(abs(x), abs(y)),
}


def without_library(level):
    """A target that has no C library, and runs here."""
    target = at_level(level)
    kind = type("Without", (type(target),), {"has_library": False})
    return kind(**{field.name: getattr(target, field.name) for field in dataclasses.fields(target)})


@functools.cache
def compiled(level):
    module = Module(without_library(level))
    for name, scalar, lanes in itertools.product(library.FUNCTIONS, DTYPES, (1, 4)):
        body = functools.partial(lambda name, f, *xs: library.emit(f, name, *xs), name)
        add_loop(module, f"{name}_{scalar}_{lanes}", scalar, lanes, body, arrays=1 + (name in OF_TWO))
    return Compiled(module)


def spread(rng, n, most):
    """Numbers of both signs from 2^-most to 2^most."""
    return np.ldexp(rng.uniform(-2, 2, n), rng.integers(-most, most, n))


def numbers(name, n=60):
    """Arguments, among them some where the function is hard."""
    rng = np.random.default_rng(list(name.encode()))
    usual = [rng.normal(0, 3, n), rng.uniform(-1, 1, n), spread(rng, n, 60)]
    if name in ("sin", "cos", "tan"):
        hard = [6381956970095103 * 2.0**797, 5.319372648326541e255, 1e22, 2.0**20, np.nextafter(2.0**20, 3e6)]
        multiples = rng.integers(1, 2**20, n) * (np.pi / 2)
        return (np.concatenate([*usual, spread(rng, n, 1022), multiples, hard]),)
    if name in ("asin", "acos", "atanh"):
        near_one = 1 - 2.0 ** -rng.uniform(1, 50, n)
        return (np.concatenate([rng.uniform(-1, 1, n), spread(rng, n, 40) / 2**40, near_one, -near_one]),)
    if name == "acosh":
        return (1 + np.exp(rng.normal(0, 8, n)),)
    if name in ("log2", "log10"):
        return (np.abs(np.concatenate([*usual, 1 + rng.normal(0, 1e-6, n)])),)
    if name in ("sinh", "cosh", "exp2"):
        return (np.concatenate([rng.uniform(-700, 700, n), *usual[:2]]),)
    if name == "erfc":
        return (np.concatenate([rng.uniform(-6, 26.4, n), *usual[:2]]),)
    if name == "pow":
        near_one = 1 + rng.normal(0, 1e-3, n)
        bases = [np.exp(rng.normal(0, 1, n)), near_one, np.abs(spread(rng, n, 1000)), np.full(4, 0.999)]
        return np.concatenate(bases), np.concatenate(
            [rng.normal(0, 30, n), rng.normal(0, 1e5, n), rng.uniform(-0.7, 0.7, n), [1, 3, 1000, 1e5]]
        )
    if name in OF_TWO:
        most = {"hypot": 500, "fmod": 20, "atan2": 30}[name]
        return spread(rng, n, most), spread(rng, n, most)
    return (np.concatenate(usual),)


@functools.cache
def given(name, scalar):
    """Arguments, and the values there, each a sum of two numbers."""
    with np.errstate(over="ignore"):
        xs = [x.astype(DTYPES[scalar]) for x in numbers(name)]
    tiny = np.finfo(DTYPES[scalar]).tiny
    usable = np.all([np.isfinite(x) & (np.abs(x) > tiny) for x in xs], axis=0)
    xs = [x[usable] for x in xs]
    return xs, *exactly(name, [x.tolist() for x in xs])


def exactly(name, xs):
    function = EXACT.get(name) or getattr(mpmath, name)
    with mpmath.workprec(1300 if name in ("sin", "cos", "tan", "fmod") else 160):
        values = [mpmath.re(function(*map(mpmath.mpf, each))) for each in zip(*xs, strict=True)]
        right = np.array([float(v) for v in values])
        rest = [float(v - r) if np.isfinite(r) else 0.0 for v, r in zip(values, right.tolist(), strict=True)]
    return right, np.array(rest)


@pytest.mark.parametrize("name", library.FUNCTIONS)
@pytest.mark.parametrize("level", ["native", levels()[-1]])
def test_functions_are_right(name, level):
    """To 2.1 ulp in float64 (erfc: 2.8), nearly to half a one in float32; of one lane and of four."""
    run = compiled(level)
    for scalar in DTYPES:
        xs, right, rest = given(name, scalar)
        y = run(name, scalar, 4, *xs)
        np.testing.assert_array_equal(run(name, scalar, 1, *xs), y)
        error = ulps(y, right, rest)
        worst = [float(x[error.argmax()]) for x in xs]
        assert error.max() <= (0.501 if scalar == "float" else 2.8 if name == "erfc" else 2.1), worst


ENDS = [*SPECIAL, 1.5, -1.5, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5, 1e10, -1e10, 1e300, -1e300]


@pytest.mark.parametrize("name", library.FUNCTIONS)
def test_ends_are_numpy_s(name):
    """Infinities, nan, zeros with their signs, what is outside a domain."""
    xs = [np.array(ENDS)] if name not in OF_TWO else [x.ravel() for x in np.meshgrid(ENDS, ENDS)]
    wanted = np.asarray(getattr(NUMPY if name == "erfc" else np, NAMES[name])(*xs))
    y = compiled("native")(name, "double", 4, *xs)
    np.testing.assert_allclose(y, wanted, rtol=1e-14, atol=1e-300)
    zeros = wanted == 0
    np.testing.assert_array_equal(np.signbit(y[zeros]), np.signbit(wanted[zeros]))


def test_remainders_of_every_size():
    """To the bit, subnormal numbers among them."""
    rng = np.random.default_rng(0)
    x, y = (np.concatenate([spread(rng, 2000, 1000), rng.integers(-99, 99, 2000) * 5e-324]) for _ in range(2))
    y = np.where(y == 0, 5e-324, rng.permutation(y))
    np.testing.assert_array_equal(compiled("native")("fmod", "double", 4, x, y), np.fmod(x, y))
