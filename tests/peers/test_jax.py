"""Every rule on JAX's arrays and tracers, and JAX's own transformations against handgrad's."""

import numpy as np
import pytest

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
