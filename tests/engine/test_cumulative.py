"""Cumulative sums and products as native code."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.program import trace
from tests.engine.support import assert_means, compiled, run, same_bits

rng = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int8, bool])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((7,), 0),
        ((1,), 0),
        ((0,), 0),
        ((5, 33), 0),
        ((5, 33), 1),
        ((3, 0, 2), 0),
        ((4, 1, 9), 1),
        ((3, 40, 17), 1),
    ],
)
@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_they_are_numpys_bit_for_bit(name, shape, axis, dtype):
    x = (rng.normal(size=shape) * 3).astype(dtype)
    program = trace(lambda x: getattr(xp, name)(x, axis=axis), x)
    for threads in (1, 2, 3):
        (got,) = run(compiled(program, threads), [x])
        assert same_bits([got], [getattr(np, name)(x, axis=axis)])


@pytest.mark.filterwarnings("error")
def test_of_views_and_what_is_computed_with_gradients():
    x = rng.normal(size=(6, 5, 9))

    def f(x):
        return hg.value_and_grad(lambda x: hg.sum(np.cumsum(hg.tanh(x[::-1, :, 2:]), axis=1) * x[:, :, :7]))(
            x
        )

    for threads in (1, 2):
        assert_means(compiled(trace(f, x), threads), [x])
