"""What pooling refuses, and its gradient where elements tie."""

import numpy as np
import pytest

import handgrad as hg


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        (hg.max_pool2d, {"size": 5}, r"windows of \(5, 5\), dilated to \(5, 5\), do not fit into \(4, 4\)"),
        (hg.max_pool2d, {"size": 2, "padding": 2}, "padding is at most half of a window"),
        (hg.avg_pool2d, {"size": (2, 2, 2)}, "size is a number of at least 1, or 2 of them"),
        (hg.avg_pool2d, {"size": 2, "stride": 0}, "stride is a number"),
        (hg.adaptive_avg_pool2d, {"size": 0}, "size is a number of at least 1"),
        (hg.adaptive_max_pool3d, {"size": 1}, "x has 3 spatial axes"),
    ],
)
def test_what_does_not_fit_is_said(rule, options, message):
    with pytest.raises(ValueError, match=message):
        rule(np.ones((4, 4, 4))[:1] if rule is not hg.adaptive_max_pool3d else np.ones((2, 3, 3)), **options)


def test_there_are_no_parts_of_nothing():
    with pytest.raises(ValueError, match="no parts of an empty axis"):
        hg.adaptive_avg_pool1d(np.ones((1, 2, 0)), size=1)


@pytest.mark.parametrize("way", [{}, {"stride": 1}, {"stride": 1, "padding": 1}])
def test_the_first_of_a_tie_has_the_gradient_to_any_order(way):
    """Recorded twice, a tie is decided in the same way: the second derivative of Σ out³ is 6·out there."""
    x = np.array([[[1.0, 3.0, 3.0, 0.0], [3.0, 2.0, 3.0, 3.0]]])
    out, backward = hg.max_pool2d.vjp(x, size=2, **way)
    (dx,) = backward(np.ones_like(out))
    f = lambda x: hg.sum(hg.max_pool2d(x, size=2, **way) ** 3)  # noqa: E731
    second = hg.grad(lambda x: hg.sum(hg.grad(f)(x)))(x)
    np.testing.assert_allclose(second, dx * 6 * x)


def test_the_first_nan_is_the_largest():
    x = np.array([[1.0, np.nan, np.nan, 2.0, 0.0, 3.0]])
    out, backward = hg.max_pool1d.vjp(x, size=3)
    np.testing.assert_array_equal(out, [[np.nan, 3.0]])
    np.testing.assert_array_equal(backward(np.array([[5.0, 7.0]]))[0], [[0, 5, 0, 0, 0, 7]])
