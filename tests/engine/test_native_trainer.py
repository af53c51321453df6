"""Training with native steps: interrupted and resumed, stopped by what is not finite, with any metrics."""

import dataclasses
import json

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.engine import NotCompiledWarning
from handgrad.layers import BatchNorm, Layer, Sequential, mlp
from handgrad.optim import SGD, Adam, Momentum, cosine
from handgrad.train import CheckpointError, NonFiniteError, Trainer, engines as engines_module
from tests.engine.test_layers import arrays

N = 90


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    t = rng.integers(3, size=N)
    return (rng.standard_normal((N, 4)) * 0.5 + np.eye(4)[t] * 3).astype(np.float32), t


def trainer(out=None, engine="native", optimiser=None, **options):
    net = mlp([4, 8, 3], batch_norm=True, dropout=0.2, seed=5)
    return Trainer(net, hg.softmax_cross_entropy, optimiser or Adam(0.01), out=out, engine=engine, **options)


def plain(engine, net=None, **options):
    """Without what makes rounding larger than it is."""
    net = net or mlp([4, 8, 3], seed=5, dtype=np.float64)
    return Trainer(net, hg.softmax_cross_entropy, Momentum(0.05), engine=engine, **options)


def bits(trainer):
    return {name: a.tobytes() for name, a in arrays(trainer.progress).items()}


def assert_like(one, other):
    for name, a in arrays(one.progress).items():
        np.testing.assert_allclose(a, arrays(other.progress)[name], rtol=1e-9, atol=1e-12, err_msg=name)


def without_times(records):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]


@pytest.fixture
def chunks(monkeypatch):
    """Says how many steps are made in a call at most, and notes how many were."""
    seen = []
    affordable, run = engines_module.NativeSteps.affordable, engines_module.NativeSteps.run

    def use(most):
        def measured(self, left):
            self.seconds = engines_module.TURN / (most + 0.5) if most else 0.0
            return affordable(self, left)

        def noting(self, progress, indices, size):
            seen.append(len(indices) // size)
            return run(self, progress, indices, size)

        monkeypatch.setattr(engines_module.NativeSteps, "affordable", measured)
        monkeypatch.setattr(engines_module.NativeSteps, "run", noting)
        return seen

    return use


class Stop(Exception):
    pass


def stopping(trainer, after, monkeypatch):
    """The trainer's steps end by an error when so many are made, as if the process had ended there."""
    advance = engines_module.NativeSteps.advance

    def until(self, progress, *args):
        if progress.step >= after:
            raise Stop
        return advance(self, progress, *args)

    monkeypatch.setattr(engines_module.NativeSteps, "advance", until)


# How many steps are made in one call makes no difference.


def test_steps_in_one_call_are_steps_one_by_one(clusters, chunks):
    x, t = clusters
    results, records = [], []
    for most in (0, 1, 2, 3, 100):
        seen = chunks(most)
        seen.clear()
        one = trainer()
        records.append(without_times(one.fit(x, t, epochs=3, batch_size=13)))
        results.append(bits(one))
        assert max(seen) == min(max(most, 1), 6)
        assert sum(seen) == 21
    assert all(found == results[0] for found in results)
    assert all(found == records[0] for found in records)


@pytest.mark.parametrize("optimiser", [Adam(cosine(0.01, 40)), Momentum(0.05)], ids=["adam", "momentum"])
@pytest.mark.parametrize(("stop", "most"), [(1, 1), (3, 2), (7, 100), (9, 4), (13, 100)])
def test_resumed_is_never_stopped_to_the_last_bit(
    clusters, tmp_path, chunks, monkeypatch, optimiser, stop, most
):
    """Stopped in the middle of an epoch or at its end, with calls of another size before and after."""
    x, t = clusters
    options = {"epochs": 3, "batch_size": 13, "validation": (x[:20], t[:20])}
    chunks(5)
    whole = trainer(tmp_path / "whole", optimiser=optimiser)
    records = whole.fit(x, t, **options)
    chunks(most)
    with monkeypatch.context() as patch:
        first = trainer(tmp_path / "parts", optimiser=optimiser)
        stopping(first, stop, patch)
        with pytest.raises(Stop):
            first.fit(x, t, **options)
    assert 0 < first.progress.step < 21
    chunks(3)
    second = trainer(tmp_path / "parts", optimiser=optimiser)
    resumed = second.fit(x, t, resume=True, **options)
    assert bits(second) == bits(whole)
    assert without_times(resumed) == without_times(records)
    lines = (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()
    assert without_times(map(json.loads, lines)) == without_times(records)


def test_progress_is_never_written_again(clusters):
    """What ``fit`` gave out stays what it was while training goes on."""
    x, t = clusters
    one = trainer()
    one.fit(x, t, epochs=1, batch_size=13)
    kept, before = one.progress, bits(one)
    one.fit(x, t, epochs=2, batch_size=13)
    assert {name: a.tobytes() for name, a in arrays(kept).items()} == before != bits(one)


def test_the_network_s_own_arrays_are_left_alone(clusters):
    x, t = clusters
    one = trainer()
    given = {name: (p, p.copy()) for name, p in one.net.parameters().items()}
    data = x.copy(), t.copy()
    one.fit(x, t, epochs=1, batch_size=13)
    assert all(p.tobytes() == copy.tobytes() for p, copy in given.values())
    np.testing.assert_array_equal(x, data[0])
    np.testing.assert_array_equal(t, data[1])


# What is not finite.


class Bomb(Layer):
    """Divides by 0 where an example's first feature is 7."""

    def forward(self, x):
        return x / hg.where(hg.getitem(x, (slice(None), slice(0, 1))) == 7.0, 0.0, 1.0)


@pytest.mark.parametrize("most", [1, 2, 100])
@pytest.mark.parametrize("bad", [0, 1, 4, 5, 6])
def test_what_is_not_finite_keeps_the_last_good_step(clusters, chunks, bad, most):
    """``bad`` is the number of the step whose batch cannot be learnt from; the epoch has 7."""
    x, t = clusters
    x = x.astype(np.float64)
    x[hg.data.permutation(N, 0, 0)[13 * bad + 2], 0] = 7.0
    errors, trainers = [], []
    for engine in ("native", "numpy"):
        chunks(most)
        one = plain(engine, Sequential(Bomb(), mlp([4, 8, 3], seed=5, dtype=np.float64)))
        with pytest.raises(NonFiniteError) as caught:
            one.fit(x, t, epochs=2, batch_size=13)
        errors.append(str(caught.value))
        trainers.append(one)
    assert errors[0] == errors[1]
    assert errors[0].startswith(f"step {bad + 1}: ")
    assert trainers[0].progress.step == trainers[1].progress.step == bad
    assert trainers[0].progress.batch == trainers[1].progress.batch == bad
    assert_like(*trainers)
    for name, p in trainers[0].net.parameters().items():
        np.testing.assert_array_equal(p, trainers[0].progress.params[name])


def test_after_what_is_not_finite_training_goes_on(clusters, tmp_path, chunks):
    """With data that was mended, from the last good step; resumed it would be another training."""
    x, t = clusters
    chunks(100)
    bad = x.copy()
    bad[hg.data.permutation(N, 0, 0)[50], 2] = np.inf
    one = trainer(tmp_path)
    with pytest.raises(NonFiniteError, match="step 4"):
        one.fit(bad, t, epochs=1, batch_size=13)
    with pytest.raises(CheckpointError, match="its inputs hold other numbers"):
        trainer(tmp_path).fit(x, t, epochs=1, batch_size=13, resume=True)
    one.fit(x, t, epochs=1, batch_size=13)
    whole = trainer()
    whole.fit(x, t, epochs=1, batch_size=13)
    assert bits(one) == bits(whole)


def test_an_exploding_training_says_the_same_as_on_numpy(clusters):
    x, t = clusters
    said = []
    for engine in ("native", "numpy"):
        one = Trainer(mlp([4, 8, 1], "softplus", seed=5), hg.mean_squared_error, SGD(1e3), engine=engine)
        with pytest.raises(NonFiniteError) as caught:
            one.fit(x, t[:, None].astype(np.float32), epochs=10, batch_size=13)
        said.append((str(caught.value), one.progress.step))
    assert said[0] == said[1]


# Other ways to train.


def test_early_stopping_is_that_of_numpy(clusters):
    x, t = clusters
    noise = np.random.default_rng(1).integers(3, size=30)
    found = {}
    for engine in ("native", "numpy"):
        one = plain(engine)
        records = one.fit(x[:60], t[:60], epochs=100, validation=(x[60:], noise), patience=3, batch_size=13)
        found[engine] = (one, records)
    (native, records), (other, wanted) = found["native"], found["numpy"]
    assert len(records) == len(wanted) < 100
    assert native.progress.best["epoch"] == other.progress.best["epoch"]
    for record, want in zip(records, wanted, strict=True):
        assert record.keys() == want.keys()
        for name in set(record) - {"seconds"}:
            assert record[name] == pytest.approx(want[name], rel=1e-9)
    for name, p in native.net.parameters().items():
        np.testing.assert_allclose(p, other.net.parameters()[name], rtol=1e-9, atol=1e-12)


def test_regression_learns(clusters):
    x, _ = clusters
    target = (x @ np.array([1.0, -2, 0.5, 0], np.float32))[:, None]
    one = Trainer(mlp([4, 16, 1], "tanh", seed=0), hg.mean_squared_error, Adam(0.02), engine="native")
    records = one.fit(x, target, epochs=40, batch_size=20)
    assert "accuracy" not in records[0]
    assert records[-1]["loss"] < 0.05 * records[0]["loss"]


@dataclasses.dataclass
class Lazy:
    """A data set that is read by mini-batch."""

    x: np.ndarray
    reads: list

    def __len__(self):
        return len(self.x)

    def __getitem__(self, picked):
        self.reads.append(len(picked))
        return self.x[picked]


def test_data_that_is_read_by_batch_gives_the_same_bits(clusters, chunks):
    x, t = clusters
    chunks(4)
    whole, lazy, reads = trainer(), trainer(), []
    whole.fit(x, t, epochs=2, batch_size=13)
    lazy.fit(Lazy(x, reads), t, epochs=2, batch_size=13)
    assert bits(lazy) == bits(whole)
    assert max(reads) == 4 * 13


def untraceable(y, t):
    """How far the largest and the smallest output are apart, by numbers that a trace does not have."""
    return np.array([float(max(row)) - float(min(row)) for row in y])


@pytest.mark.parametrize(
    "metrics", [{"margin": untraceable}, {}, None], ids=["untraceable", "none", "default"]
)
def test_metrics_are_those_of_numpy(clusters, chunks, metrics):
    x, t = clusters
    chunks(3)
    records = []
    for engine in ("native", "numpy"):
        one = plain(engine, metrics=metrics)
        records.append(one.fit(x, t, epochs=2, batch_size=13))
    for record, want in zip(*records, strict=True):
        assert record.keys() == want.keys()
        for name in set(record) - {"seconds"}:
            assert record[name] == pytest.approx(want[name], rel=1e-9)


def test_a_metric_that_cannot_be_traced_changes_nothing_else(clusters):
    x, t = clusters
    results = []
    for metrics in ({"margin": untraceable}, {}):
        one = trainer(metrics=metrics)
        one.fit(x, t, epochs=2, batch_size=13)
        results.append(bits(one))
    assert results[0] == results[1]


def test_dropout_s_masks_are_numpy_s(clusters):
    """Bit for bit: of keys that move on in the same way, through steps of several sizes."""
    x, t = clusters
    native, other = trainer(), trainer(engine="numpy")
    for one in (native, other):
        one.fit(x, t, epochs=2, batch_size=13)
    keys = [name for name in native.progress.states if name.endswith("key")]
    assert keys
    for name in keys:
        np.testing.assert_array_equal(native.progress.states[name], other.progress.states[name])


class Mask(Layer):
    """Its parameter moves by the sum of the masks that were drawn."""

    def __init__(self):
        self.params = {"p": np.zeros((13, 4), np.float32)}
        self.state = {"key": np.array([12, 34], np.uint32)}

    def forward(self, x):
        key = self.state["key"]
        self.state["key"] = xp.fold_in(key, 1)
        return hg.dropout(self.params["p"] + 0 * x, key, rate=0.5)


def test_masks_are_drawn_alike(clusters):
    x, t = clusters
    sums = []
    for engine in ("native", "numpy"):
        one = Trainer(Mask(), lambda y, t: hg.sum(y), SGD(0.5), engine=engine, metrics={})
        one.fit(x[:52], t[:52], epochs=1, batch_size=13)
        sums.append(one.progress.params["p"])
    np.testing.assert_array_equal(sums[0], sums[1])
    assert set(np.unique(sums[0])) == {-4.0, -3.0, -2.0, -1.0, 0.0}


@pytest.mark.parametrize("label", [3, -1])
@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_labels_out_of_range_are_an_error(clusters, engine, label):
    x, t = clusters
    wrong = t.copy()
    wrong[40] = label
    with pytest.raises(ValueError, match="class"):
        trainer(engine=engine).fit(x, wrong, epochs=1, batch_size=13)


class Table(Layer):
    """Rows of a table, at places that are data."""

    def __init__(self):
        self.params = {"rows": np.eye(5, dtype=np.float32)}

    def forward(self, x):
        return hg.take(self.params["rows"], x, axis=0)


def test_an_index_out_of_range_is_an_error():
    """And what was learnt before it is kept."""
    x, t = np.arange(40) % 5, np.arange(40) % 5
    fine = Trainer(Table(), hg.softmax_cross_entropy, SGD(0.1), engine="native")
    fine.fit(x, t, epochs=1, batch_size=8)
    for bad in (5, -6, 2**40):
        x = x.copy()
        x[hg.data.permutation(40, 0, 0)[20]] = bad
        one = Trainer(Table(), hg.softmax_cross_entropy, SGD(0.1), engine="native")
        with pytest.raises(IndexError, match="out of bounds for axis 0"):
            one.fit(x, t, epochs=1, batch_size=8)
        assert one.progress.step <= 2
        assert all(np.isfinite(p).all() for p in one.net.parameters().values())


class Branching(Layer):
    def forward(self, x):
        return x if x[0, 0] > 0 else -x


def test_a_network_without_native_code_runs_on_numpy(clusters):
    x, t = clusters
    net = Sequential(mlp([4, 3], seed=0), Branching())
    one = Trainer(net, hg.softmax_cross_entropy, SGD(0.0), engine="native", metrics={})
    with pytest.warns(NotCompiledWarning, match="a symbol has no value to branch on"):
        one.fit(x, t, epochs=1)
    assert one.steps.name == "numpy"


def test_one_example_has_no_statistics(clusters):
    """A last batch of one joins the one before, natively too."""
    x, t = clusters
    net = Sequential(BatchNorm(4), mlp([4, 3], seed=0))
    native, other = (
        Trainer(net, hg.softmax_cross_entropy, Momentum(0.1), engine=e) for e in ("native", "numpy")
    )
    for one in (native, other):
        one.fit(x[:27], t[:27], epochs=2, batch_size=13)
        assert one.progress.step == 4
    for name, a in arrays(native.progress).items():
        np.testing.assert_allclose(a, arrays(other.progress)[name], rtol=1e-4, atol=1e-6)


def test_an_engine_that_is_none():
    with pytest.raises(ValueError, match="'native', 'numpy' or 'jax', not 'torch'"):
        trainer(engine="torch").fit(np.zeros((4, 4)), np.zeros(4, int), epochs=1)
