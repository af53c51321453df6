"""Attention by blocks of queries, against the rule, whose scores all exist."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.program import trace
from handgrad.rules.attention_blocks import attention_in_blocks, cuts

SIZES = [(2, 70, 70, 5, 3), (1, 33, 90, 4, 4), (3, 129, 40, 2, 7), (2, 1, 1, 3, 3), (1, 64, 65, 1, 1)]


def drawn(N, T, S, D, E, dtype=np.float64):
    r = np.random.default_rng(0)
    return [r.normal(size=size).astype(dtype) for size in ((N, T, D), (N, S, D), (N, S, E), (N, T, E))]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_blocks_are_the_whole(sizes, causal):
    q, k, v, dout = drawn(*sizes)
    out, backward = attention_in_blocks(q, k, v, causal, 0.6)
    wanted, way_back = hg.scaled_dot_product_attention.vjp(q, k, v, None, None, causal=causal, scale=0.6)
    np.testing.assert_allclose(out, wanted, rtol=1e-12, atol=1e-14)
    for dx, wanted in zip(backward(dout), way_back(dout)[:3], strict=True):
        np.testing.assert_allclose(dx, wanted, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("T", [1, 31, 32, 33, 64, 127, 128, 129, 1000])
def test_blocks_are_all_queries(T):
    ends = cuts(T)
    assert [a for a, _ in ends] == [0, *(b for _, b in ends[:-1])]
    assert ends[-1][1] == T
    assert len(ends) <= 4


def attention(causal):
    return lambda q, k, v: hg.scaled_dot_product_attention(q, k, v, None, None, causal=causal)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(2, 3, 70, 4), (130, 5)])
def test_compiled(shape, dtype, threads):
    r = np.random.default_rng(0)
    q, k, v, dout = (r.normal(size=shape).astype(dtype) for _ in range(4))

    def step(q, k, v, dout):
        out, backward = hg.vjp(attention(True), q, k, v)
        return out, backward(dout)

    assert "scan" in str(trace(step, q, k, v, dout))
    out, grads = hg.compile(step, threads=threads)(q, k, v, dout)
    wanted, backward = hg.vjp(attention(True), q, k, v)
    tolerance = 1e-12 if dtype == np.float64 else 2e-5
    np.testing.assert_allclose(out, wanted, rtol=tolerance, atol=tolerance)
    for dx, wanted in zip(grads, backward(dout), strict=True):
        np.testing.assert_allclose(dx, wanted, rtol=tolerance, atol=10 * tolerance)


def test_second_derivatives_compiled():
    r = np.random.default_rng(0)
    q, k, v, u = (r.normal(size=(48, 3)) for _ in range(4))
    f = lambda q: hg.sum(hg.sin(attention(True)(q, k, v)))  # noqa: E731
    found = hg.compile(lambda q, u: hg.hvp(f)(q, u))(q, u)
    np.testing.assert_allclose(found, hg.hvp(f)(q, u), rtol=1e-9, atol=1e-11)


def test_small_ones_are_not_cut():
    q = np.ones((2, 8, 4))
    assert "scan" not in str(trace(attention(True), q, q, q))
