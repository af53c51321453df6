"""Elementary functions in machine code, against float64 and mpmath, in units of the last place."""

import ctypes
import functools
import itertools
import math
from fractions import Fraction

import llvmlite.binding as llvm
import mpmath
import numpy as np
import pytest

from handgrad.arrays import NUMPY
from handgrad.engine.emit.exact import rounded_once
from handgrad.engine.emit.functions import FORMATS, FUNCTIONS, emit, library_call
from handgrad.engine.emit.ir import I32, I64, PTR, Module, Type, i64, number
from handgrad.engine.runtime.native import Native, object_code
from handgrad.engine.targets.here import at_level, levels

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

DTYPES = {"float": np.float32, "double": np.float64}
LIBRARY = "sin cos tan asin acos atan sinh cosh exp2 log2 log10".split()
X86 = llvm.get_process_triple().startswith(("x86_64", "amd64"))
FLUSHED, PLAIN = 0x9FC0, 0x1F80  # the processor's control word with and without subnormal numbers


def add_loop(module, name, scalar, lanes, body, arrays=1, control=None):
    """out[i] = body(x[i], ...), lanes at a time."""
    names = [f"x{k}" for k in range(arrays)]
    f = module.function(name, [*((n, PTR, "noalias") for n in names), ("y", PTR, "noalias"), ("n", I64, "")])
    *xs, y, n = f.args

    def set_control(word):
        place = f.variable(I32)
        f.store(number(word, I32), place)
        module.declare("llvm.x86.sse.ldmxcsr", "void", ["ptr"])
        f.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {place.text})")

    if control is not None:
        set_control(control)
    with f.loop(i64(0), n, lanes) as i:
        loaded = [f.load(f.offset(x, i, scalar), Type(scalar, lanes)) for x in xs]
        f.store(body(f, *loaded), f.offset(y, i, scalar))
    if control is not None:
        set_control(PLAIN)


class Compiled:
    """Functions of arrays by (name, scalar, lanes)."""

    def __init__(self, module):
        self.native = Native([object_code(str(module), module.target)], module.target)

    def __call__(self, name, scalar, lanes, *xs):
        xs = [np.ascontiguousarray(x, DTYPES[scalar]) for x in xs]
        size = len(xs[0])
        padded = [np.concatenate([x, np.ones(-size % lanes, x.dtype)]) for x in xs]
        out = np.empty_like(padded[0])
        address = self.native.address(f"{name}_{scalar}_{lanes}")
        call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(xs) + 1), ctypes.c_int64)(address)
        call(*(x.ctypes.data for x in padded), out.ctypes.data, len(out))
        return out[:size]


def compile_all(lanes, level="native", control=None):
    module = Module(at_level(level))
    for name, scalar, n in itertools.product(FUNCTIONS, DTYPES, lanes):
        body = functools.partial(lambda name, f, x: emit(f, name, x), name)
        add_loop(module, f"{name}_{scalar}_{n}", scalar, n, body, control=control)
    return Compiled(module)


@pytest.fixture(scope="module")
def run():
    return compile_all((1, 3, 16))


# What is right, and how far from it.

WIDE = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "erf": NUMPY.erf,
    "erfc": NUMPY.erfc,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
}

EXACT = {
    **{name: getattr(mpmath, name) for name in FUNCTIONS if name != "logistic"},
    "logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
}


def ulps(y, right, rest=0.0):
    """|y - (right + rest)| in units of the last place; below the smallest normal number, all is alike."""
    rounded = right.astype(y.dtype)
    tiny = np.finfo(y.dtype).tiny
    small = tiny * (1 + 4 * np.finfo(y.dtype).eps)
    alike = (y == rounded) & np.isinf(y) | np.isnan(y) & np.isnan(rounded)
    alike |= (np.abs(rounded) < small) & (np.abs(y) < small)
    unit = np.spacing(np.maximum(np.abs(rounded), tiny)).astype("d")
    error = np.abs(y.astype("d") - right - rest) / unit
    return np.where(alike, 0, np.where(np.isnan(error), np.inf, error))


def exactly(function, xs):
    """The values of one of mpmath's functions, each a sum of two numbers."""
    with mpmath.workprec(140):
        values = [function(mpmath.mpf(x)) for x in xs.tolist()]
        right = np.array([float(v) for v in values])
        rest = [
            float(v - r) if math.isfinite(r) else 0.0 for v, r in zip(values, right.tolist(), strict=True)
        ]
    return right, np.array(rest)


def everywhere(count, seed):
    """float32: as many random numbers from each exponent and sign; no subnormal ones."""
    rng = np.random.default_rng(seed)
    top = np.arange(512, dtype=np.uint32)
    top = top[(top & 255) != 0]
    bits = top[:, None] << 23 | rng.integers(0, 1 << 23, (len(top), count), dtype=np.uint32)
    return bits.ravel().view(np.float32)


def around(centres, dtype, reach=40):
    """Each number and its neighbours."""
    integer = np.int32 if dtype == np.float32 else np.int64
    bits = np.asarray(centres, dtype).view(integer)[:, None] + np.arange(-reach, reach + 1, dtype=integer)
    return bits.ravel().view(dtype)


def boundaries(scalar):
    """Where k or e goes up by one, where a formula ends, and where it begins."""
    c, dtype = FORMATS[scalar], DTYPES[scalar]
    k = np.arange(-c.bias - 2, c.bias + 3) if scalar == "float" else np.arange(-60, 61)
    steps = (k + 0.5) * math.log(2)
    ends = [*c.exp_domain, *c.expm1_domain, *c.logistic_domain]
    ends += [c.tanh_saturates, c.erf_saturates, 9.0, 9.3, 26.5]
    powers = np.ldexp([1, 0.7, 1.4], np.arange(-30, 31)[:, None]).ravel()
    first = np.array([*ends, *powers, 0.3, 0.4, 1e-3])
    centres = np.concatenate([steps, steps / 2, first, -first, powers - 1])
    x = around(centres[centres != 0], dtype)
    return x[np.abs(x) >= np.finfo(dtype).tiny]


@functools.cache
def float32s():
    rng = np.random.default_rng(1)
    mixed = np.concatenate([rng.normal(0, 3, 200_000), rng.uniform(-100, 100, 100_000)]).astype(np.float32)
    return np.concatenate([everywhere(400, 0), boundaries("float"), mixed])


def float64s(name):
    rng = np.random.default_rng(2)
    near = np.ldexp(rng.uniform(-2, 2, 300), rng.integers(-70, 8, 300))
    x = np.concatenate([rng.choice(boundaries("double"), 300), rng.normal(0, 3, 300), near])
    if name == "log":
        return np.concatenate([np.abs(x), np.ldexp(rng.uniform(1, 2, 300), rng.integers(-1022, 1024, 300))])
    if name == "log1p":
        return np.concatenate([x[x > -1], rng.uniform(-1, 1, 300), 2.0 ** rng.uniform(0, 1024, 300)])
    return np.concatenate([x, rng.uniform(-745, 745, 300)])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_is_right_to_2_ulp(run, name):
    x = float32s()
    error = ulps(run(name, "float", 16, x), WIDE[name](x.astype("d")))
    assert error.max() <= 2, x[error.argmax()]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_is_right_to_2_ulp(run, name):
    """erfc is the C library's, with its bound."""
    x = float64s(name)
    error = ulps(run(name, "double", 16, x), *exactly(EXACT[name], x))
    assert error.max() <= (4 if name == "erfc" else 2), x[error.argmax()]


@pytest.mark.parametrize("level", levels())
def test_every_level(run, level):
    """With instructions that round a·b + c once the same bits; without, the same bound, in other bits."""
    at_this_level = compile_all((16,), level)
    for name, scalar in itertools.product(set(FUNCTIONS) - {"erfc"}, DTYPES):
        x = float64s(name)[:2000] if scalar == "double" else float32s()[::97]
        y, best = at_this_level(name, scalar, 16, x), run(name, scalar, 16, x)
        if at_level(level).has_fma == at_level("native").has_fma:
            np.testing.assert_array_equal(y, best, err_msg=name)
        exact = (WIDE[name](x.astype("d")),) if scalar == "float" else exactly(EXACT[name], x)
        assert ulps(y, *exact).max() <= 2, name


@pytest.mark.parametrize("scalar", DTYPES)
@pytest.mark.parametrize("level", levels())
def test_products_with_sums_rounded_once(level, scalar):
    """Of numbers that cancel, too, against exact fractions."""
    module = Module(at_level(level))
    add_loop(module, f"fma_{scalar}_4", scalar, 4, rounded_once, arrays=3)
    rng = np.random.default_rng(0)
    x, y = np.ldexp(rng.uniform(-2, 2, (2, 2000)), rng.integers(-20, 20, (2, 2000))).astype(DTYPES[scalar])
    z = np.where(rng.random(2000) < 0.5, -(x * y), x * rng.standard_normal(2000)).astype(x.dtype)
    exact = [
        Fraction(a) * Fraction(b) + Fraction(c)
        for a, b, c in zip(*map(np.ndarray.tolist, (x, y, z)), strict=True)
    ]
    wanted = np.array([float(e) for e in exact])
    rest = np.array([float(e - Fraction(w)) for e, w in zip(exact, wanted.tolist(), strict=True)])
    assert ulps(Compiled(module)("fma", scalar, 4, x, y, z), wanted, rest).max() <= 0.5001


def test_tanh_where_rounding_weighs_most(run):
    """Just below 1/4, where a unit of exp(2x) - 1 is two of tanh's."""
    x = np.concatenate(
        [
            np.random.default_rng(3).uniform(0.17, 0.26, 6000),
            [0.20349923072472811, 0.2095, 0.21030802084494973],
        ]
    )
    error = ulps(run("tanh", "double", 16, x), *exactly(mpmath.tanh, x))
    assert error.max() <= 2, x[error.argmax()]


SPECIAL = (math.inf, -math.inf, math.nan, 0.0, -0.0, 1.0, -1.0, -2.0, 1e30, -1e30)
EXPECTED = {
    "exp": (math.inf, 0, math.nan, 1, 1, math.e, 1 / math.e, math.exp(-2), math.inf, 0),
    "expm1": (math.inf, -1, math.nan, 0.0, -0.0, math.expm1(1), math.expm1(-1), math.expm1(-2), math.inf, -1),
    "log": (
        math.inf,
        math.nan,
        math.nan,
        -math.inf,
        -math.inf,
        0.0,
        math.nan,
        math.nan,
        math.log(1e30),
        math.nan,
    ),
    "log1p": (
        math.inf,
        math.nan,
        math.nan,
        0.0,
        -0.0,
        math.log(2),
        -math.inf,
        math.nan,
        math.log(1e30),
        math.nan,
    ),
    "tanh": (1, -1, math.nan, 0.0, -0.0, math.tanh(1), math.tanh(-1), math.tanh(-2), 1, -1),
    "erf": (1, -1, math.nan, 0.0, -0.0, math.erf(1), math.erf(-1), math.erf(-2), 1, -1),
    "erfc": (0.0, 2, math.nan, 1, 1, math.erfc(1), math.erfc(-1), math.erfc(-2), 0.0, 2),
    "logistic": (
        1,
        0.0,
        math.nan,
        0.5,
        0.5,
        1 / (1 + 1 / math.e),
        1 / (1 + math.e),
        1 / (1 + math.e**2),
        1,
        0.0,
    ),
}


@pytest.mark.parametrize("scalar", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_at_infinities_nan_and_zeros(run, name, scalar):
    y = run(name, scalar, 16, SPECIAL)
    right = np.array(EXPECTED[name], DTYPES[scalar])
    tiny = np.finfo(y.dtype).tiny
    np.testing.assert_allclose(y, right, rtol=2 * np.finfo(y.dtype).eps, atol=tiny)
    zero = right == 0
    np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(right[zero]))


@pytest.mark.parametrize("scalar", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_number_of_lanes_gives_the_same(run, name, scalar):
    x = np.concatenate([float32s()[::97], np.float32(SPECIAL)]).astype(DTYPES[scalar])
    by_16 = run(name, scalar, 16, x)
    np.testing.assert_array_equal(run(name, scalar, 1, x), by_16)
    np.testing.assert_array_equal(run(name, scalar, 3, x), by_16)


@pytest.mark.parametrize("name", ["expm1", "tanh", "erf"])
def test_odd_or_faithful_near_zero(run, name):
    """Where the next term of the series is below the last place, the first is what comes out."""
    slope = 2 / math.sqrt(math.pi) if name == "erf" else 1.0
    x = np.float32(2.0) ** np.arange(-124, -26)
    for signed in (x, -x):
        assert ulps(run(name, "float", 16, signed), slope * signed.astype("d")).max() <= 1


@pytest.mark.skipif(not X86, reason="the word that sets the processor is x86's")
def test_flushed_subnormals_change_nothing_else(run):
    flushed = compile_all((16,), control=FLUSHED)
    for name, (scalar, dtype) in itertools.product(FUNCTIONS, DTYPES.items()):
        x = float32s()[::7].astype(dtype)
        tiny = np.finfo(dtype).tiny
        x = np.concatenate(
            [x, around([2.1 * tiny, 100 * tiny, -3 * tiny], dtype, 9), np.array(SPECIAL, dtype)]
        )
        x = x[(np.abs(x) >= 2 * tiny) | (x == 0) | np.isnan(x)]
        y, plain = flushed(name, scalar, 16, x), run(name, scalar, 16, x)
        np.testing.assert_array_equal(y, np.where(np.abs(plain) < tiny, np.copysign(0, plain), plain))


@pytest.mark.parametrize("scalar", DTYPES)
def test_library_calls(scalar):
    module = Module(at_level("native"))
    for name, lanes in itertools.product(LIBRARY, (1, 3, 16)):
        body = functools.partial(lambda name, f, x: library_call(f, name, x), name)
        add_loop(module, f"{name}_{scalar}_{lanes}", scalar, lanes, body)
    for lanes in (1, 3, 16):
        add_loop(
            module, f"pow_{scalar}_{lanes}", scalar, lanes, lambda f, x, y: library_call(f, "pow", x, y), 2
        )
    run = Compiled(module)
    x = np.random.default_rng(0).uniform(-1, 1, 100).astype(DTYPES[scalar])
    for lanes in (1, 3, 16):
        for name in LIBRARY:
            given = np.abs(x) if name.startswith("log") else x
            right = np.array([getattr(math, name)(v) for v in given.tolist()])
            assert ulps(run(name, scalar, lanes, given), right).max() <= 2, name
        right = np.array([math.pow(v, w) for v, w in zip(np.abs(x).tolist(), x[::-1].tolist(), strict=True)])
        assert ulps(run("pow", scalar, lanes, np.abs(x), x[::-1]), right).max() <= 2


# Every float32. tanh and erf are odd to the bit, so half of them tell all.


def wide_erf(x):
    """erf by its series near 0, and 1 where it is that: the rest takes long enough."""
    if x[-1] < 1e-4:
        return 2 / math.sqrt(math.pi) * (x - x**3 / 3)
    return np.ones_like(x) if x[0] > 6 else NUMPY.erf(x)


def worst_of(run, name, first, last):
    """The largest error for bit patterns from first to last, and where it is."""
    worst, step = (0.0, 0.0), 1 << 18
    wide = wide_erf if name == "erf" else WIDE[name]
    for start in range(first, last, step):
        x = np.arange(start, start + step, dtype=np.uint32).view(np.float32)
        y = run(name, "float", 16, x)
        error = ulps(y, wide(x.astype("d")))
        k = error.argmax()
        worst = max(worst, (float(error[k]), float(x[k])))
        if name in ("tanh", "erf"):
            np.testing.assert_array_equal(run(name, "float", 16, -x), -y)
    return worst


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf"])
def test_every_float32(run, name):
    """Subnormal arguments are left out."""
    worst = worst_of(run, name, 0x00800000, 0x7F800000)
    if name == "exp":
        worst = max(worst, worst_of(run, name, 0x80800000, 0xFF800000))
    print(f"{name}: {worst[0]:.3f} ulp at {worst[1]!r}")
    assert worst[0] <= 2, worst
