"""What augmentation does to examples, by NumPy and in compiled steps."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Noise, RandomFlip, RandomShift, Sequential, mlp
from handgrad.optim import SGD
from handgrad.train import Trainer

X = np.random.default_rng(0).random((40, 3, 6, 5)) + 1


def test_examples_are_mirrored_or_not():
    layer = RandomFlip(seed=0).train()
    y = layer(X)
    flipped = np.array([(a == b[..., ::-1]).all() for a, b in zip(y, X, strict=True)])
    same = np.array([(a == b).all() for a, b in zip(y, X, strict=True)])
    assert (flipped ^ same).all()
    assert 8 < flipped.sum() < 32
    assert (layer(X) != y).any()  # another draw
    assert (RandomFlip(seed=0).train()(X) == y).all()
    assert layer.evaluate()(X) is X


def test_examples_are_moved_and_zeros_come_in():
    y = RandomShift(2, seed=0).train()(X)
    padded = np.pad(X, [(0, 0), (0, 0), (2, 2), (2, 2)])
    found = set()
    for a, b in zip(y, padded, strict=True):
        at = [(i, j) for i in range(5) for j in range(5) if (a == b[:, i : i + 6, j : j + 5]).all()]
        assert len(at) == 1
        found |= set(at)
    assert {i for i, _ in found} == {j for _, j in found} == set(range(5))
    assert (RandomShift(0, seed=0).train()(X) == X).all()


def test_noise_is_normal():
    x = np.zeros((400, 500))
    z = Noise(0.5, seed=0).train()(x) / 0.5
    assert abs(z.mean()) < 0.01
    assert abs(z.std() - 1) < 0.01
    assert abs((z**3).mean()) < 0.03
    assert abs((z**4).mean() - 3) < 0.06
    assert Noise(seed=0).train()(np.zeros((2, 2), "f")).dtype == np.float32


@pytest.mark.parametrize("engine", ["native", "jax"])
def test_steps_of_the_engines_draw_the_same(engine):
    if engine == "jax":
        pytest.importorskip("jax")
    t = np.arange(40) % 3

    def fitted(engine):
        net = mlp([90, 4, 3], seed=0, dtype=np.float64)
        whole = Sequential(RandomFlip(seed=1), RandomShift(1, seed=2), Noise(0.1, seed=3), net)
        trainer = Trainer(whole, hg.softmax_cross_entropy, SGD(0.05), engine=engine)
        trainer.fit(X, t, epochs=2, batch_size=20)
        return trainer

    by_numpy, other = fitted("numpy"), fitted(engine)
    if engine == "native":  # JAX draws by another generator
        np.testing.assert_allclose(other.history["loss"], by_numpy.history["loss"], rtol=1e-6)
    assert other.steps.name == engine
    assert np.isfinite(other.history["loss"]).all()


def test_misuse():
    with pytest.raises(ValueError, match="most"):
        RandomShift(-1)
    with pytest.raises(ValueError, match="std"):
        Noise(-0.1)
