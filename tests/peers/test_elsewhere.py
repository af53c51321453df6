"""Rules as functions of PyTorch's autograd, and with derivatives for JAX's."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.tree import leaves, tree_map
from tests.rules.cases import CASES

ONE_OF_EACH = list({case.rule.name: case for case in reversed(CASES)}.values())
LEFT_OUT = {"getitem", "scatter_add", "astype", "dropout", "gumbel_softmax"}
"""Whose index is no array, whose option is a dtype of NumPy's, whose numbers are drawn by NumPy's key."""


def is_floating(x):
    return getattr(x, "dtype", np.dtype(int)).kind == "f"


def suits(case):
    """Whether the inputs are arrays, some of which have gradients, and options none of NumPy's."""
    arrays = leaves(case.inputs())
    return (
        case.rule.name not in LEFT_OUT
        and not any(isinstance(v, np.ndarray) for v in leaves(case.options))
        and all(isinstance(x, np.ndarray) or x is None for x in arrays)
        and any(is_floating(x) and x.size for x in arrays)
    )


SUITED = [case for case in ONE_OF_EACH if suits(case)]


@hg.rule
def mine(x, W, b):
    """out = x² W + b"""

    def backward(dout):
        return 2 * x * (dout @ W.T), (x * x).T @ dout, xp.sum(dout, axis=0)

    return (x * x) @ W + b, backward


def in_torch(torch, x):
    if not isinstance(x, np.ndarray):
        return x
    return torch.tensor(x.copy(), requires_grad=is_floating(x))


@pytest.mark.parametrize("case", SUITED, ids=lambda case: case.rule.name)
def test_torch_differentiates_by_the_rule_s_backward(case):
    torch = pytest.importorskip("torch")
    inputs = case.inputs()
    want, backward = case.rule.vjp(*inputs, **case.options)
    r = np.random.default_rng(0)
    dout = tree_map(lambda o: r.normal(size=np.shape(o)), want)
    dxs = leaves(backward(dout))
    tensors = tree_map(lambda x: in_torch(torch, x), inputs)
    out = hg.to_torch(case.rule)(*tensors, **case.options)
    for a, b in zip(leaves(out), leaves(want), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b, rtol=1e-9, atol=1e-11)
    torch.autograd.backward(leaves(out), [torch.tensor(d) for d in leaves(dout)])
    if len(dxs) == len(leaves(tensors)):
        for x, dx in zip(leaves(tensors), dxs, strict=True):
            if getattr(x, "requires_grad", False):
                np.testing.assert_allclose(x.grad.numpy(), dx, rtol=1e-8, atol=1e-10)


def test_gradcheck_and_gradgradcheck_hold():
    torch = pytest.importorskip("torch")
    r = np.random.default_rng(0)
    x, W, b = (torch.tensor(r.normal(size=s), requires_grad=True) for s in ((3, 4), (4, 2), (2,)))
    for rule in (mine, hg.affine):
        assert torch.autograd.gradcheck(hg.to_torch(rule), (x, W, b))
        assert torch.autograd.gradgradcheck(hg.to_torch(rule), (x, W, b))
    softmax = hg.to_torch(hg.softmax)
    assert torch.autograd.gradgradcheck(lambda x: softmax(x, axis=0), (x,))
    assert torch.autograd.gradcheck(lambda x, W: hg.to_torch(hg.concatenate)([x, W.T], axis=0), (x, W))
    out = hg.to_torch(mine)(x, W, b)
    assert out.grad_fn.name() == "mineBackward"


def test_a_wrong_backward_is_what_torch_gets():
    torch = pytest.importorskip("torch")

    @hg.rule
    def wrong(x):
        return x * x, lambda dout: (3 * x * dout,)

    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    hg.to_torch(wrong)(x).sum().backward()
    assert x.grad.tolist() == [3.0, 6.0]
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(hg.to_torch(wrong), (x,))


def test_no_gradient_where_none_is_asked_for():
    torch = pytest.importorskip("torch")
    x = torch.ones(2, 3)
    assert not hg.to_torch(hg.relu)(x).requires_grad
    W = torch.ones(3, 2, requires_grad=True)
    hg.to_torch(hg.matmul)(x, W).sum().backward()
    assert W.grad.shape == (3, 2)


@pytest.mark.parametrize("case", SUITED[::3], ids=lambda case: case.rule.name)
def test_jax_differentiates_by_the_rule_s_backward(case):
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        inputs = case.inputs()
        want, backward = case.rule.vjp(*inputs, **case.options)
        r = np.random.default_rng(0)
        dout = tree_map(lambda o: r.normal(size=np.shape(o)), want)
        function = lambda *xs: hg.to_jax(case.rule)(*xs, **case.options)  # noqa: E731
        out, pullback = jax.vjp(
            function, *tree_map(lambda x: x if x is None else jax.numpy.asarray(x), inputs)
        )
        for a, b in zip(leaves(out), leaves(want), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
        got = pullback(tree_map(jax.numpy.asarray, dout))
        for x, dx, mine in zip(inputs, backward(dout), got, strict=True):
            if is_floating(x):
                np.testing.assert_allclose(mine, dx, rtol=1e-8, atol=1e-10)


def test_jax_s_transformations():
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        r = np.random.default_rng(0)
        x, W, b = (jax.numpy.asarray(r.normal(size=s)) for s in ((3, 4), (4, 2), (2,)))
        f = hg.to_jax(mine)
        loss = lambda x, W, b: jax.numpy.sum(f(x, W, b) ** 2)  # noqa: E731
        plain = lambda x, W, b: jax.numpy.sum(((x * x) @ W + b) ** 2)  # noqa: E731
        for argnum in range(3):
            want = jax.grad(plain, argnum)(x, W, b)
            np.testing.assert_allclose(jax.grad(loss, argnum)(x, W, b), want, rtol=1e-12)
            np.testing.assert_allclose(jax.jit(jax.grad(loss, argnum))(x, W, b), want, rtol=1e-12)
        many = jax.numpy.stack([x, 2 * x])
        got = jax.vmap(jax.grad(loss), (0, None, None))(many, W, b)
        np.testing.assert_allclose(got, jax.vmap(jax.grad(plain), (0, None, None))(many, W, b), rtol=1e-12)
        second = lambda f: jax.grad(lambda b: jax.numpy.sum(jax.grad(f)(x, W, b) ** 2))(b)  # noqa: E731
        np.testing.assert_allclose(second(loss), second(plain), rtol=1e-10)
        indices = jax.numpy.asarray([0, 2, 2])
        dW = jax.grad(lambda W: jax.numpy.sum(hg.to_jax(hg.embedding)(indices, W)))(W)
        np.testing.assert_array_equal(dW[:, 0], [1, 0, 2, 0])


@pytest.mark.parametrize("to", [hg.to_torch, hg.to_jax])
def test_only_rules(to):
    with pytest.raises(TypeError, match=r"takes a rule, such as hg\.relu"):
        to(np.tanh)
