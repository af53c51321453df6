"""einsum and windows beside NumPy's own, and what they are made of: convolutions and pooling."""

import itertools

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import NUMPY, xp
from handgrad.arrays.contraction import by_product, in_pairs

from .numerics import assert_close


def random_subscripts(r):
    """Letters and arrays: two or three, of up to four axes, some of size one or empty."""
    letters = "abcde"
    sizes = dict(
        zip(letters, r.choice([0, 1, 2, 3, 4], size=5, p=[0.05, 0.2, 0.25, 0.25, 0.25]), strict=True)
    )
    inputs = ["".join(r.permutation(list(letters))[: r.integers(1, 5)]) for _ in range(r.integers(2, 4))]
    there = sorted(set("".join(inputs)))
    target = "".join(i for i in r.permutation(there) if r.random() < 0.5)
    return f"{','.join(inputs)}->{target}", [r.normal(size=[sizes[i] for i in own]) for own in inputs]


@pytest.mark.parametrize("seed", range(60))
def test_any_contraction_is_numpys(seed):
    subscripts, arrays = random_subscripts(np.random.default_rng(seed))
    wanted = np.einsum(subscripts, *arrays)
    assert_close(NUMPY.einsum(subscripts, *arrays), wanted, 1e-12)
    assert_close(hg.einsum(subscripts, *arrays), wanted, 1e-12)
    if len(arrays) == 2:
        assert_close(by_product(subscripts, *arrays), wanted, 1e-12)


def test_many_arrays_are_contracted_where_that_is_least():
    """(1000, 2) (2, 1000) (1000, 2): the product of the first two would have a million elements."""
    r = np.random.default_rng(0)
    x, y, z = r.normal(size=(1000, 2)), r.normal(size=(2, 1000)), r.normal(size=(1000, 2))
    made = []

    def contract(said, a, b):
        made.append(np.einsum(said, a, b))
        return made[-1]

    assert_close(in_pairs("ij,jk,kl->il", [x, y, z], contract), x @ (y @ z), 1e-12)
    assert max(m.size for m in made) == 2000


def test_called_as_numpys_is():
    x, y = np.ones((2, 3)), np.ones((3, 4))
    out, backward = hg.einsum.vjp("ij,jk->ik", x, y)
    ((dx, dy),) = backward(np.ones((2, 4)))
    assert (out.shape, dx.shape, dy.shape) == ((2, 4), (2, 3), (3, 4))
    np.testing.assert_array_equal(hg.einsum([x, y], "ij,jk->ik"), out)
    v = hg.variable(x)
    hg.sum(hg.einsum("ij,jk->ik", v, y)).backward()
    np.testing.assert_array_equal(v.grad, dx)


@pytest.mark.parametrize(
    ("subscripts", "shapes", "said"),
    [
        ("ij,jk", [(2, 3)], "names 2 arrays, and 1 came"),
        ("ijk,k", [(2, 3), (3,)], r"'ijk', of 'ijk,k', does not fit an array of shape \(2, 3\)"),
        ("ij,jk", [(2, 3), (4, 5)], "'j' stands for axes of 3 and of 4"),
        ("ij->ik", [(2, 3)], "has each letter of the arrays once"),
        ("ii->i", [(2, 2)], "a letter twice in one array"),
    ],
)
def test_letters_that_do_not_fit_are_told(subscripts, shapes, said):
    with pytest.raises(ValueError, match=said):
        hg.einsum(subscripts, *map(np.ones, shapes))


def test_numpys_diagonals_and_repeated_axes_are_taken():
    r = np.random.default_rng(3)
    x, y = r.normal(size=(3, 3)), r.normal(size=(3, 1))
    np.testing.assert_allclose(NUMPY.einsum("ii->i", x), np.diagonal(x))
    grad = hg.grad(lambda x: np.sum(np.einsum("ii,ij->j", x, y) ** 2))(x)
    np.testing.assert_allclose(grad, np.eye(3) * (2 * np.einsum("ii,ij->j", x, y) * y))


@pytest.mark.parametrize("axes", [0, 1, 2, ([0], [1]), ((0, -1), (1, 0)), (1, 0)])
def test_tensordot(axes):
    r = np.random.default_rng(5)
    x, y = r.normal(size=(3, 3)), r.normal(size=(3, 3))
    assert_close(hg.vjp(lambda x, y: np.tensordot(x, y, axes), x, y)[0], np.tensordot(x, y, axes), 1e-13)
    program = hg.program.trace(lambda x, y: xp.tensordot(x, y, axes), x, y)
    assert {o.name for o in program.operations} == {"einsum"}
    assert_close(program(x, y), np.tensordot(x, y, axes), 1e-13)


def test_windows_are_numpys_views():
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 8))
    wanted = np.lib.stride_tricks.sliding_window_view(x, (3, 2), axis=(2, 3))
    found = hg.windows(x, (3, 2), (2, 3))
    np.testing.assert_array_equal(found, wanted[:, :, ::2, ::3])
    assert np.shares_memory(found, x)


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        ((4,), {"size": 5}, "does not fit an array"),
        ((4,), {"size": 3, "dilation": 2}, "does not fit an array"),
        ((4, 4), {"size": (2, 2), "stride": (1, 2, 3)}, "one number for each axis"),
        ((4,), {"size": (2, 2)}, "one number for each axis"),
        ((4,), {"size": 2, "stride": 0}, "1 or more"),
    ],
)
def test_windows_that_do_not_fit_are_told(shape, options, said):
    with pytest.raises(ValueError, match=said):
        hg.windows(np.ones(shape), **options)


def test_what_are_no_windows_is_told():
    with pytest.raises(ValueError, match=r"have shape \(3, 2\), not \(4, 2\)"):
        hg.unwindows(np.ones((4, 2)), (4,))


def convolution(x, W, stride=1, padding=0, dilation=1, groups=1):
    """x (N, C, H, W), W (O, C / groups, KH, KW)"""
    N, C = x.shape[:2]
    filters, _, *size = W.shape
    around = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    w = hg.windows(hg.pad(x, around), size, stride, dilation)
    w = hg.reshape(w, (N, groups, C // groups, *w.shape[2:]))
    W = hg.reshape(W, (groups, filters // groups, *W.shape[1:]))
    out = hg.einsum("ngcyxij,gocij->ngoyx", w, W)
    return hg.reshape(out, (N, filters, *out.shape[3:]))


@pytest.mark.parametrize(
    "way",
    [
        {},
        {"stride": 2},
        {"padding": 1},
        {"dilation": 2},
        {"groups": 2},
        {"stride": 2, "padding": 2, "groups": 4},
    ],
    ids=str,
)
def test_convolution_is_pytorchs(way):
    torch = pytest.importorskip("torch")
    r = np.random.default_rng(7)
    x, W = r.normal(size=(2, 4, 7, 6)), r.normal(size=(8, 4 // way.get("groups", 1), 3, 2))
    out, backward = hg.vjp(lambda x, W: convolution(x, W, **way), x, W)
    X, V = torch.tensor(x, requires_grad=True), torch.tensor(W, requires_grad=True)
    wanted = torch.nn.functional.conv2d(X, V, **way)
    dout = r.normal(size=out.shape)
    wanted.backward(torch.tensor(dout))
    assert_close(out, wanted.detach().numpy(), 1e-12)
    assert_close(backward(dout), (X.grad.numpy(), V.grad.numpy()), 1e-12)

    def gradients(x, W, dout):
        return hg.vjp(lambda x, W: convolution(x, W, **way), x, W)[1](dout)

    program = hg.program.trace(gradients, x, W, dout)
    assert {"windows", "unwindows", "einsum"} <= {o.name for o in program.operations}
    short = hg.program.optimise(program)
    short.check()
    assert_close(short(x, W, dout), (X.grad.numpy(), V.grad.numpy()), 1e-12)


def test_pooling_is_a_reduction_over_windows():
    x = np.random.default_rng(1).normal(size=(2, 3, 6, 6))
    out, backward = hg.vjp(lambda x: hg.max(hg.windows(x, (2, 2), 2), axis=(-2, -1)), x)
    dx = backward(np.ones(out.shape))[0]
    assert out.shape == (2, 3, 3, 3)
    for n, c, y, k in itertools.product(*map(range, out.shape)):
        block = x[n, c, 2 * y : 2 * y + 2, 2 * k : 2 * k + 2]
        assert out[n, c, y, k] == block.max()
        np.testing.assert_array_equal(dx[n, c, 2 * y : 2 * y + 2, 2 * k : 2 * k + 2], block == block.max())
