"""Products in bfloat16: the numbers are those of rounded factors, multiplied exactly."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine import compile
from handgrad.engine.targets.here import at_level, this_computer

needs_halves = pytest.mark.skipif(not this_computer().has_bf16, reason="this processor has no bfloat16")
SIZES = [(5, 7, 3), (33, 64, 50), (100, 785, 512), (2, 2, 17), (130, 512, 96), (700, 901, 40)]
FORMS = {
    "as they lie": (lambda x, y: x @ y, False, False),
    "first transposed": (lambda x, y: x.T @ y, True, False),
    "second transposed": (lambda x, y: x @ y.T, False, True),
}


def rounded(x):
    """To the nearest bfloat16, ties to even: the upper half of a float32's bits."""
    bits = x.view(np.uint32)
    return ((bits + ((bits >> 16) & 1) + 0x7FFF) & np.uint32(0xFFFF0000)).view(np.float32)


@needs_halves
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_product_of_rounded_factors(size, form, threads):
    M, K, N = size
    rng = np.random.default_rng(size)
    x, y = rng.standard_normal((M, K), np.float32), rng.standard_normal((K, N), np.float32)
    f, turns_x, turns_y = FORMS[form]
    given = [np.ascontiguousarray(a.T) if turned else a for a, turned in ((x, turns_x), (y, turns_y))]
    got = compile(f, threads=threads, bfloat16=True)(*given)
    wanted = rounded(x).astype(np.float64) @ rounded(y).astype(np.float64)
    scale = np.abs(rounded(x)).astype(np.float64) @ np.abs(rounded(y)).astype(np.float64)
    assert got.dtype == np.float32
    assert np.max(np.abs(got - wanted) / scale) < 1e-6


@needs_halves
@pytest.mark.parametrize("size", [(5, 32), (33, 21), (4, 1101)], ids=str)
def test_weights_of_a_loop_are_rounded_once(size):
    rows, N = size
    rng = np.random.default_rng(size)
    h, W, xs = (rng.standard_normal(s, np.float32) for s in ((rows, N), (N, N), (3, rows, N)))

    def f(h, W, xs):
        return hg.scan(lambda h, x: ((h := h @ W + x), h), h, xs)[1]

    got = compile(f, threads=1, bfloat16=True)(h, W, xs)
    assert got.tobytes() == compile(f, threads=3, bfloat16=True)(h, W, xs).tobytes()
    for x, out in zip(xs, got, strict=True):
        wanted = rounded(h).astype(np.float64) @ rounded(W).astype(np.float64) + x
        np.testing.assert_allclose(out, wanted, rtol=0, atol=1e-6 * N**0.5 * np.abs(wanted).max())
        h = out


@needs_halves
def test_what_follows_a_product_is_in_float32():
    rng = np.random.default_rng(0)
    x, W, b = (rng.standard_normal(s, np.float32) for s in ((20, 30), (30, 40), (40,)))
    got = compile(lambda x, W, b: hg.relu(hg.affine(x, W, b)), bfloat16=True)(x, W, b)
    np.testing.assert_allclose(got, np.maximum(rounded(x) @ rounded(W) + b, 0), rtol=1e-5, atol=1e-5)


@needs_halves
def test_float64_is_left_alone():
    x = np.random.default_rng(0).standard_normal((20, 30))
    np.testing.assert_allclose(compile(lambda x: x @ x.T, bfloat16=True)(x), x @ x.T, rtol=1e-13, atol=1e-13)


def test_a_processor_without_it_is_an_error(monkeypatch):
    monkeypatch.setattr("handgrad.engine.code.this_computer", lambda: at_level("sse2"))
    with pytest.raises(ValueError, match="leave bfloat16 out"):
        compile(lambda x: x @ x, bfloat16=True)(np.ones((3, 3), np.float32))
