"""Reading every second element: by rows of vectors, of which nothing beyond the last element is touched."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.program import trace
from tests.engine.support import compiled, run

SIZES = [1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 65]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.bool_])
@pytest.mark.parametrize("at_end", [True, False])
def test_every_second_element(dtype, at_end):
    for n in SIZES:
        x = np.random.default_rng(n).integers(-9, 9, (3, n)).astype(dtype)
        for first in (0, min(1, n - 1)):
            program = trace(
                lambda x, first=first: (xp.logical_not(x[:, first::2]), x[:, first::2] + x[:1, first::2]), x
            )
            got = run(compiled(program), [x], at_end)
            part = x[:, first::2]
            np.testing.assert_array_equal(got[0], np.logical_not(part))
            np.testing.assert_array_equal(got[1], part + part[:1])


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (2, 1), (3, 2), (2, 3), (5, 2)])
@pytest.mark.parametrize("shape", [(2, 3, 7, 7), (1, 2, 14, 14), (2, 1, 33, 35), (1, 1, 5, 64)])
def test_pooling_has_the_first_of_the_largest(shape, size):
    """Of whole numbers, many of which tie; the bits are the same by any number of threads."""
    r = np.random.default_rng(0)
    x = r.integers(-2, 3, shape).astype("f")
    x[0, 0, 1, 1] = np.nan

    def f(x, dout):
        out, backward = hg.vjp(lambda x: hg.max_pool2d(x, size=size, stride=2), x)
        return out, backward(dout)

    dout = r.standard_normal(hg.max_pool2d(x, size=size, stride=2).shape).astype("f")
    wanted = f(x, dout)
    for threads in (1, 2):
        got = run(compiled(trace(f, x, dout), threads), [x, dout])
        np.testing.assert_array_equal(got[0], wanted[0])
        np.testing.assert_allclose(
            got[1], wanted[1][0] if isinstance(wanted[1], tuple) else wanted[1], rtol=1e-6
        )
