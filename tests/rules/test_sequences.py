"""Attention, recurrent layers and alignments where they are easily wrong: nobody seen, lengths, misfits."""

import itertools

import numpy as np
import pytest

import handgrad as hg
from tests.rules.draws import normal


def blind(kind):
    """A mask by which query 1 sees nothing."""
    seen = np.ones((3, 4), bool)
    seen[1] = False
    return seen if kind == "truths" else np.where(seen, 0.0, -np.inf)


@pytest.mark.parametrize("run", [lambda f: f, hg.compile], ids=["eager", "compiled"])
@pytest.mark.parametrize("kind", ["truths", "floats"])
def test_who_sees_nothing_has_zeros(kind, run):
    r = np.random.default_rng(0)
    q, k, v, dout = normal(r, 3, 2), normal(r, 4, 2), normal(r, 4, 5), normal(r, 3, 5)

    def step(q, k, v, dout):
        out, backward = hg.vjp(lambda *xs: hg.scaled_dot_product_attention(*xs, blind(kind)), q, k, v)
        return out, backward(dout)

    out, (dq, dk, dv) = run(step)(q, k, v, dout)
    assert (out[1] == 0).all()
    assert (dq[1] == 0).all()
    rest = np.array([0, 2])
    wanted, backward = hg.vjp(hg.scaled_dot_product_attention, q[rest], k, v)
    np.testing.assert_allclose(out[rest], wanted, rtol=1e-13)
    for a, b in zip((dq[rest], dk, dv), backward(dout[rest]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_large_scores_do_not_overflow():
    q, k, v = np.full((1, 2), 3e18, np.float32), np.array([[1e18, 1e18], [-1e18, 0]], np.float32), np.eye(2)
    out, backward = hg.scaled_dot_product_attention.vjp(q, k, v.astype(np.float32))
    np.testing.assert_array_equal(out, [[1, 0]])
    assert all(np.isfinite(d).all() for d in backward(out)[:3])


def test_dropped_weights_are_dropped_for_gradients_too():
    r = np.random.default_rng(0)
    q, k, v, key = normal(r, 40, 2), normal(r, 50, 2), normal(r, 50, 3), np.array([1, 2], np.uint32)
    P, _ = hg.scaled_dot_product_attention.vjp(q, k, np.eye(50), None, key, rate=0.25)
    assert 0.2 < np.mean(P == 0) < 0.3
    whole, _ = hg.scaled_dot_product_attention.vjp(q, k, np.eye(50))
    np.testing.assert_allclose(P, np.where(P == 0, 0, whole / 0.75))
    out, backward = hg.scaled_dot_product_attention.vjp(q, k, v, None, key, rate=0.25)
    np.testing.assert_allclose(out, P @ v)
    np.testing.assert_allclose(backward(out)[2], P.T @ out)


@pytest.mark.parametrize("interleaved", [False, True])
def test_products_of_rotated_vectors_depend_on_how_far_apart_they_are(interleaved):
    r = np.random.default_rng(0)
    q, k = normal(r, 6), normal(r, 6)

    def product(t, s):
        turned = (hg.rotary(x[None], np.array([n]), interleaved=interleaved) for x, n in ((q, t), (k, s)))
        return np.sum(np.multiply(*turned))

    np.testing.assert_allclose(product(3, 1), product(103, 101), rtol=1e-12)
    assert not np.isclose(product(3, 1), product(1, 3))


def test_conventions_of_rotary_are_permutations_of_each_other():
    x = normal(np.random.default_rng(0), 5, 8)
    order = np.arange(8).reshape(4, 2).T.ravel()
    np.testing.assert_allclose(hg.rotary(x, interleaved=True)[:, order], hg.rotary(x[:, order]))


def test_what_lies_beyond_a_sequence_is_not_looked_at():
    r = np.random.default_rng(0)
    x, h, c, W, U, b = (normal(r, *s) for s in ((2, 5, 3), (2, 2), (2, 2), (8, 3), (8, 2), (8,)))
    lengths = np.array([5, 3])
    other = x.copy()
    other[1, 3:] = np.nan
    for reverse in (False, True):
        out = hg.lstm(x, h, c, W, U, b, lengths, reverse=reverse)
        short = hg.lstm(x[1:, :3], h[1:], c[1:], W, U, b, reverse=reverse)
        np.testing.assert_array_equal(out[0][1, 3:], 0)
        for a, b_ in zip((out[0][1:, :3], out[1][1:], out[2][1:]), short, strict=True):
            np.testing.assert_allclose(a, b_, rtol=1e-13)
        unseen, backward = hg.lstm.vjp(other, h, c, W, U, b, lengths, reverse=reverse)
        for a, b_ in zip(out, unseen, strict=True):
            np.testing.assert_array_equal(a, b_)
        assert all(np.isfinite(d).all() for d in backward(out)[:-1])


def test_ctc_is_the_sum_over_all_alignments():
    r = np.random.default_rng(0)
    log_y, t = hg.log_softmax(normal(r, 5, 1, 3)), [1, 1, 2]

    def read(path):
        taken = [k for k, _ in itertools.groupby(path)]
        return [k for k in taken if k]

    total = sum(
        np.exp(sum(log_y[i, 0, k] for i, k in enumerate(path)))
        for path in itertools.product(range(3), repeat=5)
        if read(path) == t
    )
    np.testing.assert_allclose(hg.ctc_loss(log_y, np.array([t]), reduction="sum"), -np.log(total))


Q, X, W, U = np.ones((2, 4, 3, 2)), np.ones((2, 3, 4)), np.ones((8, 4)), np.ones((8, 2))
H, B, Y, LABELS = np.ones((2, 2)), np.ones(8), np.zeros((4, 2, 3)), np.ones((2, 2), int)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: hg.scaled_dot_product_attention(Q, Q[..., :1], Q), "q and k have one last axis"),
        (
            lambda: hg.scaled_dot_product_attention(Q, Q[:, :3], Q[:, :3]),
            "4 heads of queries are no multiple of 3",
        ),
        (lambda: hg.scaled_dot_product_attention(Q, Q, Q[:, :2]), "k and v have as many heads"),
        (lambda: hg.scaled_dot_product_attention(Q[0, 0, 0], Q, Q), r"attention is of q \(..., T, D\)"),
        (lambda: hg.scaled_dot_product_attention(Q, Q, Q, rate=0.1), "give key="),
        (lambda: hg.scaled_dot_product_attention(Q, Q, Q, rate=1), r"the share to drop, in \[0, 1\)"),
        (lambda: hg.scaled_dot_product_attention(Q, Q, Q, np.ones((3, 3), int)), "truth values"),
        (lambda: hg.multi_head_attention(X, np.ones((4, 7)), B, U, B, heads=2), "do not fit 2 heads"),
        (lambda: hg.rotary(X[..., :3]), "last axis is even, not 3"),
        (lambda: hg.lstm(X, H, H, W.T, U, B), r"do not fit: x is \(N, T, D\), W \(4·H, D\)"),
        (lambda: hg.lstm(X, H, H[:1], W, U, B), r"c \(1, 2\)"),
        (lambda: hg.lstm(X[0], H, H, W, U, B), r"x \(3, 4\)"),
        (lambda: hg.lstm(X, H, H, W, U, B, np.ones(3, int)), "lengths are one for each of 2 sequences"),
        (lambda: hg.rnn_step(H, H, np.ones((2, 2)), np.ones((2, 2)), np.ones(2), "sin"), "'tanh' or 'relu'"),
        (lambda: hg.ctc_loss(Y, LABELS[:1]), r"log_y is \(T, N, C\) and t \(N, S\)"),
        (lambda: hg.ctc_loss(Y, LABELS, np.array([4, 5])), "lengths are 0 to 4"),
        (lambda: hg.ctc_loss(Y, LABELS, blank=3), "blank is one of the 3 classes"),
    ],
)
def test_what_does_not_fit_is_told(call, said):
    with pytest.raises((ValueError, TypeError), match=said):
        call()
