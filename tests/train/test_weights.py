"""Weights of examples and classes, mini-batches in parts: the same by every engine."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import mlp
from handgrad.optim import SGD, Adam
from handgrad.train import Trainer
from handgrad.train.step import parts_of
from handgrad.train.weights import weights_of

RNG = np.random.default_rng(0)
X = RNG.standard_normal((37, 5))
T = np.argmax(X[:, :3] + 0.3 * RNG.standard_normal((37, 3)), axis=1)
Y = RNG.standard_normal((37, 2))
ENGINES = ["numpy", "native", "jax"]


def needs(engine):
    if engine == "jax":
        pytest.importorskip("jax")
    return engine


def net(**options):
    return mlp([5, 7, 3], seed=0, dtype=np.float64, **options)


def fitted(
    engine, x=X, t=T, batch_size=37, loss=hg.softmax_cross_entropy, optimiser=None, made=None, **options
):
    accumulate = options.pop("accumulate", 1)
    trainer = Trainer(made or net(), loss, optimiser or SGD(0.5), engine=needs(engine), accumulate=accumulate)
    trainer.fit(x, t, epochs=3, batch_size=batch_size, **options)
    return trainer


def assert_same(a, b, rtol=1e-9):
    for name, p in a.net.parameters().items():
        np.testing.assert_allclose(p, b.net.parameters()[name], rtol=rtol, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(a.history["loss"], b.history["loss"], rtol=rtol)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_weight_is_how_often_an_example_is_there(engine):
    w = RNG.integers(0, 4, 37)
    assert_same(fitted(engine, sample_weight=w), fitted("numpy", X.repeat(w, 0), T.repeat(w), batch_size=200))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("loss", [hg.mean_squared_error, hg.huber])
def test_losses_of_numbers_are_weighed_by_example(engine, loss):
    w = RNG.random(37)
    two = lambda: mlp([5, 7, 2], seed=0, dtype=np.float64)  # noqa: E731
    ours = fitted(engine, t=Y, loss=loss, made=two(), sample_weight=w, batch_size=10)
    v = w / w.mean()
    assert_same(ours, fitted("numpy", t=Y, loss=loss, made=two(), sample_weight=7 * w, batch_size=10))
    first = mlp([5, 7, 2], seed=0, dtype=np.float64)
    each = loss(first(X), Y, reduction="none").mean(axis=1)
    one = Trainer(first, loss, SGD(0.0), engine=engine).fit(X, Y, 1, 37, sample_weight=w)
    assert one[0]["loss"] == pytest.approx((v * each).mean(), rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_of_classes(engine):
    by_class = {0: 3.0, 2: 0.5}
    w = np.array([3.0, 1.0, 0.5])[T]
    assert_same(fitted(engine, class_weight=by_class), fitted("numpy", sample_weight=w))
    assert (weights_of(T, None, [3.0, 1.0, 0.5]) == weights_of(T, None, by_class)).all()
    utils = pytest.importorskip("sklearn.utils")
    theirs = utils.compute_sample_weight("balanced", T)
    np.testing.assert_allclose(weights_of(T, None, "balanced"), theirs / theirs.mean())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [37, 10])
def test_parts_of_a_mini_batch_come_to_the_whole(engine, batch_size):
    w = RNG.random(37)
    whole = fitted("numpy", batch_size=batch_size, optimiser=Adam(0.01), sample_weight=w)
    for k in (2, 3, 50) if engine == "numpy" else (3,):
        parts = fitted(engine, batch_size=batch_size, optimiser=Adam(0.01), sample_weight=w, accumulate=k)
        assert_same(whole, parts, rtol=1e-7)
        assert parts.history["accuracy"].tolist() == pytest.approx(whole.history["accuracy"].tolist())


def test_parts_see_their_own_statistics():
    made = [fitted(engine, made=net(batch_norm=True), accumulate=3) for engine in ("numpy", "native")]
    assert_same(*made)
    one = fitted("numpy", made=net(batch_norm=True))
    assert not np.allclose(one.history["loss"], made[0].history["loss"])


def test_parts():
    assert parts_of(5, 2) == [slice(0, 3), slice(3, 5)]
    assert parts_of(2, 9) == [slice(0, 1), slice(1, 2)]


@pytest.mark.parametrize("engine", ENGINES)
def test_data_read_by_mini_batch_is_weighed_too(engine):
    class Read:
        def __len__(self):
            return len(X)

        def __getitem__(self, rows):
            return X[rows]

    w = RNG.random(37)
    assert_same(
        fitted(engine, Read(), batch_size=10, sample_weight=w),
        fitted("numpy", batch_size=10, sample_weight=w),
    )


def test_resumed_to_the_same_bits_and_not_with_other_weights(tmp_path):
    def trainer(name):
        return Trainer(net(), hg.softmax_cross_entropy, Adam(0.01), out=tmp_path / name, accumulate=2)

    w = RNG.random(37)
    whole = trainer("a")
    whole.fit(X, T, 4, 10, sample_weight=w)
    trainer("b").fit(X, T, 2, 10, sample_weight=w)
    again = trainer("b")
    again.fit(X, T, 4, 10, sample_weight=w, resume=True)
    for name, p in whole.net.parameters().items():
        assert (p == again.net.parameters()[name]).all()
    with pytest.raises(hg.train.CheckpointError, match="weights"):
        trainer("b").fit(X, T, 5, 10, sample_weight=w**2, resume=True)


def test_what_cannot_be_weighed_is_said():
    with pytest.raises(ValueError, match=r"one number for each of 37 examples, not float64 \(3,\)"):
        fitted("numpy", sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="negative"):
        fitted("numpy", sample_weight=-np.ones(37))
    with pytest.raises(ValueError, match="all weights are 0"):
        fitted("numpy", sample_weight=np.zeros(37))
    with pytest.raises(ValueError, match="'balanced', or numbers by class, not 'even'"):
        fitted("numpy", class_weight="even")
    with pytest.raises(ValueError, match="each of 3 classes"):
        fitted("numpy", class_weight=[1.0])
    with pytest.raises(TypeError, match="class indices"):
        fitted("numpy", t=Y, loss=hg.mean_squared_error, made=mlp([5, 2]), class_weight="balanced")
    with pytest.raises(TypeError, match="reduction='none'"):
        fitted("numpy", loss=lambda y, t: hg.softmax_cross_entropy(y, t), sample_weight=np.ones(37))
