"""einsum and windows as native code: no operation is left to NumPy, and no window is stored."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine.kernels.product.kernel import innermost_long
from handgrad.program import optimise, trace
from handgrad.tree import leaves
from tests.rules.test_contractions import convolution, random_subscripts


@pytest.mark.parametrize("seed", range(12))
def test_random_contractions(seed):
    subscripts, arrays = random_subscripts(np.random.default_rng(seed))
    f = hg.compile(lambda *arrays: hg.einsum(subscripts, *arrays))
    np.testing.assert_allclose(f(*arrays), np.einsum(subscripts, *arrays), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "subscripts", ["ab,aby->ya", "ab,aby->ay", "bak,bkc->cab", "ak,akb->ba", "ka,akb->ba"]
)
@pytest.mark.parametrize("a", [1, 2, 20])
def test_batches_that_look_like_rows(subscripts, a):
    """A letter of both factors and of the result is no row of a product of matrices."""
    r, sizes = np.random.default_rng(5), {"a": a, "b": 9, "c": 5, "k": 7, "y": 5}
    arrays = [r.normal(size=[sizes[i] for i in letters]) for letters in subscripts.split("->")[0].split(",")]
    f = hg.compile(lambda *arrays: (hg.einsum(subscripts, *arrays) / 9, hg.transpose(arrays[0])))
    np.testing.assert_allclose(f(*arrays)[0], np.einsum(subscripts, *arrays) / 9, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "way",
    [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "groups": 2}, {"stride": 3, "groups": 4}],
    ids=str,
)
def test_a_convolution_and_its_gradients(way):
    r = np.random.default_rng(3)
    x, W = r.normal(size=(2, 4, 9, 8)), r.normal(size=(8, 4 // way.get("groups", 1), 3, 2))
    dout = r.normal(size=convolution(x, W, **way).shape)

    def step(x, W, dout):
        out, backward = hg.vjp(lambda x, W: convolution(x, W, **way), x, W)
        return out, backward(dout)

    for got, wanted in zip(leaves(hg.compile(step)(x, W, dout)), leaves(step(x, W, dout)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-13)
    names = [o.name for o in optimise(trace(step, x, W, dout)).operations]
    assert names.count("einsum") == 3
    assert "unwindows" not in names
    assert names.count("scatter_add") == 1 + ("padding" in way)


@pytest.mark.parametrize(
    "way",
    [{"size": (2, 3)}, {"size": 3, "stride": 2, "dilation": 2}, {"size": (2, 2), "axes": (0, 2)}],
    ids=str,
)
def test_windows_are_read_where_they_lie(way):
    x = np.random.default_rng(4).normal(size=(5, 6, 7)).astype(np.float32)
    f = hg.compile(lambda x: hg.sum(hg.windows(x, **way) ** 2, axis=-1))
    np.testing.assert_allclose(f(x), np.sum(hg.windows(x, **way) ** 2, axis=-1), rtol=1e-5)
    assert "windows" in f.explain()
    g = hg.compile(hg.grad(lambda x: hg.sum(hg.max(hg.windows(x, **way), axis=-1) ** 2)))
    wanted = hg.grad(lambda x: hg.sum(hg.max(hg.windows(x, **way), axis=-1) ** 2))(x)
    np.testing.assert_allclose(g(x), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("said", "sizes", "stored"),
    [
        ("noyx,ncyxij->ocij", {"o": 64, "c": 32, "i": 3, "j": 3}, "cijo"),  # by W
        ("ncyxij,ocij->noyx", {"n": 8, "o": 64, "y": 28, "x": 28}, "noyx"),  # it is long enough
        ("ncyxij,ocij->noyx", {"n": 8, "o": 64, "y": 7, "x": 7}, "nyxo"),
        ("ik,kj->ij", {"i": 9, "j": 4}, "ji"),
        ("ik,kj->ij", {"i": 4, "j": 4}, "ij"),
        ("bik,bik->bi", {"b": 3, "i": 2}, "bi"),
    ],
)
def test_vectors_run_along_what_is_long(said, sizes, stored):
    (x, y), target = said.split("->")[0].split(","), said.split("->")[1]
    assert innermost_long(target, x, y, sizes) == stored
