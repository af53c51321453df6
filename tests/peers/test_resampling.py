"""Images in other sizes, of random shapes and options, against PyTorch's."""

import numpy as np
import pytest

import handgrad as hg

torch = pytest.importorskip("torch")
F = torch.nn.functional


def assert_as_theirs(rule, theirs, arrays):
    leaves = [torch.from_numpy(x).requires_grad_() for x in arrays]
    wanted = theirs(*leaves)
    dout = np.random.default_rng(1).normal(size=wanted.shape)
    grads = torch.autograd.grad(wanted, leaves, torch.from_numpy(dout))
    out, backward = rule(*arrays)
    for got, right in zip((out, *backward(dout)), (wanted.detach(), *grads), strict=True):
        assert got.shape == right.shape
        np.testing.assert_allclose(got, right, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_upsample(seed):
    r = np.random.default_rng(seed)
    n = int(r.integers(1, 4))
    x = r.normal(size=(*r.integers(1, 3, 2), *r.integers(1, 7, n)))
    how = {"size": tuple(map(int, r.integers(1, 9, n)))}
    if seed % 3 == 0:
        how = {"scale_factor": tuple(map(float, r.choice([1.0, 1.25, 1.5, 2.0, 3.0], n)))}
    if "scale_factor" in how:  # theirs has a gradient by other places than its values
        wanted = F.interpolate(torch.from_numpy(x), **how).numpy()
        np.testing.assert_array_equal(hg.upsample(x, **how), wanted)
    for mode in (*(["nearest"] * ("size" in how)), ("linear", "bilinear", "trilinear")[n - 1]):
        for corners in (None,) if mode == "nearest" else (False, True):
            way = how | {"mode": mode}
            assert_as_theirs(
                lambda x, way=way, corners=corners: hg.upsample.vjp(x, **way, align_corners=bool(corners)),
                lambda x, way=way, corners=corners: F.interpolate(x, **way, align_corners=corners),
                [x],
            )


@pytest.mark.parametrize("seed", range(10))
def test_grid_sample(seed):
    r = np.random.default_rng(seed)
    N, C, H, W, OH, OW = map(int, r.integers(1, 6, 6))
    x, grid = r.normal(size=(N, C, H, W)), r.uniform(-1.5, 1.5, size=(N, OH, OW, 2))
    for padding in ("zeros", "border"):
        for corners in (False, True):
            assert_as_theirs(
                lambda x, g, p=padding, a=corners: hg.grid_sample.vjp(x, g, padding_mode=p, align_corners=a),
                lambda x, g, p=padding, a=corners: F.grid_sample(x, g, "bilinear", p, a),
                [x, grid],
            )
