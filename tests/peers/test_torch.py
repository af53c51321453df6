"""Every rule on PyTorch's tensors, and against PyTorch's own functions and gradients."""

import pytest

from ..rules.elsewhere import assert_same_as_numpy, cases_for

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("case", cases_for("torch"))
def test_tensors_equal_numpy(case):
    assert_same_as_numpy(case, torch.from_numpy, torch.Tensor)
