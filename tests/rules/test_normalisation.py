"""What the normalisations do to numbers, what they refuse; and embeddings' padding."""

import numpy as np
import pytest

import handgrad as hg


@pytest.fixture
def r():
    return np.random.default_rng(0)


def test_layer_norm_has_mean_0_and_variance_1(r):
    out = hg.layer_norm(3 + 5 * r.normal(size=(4, 50)))
    np.testing.assert_allclose(out.mean(axis=1), 0, atol=1e-14)
    np.testing.assert_allclose(out.var(axis=1), 1, atol=1e-5)


def test_groups_of_one_and_of_all_are_instances_and_layers(r):
    x, gamma, beta = r.normal(size=(2, 4, 3, 5)), r.normal(size=4), r.normal(size=4)
    np.testing.assert_allclose(
        hg.group_norm(x, gamma, beta, groups=4), hg.instance_norm(x, gamma, beta), rtol=1e-14
    )
    plain = hg.layer_norm(x, axis=(1, 2, 3))
    np.testing.assert_allclose(hg.group_norm(x, groups=1), plain, rtol=1e-12)


def test_a_batch_s_norm_is_layer_norm_over_its_axis(r):
    """Written once by statistics that are inputs, once by hand as a whole: the same gradient."""
    x, gamma, beta, dout = r.normal(size=(6, 3)), r.normal(size=3), r.normal(size=3), r.normal(size=(6, 3))
    by_parts = hg.vjp(lambda x: hg.batch_norm(x, hg.mean(x, axis=0), hg.var(x, axis=0), gamma, beta), x)
    whole = hg.vjp(lambda x: hg.layer_norm(x, axis=0) * gamma + beta, x)
    np.testing.assert_allclose(by_parts[0], whole[0], rtol=1e-12)
    np.testing.assert_allclose(by_parts[1](dout)[0], whole[1](dout)[0], rtol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: hg.layer_norm(x, np.ones(3)), r"gamma is \(3,\), not \(5,\), as x \(2, 4, 5\) at axes"),
        (lambda x: hg.rms_norm(x, np.ones((4, 4))), r"gamma is \(4, 4\), not \(4, 5\)"),
        (lambda x: hg.group_norm(x, groups=3), "the 4 channels of x .* do not divide into 3 groups"),
        (lambda x: hg.instance_norm(x, np.ones(5)), "gamma is .* a number for each of the 4 channels"),
        (lambda x: hg.weight_norm(x, np.ones(3)), r"g is of shape \(3,\): v has 2 vectors"),
        (lambda x: hg.embedding(np.array([1, 2]), x[0]), None),
        (lambda x: hg.embedding(np.array([1, 4]), x[0]), "has rows 0 .. 3, and was asked for 1 .. 4"),
        (lambda x: hg.embedding(np.array([-1]), x[0]), "was asked for -1"),
        (lambda x: hg.one_hot(np.array([0, 3]), classes=3), "has 3 classes, and was asked for 0 .. 3"),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    x = np.ones((2, 4, 5))
    if message is None:
        call(x)
        return
    with pytest.raises(ValueError, match=message):
        call(x)


@pytest.mark.parametrize("padding_idx", [1, -3])
def test_padding_has_no_gradient(padding_idx, r):
    W, x = r.normal(size=(4, 3)), np.array([1, 3, 1, 0])
    out, backward = hg.embedding.vjp(x, W, padding_idx=padding_idx)
    np.testing.assert_array_equal(out, W[x])
    _, dW = backward(np.ones_like(out))
    np.testing.assert_array_equal(dW, np.array([1.0, 0.0, 0.0, 1.0])[:, None] * np.ones(3))


def test_channels_are_dropped_together():
    x, key = np.ones((20, 30, 4, 5)), np.array([1, 2], np.uint32)
    out = hg.dropout(x, key, rate=0.3, axes=(0, 1))
    assert set(np.unique(out)) == {0, 1 / 0.7}
    np.testing.assert_array_equal(out, np.broadcast_to(out[:, :, :1, :1], x.shape))
    assert abs(out.mean() - 1) < 0.1
