"""PyTorch's own operations on its own sample inputs: the checker must not object to any of them."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest")

from handgrad.checking import check
from tests.peers.torch_samples import KNOWN_WRONG, cases

PARTS = 24


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.filterwarnings("ignore")
def test_what_pytorch_differentiates_is_right(part):
    told = {}
    for case in cases(per_operation=2, part=slice(part, None, PARTS)):
        report = check(case.f, *case.inputs)
        if report.ok is False and case.name.rpartition("-")[0] not in KNOWN_WRONG and case.right:
            told[case.name] = str(report)
    assert not told, "\n".join(told.values())


@pytest.mark.slow
def test_the_sixth_of_hardsigmoid():
    import torch

    x = torch.tensor([0.3, -1.2, 2.5], dtype=torch.float64)
    report = check(torch.nn.functional.hardsigmoid, x)
    assert report.ok is False
    assert report.causes[0].kind in ("precision", "epsilon", "factor")
