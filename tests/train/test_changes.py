"""What a compiled step may not freeze: numbers that change while training, and what is drawn at random."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine import NotCompiledWarning
from handgrad.layers import Affine, Layer, Sequential, mlp
from handgrad.optim import SGD, Average, Optimiser
from handgrad.train import Trainer

RNG = np.random.default_rng(0)
X, T = RNG.random((40, 4)), RNG.random((40, 1))


class Scaled(Layer):
    def __init__(self, scale=1.0):
        self.scale = scale
        self.shift = np.zeros(4, np.int64)

    def forward(self, x):
        return x * self.scale + self.shift


class Own(Optimiser):
    def __init__(self, lr):
        self.lr, self.factor = lr, 1.0

    def update(self, p, dp, state, lr, t):
        return p - self.factor * lr * dp, state


def anneal_a_closure(engine):
    beta = [0.0]
    one = trainer(engine, lambda y, t: hg.mean_squared_error(y, t) * (1 + beta[0]))
    return one, lambda net: beta.__setitem__(0, beta[0] + 1)


def anneal_an_attribute(engine):
    one = trainer(engine)
    return one, lambda net: setattr(one.net[0], "scale", one.net[0].scale * 0.5)


def anneal_an_array(engine):
    one = trainer(engine)
    return one, lambda net: one.net[0].shift.__iadd__(1)


def anneal_a_penalty(engine):
    weight = [1.0]
    one = trainer(engine, penalty=lambda params: weight[0] * hg.sum(params["1.W"] ** 2))
    return one, lambda net: weight.__setitem__(0, weight[0] / 2)


def anneal_an_optimiser(engine):
    one = trainer(engine, optimiser=Own(0.05))
    return one, lambda net: setattr(one.optimiser, "factor", one.optimiser.factor / 2)


def anneal_clipping(engine):
    one = trainer(engine, clip_norm=1.0)
    return one, lambda net: setattr(one, "clip_norm", one.clip_norm / 2)


def trainer(engine, loss=hg.mean_squared_error, optimiser=None, **options):
    net = Sequential(Scaled(), Affine(4, 1, seed=0, dtype=np.float64))
    return Trainer(net, loss, optimiser or SGD(0.05), engine=engine, **options)


ANNEALED = [
    anneal_a_closure, anneal_an_attribute, anneal_an_array, anneal_a_penalty, anneal_an_optimiser,
    anneal_clipping,
]  # fmt: skip


@pytest.mark.parametrize("annealed", ANNEALED)
def test_what_changes_between_epochs_counts_in_the_next(annealed):
    records = []
    for engine in ("native", "numpy"):
        one, change = annealed(engine)
        one.observe = lambda net, change=change: (change(net), None)[1]
        if engine == "native":
            with pytest.warns(UserWarning, match="epoch 2 computes something else .*engine='numpy'") as told:
                records.append(one.fit(X, T, epochs=4, batch_size=16))
            assert len(told) == 1
        else:
            records.append(one.fit(X, T, epochs=4, batch_size=16))
    for native, numpy in zip(*records, strict=True):
        assert native["loss"] == pytest.approx(numpy["loss"], rel=1e-9)
    one, _ = annealed("numpy")
    frozen = one.fit(X, T, epochs=4, batch_size=16)
    assert frozen[-1]["loss"] != pytest.approx(records[1][-1]["loss"], rel=1e-6)


class Rows:
    """Data that are read, and that change a setting of the training as they are."""

    def __init__(self, read):
        self.read, self.shape, self.dtype = read, X.shape, X.dtype

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        self.read()
        return X[index]


@pytest.mark.parametrize("of", ["a schedule", "a schedule within", "data"])
def test_what_is_called_between_steps_may_change_the_next_epoch(of):
    """Of handgrad's own layers, loss and optimiser, by something that is no callback."""

    def tighten(step=None):
        if one.progress.epoch > 0:
            one.clip_norm = 0.01
        return 0.05

    within = {"a schedule": SGD(tighten), "a schedule within": Average(SGD(tighten)), "data": SGD(0.05)}
    net = Sequential(Affine(4, 1, seed=0, dtype=np.float64))
    one = Trainer(net, hg.mean_squared_error, within[of], engine="native", clip_norm=1.0)
    with pytest.warns(UserWarning, match="computes something else"):
        one.fit(Rows(tighten) if of == "data" else X, T, epochs=4, batch_size=len(X))


@pytest.mark.parametrize("classes", [False, True])
def test_what_does_not_change_is_compiled_once(monkeypatch, classes):
    one = trainer("native")
    if classes:
        net = mlp([4, 5, 3], batch_norm=True, dropout=0.5)
        one = Trainer(net, hg.softmax_cross_entropy, SGD(0.1), engine="native", observe=lambda net: None)
    monkeypatch.setattr(type(one), "_recompile_if", lambda self, changed: changes.append(changed))
    changes = []
    one.fit(X, np.arange(40) % 3 if classes else T, epochs=5, batch_size=16)
    assert one.steps.name == "native"
    assert changes == [""] * 4


class Noise(Layer):
    def __init__(self):
        self.calls = []

    def forward(self, x):
        self.calls.append(1)
        return x + np.random.standard_normal((20, 4)) if self.is_training() else x


@pytest.mark.parametrize("where", ["forward", "loss"])
def test_what_is_drawn_at_random_is_drawn_in_each_step(where):
    calls = []

    def loss(y, t):
        calls.append(1)
        return hg.mean_squared_error(y, t) + (np.random.random() if where == "loss" else 0.0)

    layers = [Affine(4, 1, seed=0, dtype=np.float64)]
    net = Sequential(*([Noise()] if where == "forward" else []), *layers)
    losses = []
    for engine in ("native", "numpy"):
        np.random.seed(0)
        one = Trainer(net, loss, SGD(0.0), engine=engine)
        if engine == "native":
            with pytest.warns(NotCompiledWarning, match="a second run computes something else"):
                one.fit(X, T, epochs=3, batch_size=20)
        else:
            one.fit(X, T, epochs=3, batch_size=20)
        assert one.steps.name == "numpy"
        losses.append(len(calls))
    assert len(calls) >= 12


def test_dropout_is_drawn_by_key_and_compiled():
    one = Trainer(mlp([4, 8, 1], dropout=0.5, seed=0), hg.mean_squared_error, SGD(0.0), engine="native")
    losses = [record["loss"] for record in one.fit(X, T, epochs=3, batch_size=20)]
    assert one.steps.name == "native"
    assert len(set(losses)) == 3


def test_nothing_is_looked_for_where_nobody_could_change_anything(monkeypatch):
    one = Trainer(mlp([4, 5, 3], dropout=0.5), hg.softmax_cross_entropy, SGD(0.1), engine="native")
    monkeypatch.setattr("handgrad.train.trainer.Changes", None)
    assert len(one.fit(X, np.arange(40) % 3, epochs=5, batch_size=16)) == 5
