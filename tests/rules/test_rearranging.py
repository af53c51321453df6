"""Rules that are linear, of any shapes and options: NumPy's values, and ⟨f(x), dout⟩ = ⟨x, dx⟩."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import handgrad as hg

sizes = st.integers(0, 4)
shapes = st.lists(sizes, min_size=0, max_size=3).map(tuple)
matrices = st.lists(sizes, min_size=2, max_size=4).map(tuple)


def drawn(shape, seed):
    return np.asarray(np.random.default_rng(seed).normal(size=shape))


def assert_linear(rule, wanted, *xs, **options):
    """Of several inputs, linear in each: ⟨f(x, y), dout⟩ = ⟨x, dx⟩ = ⟨y, dy⟩."""
    out, backward = rule.vjp(*xs, **options)
    np.testing.assert_allclose(out, wanted, rtol=1e-13, atol=1e-14)
    dout = drawn(np.shape(wanted), 5)
    product, size = np.sum(out * dout), np.sum(np.abs(np.asarray(out) * dout))
    for x, dx in zip(xs, backward(dout), strict=True):
        assert np.shape(dx) == np.shape(x)
        assert np.sum(x * dx) == pytest.approx(product, rel=1e-12, abs=1e-12 * size + 1e-13)


def axis_of(data, shape):
    return data.draw(st.integers(-len(shape), len(shape) - 1))


def an_axis_or_none(data, shape):
    return data.draw(st.none() | st.integers(-len(shape), len(shape) - 1)) if shape else None


@settings(max_examples=150, deadline=None)
@given(shapes, st.data())
def test_roll_repeat_and_tile(shape, data):
    x = drawn(shape, 0)
    axis = an_axis_or_none(data, shape)
    shift = data.draw(st.integers(-9, 9))
    assert_linear(hg.roll, np.roll(x, shift, axis), x, shift=shift, axis=axis)
    n = x.size if axis is None else shape[axis]
    counts = data.draw(st.integers(0, 3) | st.lists(st.integers(0, 3), min_size=n, max_size=n))
    assert_linear(hg.repeat, np.repeat(x, counts, axis), x, repeats=counts, axis=axis)
    reps = data.draw(st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=4).map(tuple))
    assert_linear(hg.tile, np.tile(x, reps), x, reps=reps)


@settings(max_examples=100, deadline=None)
@given(matrices, st.data())
def test_diagonals_and_triangles(shape, data):
    x, k = drawn(shape, 1), data.draw(st.integers(-4, 4))
    axes = data.draw(st.permutations(range(len(shape))))[:2]
    axes = [a - len(shape) if data.draw(st.booleans()) else a for a in axes]
    options = dict(zip(("offset", "axis1", "axis2"), (k, *axes), strict=True))
    assert_linear(hg.diagonal, np.diagonal(x, *options.values()), x, **options)
    assert_linear(hg.trace, np.trace(x, *options.values()), x, **options)
    assert_linear(hg.tril, np.tril(x, k), x, k=k)
    assert_linear(hg.triu, np.triu(x, k), x, k=k)
    row = drawn(shape[:1], 2)
    assert_linear(hg.diag, np.diag(row, k), row, k=k)


@settings(max_examples=100, deadline=None)
@given(shapes.filter(len), st.data())
def test_differences_and_order(shape, data):
    x, axis = drawn(shape, 2), axis_of(data, shape)
    n = data.draw(st.integers(0, 5))
    assert_linear(hg.diff, np.diff(x, n, axis), x, n=n, axis=axis)
    assert_linear(hg.sort, np.sort(x, axis), x, axis=axis)
    assert_linear(hg.sort, np.flip(np.sort(x, axis), axis), x, axis=axis, descending=True)
    k = data.draw(st.integers(0, shape[axis]))
    largest = np.take(np.flip(np.sort(x, axis), axis), range(k), axis)
    assert_linear(hg.topk, largest, x, k=k, axis=axis)


@settings(max_examples=100, deadline=None)
@given(shapes, shapes, st.data())
def test_products(one, other, data):
    x, y = drawn(one, 3), drawn(other, 4)
    assert_linear(hg.outer, np.outer(x, y), x, y)
    if x.size and y.size:
        assert_linear(hg.kron, np.kron(x, y), x, y)
    both = data.draw(shapes)
    x, y = drawn((*one, *both), 3), drawn((*both, *other), 4)
    if x.ndim + y.ndim < 7:
        assert_linear(hg.tensordot, np.tensordot(x, y, len(both)), x, y, axes=len(both))
    x, y = drawn((*one, 3), 3), drawn((*other, 3), 4)
    assert_linear(hg.inner, np.inner(x, y), x, y)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(["full", "same", "valid"]))
def test_convolutions(n, m, mode):
    x, y = drawn((n,), 3), drawn((m,), 4)
    assert_linear(hg.convolve, np.convolve(x, y, mode), x, y, mode=mode)
