"""Convolutions of random shapes and options against PyTorch's, on NumPy's arrays and on tensors."""

import numpy as np
import pytest

import handgrad as hg

torch = pytest.importorskip("torch")
F = torch.nn.functional


def drawn(r, n):
    """Shapes of x and W, and options that both rules take."""
    groups, N = int(r.integers(1, 4)), int(r.integers(0, 4))
    C, M = (groups * int(k) for k in r.integers(1, 4, 2))
    spatial, size, stride, padding, dilation = (
        tuple(map(int, r.integers(low, high, n))) for low, high in ((1, 8), (1, 4), (1, 4), (0, 3), (1, 3))
    )
    way = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (N, C, *spatial), (M, C // groups, *size), (C, M // groups, *size), M, way


def assert_as_theirs(rule, theirs, arrays, options):
    leaves = [torch.from_numpy(x).requires_grad_() for x in arrays]
    try:
        wanted = theirs(*leaves, **options)
    except RuntimeError:
        wanted = None  # the kernel is larger than the input
    if wanted is None or 0 in wanted.shape[2:]:
        with pytest.raises(ValueError, match=r"does not fit|nothing is left"):
            rule(*arrays, **options)
        return
    dout = np.random.default_rng(1).normal(size=wanted.shape)
    grads = torch.autograd.grad(wanted, leaves, torch.from_numpy(dout))
    for library in (np.asarray, torch.from_numpy):
        out, backward = rule.vjp(*map(library, arrays), **options)
        for got, right in zip((out, *backward(library(dout))), (wanted.detach(), *grads), strict=True):
            assert got.shape == right.shape
            np.testing.assert_allclose(got, right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("n", [1, 2, 3])
def test_convolutions(n, seed):
    r = np.random.default_rng([n, seed])
    own, kernel, turned, M, way = drawn(r, n)
    arrays = [r.normal(size=shape) for shape in (own, kernel, (M,))]
    assert_as_theirs(getattr(hg, f"conv{n}d"), getattr(F, f"conv{n}d"), arrays, way)
    arrays[1] = r.normal(size=turned)
    larger = np.maximum(way["stride"], way["dilation"])
    way["output_padding"] = tuple(map(int, r.integers(0, larger)))
    assert_as_theirs(getattr(hg, f"conv_transpose{n}d"), getattr(F, f"conv_transpose{n}d"), arrays, way)
