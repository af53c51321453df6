"""Which engine makes the steps where none was asked for."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import mlp
from handgrad.optim import SGD, Adam
from handgrad.program import trace
from handgrad.train import Trainer
from handgrad.train.choosing import arithmetic, pays_off

rng = np.random.default_rng(0)
X, T = rng.standard_normal((64, 8)).astype(np.float32), rng.integers(3, size=64)


def fitted(epochs, out=None, resume=False, engine=None, net=None, **options):
    one = Trainer(net or mlp([8, 4, 3], seed=0), hg.softmax_cross_entropy, Adam(0.01), out=out, engine=engine)
    one.fit(X, T, epochs=epochs, batch_size=16, resume=resume, **options)
    return one


@pytest.mark.parametrize(("epochs", "engine"), [(1, "numpy"), (20, "numpy"), (2000, "native")])
def test_many_steps_are_worth_compiling(epochs, engine, monkeypatch):
    """Of 2,000 epochs one is made."""
    monkeypatch.setattr(Trainer, "_epoch", lambda self, *args: {"epoch": 1, "loss": 0.0})
    monkeypatch.setattr(Trainer, "_finish_epoch", lambda self, *args: finish(self))

    def finish(one):
        import dataclasses

        one.progress = dataclasses.replace(one.progress, finished=True)

    assert fitted(epochs).steps.name == engine


def test_large_steps_are_worth_it_sooner():
    def step(x, W):
        return hg.grad(lambda W: hg.sum(hg.tanh(x @ W)))(W)

    small, large = (trace(step, np.ones((n, n)), np.ones((n, n))) for n in (4, 512))
    assert arithmetic(large) > 1000 * arithmetic(small)
    assert pays_off(large, 20)
    assert not pays_off(small, 20)
    assert not pays_off(small, 0)
    assert pays_off(small, 10**6)


@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_what_is_asked_for_is_done(engine):
    assert fitted(1, engine=engine).steps.name == engine


@pytest.mark.parametrize("first", ["native", "numpy"])
def test_a_resumed_training_goes_on_as_it_began(tmp_path, first):
    """Whatever would be chosen for what is left, so that it comes to the same bits."""
    fitted(1, tmp_path, engine=first)
    second = fitted(2, tmp_path, resume=True)
    assert second.steps.name == first
    whole = fitted(2, engine=first)
    for name, p in second.progress.params.items():
        assert p.tobytes() == whole.progress.params[name].tobytes()


def test_parameters_without_native_code_are_trained_by_numpy():
    from handgrad.engine import NotCompiledWarning

    net = mlp([8, 3], seed=0, dtype=np.float16)
    one = Trainer(net, hg.softmax_cross_entropy, SGD(0.01), engine="native")
    with pytest.warns(NotCompiledWarning, match="no native code for parameters of float16"):
        one.fit(X, T, epochs=1)
    assert one.steps.name == "numpy"
