"""Callbacks, several validation sets, and the history of a training."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import mlp
from handgrad.optim import SGD
from handgrad.train import Trainer

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 4))
T = np.argmax(X[:, :3], axis=1)


def trainer(**options):
    return Trainer(mlp([4, 5, 3], seed=0), hg.softmax_cross_entropy, SGD(0.1), **options)


@pytest.mark.parametrize("engine", ["numpy", "native"])
def test_a_callback_sees_each_epoch_and_ends_the_training(engine, tmp_path):
    seen = []

    def watch(one, record):
        accuracy = np.mean(one.current()(X.astype("f")).argmax(axis=1) == T)
        seen.append((record["epoch"], record["validation_accuracy"], accuracy))
        return len(seen) == 3

    one = trainer(callbacks=[watch], engine=engine, out=tmp_path / "run")
    records = one.fit(X, T, epochs=9, batch_size=10, validation=(X, T))
    assert [epoch for epoch, *_ in seen] == [1, 2, 3]
    assert all(told == pytest.approx(own) for _, told, own in seen)
    assert len(records) == 3
    with pytest.warns(UserWarning, match="stopped early"):
        one.fit(X, T, epochs=9, batch_size=10)


def test_a_network_that_a_callback_changes_is_compiled_anew():
    net = mlp([4, 5, 3], dropout=0.5, seed=0)

    def anneal(one, record):
        one.net.layers[3].rate = 0.0

    with pytest.warns(UserWarning, match="computes something else"):
        Trainer(net, hg.softmax_cross_entropy, SGD(0.1), engine="native", callbacks=[anneal]).fit(X, T, 3, 10)


def test_patience_watches_the_first_of_several():
    one = trainer()
    flipped = (T + 1) % 3
    sets = {"hopeless": (X, flipped), "fine": (X, T)}
    records = one.fit(X, T, epochs=50, batch_size=10, validation=sets, patience=2)
    assert len(records) < 50
    assert records["fine_loss"][-1] < records["fine_loss"][0]


def test_the_history_has_columns_and_a_picture(tmp_path):
    one = trainer()
    records = one.fit(X, T, epochs=3, batch_size=10, validation=(X, T))
    assert one.history is records
    assert records["loss"].shape == (3,)
    assert records[0]["epoch"] == 1
    drawn = records.plot("forty points", tmp_path / "curves.svg")
    assert drawn._repr_svg_().startswith("<svg")
    assert "forty points" in (tmp_path / "curves.svg").read_text()
    with pytest.raises(KeyError, match="no epoch has 'los'; there are epoch, loss"):
        records["los"]
    with pytest.raises(ValueError, match="no epochs to draw"):
        trainer().history.plot()


def test_misuse_is_said():
    with pytest.raises(TypeError, match="callbacks is a list of functions"):
        trainer(callbacks=lambda one, record: None)
    with pytest.raises(TypeError, match=r"validation\['a'\] is a pair"):
        trainer().fit(X, T, 1, validation={"a": X})
    with pytest.raises(ValueError, match="accumulate"):
        trainer(accumulate=0)
