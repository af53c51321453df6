"""Softmax and the losses in float32, on rows that mix the tiny and the huge: finite, silent, right.

Sizes end at 1.6e38, so that the difference of two still is a float32. Where a result is a
difference of numbers near 1 (a probability less its label) it is right to the rounding of 1.
"""

import mpmath
import numpy as np
import pytest

import handgrad as hg

EPS, TINY = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).tiny)
SIZES = [0.0, 1e-45, 1e-40, 1e-30, 1e-8, 1e-3, 0.1, 1.0, 3.0, 17.0, 88.0, 89.0, 104.0, 1e4, 1e20, 1.6e38]
ROWS, CLASSES = 60, 5


@pytest.fixture(autouse=True)
def sixty_digits():
    with mpmath.workdps(60):
        yield


def rows():
    r = np.random.default_rng(0)
    x = r.choice(SIZES, (ROWS, CLASSES)) * r.choice([-1, 1], (ROWS, CLASSES))
    x[:20] = r.normal(size=(20, CLASSES)) * 3
    x[20] = 1.6e38
    x[21] = -1.6e38
    return x.astype(np.float32)


def soft_labels():
    t = np.random.default_rng(1).uniform(size=(ROWS, CLASSES)).astype(np.float32)
    return t / t.sum(axis=1, keepdims=True)


def exact_softmax(row):
    """Probabilities and their logarithms, of one row."""
    row = [mpmath.mpf(float(x)) for x in row]
    peak = max(row)
    shifted = [x - peak for x in row]
    e = [mpmath.exp(s) if s > -1e6 else mpmath.mpf(0) for s in shifted]
    total = mpmath.log(sum(e))
    return [x / sum(e) for x in e], [s - total for s in shifted], peak + total


def assert_right(got, exact, floor=1.0):
    got = np.asarray(got)
    assert got.dtype == np.float32
    assert np.all(np.isfinite(got))
    for a, b in zip(got.ravel(), exact, strict=True):
        error = float(abs(mpmath.mpf(float(a)) - b) / max(abs(b), floor) / EPS)
        assert error <= 8, f"{a}, exactly {mpmath.nstr(b, 9)}, {error:.3g} roundings apart"


def test_softmax():
    x = rows()
    out, backward = hg.softmax.vjp(x)
    dout = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)
    (dx,) = backward(dout)
    for i, row in enumerate(x):
        p, _, _ = exact_softmax(row)
        assert_right(out[i], p)
        mean = sum(pi * float(d) for pi, d in zip(p, dout[i], strict=True))
        assert_right(dx[i], [pi * (float(d) - mean) for pi, d in zip(p, dout[i], strict=True)])
    moderate = np.abs(x).max(axis=1) < 20  # here no probability is small in itself either
    for row, p in zip(x[moderate], out[moderate], strict=True):
        for a, b in zip(p, exact_softmax(row)[0], strict=True):
            assert abs(float(a) / b - 1) < 30 * EPS


def test_log_softmax_and_logsumexp():
    x = rows()
    out, backward = hg.log_softmax.vjp(x)
    dout = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)
    (dx,) = backward(dout)
    total, total_backward = hg.logsumexp.vjp(x, axis=1)
    (dx_of_total,) = total_backward(dout[:, 0])
    for i, row in enumerate(x):
        p, log_p, log_total = exact_softmax(row)
        upstream = sum(map(float, dout[i]))
        assert_right(out[i], log_p)
        assert_right(dx[i], [float(d) - pi * upstream for pi, d in zip(p, dout[i], strict=True)])
        assert_right(total[i], [log_total])
        assert_right(dx_of_total[i], [pi * float(dout[i, 0]) for pi in p])


def test_logsumexp_of_nothing_but_minus_infinity():
    x = np.full((2, 3), -np.inf, np.float32)
    with np.errstate(divide="ignore"):
        assert np.all(hg.logsumexp(x, axis=1) == -np.inf)


@pytest.mark.parametrize("labels", ["indices", "soft"])
def test_softmax_cross_entropy(labels):
    x, r = rows(), np.random.default_rng(3)
    indices = r.integers(CLASSES, size=ROWS)
    t = indices if labels == "indices" else soft_labels()
    q = np.eye(CLASSES)[indices] if labels == "indices" else t
    loss, backward = hg.softmax_cross_entropy.vjp(x, t, reduction="none")
    (dx, dt) = backward(np.full(ROWS, 0.75, np.float32))
    for i, row in enumerate(x):
        p, log_p, _ = exact_softmax(row)
        mass = sum(map(float, q[i]))
        assert_right(loss[i], [-sum(float(w) * lp for w, lp in zip(q[i], log_p, strict=True))])
        assert_right(dx[i], [0.75 * (pj * mass - float(w)) for w, pj in zip(q[i], p, strict=True)])
        if dt is not None:
            assert_right(dt[i], [-0.75 * lp for lp in log_p])


@pytest.mark.parametrize("label", [0.0, 1.0, 0.3])
def test_binary_cross_entropy_with_logits(label):
    x = np.array([s * sign for s in SIZES for sign in (-1, 1)], np.float32)
    t = np.full_like(x, label)
    loss, backward = hg.binary_cross_entropy_with_logits.vjp(x, t, reduction="none")
    dx, _ = backward(np.full_like(x, 0.75))
    exact, slope = [], []
    for xi, ti in zip(map(float, x), map(float, t), strict=True):
        e = mpmath.exp(-abs(xi)) if abs(xi) < 1e5 else mpmath.mpf(0)
        exact.append((mpmath.mpf(xi) if xi > 0 else 0) - mpmath.mpf(xi) * ti + mpmath.log1p(e))
        slope.append(0.75 * ((1 if xi > 0 else e) / (1 + e) - ti))
    assert_right(loss, exact, floor=TINY if label in (0, 1) else 1)
    assert_right(dx, slope, floor=1)


def test_huber():
    r = np.array([s * sign for s in SIZES for sign in (-1, 1)], np.float32)
    loss, backward = hg.huber.vjp(r, np.zeros_like(r), reduction="none")
    dy, dt = backward(np.full_like(r, 0.75))
    exact = [mpmath.mpf(float(x)) for x in r]
    values = [x * x / 2 if abs(x) <= 1 else abs(x) - mpmath.mpf("0.5") for x in exact]
    assert_right(loss, values, floor=TINY)
    assert_right(dy, [0.75 * max(min(x, 1), -1) for x in exact], floor=TINY)
    np.testing.assert_array_equal(dt, -dy)
