"""Labels and reductions: the corners, and what is refused with which words."""

import numpy as np
import pytest

import handgrad as hg

X = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
INDEX_LOSSES = [hg.cross_entropy, hg.softmax_cross_entropy]


def probabilities():
    return hg.softmax(X)


def test_labels_of_each_kind_give_one_loss():
    t = np.array([2, 0])
    for dtype in (np.int64, np.int32, np.uint8):
        by_index = hg.softmax_cross_entropy(X, t.astype(dtype))
        assert by_index == hg.softmax_cross_entropy(X, np.eye(3)[t])
        assert by_index == hg.softmax_cross_entropy(X, np.eye(3, dtype=int)[t])
        np.testing.assert_allclose(hg.cross_entropy(probabilities(), t.astype(dtype)), by_index, rtol=1e-14)


def test_integer_one_hot_labels_have_no_gradient():
    for rule, y in ((hg.softmax_cross_entropy, X), (hg.cross_entropy, probabilities())):
        assert rule.vjp(y, np.eye(3, dtype=int)[[0, 1]])[1](1.0)[1] is None


@pytest.mark.parametrize("weight", [None, np.array([1.0, 2.0, 3.0])])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_no_row_counts(reduction, weight):
    """PyTorch's mean is nan here: 0/0. A step that skips all its rows should change nothing."""
    t = np.array([-100, -100])
    loss, backward = hg.softmax_cross_entropy.vjp(
        X, t, ignore_index=-100, weight=weight, reduction=reduction, label_smoothing=0.1
    )
    np.testing.assert_array_equal(loss, np.zeros(2) if reduction == "none" else 0.0)
    np.testing.assert_array_equal(backward(np.ones_like(loss))[0], np.zeros((2, 3)))


def test_an_empty_batch_has_no_loss():
    loss, backward = hg.softmax_cross_entropy.vjp(np.zeros((0, 3)), np.zeros(0, int))
    assert loss == 0
    assert backward(np.ones(()))[0].shape == (0, 3)


@pytest.mark.parametrize("rule", INDEX_LOSSES, ids=lambda rule: rule.name)
@pytest.mark.parametrize(
    ("label", "named"), [(3, "label 3"), (-1, "label -1"), (-100, "label -100"), (77, "77")]
)
def test_a_label_out_of_range_is_named(rule, label, named):
    with pytest.raises(ValueError, match=rf"{named} is out of range: there are 3 classes, 0 \.\. 2"):
        rule(probabilities(), np.array([1, label]))


def test_a_label_out_of_range_is_found_beside_the_ignored():
    for ignored, bad in ((-100, -3), (9, 8), (-1, 5)):
        with pytest.raises(ValueError, match=f"label {bad} is out of range"):
            hg.softmax_cross_entropy(np.zeros((3, 3)), np.array([ignored, 1, bad]), ignore_index=ignored)


@pytest.mark.parametrize("rule", INDEX_LOSSES, ids=lambda rule: rule.name)
def test_labels_of_a_wrong_shape_name_both_shapes(rule):
    for t in (np.zeros(3, int), np.zeros((2, 1), int), np.zeros((2, 4)), np.array(1)):
        with pytest.raises(ValueError) as raised:
            rule(probabilities(), t)
        assert f"labels of shape {t.shape} do not fit outputs of shape (2, 3)" in str(raised.value)
        assert ("a column of indices is t[..., 0]" in str(raised.value)) == (t.shape == (2, 1))


@pytest.mark.parametrize("rule", INDEX_LOSSES, ids=lambda rule: rule.name)
def test_float_class_indices_are_refused(rule):
    for t in (np.array([0.0, 1.0]), np.array([True, False])):
        with pytest.raises(TypeError, match=f"class indices are integers, not {t.dtype}"):
            rule(probabilities(), t)


TARGET_LOSSES = [
    hg.mean_squared_error, hg.mean_absolute_error, hg.huber, hg.binary_cross_entropy_with_logits,
]  # fmt: skip


@pytest.mark.parametrize("rule", TARGET_LOSSES, ids=lambda rule: rule.name)
def test_targets_that_would_broadcast_are_refused(rule):
    with pytest.raises(ValueError, match=r"shape \(3, 1\) and targets of shape \(3,\) would broadcast"):
        rule(np.zeros((3, 1)), np.zeros(3))


@pytest.mark.parametrize("rule", INDEX_LOSSES + TARGET_LOSSES, ids=lambda rule: rule.name)
def test_an_unknown_reduction_is_named(rule):
    with pytest.raises(ValueError, match="reduction is 'mean', 'sum' or 'none', not 'average'"):
        rule(probabilities(), np.eye(3)[:2], reduction="average")


def test_no_elements_have_no_mean_but_a_gradient():
    for rule in TARGET_LOSSES:
        loss, backward = rule.vjp(np.zeros((0, 2)), np.zeros((0, 2)))
        assert np.isnan(loss)
        assert backward(1.0)[0].shape == (0, 2)


def test_probability_zero_where_the_label_is_zero():
    """0·log 0 is 0, without a warning, in value and gradients."""
    y, t = np.array([[0.0, 0.25, 0.75]]), np.array([[0.0, 1.0, 0.0]])
    loss, backward = hg.cross_entropy.vjp(y, t)
    np.testing.assert_allclose(loss, np.log(4))
    dy, dt = backward(2.0)
    np.testing.assert_array_equal(dy, [[0.0, -8.0, 0.0]])
    np.testing.assert_allclose(dt, [[0.0, 2 * np.log(4), -2 * np.log(0.75)]])


def test_ignore_index_beside_weights_of_classes():
    with pytest.raises(ValueError, match="ignore_index is of class indices"):
        hg.softmax_cross_entropy(np.zeros((2, 3)), np.eye(3)[:2], ignore_index=1)
