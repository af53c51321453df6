"""Convolutions: SciPy's values, of some axes alone too, and gradients that are those of differences."""

import numpy as np
import pytest
import scipy.signal

from handgrad.scipy import signal

from .test_stats import assert_same

SIZES = [
    ((5,), (3,)), ((3,), (5,)), ((4,), (4,)), ((1,), (3,)), ((4, 5), (2, 3)), ((4, 5), (2, 1)),
    ((2, 3), (4, 5)), ((3, 4, 5), (2, 2, 2)),
]  # fmt: skip


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_convolve(mode, sizes):
    r = np.random.default_rng(0)
    xs = [r.normal(size=size) for size in sizes]
    assert_same(
        lambda x, y: signal.convolve(x, y, mode),
        lambda x, y: scipy.signal.convolve(x, y, mode, method="direct"),
        xs,
    )


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolve_of_some_axes(mode):
    """Of axes 1 and 2, summed over axis 0 with axis 3; what is left comes first."""
    r = np.random.default_rng(1)
    x, y = r.normal(size=(3, 5, 4, 2)), r.normal(size=(6, 2, 3, 3))

    def by_parts(x, y):
        return np.array(
            [
                [
                    sum(scipy.signal.convolve(x[c, :, :, i], y[j, :, :, c], mode, "direct") for c in range(3))
                    for j in range(6)
                ]
                for i in range(2)
            ]
        )

    assert_same(
        lambda x, y: signal.convolve(x, y, mode, axes=([1, 2], [1, 2]), dot_axes=([0], [3])), by_parts, [x, y]
    )


def test_what_convolve_refuses():
    with pytest.raises(ValueError, match="'full', 'same' or 'valid', not 'none'"):
        signal.convolve(np.ones(3), np.ones(2), "none")
    with pytest.raises(ValueError, match="other numbers of axes"):
        signal.convolve(np.ones(3), np.ones((2, 2)))
    with pytest.raises(ValueError, match="neither lies within the other"):
        signal.convolve(np.ones((3, 2)), np.ones((2, 3)), "valid")


def test_all_else_is_scipys():
    assert signal.detrend is scipy.signal.detrend
