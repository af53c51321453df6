"""Metrics and scores, against scikit-learn's."""

import numpy as np
import pytest

metrics = pytest.importorskip("sklearn.metrics")

from sklearn.calibration import calibration_curve  # noqa: E402

import handgrad as hg  # noqa: E402
from handgrad.layers import mlp  # noqa: E402
from handgrad.optim import SGD  # noqa: E402
from handgrad.train import AUC, F1, R2, CalibrationError, TopK, Trainer  # noqa: E402

RNG = np.random.default_rng(0)


def softmax(y):
    return np.asarray(hg.softmax(y))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("N", [2, 40, 501])
def test_the_area_under_the_curve(N, ties):
    s = RNG.standard_normal(N)
    s = np.round(s, 1) if ties else s
    t = np.arange(N) % 2
    expected = metrics.roc_auc_score(t, s)
    assert AUC()(s, t) == pytest.approx(expected, rel=1e-12)
    assert AUC()(s[:, None], t[:, None]) == pytest.approx(expected, rel=1e-12)
    assert AUC()(np.stack([np.zeros(N), s], axis=1), t) == pytest.approx(expected, rel=1e-12)


def test_the_area_of_several_classes_and_labels():
    y, t = RNG.standard_normal((300, 4)), RNG.integers(4, size=300)
    assert AUC()(y, t) == pytest.approx(metrics.roc_auc_score(t, softmax(y), multi_class="ovr"), rel=1e-12)
    many = RNG.random((300, 4)) < 0.4
    assert AUC()(y, many.astype(int)) == pytest.approx(metrics.roc_auc_score(many, y), rel=1e-12)
    assert np.isnan(AUC()(y, np.zeros(300, int)))


@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
def test_f1(average):
    y, t = RNG.standard_normal((300, 5)), RNG.integers(4, size=300)  # a class that is never true
    expected = metrics.f1_score(t, y.argmax(axis=1), average=average, zero_division=0)
    assert F1(average)(y, t) == pytest.approx(expected, rel=1e-12)
    many = RNG.random((300, 5)) < 0.3
    expected = metrics.f1_score(many, y > 0, average=average, zero_division=0)
    assert F1(average)(y, many.astype(int)) == pytest.approx(expected, rel=1e-12)
    binary = RNG.integers(2, size=300)
    expected = metrics.f1_score(binary, y[:, 0] > 0, average=average)
    assert F1(average)(y[:, 0], binary) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("M", [1, 3])
def test_r2(M):
    y, t = RNG.standard_normal((2, 100, M))
    assert R2()(y, t) == pytest.approx(metrics.r2_score(t, y), rel=1e-12)
    assert R2()(y[:, 0], t[:, 0]) == pytest.approx(metrics.r2_score(t[:, 0], y[:, 0]), rel=1e-12)
    assert np.isnan(R2()(y, np.ones((100, M))))


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k(k):
    y, t = RNG.standard_normal((300, 6)), RNG.integers(6, size=300)
    assert TopK(k)(y, t).mean() == pytest.approx(metrics.top_k_accuracy_score(t, y, k=k))


def test_calibration():
    s = 2 * RNG.standard_normal(2000)
    t = (RNG.random(2000) < 1 / (1 + np.exp(-s / 2))).astype(int)
    p = 1 / (1 + np.exp(-s))
    right, said = calibration_curve(t, p, n_bins=10)
    counts = np.bincount(np.minimum((p * 10).astype(int), 9), minlength=10)
    expected = np.abs(right - said) @ counts[counts > 0] / 2000
    assert CalibrationError(10)(s, t) == pytest.approx(expected, rel=1e-9)
    y, labels = RNG.standard_normal((500, 3)), RNG.integers(3, size=500)
    q = softmax(y)
    hit, conf = (q.argmax(axis=1) == labels).astype(int), q.max(axis=1)
    right, said = calibration_curve(hit, conf, n_bins=15)
    counts = np.bincount(np.minimum((conf * 15).astype(int), 14), minlength=15)
    expected = np.abs(right - said) @ counts[counts > 0] / 500
    assert CalibrationError()(y, labels) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("engine", ["numpy", "native", "jax"])
def test_in_a_training(engine):
    if engine == "jax":
        pytest.importorskip("jax")
    X = RNG.standard_normal((60, 4))
    T = np.argmax(X[:, :3], axis=1)
    net = mlp([4, 8, 3], seed=0, dtype=np.float64)
    wanted = {"top-2": TopK(2), "auc": AUC(), "f1": F1()}
    trainer = Trainer(net, hg.softmax_cross_entropy, SGD(0.1), metrics=wanted, engine=engine)
    sets = {"seen": (X, T), "other": (X[:20], T[:20])}
    history = trainer.fit(X, T, epochs=2, batch_size=20, validation=sets)
    last = history[-1]
    assert set(last) >= {"top-2", "seen_loss", "seen_top-2", "seen_auc", "other_auc", "other_f1"}
    assert "auc" not in last
    y = trainer.predict(X)
    assert last["seen_auc"] == pytest.approx(metrics.roc_auc_score(T, softmax(y), multi_class="ovr"))
    assert last["other_f1"] == pytest.approx(metrics.f1_score(T[:20], y[:20].argmax(1), average="macro"))
    assert trainer.evaluate(X, T)["auc"] == last["seen_auc"]


def test_misuse():
    with pytest.raises(ValueError, match="average is one of macro, weighted, micro, not 'mean'"):
        F1("mean")
    with pytest.raises(ValueError, match="k"):
        TopK(0)
