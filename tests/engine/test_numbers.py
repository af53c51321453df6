"""Numbers as NumPy has them where a processor has its own: casts, division of whole numbers, powers, sums."""

import functools
import itertools

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.engine import compile
from handgrad.engine.targets import here
from handgrad.program import trace
from tests.engine.support import compiled, over_levels, run

LEVELS = pytest.mark.parametrize("level", here.levels())
FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
WHOLE = "int8 uint8 int16 uint16 int32 uint32 int64 uint64".split()


def at(level, f, *args, threads=1):
    """f's only output, at a level."""
    (out,) = run(compiled(trace(f, *args), threads, target=here.at_level(level)), list(args))
    return out


# What an integer cannot hold: as x86's own conversion to 32 or 64 bits, cut to the integer's length.
BEYOND = {
    "int8": {300.0: 44, -129.0: 127, 1e20: 0, np.nan: 0, np.inf: 0},
    "uint8": {-1.9: 255, 256.0: 0, 300.0: 44, -np.inf: 0, np.nan: 0},
    "int16": {32768.0: -32768, 65536.0: 0, 1e20: 0},
    "uint16": {-128.0: 65408, 65536.0: 0, np.nan: 0},
    "int32": {2.0**31: -(2**31), -(2.0**32): -(2**31), np.nan: -(2**31), np.inf: -(2**31)},
    "uint32": {-128.0: 2**32 - 128, 2.0**32: 0, 1e20: 0},
    "int64": {2.0**63: -(2**63), 1e20: -(2**63), np.nan: -(2**63), -np.inf: -(2**63)},
    "uint64": {-128.0: 2**64 - 128, 2.0**64: 0, 1e20: 0, np.inf: 0},
}


@FLOATS
@pytest.mark.parametrize(("want", "level"), [*over_levels(WHOLE)])
def test_floats_as_whole_numbers(want, dtype, level):
    limits = np.iinfo(want)
    digits = np.finfo(dtype).nmant + 1
    ends = [limits.min, *(2**limits.bits // 2**k for k in range(1, 4)), limits.max >> 8 << 8]
    inside = [
        v for v in (0.0, -0.0, 0.5, -0.5, 1.9, 100.7, *map(float, ends)) if v < 2.0**digits or v % 256 == 0
    ]
    inside = [v for v in inside if limits.min <= v <= limits.max]
    x = np.array([*inside, *BEYOND[want]], dtype)
    got = at(level, lambda x: hg.astype(x, np.dtype(want)), x)
    assert got.tolist() == [*map(int, x[: len(inside)].tolist()), *BEYOND[want].values()]


@pytest.mark.parametrize(("dtype", "level"), [*over_levels(WHOLE)])
def test_division_of_whole_numbers(dtype, level):
    limits = np.iinfo(dtype)
    some = [limits.min, limits.min + 1, -7, -3, -2, -1, 0, 1, 2, 3, 7, limits.max - 1, limits.max]
    pairs = np.array([p for p in itertools.product(some, repeat=2) if min(p) >= limits.min], dtype)
    x, y = np.ascontiguousarray(pairs.T)

    def wrapped(values):
        return [(v - limits.min) % 2**limits.bits + limits.min for v in values]

    quotients = wrapped(a // b if b else 0 for a, b in pairs.tolist())
    rests = wrapped(a % b if b else 0 for a, b in pairs.tolist())
    assert at(level, xp.floor_divide, x, y).tolist() == quotients
    assert at(level, xp.remainder, x, y).tolist() == rests
    for k, divisor in enumerate(some):
        if divisor >= limits.min:  # a divisor that is known
            f = functools.partial(lambda d, x: xp.floor_divide(x, np.array(d, dtype)), divisor)
            assert at(level, f, x[y == divisor]).tolist() == [
                q for q, b in zip(quotients, y, strict=True) if b == divisor
            ], k


@FLOATS
def test_the_power_of_a_half(dtype):
    x = np.array([-np.inf, -1.0, -0.0, 0.0, 2.0, np.inf, np.nan], dtype)
    with np.errstate(invalid="ignore"):
        wanted = x**0.5
    got = compile(lambda x: x**0.5)(x)
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(np.signbit(got[2:4]), np.signbit(wanted[2:4]))


@pytest.mark.filterwarnings("ignore::handgrad.engine.NotCompiledWarning")  # NumPy has these powers itself
@pytest.mark.parametrize("shape", [(2,), (1, 3), ()], ids=str)
@pytest.mark.parametrize("exponent", [2, 3, 0.5, 2.0])
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64"])
def test_powers_have_numpys_dtypes(dtype, exponent, shape):
    x = np.ones(shape, dtype)
    got, wanted = compile(lambda x: x**exponent)(x), np.asarray(x**exponent)
    assert (got.dtype, got.tolist()) == (wanted.dtype, wanted.tolist())


# Long sums: of 0.1 in float32 a plain one of 10⁷ terms loses two digits of seven. Each has its bound in eps.

LENGTHS = [1, 17, 129, 2049, 200_001]
SUMS = {  # the engine's; NumPy's along rows, where it keeps the digits; the shape; the bound in eps
    "all": (lambda x: hg.sum(x), np.sum, lambda n: (n,), 16),
    "along rows": (lambda x: hg.sum(x, axis=1), lambda x: x.sum(axis=1), lambda n: (3, n), 16),
    "down columns": (lambda x: hg.sum(x, axis=0), lambda x: x.T.copy().sum(axis=1), lambda n: (n, 3), 32),
    "over two": (
        lambda x: hg.sum(x, axis=(0, 2)),
        lambda x: x.transpose(1, 0, 2).reshape(2, -1).sum(axis=1),
        lambda n: (-(-n // 10), 2, 10),
        32,
    ),
    "mean": (lambda x: hg.mean(x), np.mean, lambda n: (n,), 16),
    "turned": (lambda x: hg.sum(x.T * 1.5, axis=0), lambda x: (x * 1.5).sum(axis=1), lambda n: (2, n), 32),
    "vectors": (lambda x: x[0] @ x[1], lambda x: np.sum(x[0] * x[1]), lambda n: (2, n), 16),
}


@FLOATS
@pytest.mark.parametrize(("kind", "level"), [*over_levels(SUMS)])
def test_long_sums_keep_their_digits(kind, dtype, level):
    f, reference, shape, bound = SUMS[kind]
    for n in LENGTHS:
        x = np.full(shape(n), 0.1, dtype)
        x.flat[0] = 3
        wanted = reference(x.astype(np.longdouble))
        assert np.max(np.abs(at(level, f, x) - wanted) / wanted) <= bound * np.finfo(dtype).eps, n


@LEVELS
@FLOATS
def test_long_products_keep_most_of_their_digits(dtype, level):
    K = 50_000
    for a, b in (
        (np.full((5, K), 0.1, dtype), np.full((K, 7), 0.1, dtype)),
        (np.full((K, 5), 0.1, dtype),) * 2,
    ):
        f = (lambda a, b: a.T @ b) if a is b else (lambda a, b: a @ b)
        wanted = K * np.longdouble(a.flat[0]) ** 2
        got = [at(level, f, a, b, threads=threads) for threads in (1, 2)]
        assert got[0].tobytes() == got[1].tobytes()
        assert np.max(np.abs(got[0] / wanted - 1)) < 200 * np.finfo(dtype).eps


@FLOATS
def test_statistics_of_many_numbers(dtype):
    x = np.random.default_rng(0).normal(100, 1, (100_000, 2)).astype(dtype)
    exact = x.astype(np.longdouble)
    eps = float(np.finfo(dtype).eps)
    got = compile(lambda x: (hg.mean(x, axis=0), hg.var(x, axis=0)))(x)
    turned = exact.T.copy()
    np.testing.assert_allclose(got[0], turned.mean(axis=1).astype(np.float64), rtol=8 * eps)
    np.testing.assert_allclose(got[1], turned.var(axis=1).astype(np.float64), rtol=8 * eps)
    got = compile(hg.mean_squared_error)(x, x[::-1].copy())
    np.testing.assert_allclose(got, float(np.mean((exact - exact[::-1]) ** 2)), rtol=8 * eps)


@LEVELS
@FLOATS
def test_long_sums_of_what_is_not_finite(dtype, level):
    for special in ([np.inf], [-np.inf], [np.inf, -np.inf], [np.nan], [np.finfo(dtype).max] * 2, [-0.0]):
        for x in (np.ones(5000, dtype), np.zeros(5000, dtype)):
            x[100 : 100 + len(special)] = special
            with np.errstate(all="ignore"):
                wanted = x.sum(), np.stack([x, x], 1).sum(axis=0)
            np.testing.assert_array_equal(at(level, hg.sum, x), wanted[0])
            np.testing.assert_array_equal(
                at(level, lambda x: hg.sum(x, axis=0), np.stack([x, x], 1)), wanted[1]
            )
