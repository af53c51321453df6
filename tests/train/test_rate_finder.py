"""The search for a learning rate."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import mlp
from handgrad.optim import SGD, Adam, Average
from handgrad.train import Trainer, find_rate

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 5))
T = np.argmax(X[:, :3], axis=1)


def trainer(optimiser, **options):
    return Trainer(mlp([5, 16, 3], seed=0, dtype=np.float64), hg.softmax_cross_entropy, optimiser, **options)


def test_losses_are_those_of_a_training_at_these_rates():
    one = trainer(Adam())
    before = {name: p.copy() for name, p in one.net.parameters().items()}
    found = find_rate(one, X, T, batch_size=200, low=1e-4, high=1e-1, steps=4)
    rates = np.geomspace(1e-4, 1e-1, 4)
    np.testing.assert_allclose(found.rates, rates)
    again = trainer(Adam(lambda step: rates[step]), engine="numpy")
    np.testing.assert_allclose(found.losses, again.fit(X, T, 4, 200)["loss"], rtol=1e-9)
    assert all((p == before[name]).all() for name, p in one.net.parameters().items())
    assert one.progress.step == 0


@pytest.mark.parametrize("engine", ["native", "jax"])
@pytest.mark.parametrize("optimiser", [Adam(), SGD()], ids=["Adam", "SGD"])
def test_engines_find_the_same(engine, optimiser):
    """They make the same steps, and end at the same one, where the loss blows up."""
    if engine == "jax":
        pytest.importorskip("jax")
    asked = {"batch_size": 64, "high": 1e4, "steps": 40}
    by_rules = find_rate(trainer(optimiser, engine="numpy"), X, T, **asked)
    found = find_rate(trainer(optimiser, engine=engine), X, T, **asked)
    assert len(found.rates) == len(by_rules.rates) < 40
    np.testing.assert_allclose(found.losses[:-1], by_rules.losses[:-1], rtol=1e-6)
    assert found.suggestion == by_rules.suggestion


def test_the_suggestion_trains_and_what_blows_up_ends_the_search(tmp_path):
    one = trainer(SGD())
    found = find_rate(one, X, T, batch_size=50, high=1e4)
    assert len(found.rates) < 100
    assert 1e-3 < found.suggestion < 10
    drawn = found.plot(path=tmp_path / "rates.svg")
    assert "suggested" in drawn
    assert (tmp_path / "rates.svg").read_text() == drawn
    good = trainer(SGD(found.suggestion)).fit(X, T, 10, 50)
    assert good[-1]["loss"] < 0.6 * good[0]["loss"]


def test_misuse():
    with pytest.raises(ValueError, match="high is a rate above low"):
        find_rate(trainer(SGD()), X, T, low=1.0, high=0.1)
    with pytest.raises(ValueError, match="steps"):
        find_rate(trainer(SGD()), X, T, steps=1)
    with pytest.raises(ValueError, match="not finite at a rate"):
        find_rate(trainer(SGD()), X * np.nan, T)
    assert find_rate(trainer(Average(SGD())), X, T, steps=5).rates.size
