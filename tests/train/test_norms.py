"""What ``Trainer(observe=...)`` is given and gives, and the gradient norms that it is there for."""

import json

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import mlp
from handgrad.optim import Adam
from handgrad.train import Trainer, gradient_norms

OPTIONS = {"epochs": 4, "batch_size": 13}
ENGINES = pytest.mark.parametrize("engine", ["native", "numpy"])


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    t = rng.integers(3, size=90)
    return (rng.standard_normal((90, 4)) * 0.5 + np.eye(4)[t] * 3).astype(np.float32), t


def trainer(clusters, out=None, optimiser=None, norms=True, **options):
    x, t = clusters
    net = mlp([4, 8, 3], batch_norm=True, dropout=0.2, seed=5)
    observe = gradient_norms(hg.softmax_cross_entropy, x[:32], t[:32]) if norms else None
    return Trainer(
        net, hg.softmax_cross_entropy, optimiser or Adam(0.01), out=out, observe=observe, **options
    )


def without_times(records):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]


def test_norms_are_those_of_float64_gradients():
    rng = np.random.default_rng(1)
    x, t = rng.standard_normal((20, 5)), rng.integers(3, size=20)
    net = mlp([5, 7, 3], activation="tanh", seed=0)
    found = gradient_norms(hg.softmax_cross_entropy, x.astype(np.float32), t)(net)
    exact = {name: p.astype(np.float64) for name, p in net.parameters().items()}
    grads = hg.grad(lambda params: hg.softmax_cross_entropy(net.bind(params)(x), t))(exact)
    assert found == {
        f"gradient_norm.{name}": pytest.approx(np.linalg.norm(dp), rel=1e-5) for name, dp in grads.items()
    }


def test_norms_are_those_of_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    x, t = rng.standard_normal((16, 5)), rng.integers(3, size=16)
    net = mlp([5, 6, 3], seed=0, dtype=np.float64)
    p = {name: torch.tensor(value, requires_grad=True) for name, value in net.parameters().items()}
    hidden = torch.relu(torch.tensor(x) @ p["1.W"] + p["1.b"])
    torch.nn.functional.cross_entropy(hidden @ p["3.W"] + p["3.b"], torch.tensor(t)).backward()
    found = gradient_norms(hg.softmax_cross_entropy, x, t)(net)
    for name, value in p.items():
        assert found[f"gradient_norm.{name}"] == pytest.approx(float(value.grad.norm()), rel=1e-10)


@ENGINES
def test_figures_join_the_records(clusters, tmp_path, engine):
    x, t = clusters
    one = trainer(clusters, tmp_path, engine=engine)
    records = one.fit(x, t, **OPTIONS)
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == records
    names = {f"gradient_norm.{name}" for name in one.net.parameters()}
    assert all(names < set(record) for record in records)
    again = gradient_norms(hg.softmax_cross_entropy, x[:32], t[:32])(one.net)
    assert {name: records[-1][name] for name in again} == again


@ENGINES
def test_observing_changes_no_bit(clusters, engine):
    x, t = clusters
    seen, unseen = (trainer(clusters, norms=norms, engine=engine) for norms in (True, False))
    seen.fit(x, t, **OPTIONS)
    unseen.fit(x, t, **OPTIONS)
    for a, b in (
        (seen.progress.params, unseen.progress.params),
        (seen.progress.states, unseen.progress.states),
    ):
        assert {name: value.tobytes() for name, value in a.items()} == {
            name: value.tobytes() for name, value in b.items()
        }


def test_measuring_leaves_the_network_as_it_was(clusters):
    x, t = clusters
    net = mlp([4, 8, 3], batch_norm=True, dropout=0.2, seed=5).evaluate()
    before = {name: value.copy() for name, value in net.states().items()}
    gradient_norms(hg.softmax_cross_entropy, x, t)(net)
    assert not net.is_training()
    assert all(np.array_equal(value, before[name]) for name, value in net.states().items())


class Stop(Exception):
    pass


@ENGINES
@pytest.mark.parametrize("stop", [0, 3, 7, 16])
def test_a_resumed_training_has_the_same_figures(clusters, tmp_path, monkeypatch, engine, stop):
    x, t = clusters
    optimiser = Adam(0.01)
    records = trainer(clusters, tmp_path / "whole", optimiser, engine=engine).fit(x, t, **OPTIONS)

    def until(self, step):
        if step == stop:
            raise Stop
        return self.lr

    first = trainer(clusters, tmp_path / "parts", optimiser, engine=engine)
    with monkeypatch.context() as patched:
        patched.setattr(Adam, "rate", until)
        with pytest.raises(Stop):
            first.fit(x, t, **OPTIONS)
    resumed = trainer(clusters, tmp_path / "parts", optimiser, engine=engine).fit(
        x, t, resume=True, **OPTIONS
    )
    assert without_times(resumed) == without_times(records)


def test_what_has_a_dot_is_not_told(clusters, capsys):
    x, t = clusters
    trainer(clusters, progress=True).fit(x, t, **OPTIONS)
    printed = capsys.readouterr().out
    assert "epoch 4/4  loss" in printed
    assert "gradient" not in printed


def test_a_gradient_that_overflows_is_told_as_it_is():
    x, t = np.full((4, 2), 1e38, np.float32), np.arange(4) % 2
    net = mlp([2, 2], seed=0)
    net[1].params["W"] = np.full((2, 2), 1e30, np.float32)
    found = gradient_norms(hg.softmax_cross_entropy, x, t)(net)
    assert not np.isfinite(found["gradient_norm.1.W"])


def test_what_is_not_finite_is_null_in_the_file(clusters, tmp_path):
    x, t = clusters
    given = {"a.W": np.inf, "a.b": np.nan, "b.W": 1.5}
    net = mlp([4, 3], seed=0)
    Trainer(net, hg.softmax_cross_entropy, Adam(0.01), out=tmp_path, observe=lambda net: given).fit(
        x, t, epochs=1, batch_size=30
    )
    line = (tmp_path / "metrics.jsonl").read_text()
    record = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert [record[name] for name in given] == [None, None, 1.5]
