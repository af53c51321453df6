"""Every rule on JAX's arrays and tracers, and JAX's own transformations against handgrad's."""

import numpy as np
import pytest

import handgrad as hg

from ..rules.elsewhere import assert_close, assert_same_as_numpy, cases_for, converted, random_like

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")

FEW = ("scalar", "transposed", "empty", "column-row", "array-python", "python-array")


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("case", cases_for("jax"))
def test_jax_arrays_equal_numpy(case):
    assert_same_as_numpy(case, jnp.asarray, jax.Array)


@pytest.mark.parametrize("case", cases_for("jax", "jax-jit", labels=FEW))
def test_jit_equals_numpy(case):
    """Value and gradients of each case, traced and compiled together."""
    inputs = case.inputs()
    wanted, backward = case.rule.vjp(*inputs, **case.options)
    dout = random_like(np.random.default_rng(7), wanted)

    def both(arrays, dout):
        drawn = iter(arrays)
        traced = converted(inputs, lambda x: next(drawn))
        out, backward = case.rule.vjp(*traced, **converted(case.options, jnp.asarray))
        return out, backward(dout)

    arrays = []
    converted(inputs, arrays.append)
    out, grads = jax.jit(both)(arrays, dout)
    assert_close(out, wanted)
    assert_close(grads, backward(dout))


@pytest.mark.parametrize(
    ("axes", "groups", "stride", "dilation", "padding"),
    [
        (1, 1, 2, 2, ((1, 2),)),
        (2, 1, (3, 2), (1, 2), ((0, 2), (1, 0))),
        (2, 2, (2, 1), (2, 1), ((2, 1), (0, 0))),
        (3, 1, (1, 2, 3), 1, ((1, 1), (0, 0), (2, 0))),
        (1, 4, 3, 2, ((0, 1),)),
        (2, 4, (2, 1), (1, 2), ((2, 1), (0, 3))),
        (3, 4, (1, 2, 2), 1, ((1, 1), (0, 0), (2, 0))),
    ],
)
def test_convolutions_with_rests_have_numpys_gradients(axes, groups, stride, dilation, padding):
    """Windows that leave a rest of x, or reach into one side's padding only."""
    rng = np.random.default_rng(axes)
    rule = {1: hg.conv1d, 2: hg.conv2d, 3: hg.conv3d}[axes]
    channels, filters = (4, 4) if groups == 4 else (2 * groups, 3 * groups)  # 4: each its own filter
    x = rng.standard_normal((2, channels, *(9, 8, 7)[:axes]))
    W = rng.standard_normal((filters, channels // groups, *(2, 3, 2)[:axes]))

    def f(x, W):
        return rule(x, W, stride=stride, padding=padding, dilation=dilation, groups=groups)

    dout = rng.standard_normal(f(x, W).shape)

    def both(x, W, dout):
        y, backward = hg.vjp(f, x, W)
        return y, *backward(dout)

    for ours, wanted in zip(jax.jit(both)(x, W, dout), both(x, W, dout), strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-10, atol=1e-10)
