"""Contractions over any number of loops, against NumPy in float64: einsums, windows, strides, groups."""

import itertools

import numpy as np
import pytest

from handgrad.engine.targets import here
from tests.engine.alone import Alone
from tests.engine.support import Fenced, over_levels

LEVELS = pytest.mark.parametrize("level", here.levels())


class Case:
    """An output's axes, what is summed, and views of two arrays that have an axis for each of their loops."""

    def __init__(self, shape, sums, x, y):
        self.shape, self.sums = tuple(shape), tuple(sums)
        self.factors = [x, y]  # (array, its view, the loops of the view's axes)
        self.among_zeros = None  # how x is read, where its view is of x among zeros

    def exact(self):
        names = [chr(ord("a") + loop) for loop in range(len(self.shape) + len(self.sums))]
        terms = ["".join(names[loop] for loop in loops) for _, _, loops in self.factors]
        out = "".join(names[: len(self.shape)])
        views = [view.astype(np.float64) for _, view, _ in self.factors]
        return np.einsum(f"{terms[0]},{terms[1]}->{out}", *views, optimize=True)

    def strides(self):
        for n, (array, view, loops) in enumerate(self.factors):
            if n == 0 and self.among_zeros:
                yield self.among_zeros
                continue
            size = array.itemsize
            start = (view.ctypes.data - array.ctypes.data) // size
            yield start, {loop: step // size for loop, step in zip(loops, view.strides, strict=True)}

    def run(self, level, threads=1, apart=None, at_end=True, in_pairs=False):
        dtype = self.factors[0][0].dtype
        target = here.at_level(level)
        made = Alone(self.shape, self.sums, *self.strides(), dtype, threads, apart, target, in_pairs)
        memory = Fenced(at_end)
        made.scratch = [memory.empty(s.shape, s.dtype) for s in made.scratch]
        x, y = (memory.copy(array) for array, _, _ in self.factors)
        out = made(x, y, memory.empty(self.shape, dtype))
        memory.check()
        assert out.dtype == dtype
        return out.copy()

    def check(self, level, **options):
        got, exact = self.run(level, **options), self.exact()
        eps = np.finfo(got.dtype).eps
        depth = int(np.prod(self.sums))
        sizes = [np.abs(view).max(initial=0).astype(np.float64) for _, view, _ in self.factors]
        most = (4 + depth**0.5) * eps * sizes[0] * sizes[1] * max(depth, 1) ** 0.5 * 4
        np.testing.assert_allclose(got, exact, rtol=0, atol=most)
        return got


def numbers(rng, shape, dtype=np.float32):
    return rng.standard_normal(shape).astype(dtype)


def einsum(rng, subscripts, sizes, dtype=np.float32):
    """A case as einsum writes it, each factor in an order of its own in memory."""
    given, out = subscripts.split("->")
    names = [*out, *sorted(set(given) - {","} - set(out))]
    factors = []
    for term in given.split(","):
        order = rng.permutation(len(term))
        array = numbers(rng, [sizes[term[i]] for i in order], dtype)
        view = array.transpose(np.argsort(order))
        factors.append((array, view, [names.index(name) for name in term]))
    return Case([sizes[n] for n in out], [sizes[n] for n in names[len(out) :]], *factors)


SOME = """
    ik,kj->ij ik,kj->ji bik,bkj->bij bik,kj->bij bik,kj->ibj bnk,bmk->bnm bhik,bhjk->bhij abcd,cdef->abef
    i,j->ij k,k-> ik,k->i k,kj->j ij,ij->ij ij,j->ij aik,akj->ij abi,abj->ij nhwc,c->nhwc nhwc,hwc->nhc
    abkc,kd->abcd bij,bjk->ikb ij,kl->ijkl ab,bc->ca
""".split()


@pytest.mark.parametrize(("subscripts", "level"), [*over_levels(SOME)])
def test_einsum(subscripts, level):
    """With odd sizes, and sizes of one; the same bits from threads."""
    rng = np.random.default_rng(len(subscripts))
    for trial in range(3):
        sizes = {
            name: int(rng.choice([1, 2, 3, 5, 7, 17, 35])) for name in sorted(set(subscripts) - set(",->"))
        }
        if trial == 2:
            sizes |= dict.fromkeys(set(subscripts) & set("jk"), 37)
        case = einsum(rng, subscripts, sizes, [np.float32, np.float64][trial % 2])
        one = case.check(level, at_end=trial != 1)
        for apart, n in enumerate(case.shape):
            if n > 1:
                assert case.run(level, 2 + apart % 2, apart).tobytes() == one.tobytes(), (sizes, apart)


def windows(x, R, S, stride=1, dilation=1):
    """(N, H, W, C) seen as (N, OH, OW, R, S, C)."""
    N, H, W, C = x.shape
    OH, OW = ((n - dilation * (r - 1) - 1) // stride + 1 for n, r in ((H, R), (W, S)))
    n, h, w, c = x.strides
    strides = (n, h * stride, w * stride, h * dilation, w * dilation, c)
    return np.lib.stride_tricks.as_strided(x, (N, OH, OW, R, S, C), strides)


def convolution(rng, N, H, C, K, R, stride=1, dilation=1, dtype=np.float32):
    """Channels last: y[n, h, w, k] = Σ x[n, h·stride + r, w·stride + s, c]·W[r, s, c, k]."""
    x, W = numbers(rng, (N, H, H, C), dtype), numbers(rng, (R, R, C, K), dtype)
    seen = windows(x, R, R, stride, dilation)
    shape = (*seen.shape[:3], K)
    return Case(shape, (R, R, C), (x, seen, [0, 1, 2, 4, 5, 6]), (W, W, [4, 5, 6, 3]))


def by_weights(rng, N, H, C, K, R, stride=1, dilation=1, dtype=np.float32):
    """dW[r, s, c, k] = Σ x[n, h·stride + r, w·stride + s, c]·dout[n, h, w, k]."""
    x = numbers(rng, (N, H, H, C), dtype)
    seen = windows(x, R, R, stride, dilation)
    N, OH, OW = seen.shape[:3]
    dout = numbers(rng, (N, OH, OW, K), dtype)
    turned = seen.transpose(3, 4, 5, 0, 1, 2)
    return Case((R, R, C, K), (N, OH, OW), (x, turned, [0, 1, 2, 4, 5, 6]), (dout, dout, [4, 5, 6, 3]))


def by_inputs(rng, N, H, C, K, R, dtype=np.float32):
    """dx[n, h, w, c] = Σ padded dout[n, h + r, w + s, k]·W[R - 1 - r, S - 1 - s, c, k]."""
    dout, W = numbers(rng, (N, H + R - 1, H + R - 1, K), dtype), numbers(rng, (R, R, C, K), dtype)
    seen, turned = windows(dout, R, R), W[::-1, ::-1]
    return Case((N, H, H, C), (R, R, K), (dout, seen, [0, 1, 2, 4, 5, 6]), (W, turned, [4, 5, 3, 6]))


def among_zeros(rng, N, H, C, K, R, stride=1, dilation=1, dtype=np.float32):
    """A convolution of x with zeros around it, that are nowhere."""
    before, after = (int(n) for n in rng.integers(0, R * dilation, 2))
    x, seen = padded_windows(rng, (N, H, H, C), (before, after), R, stride, dilation, dtype)
    W = numbers(rng, (R, R, C, K), dtype)
    case = Case((*seen.shape[:3], K), (R, R, C), (x, seen, [0, 1, 2, 4, 5, 6]), (W, W, [4, 5, 6, 3]))
    case.among_zeros = read_beyond(x, before, stride, dilation, [0, 1, 2, 4, 5, 6])
    return case


def by_weights_among_zeros(rng, N, H, C, K, R, stride=1, dilation=1, dtype=np.float32):
    before = R * dilation // 2
    x, seen = padded_windows(rng, (N, H, H, C), (before, before), R, stride, dilation, dtype)
    dout = numbers(rng, (*seen.shape[:3], K), dtype)
    turned, loops = seen.transpose(3, 4, 5, 0, 1, 2), [0, 1, 2, 4, 5, 6]
    case = Case((R, R, C, K), seen.shape[:3], (x, turned, loops), (dout, dout, [4, 5, 6, 3]))
    case.among_zeros = read_beyond(x, before, stride, dilation, [4, 5, 6, 0, 1, 2])
    return case


def padded_windows(rng, shape, width, R, stride, dilation, dtype):
    """An array that lies among zeros, and windows of those."""
    z = np.pad(numbers(rng, shape, dtype), ((0, 0), width, width, (0, 0)))
    inner = slice(width[0], width[0] + shape[1])
    return z[:, inner, inner], windows(z, R, R, stride, dilation)


def read_beyond(x, before, stride, dilation, loops):
    """How windows of x among zeros are read, along loops of N, OH, OW, R, S, C."""
    n, h, w, c = (int(np.prod(x.shape[axis:])) for axis in range(1, 5))
    moves = dict(zip(loops, (n, h * stride, w * stride, h * dilation, w * dilation, c), strict=True))
    down, across = ({loops[axis]: stride, loops[axis + 2]: dilation} for axis in (1, 2))
    guards = [(-before, down, x.shape[1]), (-before, across, x.shape[2])]
    return (-before * (h + w), moves, *guards)


def depthwise(rng, N, H, C, K, R, stride=1, dilation=1, dtype=np.float32):
    """y[n, h, w, c] = Σ x[n, h·stride + r, w·stride + s, c]·W[r, s, c]."""
    x, W = numbers(rng, (N, H, H, C), dtype), numbers(rng, (R, R, C), dtype)
    seen = windows(x, R, R, stride, dilation)
    shape = (*seen.shape[:3], C)
    return Case(shape, (R, R), (x, seen, [0, 1, 2, 4, 5, 3]), (W, W, [4, 5, 3]))


def grouped(rng, N, H, C, K, R, stride=1, dilation=1, dtype=np.float32):
    """y[n, h, w, g, k] = Σ x[n, h·stride + r, w·stride + s, g, c]·W[r, s, g, c, k]."""
    G = 3
    x, W = numbers(rng, (N, H, H, G * C), dtype), numbers(rng, (R, R, G, C, K), dtype)
    seen = windows(x, R, R, stride, dilation)
    seen = seen.reshape(*seen.shape[:5], G, C) if C * G == 1 else _split(seen, G)
    shape = (*seen.shape[:3], G, K)
    return Case(shape, (R, R, C), (x, seen, [0, 1, 2, 5, 6, 3, 7]), (W, W, [5, 6, 3, 7, 4]))


def _split(x, G):
    """The last axis as (G, c)."""
    c, step = x.shape[-1] // G, x.strides[-1]
    return np.lib.stride_tricks.as_strided(x, (*x.shape[:-1], G, c), (*x.strides[:-1], c * step, step))


KINDS = [convolution, by_weights, by_inputs, among_zeros, by_weights_among_zeros, depthwise, grouped]
SHAPES = [  # N, H, C, K, R
    *[(2, 9, 3, 16, 3), (3, 8, 16, 33, 3), (1, 7, 5, 7, 1)],
    *[(2, 12, 17, 3, 5), (1, 5, 1, 1, 5), (5, 18, 4, 9, 3)],
]


@pytest.mark.parametrize(("kind", "level"), [*over_levels(KINDS)])
def test_convolutions(kind, level):
    rng = np.random.default_rng(0)
    options = [{}] if kind is by_inputs else [{}, {"stride": 2}, {"dilation": 2}]
    for n, (shape, more) in enumerate(zip(SHAPES, itertools.cycle(options), strict=False)):
        N, H, C, K, R = shape
        if more.get("dilation", 1) * (R - 1) >= H:
            more = {}
        case = kind(rng, N, H, C, K, R, dtype=[np.float32, np.float64][n % 2], **more)
        one = case.check(level, at_end=n % 3 != 1)
        for apart, size in enumerate(case.shape):
            if size > 1 and (apart + n) % 2:
                assert case.run(level, 2 + n % 2, apart).tobytes() == one.tobytes()


def by_channel(x, W, stride):
    """y[n, c, h, w] = Σ x[n, c, h·stride + r, w·stride + s]·W[c, r, s]."""
    seen = channels_first(x, W.shape[1], stride)
    return Case(seen.shape[:4], W.shape[1:], (x, seen, [0, 1, 2, 3, 4, 5]), (W, W, [1, 4, 5]))


def by_weights_of_channels(x, dout, R, stride):
    """dW[c, r, s] = Σ x[n, c, h·stride + r, w·stride + s]·dout[n, c, h, w]."""
    seen, (N, C, H, W) = channels_first(x, R, stride), dout.shape
    return Case((C, R, R), (N, H, W), (x, seen, [3, 0, 4, 5, 1, 2]), (dout, dout, [3, 0, 4, 5]))


def channels_first(x, R, stride):
    return np.moveaxis(windows(np.moveaxis(x, 1, -1), R, R, stride, 1), -1, 1)


@LEVELS
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("shape", [(2, 3, 9), (1, 2, 35), (65, 2, 18), (6, 1, 72)])
def test_each_channel_by_itself(level, stride, shape):
    """Forward along pixels, and the weights' gradient along the sum, which is cut where it is deep."""
    rng = np.random.default_rng(0)
    N, C, H = shape
    x, W = numbers(rng, (N, C, H, H), np.float32), numbers(rng, (C, 3, 3), np.float32)
    forward = by_channel(x, W, stride)
    dout = numbers(rng, forward.shape, np.float32)
    for case in (forward, by_weights_of_channels(x, dout, 3, stride)):
        one = case.check(level, at_end=stride != 1)
        assert case.run(level, 2, apart=0 if case.shape[0] > 1 else 2).tobytes() == one.tobytes()


@LEVELS
def test_long_sums_keep_their_digits(level):
    """Of 90,000 positive terms, over several loops: in parts, each a sum of its own."""
    rng = np.random.default_rng(0)
    x, y = (rng.uniform(0.5, 1, (9, 100, 100, n)).astype(np.float32) for n in (3, 5))
    case = Case((3, 5), (9, 100, 100), (x, x, [2, 3, 4, 0]), (y, y, [2, 3, 4, 1]))
    np.testing.assert_allclose(case.run(level), case.exact(), rtol=3e-6)


def test_a_sum_of_nothing_is_zero():
    x, y = np.ones((3, 0), np.float32), np.ones((0, 4), np.float32)
    case = Case((3, 4), (0,), (x, x, [0, 2]), (y, y, [2, 1]))
    assert not case.run("native").any()


@pytest.mark.skipif(not here.this_computer().has_bf16, reason="this processor has no bfloat16")
@pytest.mark.parametrize("kind", KINDS)
def test_pairs(kind):
    """Factors that bfloat16 holds, so that only sums are rounded."""
    rng = np.random.default_rng(0)
    for shape in SHAPES[:3]:
        case = kind(rng, *shape)
        for array, _, _ in case.factors:
            array[...] = rng.integers(-8, 9, array.shape)
        np.testing.assert_array_equal(case.run("native", in_pairs=True), case.exact())
