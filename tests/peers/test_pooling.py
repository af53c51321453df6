"""Pooling of random shapes and options against PyTorch's, with ties, on NumPy's arrays and on tensors."""

import warnings

import numpy as np
import pytest

import handgrad as hg

torch = pytest.importorskip("torch")
F = torch.nn.functional


def assert_as_theirs(rule, theirs, x, way, their_way):
    leaf = torch.from_numpy(x).requires_grad_()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = theirs(leaf, **their_way)
    except RuntimeError:  # the windows do not fit
        if rule is hg.avg_pool3d:
            return  # theirs has to fit without the padding
        with pytest.raises(ValueError, match=r"do not fit|at most half"):
            rule(x, **way)
        return
    dout = np.random.default_rng(1).normal(size=wanted.shape)
    (dx,) = torch.autograd.grad(wanted, leaf, torch.from_numpy(dout))
    for library in (np.asarray, torch.from_numpy):
        out, backward = rule.vjp(library(x), **way)
        assert out.shape == wanted.shape
        np.testing.assert_allclose(out, wanted.detach(), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(backward(library(dout))[0], dx, rtol=1e-12, atol=1e-12)


def drawn(r, n):
    size, stride, dilation = (tuple(map(int, r.integers(1, high, n))) for high in (5, 4, 3))
    padding = tuple(int(r.integers(0, k // 2 + 1)) for k in size)
    way = {"size": size, "stride": stride, "padding": padding, "ceil_mode": bool(r.integers(2))}
    shape = (*r.integers(1, 3, 2), *r.integers(2, 9, n))
    return shape, way, dilation


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("n", [1, 2, 3])
def test_pooling(n, seed):
    r = np.random.default_rng([n, seed])
    shape, way, dilation = drawn(r, n)
    theirs = {"kernel_size" if name == "size" else name: value for name, value in way.items()}
    x = r.integers(0, 4, shape).astype(float)  # ties: the first wins
    extra = {"dilation": dilation}
    assert_as_theirs(
        getattr(hg, f"max_pool{n}d"), getattr(F, f"max_pool{n}d"), x, way | extra, theirs | extra
    )
    x = r.normal(size=shape)
    extra = {"count_include_pad": bool(r.integers(2))}
    assert_as_theirs(
        getattr(hg, f"avg_pool{n}d"), getattr(F, f"avg_pool{n}d"), x, way | extra, theirs | extra
    )


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("n", [1, 2, 3])
def test_adaptive_pooling(n, seed):
    r = np.random.default_rng([n, seed])
    shape = (*r.integers(1, 3, 2), *r.integers(1, 9, n))
    size = tuple(map(int, r.integers(1, 7, n)))
    for kind in ("max", "avg"):
        ours, theirs = getattr(hg, f"adaptive_{kind}_pool{n}d"), getattr(F, f"adaptive_{kind}_pool{n}d")
        x = r.integers(0, 3, shape).astype(float)
        assert_as_theirs(ours, theirs, x, {"size": size}, {"output_size": size})
