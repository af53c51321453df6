"""What docs/precision.md states of each rule in float32, float16 and bfloat16."""

import math

import numpy as np
import pytest

import handgrad as hg
from bench.precision import EPS, FILE, measured


def stated():
    """By dtype, the two numbers of each rule."""
    rows = [line.split("|")[1:-1] for line in FILE.read_text().splitlines() if line.startswith("| `")]
    found = {name: {} for name in EPS}
    for rule, *cells in rows:
        for name, pair in zip(EPS, zip(cells[::2], cells[1::2], strict=True), strict=True):
            if pair[0].strip() != "—":
                found[name][rule.strip(" `")] = tuple(map(float, pair))
    return found


@pytest.mark.parametrize("name", EPS)
def test_each_rule_is_as_near_to_float64_as_it_says(name):
    """Twice what is stated is for other processors, whose sums have another order."""
    if name == "bfloat16":
        pytest.importorskip("torch")
    said, found = stated()[name], measured(name)
    assert said.keys() == found.keys()
    beyond = {rule: (errors, said[rule]) for rule, errors in found.items()
              if any(e > 2 * max(s, 1) for e, s in zip(errors, said[rule], strict=True))}  # fmt: skip
    assert beyond == {}


def test_the_error_function_of_every_half_float():
    x = np.arange(2**16, dtype=np.uint16).view(np.float16)
    x = x[np.isfinite(x)]
    for rule, exact in ((hg.erf, math.erf), (hg.erfc, math.erfc)):
        np.testing.assert_array_max_ulp(rule(x), np.float16([exact(v) for v in x]))


def test_factorisations_of_tensors_of_16_bits():
    """PyTorch's refuse them, and its exponential of a small matrix in bfloat16 is nan."""
    torch = pytest.importorskip("torch")
    r = np.random.default_rng(0)
    x = r.normal(size=(3, 3)) @ np.diag([1.0, 2.0, 3.0])
    for dtype in (torch.bfloat16, torch.float16):
        low = torch.tensor(x).to(dtype)
        for rule in (hg.inv, hg.qr, hg.svd, hg.expm, hg.slogdet):
            out, wanted = rule(low), rule(low.double())
            for a, b in zip(out, wanted, strict=True) if isinstance(out, tuple) else [(out, wanted)]:
                assert a.dtype == dtype
                np.testing.assert_allclose(a.double(), b, rtol=torch.finfo(dtype).eps, atol=1e-3)
        assert torch.isfinite(hg.expm(low * 1e-3)).all()
        assert hg.solve(low, torch.ones(3, dtype=torch.float32)).dtype == torch.float32
