"""JAX's own transformations of functions of rules, against handgrad's derivatives of the same functions."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp

from ..rules.numerics import assert_close

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def network(parameters, x, t):
    W, b, V, c = parameters
    return hg.softmax_cross_entropy(hg.affine(hg.gelu(hg.affine(x, W, b)), V, c), t, label_smoothing=0.1)


def normalised(x):
    mean, var = hg.mean(x, axis=0), hg.var(x, axis=0)
    y = hg.batch_norm(x, mean, var, 1.5, 0.1)
    return hg.sum(hg.logsumexp(y * hg.sigmoid(x), axis=1) * hg.max(x, axis=1))


def picked(x):
    y = hg.concatenate([hg.getitem(x, np.array([0, 2, 2])), hg.pad(x, ((1, 0), (0, 0)), mode="edge")])
    return hg.sum(hg.square(hg.matmul(y, hg.transpose(y)))) / 100 + hg.prod(
        hg.tanh(hg.take(x, np.array([0, 5])))
    )


SCALAR = {
    "normalised": normalised,
    "picked": picked,
    "powers": lambda x: hg.sum(hg.power(hg.square(x) + 1, 0.7) / hg.sqrt(2 + hg.cos(x))),
    "kinks": lambda x: hg.mean(hg.relu(x) + hg.maximum(x, 0.3) * hg.abs(x) + hg.clip(x, -1, 1)),
    "distance": lambda x: hg.huber(x, x * x) + hg.std(x),
    "split": lambda x: hg.sum(hg.split(x, [1], axis=1)[1] * hg.softmax(hg.split(x, [1], axis=1)[0], axis=0)),
}


@pytest.mark.parametrize("f", SCALAR.values(), ids=SCALAR)
def test_grad(f):
    """Through the bodies' forwards, JAX finds by itself what the backwards say."""
    x = draw(4, 3)
    value, dx = jax.jit(jax.value_and_grad(f))(x)
    assert_close(hg.value_and_grad(f)(x), (value, dx), 1e-11)


@pytest.mark.parametrize("f", SCALAR.values(), ids=SCALAR)
def test_handgrads_derivatives_are_traced_by_jit(f):
    x = draw(4, 3)
    assert_close(jax.jit(hg.value_and_grad(f))(jnp.asarray(x)), hg.value_and_grad(f)(x), 1e-12)


@pytest.mark.parametrize("name", ["normalised", "powers", "split"])
def test_hessian_and_hvp(name):
    f, x, v = SCALAR[name], draw(4, 3), draw(4, 3, seed=1)
    wanted = jax.jit(jax.hessian(f))(x)
    assert_close(hg.hessian(f)(x), wanted, 1e-10)
    assert_close(hg.hvp(f)(x, v), np.tensordot(wanted, v), 1e-10)
    assert_close(jax.jit(lambda x, v: hg.hvp(f)(x, v))(x, v), np.tensordot(wanted, v), 1e-10)


def test_jax_differentiates_handgrads_gradient():
    x = draw(4, 3)
    by_both = jax.jit(jax.jacobian(hg.grad(SCALAR["powers"])))(x)
    assert_close(by_both, hg.hessian(SCALAR["powers"])(x), 1e-11)


def test_jacobian():
    x, A = draw(4, 3), draw(3, 2, seed=2)

    def f(x):
        return {"y": hg.tanh(hg.matmul(x, A)), "z": hg.sum(x * x, axis=0)}

    assert_close(hg.jacobian(f)(x), jax.jit(jax.jacobian(f))(x), 1e-12)


def test_a_network_and_its_parameters():
    r = np.random.default_rng(3)
    parameters = [r.normal(size=shape) for shape in ((5, 7), (7,), (7, 3), (3,))]
    x, t = r.normal(size=(6, 5)), r.integers(3, size=6)
    wanted = jax.jit(jax.value_and_grad(network))(parameters, x, t)
    assert_close(hg.value_and_grad(network)(parameters, x, t), wanted, 1e-11)
    assert_close(jax.jit(hg.value_and_grad(network))(parameters, x, t), wanted, 1e-11)


def test_vmap_is_a_loop_over_examples():
    r = np.random.default_rng(4)
    W, xs, ts = r.normal(size=(5, 3)), r.normal(size=(6, 5)), r.integers(3, size=6)

    def loss(W, x, t):
        return hg.softmax_cross_entropy(hg.affine(x, W, np.zeros(3)), t)

    by_jax = jax.jit(jax.vmap(hg.grad(loss), in_axes=(None, 0, 0)))(W, xs, ts)
    one_by_one = np.stack([hg.grad(loss)(W, x, t) for x, t in zip(xs, ts, strict=True)])
    assert_close(by_jax, one_by_one, 1e-12)


def test_dropout_and_keys_under_jit():
    x, key = jnp.ones((100, 50)), jnp.asarray([1, 2], jnp.uint32)

    def both(x, key):
        out, backward = hg.dropout.vjp(x, key, rate=0.25)
        return out, backward(3 * jnp.ones_like(out))[0]

    out, dx = jax.jit(both)(x, key)
    assert_close(dx, 3 * out, 0)
    assert_close(jax.jit(hg.dropout)(x, key), hg.dropout(x, key), 0)
    assert set(np.unique(hg.dropout(x, key, rate=0.25))) == {0.0, 1 / 0.75}
    other = xp.fold_in(key, 1)
    assert not np.array_equal(hg.dropout(x, other), hg.dropout(x, key))


def test_astype_under_jit():
    def both(x):
        out, backward = hg.astype.vjp(x, jnp.float32)
        return out, backward(out)[0]

    out, dx = jax.jit(both)(jnp.asarray([1.5, 2.0]))
    assert (out.dtype, dx.dtype) == (np.float32, np.float64)


def test_bfloat16_stays_bfloat16():
    x = jnp.asarray([0.5, -1.5], jnp.bfloat16)
    for rule in (hg.gelu, hg.softmax, hg.tanh, hg.sigmoid):
        out, backward = rule.vjp(x)
        assert out.dtype == backward(out)[0].dtype == jnp.bfloat16
