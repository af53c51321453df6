"""Every rule on PyTorch's tensors, against the same rule on NumPy."""

import operator

import numpy as np
import pytest

import handgrad as hg

from ..rules.elsewhere import assert_close, assert_same_as_numpy, cases_for

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("case", cases_for("torch"))
def test_tensors_equal_numpy(case):
    assert_same_as_numpy(case, torch.from_numpy, torch.Tensor)


def test_astype():
    x = torch.tensor([1.5, -2.25], dtype=torch.float64)
    out, backward = hg.astype.vjp(x, torch.float32)
    assert out.dtype == torch.float32
    (dx,) = backward(torch.tensor([0.5, 3.0], dtype=torch.float32))
    assert dx.dtype == torch.float64
    assert dx.tolist() == [0.5, 3.0]


def test_one_hot():
    x = torch.tensor([[0, 3], [1, 1]])
    assert torch.equal(hg.one_hot(x, classes=4), torch.nn.functional.one_hot(x, 4))


def test_dropout():
    x, key = torch.ones(1000, dtype=torch.float64), torch.tensor([1, 2])
    out, backward = hg.dropout.vjp(x, key, rate=0.25)
    dx, _ = backward(torch.full_like(x, 3.0))
    assert torch.equal(dx, 3 * out)
    assert torch.equal(out, hg.dropout(x, key, rate=0.25))
    assert abs(float(out.mean()) - 1) < 0.1


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow", "matmul", "lt", "ge", "eq"])
def test_variables_beside_tensors(name):
    op, x, y = (
        getattr(operator, name),
        torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
        torch.tensor([[0.5, 2.0], [1.0, 7.0]]),
    )
    for swapped in (False, True):
        v = hg.variable(x)
        out = op(y, v) if swapped else op(v, y)
        wanted = op(y, x) if swapped else op(x, y)
        assert torch.equal(getattr(out, "value", out), wanted)
        if name not in ("lt", "ge", "eq"):
            out.backward(torch.ones_like(wanted))
            assert isinstance(v.grad, torch.Tensor)


def test_derivatives_of_tensors():
    x = np.random.default_rng(0).normal(size=(3, 3))

    def f(x):
        return hg.sum(hg.softmax(x @ x)[0] * hg.std(hg.gelu(x), axis=1)) + hg.logsumexp(torch.exp(x) / 3)

    def same(x):
        return hg.sum(hg.softmax(x @ x)[0] * hg.std(hg.gelu(x), axis=1)) + hg.logsumexp(np.exp(x) / 3)

    t = torch.from_numpy(x)
    assert_close(hg.value_and_grad(f)(t), hg.value_and_grad(same)(x))
    assert_close(hg.hessian(f)(t), hg.hessian(same)(x))
    assert_close(hg.hvp(f)(t, t + 1), hg.hvp(same)(x, x + 1))
    assert_close(hg.jacobian(hg.softmax)(t), hg.jacobian(hg.softmax)(x))
