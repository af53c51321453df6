"""Every rule on PyTorch's tensors, against the same rule on NumPy."""

import pytest

import handgrad as hg

from ..rules.elsewhere import assert_same_as_numpy, cases_for

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


def test_dropout():
    x, key = torch.ones(1000, dtype=torch.float64), torch.tensor([1, 2])
    out, backward = hg.dropout.vjp(x, key, rate=0.25)
    dx, _ = backward(torch.full_like(x, 3.0))
    assert torch.equal(dx, 3 * out)
    assert torch.equal(out, hg.dropout(x, key, rate=0.25))
    assert abs(float(out.mean()) - 1) < 0.1
