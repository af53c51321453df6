import numpy as np
import pytest

from handgrad.layers import initialisers as init

D, M = 300, 200
STD = {
    init.he_normal: np.sqrt(2 / D),
    init.he_uniform: np.sqrt(2 / D),
    init.xavier_normal: np.sqrt(2 / (D + M)),
    init.xavier_uniform: np.sqrt(2 / (D + M)),
    init.lecun_normal: np.sqrt(1 / D),
    init.lecun_uniform: np.sqrt(1 / D),
    init.normal(0.3): 0.3,
}


@pytest.mark.parametrize("initialise", STD, ids=lambda f: f.__qualname__)
def test_spread(initialise):
    W = initialise(np.random.default_rng(0), (D, M))
    assert W.shape == (D, M)
    assert abs(W.std() / STD[initialise] - 1) < 0.02
    assert abs(W.mean()) < 0.02 * STD[initialise]
    assert np.array_equal(W, initialise(np.random.default_rng(0), (D, M)))


def test_uniform_bounds():
    W = init.xavier_uniform(np.random.default_rng(0), (D, M))
    assert np.abs(W).max() <= np.sqrt(6 / (D + M))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 4)])
def test_orthogonal(shape):
    q = init.orthogonal(np.random.default_rng(0), shape).reshape(-1, shape[-1])
    fewer = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
    np.testing.assert_allclose(fewer, np.eye(len(fewer)), atol=1e-12)


def test_places_of_a_convolution_count():
    W = init.he_normal(np.random.default_rng(0), (3, 3, 100, 200))
    assert abs(W.std() / np.sqrt(2 / 900) - 1) < 0.02


def test_vectors_have_no_fans():
    with pytest.raises(ValueError, match=r"not of shape \(5,\)"):
        init.he_normal(np.random.default_rng(0), (5,))
