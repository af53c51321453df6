"""Nodes that are made into one operation."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.program import trace
from tests.engine.support import assert_close, assert_means, compiled, interpreted, run

SPECIAL = np.r_[np.linspace(-120, 120, 61), np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-30, -1e-30]


def operations(f, *args):
    code = compiled(trace(f, *args))
    assert_means(code, args)
    return [name for kernel in code.schedule.kernels for name in operations_of(kernel)]


def operations_of(kernel):
    from handgrad.engine.lowering import Apply, walk

    return [e.op for e in walk(kernel.expressions) if isinstance(e, Apply)]


@pytest.mark.parametrize("f", [hg.sigmoid, hg.silu, lambda x: hg.grad(lambda x: hg.sum(hg.softplus(x)))(x)])
def test_the_logistic_function_is_one_operation(f):
    x = np.random.default_rng(0).normal(size=(5, 7))
    assert "logistic" in operations(f, x)
    assert "exp" not in operations(f, x)


def test_so_is_that_of_the_negative_in_its_gradient():
    x = np.random.default_rng(0).normal(size=9)
    assert operations(lambda x: hg.grad(lambda x: hg.sum(hg.sigmoid(x)))(x), x).count("logistic") == 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_right_to_3_ulp_everywhere(dtype):
    x = SPECIAL.astype(dtype)
    program = trace(hg.sigmoid, x)
    (got,), (wanted,) = run(compiled(program), [x]), interpreted(program, [x])
    info = np.finfo(dtype)
    np.testing.assert_allclose(got, wanted, rtol=3 * info.eps, atol=2 * info.tiny)
    assert_close([got], [wanted])


def test_what_only_looks_like_it_is_left_alone():
    x = np.random.default_rng(0).normal(size=9)

    def other(x):
        e = hg.exp(hg.where(x >= 0, -x, x))
        return hg.where(x >= 0, 1 / (2 + e), e / (1 + e)), hg.where(x >= 1, 1 / (1 + e), e / (1 + e))

    assert "logistic" not in operations(other, x)
