"""Networks in evaluation, natively and by NumPy: the same outputs and figures, and when which is chosen."""

import warnings

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Affine, Layer, mlp
from handgrad.models import GPT, ResNet, char_lstm, lenet
from handgrad.optim import Adam
from handgrad.train import Trainer, gradient_norms, measuring, predict
from handgrad.train.measuring import Forward, parts

OWN = {"seed": 0, "dtype": np.float64}
NETWORKS = {
    "mlp": lambda: mlp([64, 9, 3], batch_norm=True, dropout=0.3, **OWN),
    "lenet": lambda: lenet((1, 8, 8), 3, **OWN),
    "resnet": lambda: ResNet((1, 8, 8), 3, **OWN),
    "char_lstm": lambda: char_lstm(7, D=5, H=6, **OWN),
    "gpt": lambda: GPT(7, 8, D=8, heads=2, blocks=1, **OWN),
}


@pytest.fixture
def compiling(monkeypatch):
    """As if all were worth compiling."""
    monkeypatch.setattr(measuring, "could_pay_off", lambda *args: True)
    monkeypatch.setattr(measuring, "pays_off", lambda *args: True)


def examples(name, n, seed=0):
    rng = np.random.default_rng(seed)
    if name in ("gpt", "char_lstm"):
        return rng.integers(7, size=(n, 8)), rng.integers(7, size=(n, 8))
    return rng.standard_normal((n, 64)), rng.integers(3, size=n)


def trainer(name, engine=None, **options):
    return Trainer(NETWORKS[name](), hg.softmax_cross_entropy, Adam(0.01), engine=engine, **options)


@pytest.mark.parametrize("most", [1, 2, 5, 6, 250])
def test_parts_are_all_examples_in_batches_of_one_size(most):
    for n in [*range(1, 40), 249, 250, 251, 1000, 1562, 1999]:
        found = parts(n, most)
        assert [i for part in found for i in range(n)[part]] == list(range(n))
        sizes = [part.stop - part.start for part in found]
        assert len(set(sizes[:-1])) <= 1
        assert max(sizes) <= most
        assert sizes[-1] <= sizes[0]
        assert n < most or sizes[0] > most // 2


@pytest.mark.parametrize("name", NETWORKS)
def test_figures_are_those_of_numpy(compiling, name):
    """Of a trained network, with examples left over; one code is made."""
    x, t = examples(name, 23)
    one = trainer(name)
    records = one.fit(x, t, epochs=1, batch_size=10, validation=(x, t))
    figures = {}
    for engine in (None, "numpy"):
        one.engine = engine
        figures[engine] = one.evaluate(x, t, batch_size=5)
    assert figures[None] == pytest.approx(figures["numpy"], rel=1e-9)
    assert figures["numpy"]["loss"] == pytest.approx(records[0]["validation_loss"], rel=1e-9)
    forward = Forward()
    made = np.concatenate([y for _, y in forward.outputs(one.net, x, 5)])
    np.testing.assert_allclose(made, one.net.bind().evaluate()(x), rtol=1e-9, atol=1e-12)
    assert len(forward.repeated.code.codes) == 1


@pytest.mark.parametrize("name", NETWORKS)
def test_validation_is_that_of_numpy(compiling, name):
    """Epoch by epoch, of steps that differ by rounding."""
    x, t = examples(name, 20)
    records = [
        trainer(name, engine).fit(x, t, epochs=3, batch_size=10, validation=(x, t))
        for engine in ("native", "numpy")
    ]
    for native, other in zip(*records, strict=True):
        found, wanted = ({k: v for k, v in r.items() if k != "seconds"} for r in (native, other))
        assert found == pytest.approx(wanted, rel=1e-6)


def test_the_engine_is_that_of_the_steps(compiling):
    x, t = examples("mlp", 20)
    for engine in ("native", "numpy"):
        one = trainer("mlp", engine)
        one.fit(x, t, epochs=1, batch_size=10, validation=(x, t))
        assert (one.forward.repeated.code is not None) == (engine == "native")


class Scaled(Layer):
    """Multiplies by a number that may be set, in evaluation alone."""

    def __init__(self):
        self.affine, self.factor = Affine(64, 3, **OWN), 2.0

    def forward(self, x):
        return self.affine(x) * (1.0 if self.is_training() else self.factor)


def test_what_a_network_reads_may_change(compiling):
    x, _ = examples("mlp", 6)
    net, forward = Scaled(), Forward()
    for factor in (2.0, 3.0, 3.0, 2.0):
        net.factor = factor
        (_, y), *_ = forward.outputs(net.bind(), x)
        assert forward.repeated.code is not None
        np.testing.assert_allclose(y, net.affine(x) * factor, rtol=1e-12)


class Branching(Layer):
    """Looks at a value."""

    def __init__(self):
        self.affine = Affine(64, 3, **OWN)

    def forward(self, x):
        y = self.affine(x)
        return y if float(np.asarray(y).sum()) > 0 else -y


def test_what_cannot_be_compiled_is_computed_by_numpy(compiling):
    x, _ = examples("mlp", 6)
    net = Branching()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = predict(net, x)
    np.testing.assert_array_equal(y, net.bind().evaluate()(x))


def test_half_floats_are_computed_by_numpy(compiling):
    net, x = mlp([64, 3], seed=0, dtype=np.float16), examples("mlp", 6)[0]
    y = predict(net, x)
    np.testing.assert_array_equal(y, net.bind().evaluate()(x.astype(np.float16)))
    assert y.dtype == np.float16


def test_little_work_is_not_even_traced(monkeypatch):
    monkeypatch.setattr(measuring, "stable_trace", lambda *args: pytest.fail("it was traced"))
    x, _ = examples("mlp", 6)
    assert predict(NETWORKS["mlp"](), x).shape == (6, 3)
    assert predict(NETWORKS["mlp"](), x[:0]).shape == (0, 3)


def test_much_work_is_compiled_once_it_is_worth_it():
    """By what is asked for alone: the same network, more examples."""
    net, rng = lenet(seed=0), np.random.default_rng(0)
    for n, expected in ((10, False), (600, True)):
        forward = Forward()
        next(forward.outputs(net, rng.random((n, 784), np.float32)))
        assert (forward.repeated.code is not None) == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_norms_are_those_of_numpy(compiling, name):
    x, t = examples(name, 9)
    net = NETWORKS[name]()
    native, other = (
        gradient_norms(hg.softmax_cross_entropy, x, t, engine)(net) for engine in (None, "numpy")
    )
    assert native == pytest.approx(other, rel=1e-7, abs=1e-12)
