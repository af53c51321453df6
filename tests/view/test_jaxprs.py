"""Functions of JAX as pictures: values and gradients are JAX's own, primitive by primitive."""

import inspect

import numpy as np
import pytest

import handgrad as hg
from handgrad.view.recording import record

jax = pytest.importorskip("jax")
jnp = jax.numpy


def draw(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def network(x, W, b):
    h = jax.nn.gelu(x @ W + b)
    return jnp.mean(jax.nn.softmax(h, axis=-1) ** 2)


@jax.jit
def half(x):
    return jnp.sin(x) / 2


def jitted(x):
    return half(x).sum()


def looped(x, h):
    return jax.lax.scan(lambda h, x: (jnp.tanh(h + x),) * 2, h, x)[1].sum()


def picked(x):
    return x[jnp.array([2, 0])].prod()


def sorted_(x):
    return (jnp.sort(x) * jnp.arange(3.0)).sum()


CASES = {
    "network": (network, draw(0, 3, 2), draw(1, 2, 4), draw(2, 4)),
    "jit": (jitted, draw(0, 3)),
    "scan": (looped, draw(0, 4, 2), draw(1, 2)),
    "gather": (picked, draw(0, 3)),
    "sort": (sorted_, draw(0, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_jax(name):
    f, *xs = CASES[name]
    graph = record(f, *xs)
    value, grads = jax.value_and_grad(f, tuple(range(len(xs))))(*xs)
    np.testing.assert_allclose(graph.outputs[0].value, value, rtol=1e-5)
    leaves = {a.name: a for a in graph.arrays if a.role == "input"}
    names = list(inspect.signature(f).parameters)
    assert leaves.keys() == set(names)
    for array, x, grad in zip(map(leaves.get, names), xs, grads, strict=True):
        np.testing.assert_array_equal(array.value, x)
        np.testing.assert_allclose(array.grad, grad, rtol=1e-4, atol=1e-6)


def test_what_is_called_is_a_box_and_a_loop_one_rule():
    assert "half" in [box.name for box in record(jitted, draw(0, 3)).boxes]
    assert "scan" in [op.name for op in record(looped, draw(0, 4, 2), draw(1, 2)).ops]


def test_inputs_are_called_as_the_function_calls_them():
    graph = record(network, draw(0, 3, 2), draw(1, 2, 4), draw(2, 4))
    assert [a.name for a in graph.arrays if a.role == "input"] == ["x", "W", "b"]


def test_rules_on_jax_arrays_are_rules():
    graph = record(lambda x: hg.tanh(x) * 2.0, draw(0, 3))
    assert [op.name for op in graph.ops] == ["tanh", "multiply"]


def test_its_page_is_written():
    assert "integer_pow" in str(hg.show(network, draw(0, 3, 2), draw(1, 2, 4), draw(2, 4), check=0))
    assert hg.show(network, draw(0, 3, 2), draw(1, 2, 4), draw(2, 4), check=0.1).html()


def test_an_error_of_the_function_is_its_own():
    def wrong(x):
        return jnp.sin(x) @ jnp.ones((7, 7))

    with pytest.raises(TypeError, match="dot_general"):
        record(wrong, draw(0, 3))
