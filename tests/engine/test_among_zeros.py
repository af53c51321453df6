"""Convolutions with padding, strides and dilation: nothing is stored among zeros but what lies near them."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine import Code, explain
from handgrad.engine.targets import here
from handgrad.program import optimise, trace
from tests.engine.support import assert_close, run, same_bits
from tests.engine.thresholds import PRODUCT, having


def convolution(x, W, width, stride, dilation, is_last):
    """x (N, H, W, C), W (R, S, C, K) where channels are last, else (N, C, H, W) and (K, C, R, S)."""
    axes = (1, 2) if is_last else (2, 3)
    around = [width[axes.index(axis)] if axis in axes else (0, 0) for axis in range(4)]
    size = W.shape[:2] if is_last else W.shape[2:]
    windows = hg.windows(hg.pad(x, around), size, stride, dilation, axes)
    return hg.einsum("nyxcij,ijco->nyxo" if is_last else "ncyxij,ocij->noyx", windows, W)


def a_program(rng, is_last, dtype):
    """A convolution and its gradients, of sizes, strides and zeros at random."""
    N, C, K = (int(rng.choice([1, 2, 3, 16, 17, 33])) for _ in range(3))
    R, S = (int(n) for n in rng.integers(1, 5, 2))
    stride, dilation = (tuple(int(n) for n in rng.choice([1, 1, 2, 3], 2)) for _ in range(2))
    width = [tuple(int(n) for n in rng.integers(0, 4, 2)) for _ in range(2)]
    H, V = (int(rng.integers(1, 9)) + d * (n - 1) for n, d in zip((R, S), dilation, strict=True))
    x = rng.normal(size=(min(N, 3), H, V, C) if is_last else (min(N, 3), C, H, V)).astype(dtype)
    W = rng.normal(size=(R, S, C, K) if is_last else (K, C, R, S)).astype(dtype)
    way = (width, stride, dilation, is_last)
    dout = rng.normal(size=convolution(x, W, *way).shape).astype(dtype)

    def step(x, W, dout):
        out, backward = hg.vjp(lambda x, W: convolution(x, W, *way), hg.sin(x), W)
        return out, *backward(dout)

    return optimise(trace(step, x, W, dout)), [x, W, dout]


@pytest.mark.parametrize("seed", range(24))
def test_random_convolutions(seed):
    rng = np.random.default_rng(seed)
    levels = here.levels()
    program, arrays = a_program(rng, seed % 2 == 0, np.float64)
    wanted = program(*arrays)
    first = None
    for threads in (1, 2, 3):
        code = Code(program, workers=threads, small=0, target=here.at_level(levels[seed % len(levels)]))
        got = run(code, arrays)
        assert_close(got, wanted)
        first = first or got
        assert same_bits(got, first)


@pytest.mark.parametrize("seed", range(12))
def test_even_and_odd_rows_are_written_together(seed):
    """A gradient by x of every second pixel: two phases that fill each other's gaps."""
    rng = np.random.default_rng(seed)
    levels, dtype = here.levels(), [np.float32, np.float64][seed % 2]
    C, K, S, before = (int(rng.choice(some)) for some in ([16, 33, 40], [1, 5, 16], [2, 3, 4, 5], [0, 1, 2]))
    stride = (int(rng.choice([1, 2, 3])), 2)
    V = 2 * int(rng.integers(8, 24))
    x, W = rng.normal(size=(2, C, 9, V)), rng.normal(size=(K, C, 3, S))
    way = ([(1, 1), (before, before)], stride, (1, 1), False)
    dout, out = rng.normal(size=convolution(x, W, *way).shape), hg.sin(x)

    def step(x, out, W, dout):
        dx, dW = hg.vjp(lambda *a: convolution(*a, *way), x, W)[1](dout)
        return hg.where(out > 0, dx * out, 0), dW

    wanted = step(x, out, W, dout)
    arrays = [a.astype(dtype) for a in (x, out, W, dout)]
    first = None
    for threads in (1, 3):
        target = here.at_level(levels[seed // 2 % len(levels)])
        code = Code(optimise(trace(step, *arrays)), workers=threads, small=0, target=target)
        assert "even and odd rows together" in explain(code)
        got = run(code, arrays)
        for mine, exact in zip(got, wanted, strict=True):
            scale = np.abs(exact).max()
            np.testing.assert_allclose(mine, exact, rtol=0, atol=100 * np.finfo(dtype).eps * scale)
        first = first or got
        assert same_bits(got, first)


def test_windows_of_nothing_but_zeros():
    """One row of windows, above all that lies among the zeros."""
    x, W = np.random.default_rng(1).normal(size=(3, 5)), np.random.default_rng(2).normal(size=(4, 1, 3))

    def f(x, W):
        windows = hg.windows(hg.pad(hg.sin(x), ((2, 0), (1, 1))), (1, 3), (5, 1), axes=(0, 1))
        return hg.einsum("abij,oij->oab", windows, W)

    code = Code(optimise(trace(f, x, W)), small=0)
    assert_close(run(code, [x, W]), [f(x, W)])


def test_one_number_among_zeros():
    """Along an axis of one element nothing moves, but it is guarded."""
    x, W = np.array(2.0), np.arange(9.0).reshape(3, 3)

    def f(x, W):
        windows = hg.windows(hg.pad(hg.reshape(x, (1, 1)), ((1, 1), (0, 0))), (3,), axes=(0,))
        return hg.einsum("abi,oi->abo", windows, W)

    code = Code(trace(f, x, W), workers=1)
    np.testing.assert_array_equal(run(code, [x, W])[0], 2 * W[:, 1].reshape(1, 1, 3))


@pytest.mark.parametrize("stride", [1, 2])
def test_no_zero_is_stored_or_multiplied(stride):
    """Where channels fill a vector; a strided gradient by x has a phase for each place in the stride."""
    x, W = np.ones((4, 8, 8, 16), np.float32), np.ones((3, 3, 16, 16), np.float32)
    way = ([(1, 1), (1, 1)], (stride, stride), (1, 1), True)
    dout = np.ones(convolution(x, W, *way).shape, np.float32)
    program = optimise(
        trace(lambda x, W, dout: hg.vjp(lambda *a: convolution(*a, *way), x, W)[1](dout), x, W, dout)
    )
    kernels = Code(program, workers=1).schedule.kernels
    assert {kernel.name for kernel in kernels if kernel.node.size > W.size} == {"product"}
    assert sum(kernel.product_flops for kernel in kernels) == 2 * 2 * dout.size * W[..., 0].size


def test_what_follows_a_convolution_is_computed_in_its_tiles():
    x, W, b = (np.ones(shape, np.float32) for shape in ((2, 4, 20, 20), (8, 4, 3, 3), (8,)))
    program = optimise(trace(lambda x, W, b: hg.relu(hg.conv2d(x, W, b, padding=1)), x, W, b))
    *_, last = Code(program, workers=1).schedule.kernels
    assert last.name == "product"
    assert [node.name for node in last.stores] == ["maximum"]


def test_sums_that_are_cut(monkeypatch):
    """Sums so short are cut as long ones are, so that windows, borders and cuts meet in every way."""
    monkeypatch.setenv("HANDGRAD_CACHE", "off")  # plans are no longer what their programs say
    levels = here.levels()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        program, arrays = a_program(rng, seed % 2 == 0, np.float64)
        target = here.at_level(levels[seed % len(levels)])
        with having({PRODUCT: {"LONG": 24, "CHAIN": 12}}):
            code = Code(program, workers=1 + seed % 3, small=0, target=target)
        assert_close(run(code, arrays), program(*arrays))


@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize("sizes", [(128, 17, 9, 7, 1), (120, 33, 8, 14, 2), (3, 2, 4, 1300, 1)])
def test_long_sums(is_last, sizes):
    """More terms than are summed at once: over 120 channels forward, over 1,300 pixels a line for dW."""
    rng = np.random.default_rng(0)
    C, K, H, V, stride = sizes
    way = ([(1, 1), (1, 1)], (stride, stride), (1, 1), is_last)
    x = rng.normal(size=(2, H, V, C) if is_last else (2, C, H, V))
    W = rng.normal(size=(3, 3, C, K) if is_last else (K, C, 3, 3))
    dout = rng.normal(size=convolution(x, W, *way).shape)

    def step(x, W, dout):
        out, backward = hg.vjp(lambda x, W: convolution(x, W, *way), x, W)
        return out, *backward(dout)

    wanted = step(x, W, dout)
    arrays = [a.astype(np.float32) for a in (x, W, dout)]
    first = None
    for threads in (1, 3):
        got = run(Code(optimise(trace(step, *arrays)), workers=threads, small=0), arrays)
        for mine, exact in zip(got, wanted, strict=True):
            np.testing.assert_allclose(mine, exact, rtol=0, atol=1e-6 * np.abs(exact).max())
        first = first or got
        assert same_bits(got, first)


def test_what_follows_a_strided_gradient_is_a_pass_of_its_own():
    """Its places are made in phases, far apart: what is read beside them would come late, again and again."""
    x, W = np.ones((2, 16, 8, 16), np.float32), np.ones((4, 16, 3, 3), np.float32)
    dout = np.ones((2, 4, 4, 8), np.float32)

    def step(x, W, dout):
        return hg.where(x > 0, hg.conv2d.vjp(x, W, stride=2, padding=1)[1](dout)[0], 0)

    kernels = Code(optimise(trace(step, x, W, dout)), workers=1).schedule.kernels
    assert [kernel.name for kernel in kernels if kernel.node.size == x.size] == ["product", "loop"]
