"""NumPy's sums as handgrad takes them: NumPy's own, but for long ones over rows, which keep their digits."""

import itertools

import numpy as np
import pytest

from handgrad.arrays import NUMPY

SHAPES = [
    (),
    (0,),
    (1000,),
    (257, 3),
    (3, 300),
    (300, 1),
    (300, 4, 300),
    (2, 700, 3),
    (0, 300),
    (300, 0),
    (66_000, 2),
]


def axes_of(ndim):
    for count in range(ndim + 1):
        for axes in itertools.combinations(range(ndim), count):
            yield from (axes, tuple(a - ndim for a in axes), *axes[: count == 1])
    yield None


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "bool"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_are_numpys(shape, dtype):
    x = np.random.default_rng(0).integers(-2, 3, shape).astype(dtype)
    for axis, keepdims in itertools.product(axes_of(len(shape)), (False, True)):
        for y in (x, x.T.copy().T, x[::-1] if shape else x):
            got, wanted = NUMPY.sum(y, axis=axis, keepdims=keepdims), np.sum(y, axis=axis, keepdims=keepdims)
            assert (type(got), got.dtype, got.shape) == (type(wanted), wanted.dtype, wanted.shape)
            np.testing.assert_array_equal(got, wanted)  # small whole numbers: each sum is exact


@pytest.mark.parametrize("axis", [2, -3, (0, 5), (0, 0), (0, -2)], ids=str)
def test_axes_that_are_none(axis):
    with pytest.raises(ValueError, match=r"out of bounds|duplicate"):
        NUMPY.sum(np.ones((300, 2)), axis=axis)


def test_sums_over_rows_keep_their_digits():
    x = np.full((1_000_000, 2), 0.1, np.float32)
    wanted = 1e6 * float(x[0, 0])
    assert np.max(np.abs(np.sum(x, axis=0) / wanted - 1)) > 1e-3
    for y, axis in (
        (x, 0),
        (x.reshape(1000, 1000, 2), (0, 1)),
        (x.reshape(1, -1, 2), (1, 0)),
        (x.reshape(200, 200, 25, 2), (0, 2, 1)),
    ):
        assert np.max(np.abs(NUMPY.sum(y, axis=axis) / wanted - 1)) < 4e-6
