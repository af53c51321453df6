"""Losses that do not hang on the signs of factors, against PyTorch's in float64; of any matrices."""

import numpy as np
import pytest

import handgrad as hg

from ..rules.numerics import assert_close

torch = pytest.importorskip("torch")

SHAPES = [(4, 4), (6, 3), (3, 6), (2, 5, 3), (2, 3, 5), (1, 1), (1, 4), (4, 1)]
SQUARES = [(4, 4), (2, 3, 3), (1, 1), (3, 1, 2, 2)]


def drawn(*shape):
    return np.random.default_rng([*shape]).normal(size=shape)


def gradients(loss, x):
    """handgrad's, and PyTorch's of the same loss, which is given the library's functions."""
    t = torch.from_numpy(x.copy()).requires_grad_()
    loss(Theirs, t).backward()
    return hg.grad(lambda x: loss(Ours, x))(x), t.grad


class Ours:
    qr, svd, eigh, cholesky, exp, sum = hg.qr, hg.svd, hg.eigh, hg.cholesky, hg.exp, hg.sum
    swap = staticmethod(lambda x: np.swapaxes(x, -1, -2))
    symmetric = staticmethod(lambda x: x)
    constant = staticmethod(lambda x: x)


class Theirs:
    qr, eigh, cholesky = torch.linalg.qr, torch.linalg.eigh, torch.linalg.cholesky
    exp, sum = torch.exp, torch.sum
    svd = staticmethod(lambda x: torch.linalg.svd(x, full_matrices=False))
    swap = staticmethod(lambda x: x.mT)
    symmetric = staticmethod(lambda x: (x + x.mT) / 2)
    constant = staticmethod(torch.from_numpy)


def weight(lib, *shape):
    return lib.constant(np.random.default_rng([7, *shape]).normal(size=shape))


def of_qr(lib, x):
    """Q Qᵀ and RᵀR, of the part of x that Q spans."""
    Q, R = lib.qr(x)
    P, G = Q @ lib.swap(Q), lib.swap(R) @ R
    return lib.sum(P * weight(lib, *P.shape)) + lib.sum(G * weight(lib, *G.shape))


def of_svd(lib, x):
    """A function of the singular values between the vectors, and one of these alone."""
    U, S, Vh = lib.svd(x)
    made = (U * lib.exp(-S)[..., None, :]) @ Vh
    return lib.sum(made * weight(lib, *made.shape)) + lib.sum(S * S * S)


def of_eigh(lib, x):
    w, V = lib.eigh(lib.symmetric(x))
    made = (V * lib.exp(w)[..., None, :]) @ lib.swap(V)
    return lib.sum(made * weight(lib, *made.shape)) + lib.sum(w * w * w)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("loss", [of_qr, of_svd])
def test_losses_of_factors(loss, shape):
    assert_close(*gradients(loss, drawn(*shape)), 1e-11)


@pytest.mark.parametrize("shape", SQUARES, ids=str)
def test_losses_of_eigenvectors(shape):
    assert_close(*gradients(of_eigh, drawn(*shape)), 1e-11)


@pytest.mark.parametrize("size", [1, 2, 7, 30])
def test_losses_of_cholesky_factors(size):
    def loss(lib, x):
        gram = x @ lib.swap(x) + 3.0 * lib.constant(np.eye(size))
        L = lib.cholesky(gram)
        return lib.sum(L * weight(lib, size, size))

    assert_close(*gradients(loss, drawn(size, size)), 1e-11)


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1.0, 10.0, 60.0])
def test_exponentials_of_large_and_small_matrices(scale):
    """The condition number of exp at x is at least its norm, and here not far from it."""
    x = scale * drawn(5, 5)
    dout = drawn(5, 5)
    t = torch.from_numpy(x.copy()).requires_grad_()
    wanted = torch.linalg.matrix_exp(t)
    (dx,) = torch.autograd.grad(wanted, t, torch.from_numpy(dout))
    out, backward = hg.expm.vjp(x)
    relative = 1e-13 * max(1, np.linalg.norm(x, 2))
    assert_close(out, wanted.detach(), relative)
    assert_close(backward(dout)[0], dx, relative)
