import dataclasses
import json
import os
import signal
import threading

import numpy as np
import pytest

import handgrad as hg
from handgrad import files as files_module
from handgrad.files import write_atomically
from handgrad.layers import Layer, ReLU, Sequential, mlp
from handgrad.optim import SGD, Adam, Momentum, cosine
from handgrad.train import CheckpointError, Interrupted, NonFiniteError, Trainer
from handgrad.train.engines import picked
from handgrad.train.trainer import batch_count

N = 120


@pytest.fixture(scope="module")
def clusters():
    """Three clouds of points, easily told apart."""
    rng = np.random.default_rng(0)
    t = rng.integers(3, size=N)
    x = rng.standard_normal((N, 4)) * 0.5 + np.eye(4)[t] * 3
    return x.astype(np.float32), t


def trainer(out=None, seed=0, optimiser=None, **options):
    net = mlp([4, 8, 3], batch_norm=True, dropout=0.2, seed=5)
    return Trainer(net, hg.softmax_cross_entropy, optimiser or Adam(0.01), seed=seed, out=out, **options)


def arrays(t):
    p = t.progress
    moments = {f"{n}/{k}": m for n, state in p.moments.items() for k, m in state.items()}
    return {**p.params, **p.states, **moments}


def assert_identical(a, b):
    assert arrays(a).keys() == arrays(b).keys()
    for name, x in arrays(a).items():
        assert x.dtype == arrays(b)[name].dtype
        assert x.tobytes() == arrays(b)[name].tobytes(), name


def without_times(records):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]


def test_learns_and_reports(clusters, tmp_path):
    x, t = clusters
    one = trainer(tmp_path)
    records = one.fit(x[:90], t[:90], epochs=15, batch_size=16, validation=(x[90:], t[90:]))
    assert records[-1]["validation_accuracy"] > 0.95
    assert records[-1]["loss"] < records[0]["loss"] / 3
    assert [r["epoch"] for r in records] == list(range(1, 16))
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == records
    y = one.predict(x[90:])
    assert np.mean(y.argmax(axis=1) == t[90:]) == pytest.approx(records[-1]["validation_accuracy"])
    np.testing.assert_array_equal(one.net(x[90:]), y)


def test_the_loss_of_an_epoch_is_the_mean_over_its_examples(clusters):
    x, t = clusters
    net = mlp([4, 3], seed=0)
    still = Trainer(net, hg.softmax_cross_entropy, SGD(lr=lambda step: 0.0))
    record = still.fit(x[:50], t[:50], epochs=1, batch_size=16)[0]
    assert record["loss"] == pytest.approx(float(hg.softmax_cross_entropy(net(x[:50]), t[:50])), rel=1e-6)
    assert record["accuracy"] == pytest.approx(np.mean(net(x[:50]).argmax(axis=1) == t[:50]))


class Stop(Exception):
    pass


@pytest.mark.parametrize("engine", ["native", "numpy"])
@pytest.mark.parametrize("optimiser", [Adam(cosine(0.01, 40)), Momentum(0.05)], ids=["adam", "momentum"])
@pytest.mark.parametrize("stop", [0, 1, 7, 8, 13, 23])
def test_resumed_is_never_stopped_to_the_last_bit(clusters, tmp_path, monkeypatch, optimiser, stop, engine):
    x, t = clusters
    validation = (x[90:], t[90:])
    options = {"epochs": 4, "batch_size": 13, "validation": validation}
    whole = trainer(tmp_path / "whole", optimiser=optimiser, engine=engine)
    records = whole.fit(x[:90], t[:90], **options)

    rate = type(optimiser).rate

    def until(self, step):
        if step == stop:
            raise Stop
        return rate(self, step)

    first = trainer(tmp_path / "parts", optimiser=optimiser, engine=engine)
    with monkeypatch.context() as patched:
        patched.setattr(type(optimiser), "rate", until)
        with pytest.raises(Stop):
            first.fit(x[:90], t[:90], **options)
    second = trainer(tmp_path / "parts", optimiser=optimiser, engine=engine)
    resumed = second.fit(x[:90], t[:90], resume=True, **options)
    assert second.progress.step == 28
    assert_identical(whole, second)
    assert without_times(resumed) == without_times(records)
    lines = (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()
    assert without_times(map(json.loads, lines)) == without_times(records)


@pytest.mark.parametrize(
    ("n", "size", "sizes"), [(25, 8, [8, 8, 9]), (26, 8, [8, 8, 8, 2]), (9, 8, [9]), (1, 8, [1])]
)
def test_a_last_batch_of_one_joins_the_one_before(clusters, n, size, sizes):
    x, t = clusters
    steps = batch_count(n, size)
    assert [len(picked(np.arange(n), batch, size, steps)) for batch in range(steps)] == sizes
    for engine in ("native", "numpy"):
        one = Trainer(mlp([4, 3], seed=0), hg.softmax_cross_entropy, SGD(0.1), engine=engine)
        record = one.fit(x[:n], t[:n], epochs=1, batch_size=size)[0]
        assert one.progress.step == len(sizes)
        assert np.isfinite(record["loss"])


def test_accuracy_is_of_labels_alone(clusters):
    x, t = clusters

    def figures(loss, t, outputs=3):
        return Trainer(mlp([4, outputs], seed=0), loss, SGD(0.0)).fit(x, t, epochs=1)[0]

    assert figures(hg.softmax_cross_entropy, t)["accuracy"] == pytest.approx(
        figures(hg.softmax_cross_entropy, np.eye(3, dtype=int)[t])["accuracy"]
    )
    assert "accuracy" not in figures(hg.mean_squared_error, t[:, None], outputs=1)


def test_training_longer_is_training_once(clusters):
    x, t = clusters
    once, twice = trainer(), trainer()
    once.fit(x, t, epochs=4)
    twice.fit(x, t, epochs=2)
    twice.fit(x, t, epochs=4)
    assert_identical(once, twice)


def test_seeds_matter(clusters):
    x, t = clusters
    one, other = trainer(seed=0), trainer(seed=1)
    one.fit(x, t, epochs=1, batch_size=16)
    other.fit(x, t, epochs=1, batch_size=16)
    assert any(
        a.tobytes() != b.tobytes() for a, b in zip(arrays(one).values(), arrays(other).values(), strict=True)
    )


def test_early_stopping_goes_back_to_the_best(clusters):
    x, t = clusters
    noise = np.random.default_rng(1).integers(3, size=30)
    one = trainer(optimiser=Adam(0.05))
    records = one.fit(x[:90], t[:90], epochs=200, validation=(x[90:], noise), patience=3)
    losses = [r["validation_loss"] for r in records]
    best = int(np.argmin(losses))
    assert len(records) == best + 1 + 3
    y = one.net(x[90:])
    assert float(hg.softmax_cross_entropy(y, noise)) == pytest.approx(losses[best], rel=1e-5)
    assert losses[best] < losses[-1]
    assert one.evaluate(x[90:], noise)["loss"] == losses[best]
    np.testing.assert_array_equal(one.predict(x[90:]), y)


def test_early_stopping_survives_a_resume(clusters, tmp_path):
    x, t = clusters
    noise = np.random.default_rng(1).integers(3, size=30)
    options = {"validation": (x[90:], noise), "patience": 3}
    whole = trainer(optimiser=Adam(0.05))
    records = whole.fit(x[:90], t[:90], epochs=200, **options)
    trainer(tmp_path, optimiser=Adam(0.05)).fit(x[:90], t[:90], epochs=len(records) - 2, **options)
    second = trainer(tmp_path, optimiser=Adam(0.05))
    assert without_times(second.fit(x[:90], t[:90], epochs=200, resume=True, **options)) == without_times(
        records
    )
    for name, p in whole.net.parameters().items():
        assert p.tobytes() == second.net.parameters()[name].tobytes()


def test_clipping_bounds_the_update(clusters):
    x, t = clusters
    net = mlp([4, 3], seed=0, dtype=np.float64)
    one = Trainer(net, hg.softmax_cross_entropy, SGD(1.0), clip_norm=1e-3)
    before = one.progress.params
    after, *_ = one.step(one.progress, x, t)
    moved = np.sqrt(sum(np.sum((after.params[n] - p) ** 2) for n, p in before.items()))
    assert moved == pytest.approx(1e-3, rel=1e-2)
    two = Trainer(net, hg.softmax_cross_entropy, SGD(1.0), clip_value=1e-4)
    after, *_ = two.step(two.progress, x, t)
    assert max(np.abs(after.params[n] - p).max() for n, p in before.items()) <= 1e-4 * (1 + 1e-9)


def test_control_c_keeps_the_last_step(clusters, tmp_path):
    x, t = clusters
    timer = threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGINT))

    def begun(net):
        if timer.ident is None:
            timer.start()

    one = trainer(tmp_path, engine="native", observe=begun)
    with pytest.raises(
        Interrupted, match=r"stopped after step \d+, in epoch \d+; fit\(\.\.\., resume=True\)"
    ):
        one.fit(x, t, epochs=10**6, batch_size=16)
    second = trainer(tmp_path, engine="native")
    steps = one.progress.step
    second.fit(x, t, epochs=one.progress.epoch + 1, batch_size=16, resume=True)
    whole = trainer(engine="native")
    whole.fit(x, t, epochs=one.progress.epoch + 1, batch_size=16)
    assert steps > 0
    assert_identical(second, whole)


class Explodes(Layer):
    def forward(self, x):
        return x * 1e30 * 1e30


class Cliff(Layer):
    """Finite forward, infinite slope at 0."""

    def forward(self, x):
        return hg.sqrt(hg.relu(x) * 0.0)


def test_a_loss_that_is_not_finite_names_the_first_layer(clusters, tmp_path):
    x, t = clusters
    net = Sequential(mlp([4, 3], seed=0), Explodes(), ReLU())
    one = Trainer(net, hg.softmax_cross_entropy, SGD(0.1), out=tmp_path)
    before = {n: p.copy() for n, p in one.progress.params.items()}
    with pytest.raises(
        NonFiniteError, match=r"step 1: the loss is not finite\. First, the output of layer 1 \(mult"
    ):
        one.fit(x, t, epochs=3)
    assert all(p.tobytes() == before[n].tobytes() for n, p in net.parameters().items())


def test_a_gradient_that_is_not_finite_names_the_layer(clusters):
    x, t = clusters
    net = Sequential(mlp([4, 3], seed=0), Cliff())
    with pytest.raises(
        NonFiniteError,
        match=r"the gradient is not finite\. First, what the backward of layer 1 \(sqrt\) gives",
    ):
        Trainer(net, hg.softmax_cross_entropy, SGD(0.1)).fit(x, t, epochs=3)


def test_data_that_is_not_finite_is_named(clusters):
    x, t = clusters
    bad = x.copy()
    bad[7, 2] = np.nan
    with pytest.raises(NonFiniteError, match=r"the input x is not finite before the step .*1 nan of"):
        trainer().fit(bad, t, epochs=1)


def test_a_full_disk_leaves_the_last_checkpoint_whole(clusters, tmp_path, monkeypatch):
    x, t = clusters
    trainer(tmp_path).fit(x, t, epochs=2)
    before = {f.name: f.read_bytes() for f in tmp_path.iterdir()}

    def no_space(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files_module.os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        trainer(tmp_path).fit(x, t, epochs=4, resume=True)
    monkeypatch.undo()
    after = {f.name: f.read_bytes() for f in tmp_path.iterdir()}
    assert after == before
    second, whole = trainer(tmp_path), trainer()
    second.fit(x, t, epochs=4, resume=True)
    whole.fit(x, t, epochs=4)
    assert_identical(second, whole)


def test_checkpoints_of_another_training_are_refused(clusters, tmp_path):
    x, t = clusters
    trainer(tmp_path).fit(x, t, epochs=1)
    with pytest.raises(FileExistsError, match="holds a checkpoint already"):
        trainer(tmp_path).fit(x, t, epochs=1)
    with pytest.raises(CheckpointError, match="its seed is 0, this one's is 9"):
        trainer(tmp_path, seed=9).fit(x, t, epochs=1, resume=True)
    with pytest.raises(CheckpointError, match="batch_size is 100, this one's is 7"):
        trainer(tmp_path).fit(x, t, epochs=1, batch_size=7, resume=True)
    with pytest.raises(CheckpointError, match="its targets hold other numbers"):
        trainer(tmp_path).fit(x, t[::-1], epochs=1, resume=True)
    with pytest.raises(CheckpointError, match=r"its optimiser's lr is 0\.01, this one's is 0\.02"):
        trainer(tmp_path, optimiser=Adam(0.02)).fit(x, t, epochs=1, resume=True)
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        trainer(tmp_path / "nowhere").fit(x, t, epochs=1, resume=True)


@pytest.mark.parametrize("damage", ["tensors", "json", "gone"])
def test_damaged_checkpoints_say_so(clusters, tmp_path, damage):
    x, t = clusters
    trainer(tmp_path).fit(x, t, epochs=1)
    tensors = next(tmp_path.glob("checkpoint-*.safetensors"))
    if damage == "tensors":
        tensors.write_bytes(tensors.read_bytes()[:100])
    elif damage == "json":
        (tmp_path / "checkpoint.json").write_text('{"form')
    else:
        tensors.unlink()
    with pytest.raises(CheckpointError):
        trainer(tmp_path).fit(x, t, epochs=2, resume=True)


def test_one_checkpoint_is_kept_and_no_parts(clusters, tmp_path):
    x, t = clusters
    trainer(tmp_path, checkpoint_seconds=0).fit(x, t, epochs=3, batch_size=16)
    assert sorted(f.name for f in tmp_path.iterdir()) == [
        "checkpoint-24.safetensors",
        "checkpoint.json",
        "metrics.jsonl",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"t": np.zeros(5, int)}, "one target for each input"),
        ({"x": np.zeros((0, 4)), "t": np.zeros(0, int)}, "there are no examples"),
        ({"epochs": 0}, "1 or more"),
        ({"batch_size": 0}, "1 or more"),
        ({"patience": 2}, "patience needs validation"),
        ({"resume": True}, "resume needs out"),
    ],
)
def test_arguments_that_cannot_be(clusters, change, said):
    x, t = clusters
    with pytest.raises(ValueError, match=said):
        trainer().fit(**{"x": x, "t": t, "epochs": 1, **change})


def test_regression_and_lazy_inputs(clusters):
    x, _ = clusters
    target = (x @ np.array([1.0, -2, 0.5, 0], np.float32))[:, None]

    @dataclasses.dataclass
    class Lazy:
        """A data set that is read by mini-batch."""

        def __len__(self):
            return len(x)

        def __getitem__(self, picked):
            return x[picked]

    one = Trainer(mlp([4, 16, 1], "tanh", seed=0), hg.mean_squared_error, Adam(0.02))
    records = one.fit(Lazy(), target, epochs=60, batch_size=20)
    assert "accuracy" not in records[0]
    assert records[-1]["loss"] < 0.05 * records[0]["loss"]


def test_writing_is_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    write_atomically(file, "old")

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(files_module.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["a.json"]
