"""Settings by name, and averages of the weights."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Affine, ReLU, Sequential
from handgrad.optim import SGD, Adam, AdamW, Average, ByName, Muon, cosine
from handgrad.train import Trainer


def data(n=96):
    r = np.random.default_rng(0)
    x = r.normal(size=(n, 8)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


def trained(optimiser, engine="numpy", epochs=2, out=None, resume=False):
    net = Sequential(Affine(8, 16, seed=1), ReLU(), Affine(16, 2, seed=2))
    trainer = Trainer(net, hg.softmax_cross_entropy, optimiser, seed=3, engine=engine, out=out)
    trainer.fit(*data(), epochs=epochs, batch_size=32, resume=resume)
    return trainer


def weights(trainer):
    return {name: np.array(p) for name, p in trainer.progress.params.items()}


def test_each_parameter_has_its_own():
    chosen = ByName(
        AdamW(0.1, weight_decay=0.5), {"*.b": {"weight_decay": 0.0, "scale": 0.5}, "0.*": {"eps": 1.0}}
    )
    assert chosen.of("2.W") is chosen
    assert chosen.of("0.b").base == AdamW(0.1, weight_decay=0.0)
    assert chosen.of("0.W").base.eps == 1.0
    p, dp = np.array([2.0]), np.zeros(1)
    state = chosen.init(p)
    assert chosen.of("2.W").update(p, dp, state, 0.1, 1)[0] == 2.0 * (1 - 0.05)
    assert chosen.of("2.b").update(p, dp, state, 0.1, 1)[0] == 2.0
    one = np.ones(1)
    np.testing.assert_allclose(chosen.of("2.b").update(p, one, state, 0.1, 1)[0], 2.0 - 0.05, rtol=1e-6)


def test_a_frozen_layer_stays():
    trainer = trained(ByName(SGD(0.1), {"0.*": {"scale": 0.0}}))
    fresh = Affine(8, 16, seed=1).parameters()
    np.testing.assert_array_equal(weights(trainer)["0.W"], fresh["W"])
    assert not np.array_equal(weights(trainer)["2.W"], Affine(16, 2, seed=2).parameters()["W"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"*": {"momentum": 0.5}}, "no 'momentum' to change for .*: it has beta1, beta2, eps"),
        ({"*": {"lr": 0.5}}, "scale"),
    ],
)
def test_what_cannot_be_changed(changes, said):
    with pytest.raises(TypeError, match=said):
        ByName(Adam(), changes)


@pytest.mark.parametrize("change", [{"eps": -1.0}, {"scale": -1.0}])
def test_what_is_out_of_range(change):
    with pytest.raises(ValueError, match="0 or more"):
        ByName(Adam(), {"*": change})


@pytest.mark.parametrize(
    "optimiser",
    [
        ByName(AdamW(cosine(0.1, 50)), {"*.b": {"weight_decay": 0, "scale": 0.5}}),
        Average(Adam(0.05), decay=0.9),
        Average(ByName(SGD(0.1), {"2.*": {"scale": 0.1}}), decay=1, start=2),
        Muon(0.02),
    ],
    ids=lambda o: repr(o)[:20],
)
def test_both_engines_and_a_resumed_training_agree(optimiser, tmp_path):
    wanted = trained(optimiser)
    native = trained(optimiser, "native")
    for name, p in weights(wanted).items():
        np.testing.assert_allclose(weights(native)[name], p, rtol=2e-4, atol=2e-5)
    first = trained(optimiser, "native", epochs=1, out=tmp_path)
    again = trained(optimiser, "native", epochs=2, out=tmp_path, resume=True)
    assert first.progress.step < again.progress.step
    for name, p in weights(native).items():
        np.testing.assert_array_equal(weights(again)[name], p)


def test_the_mean_of_all_weights():
    seen = []
    optimiser = Average(SGD(0.1), decay=1, start=1)
    p, state = np.array([1.0, -2.0]), optimiser.init(np.array([1.0, -2.0]))
    for t in range(1, 6):
        p, state = optimiser.update(p, p * 0.3, state, 0.1, t)
        seen.append(p)
    np.testing.assert_allclose(state["average"], np.mean(seen[1:], axis=0), rtol=1e-12)


def test_an_exponential_average():
    optimiser = Average(SGD(0.1), decay=0.6)
    p = np.array([1.0])
    state, wanted = optimiser.init(p), p
    for t in range(1, 9):
        p, state = optimiser.update(p, np.ones(1), state, 0.1, t)
        d = min(0.6, (t - 1) / t)
        wanted = d * wanted + (1 - d) * p
        np.testing.assert_allclose(state["average"], wanted)


def test_the_network_of_averages():
    trainer = trained(Average(Adam(0.05), decay=0.9), epochs=30)
    x, t = data()
    averaged = trainer.averaged()
    moments = trainer.progress.moments
    np.testing.assert_array_equal(averaged.parameters()["0.W"], moments["0.W"]["average"])
    assert np.mean(np.argmax(averaged(x), axis=1) == t) > 0.8
    with pytest.raises(ValueError, match="keeps no averages"):
        trained(SGD(0.1)).averaged()


def test_what_is_around_nothing():
    with pytest.raises(TypeError, match="around an optimiser"):
        Average(0.1)
