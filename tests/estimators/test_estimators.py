"""The estimators at work: what they learn, what they are given, pipelines, searches, processes."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy import sparse
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris, make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import handgrad as hg
from handgrad.layers import Affine, ReLU, Sequential, mlp
from handgrad.optim import AdamW, cosine
from handgrad.sklearn import NetworkClassifier, NetworkRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])
RNG = np.random.default_rng(0)
Z = RNG.standard_normal((200, 4))
T = np.stack([Z[:, 0] * Z[:, 1], 100 + 7 * Z[:, 2]], axis=1)


def test_labels_of_text_and_their_probabilities():
    net = NetworkClassifier((16,), max_iter=60, learning_rate_init=1e-2, random_state=0).fit(X, NAMES[y])
    assert net.score(X, NAMES[y]) > 0.9
    p = net.predict_proba(X)
    assert p.shape == (150, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (NAMES[p.argmax(axis=1)] == net.predict(X)).all()
    assert net.decision_function(X).shape == (150, 3)
    assert net.n_iter_ == len(net.loss_curve_) == len(net.history_)
    assert net.history_.plot().startswith("<svg")


def test_gradients_are_those_of_scikit_learn():
    """One step of SGD from the same weights on the same data, float64."""
    S = StandardScaler().fit_transform(X)
    theirs = MLPClassifier((5,), solver="sgd", momentum=0.0, alpha=0.0, learning_rate_init=0.5, max_iter=1)
    theirs.fit(S, y)
    start = MLPClassifier((5,), solver="sgd", momentum=0.0, alpha=0.0, learning_rate_init=1e-300, max_iter=1)
    theirs.set_params(random_state=3).fit(S, y)
    start.set_params(random_state=3).fit(S, y)
    layers = [Affine(4, 5, dtype=np.float64), ReLU(), Affine(5, 3, dtype=np.float64)]
    for layer, W, b in zip((layers[0], layers[2]), start.coefs_, start.intercepts_, strict=True):
        layer.params |= {"W": W.copy(), "b": b.copy()}
    ours = NetworkClassifier(
        network=Sequential(*layers), optimiser="sgd", learning_rate_init=0.5, max_iter=1, standardise=False
    ).fit(S, y)
    for (name, p), other in zip(
        ours.network_.parameters().items(),
        [theirs.coefs_[0], theirs.intercepts_[0], theirs.coefs_[1], theirs.intercepts_[1]],
        strict=True,
    ):
        np.testing.assert_allclose(p, other, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("engine", ["numpy", "native"])
def test_the_same_seed_gives_the_same_bits(engine):
    make = lambda seed: NetworkClassifier((8,), dropout=0.2, max_iter=5, engine=engine, random_state=seed)  # noqa: E731
    a, b, c = (make(seed).fit(X, y).predict_proba(X) for seed in (1, 1, 2))
    assert (a == b).all()
    assert (a != c).any()


def test_several_labels_and_several_targets():
    A, labels = make_multilabel_classification(n_samples=150, n_classes=4, random_state=0)
    many = NetworkClassifier((32,), max_iter=80, learning_rate_init=1e-2, random_state=0).fit(A, labels)
    assert many.predict(A).shape == labels.shape
    assert (many.predict(A) == labels).mean() > 0.9
    assert many.predict_proba(A).shape == labels.shape
    assert (many.fit(A, sparse.csr_array(labels)).predict(A) == labels).mean() > 0.9
    two = NetworkRegressor((32,), max_iter=150, learning_rate_init=1e-2, random_state=0).fit(Z, T)
    assert two.predict(Z).shape == T.shape
    assert two.score(Z, T) > 0.9
    one = NetworkRegressor((32,), max_iter=60, learning_rate_init=1e-2, random_state=0).fit(Z, T[:, 1])
    assert one.predict(Z).shape == (200,)
    assert one.score(Z, T[:, 1]) > 0.9


def test_other_networks_losses_optimisers():
    net = NetworkRegressor(
        network=lambda D, M, seed: mlp([D, 8, M], "tanh", seed=seed, dtype=np.float64),
        loss="huber", optimiser=AdamW(cosine(1e-2, 200)), max_iter=50, random_state=0,
    ).fit(Z, T)  # fmt: skip
    assert net.score(Z, T) > 0.4
    NetworkClassifier((8, 8), "tanh", batch_norm=True, dropout=0.1, max_iter=3, alpha=1e-3).fit(X, y)
    with pytest.raises(ValueError, match="optimiser is one of"):
        NetworkClassifier(optimiser="adams").fit(X, y)
    with pytest.raises(ValueError, match="name of a rule"):
        NetworkClassifier(loss="nosuch").fit(X, y)
    with pytest.raises(TypeError, match="reduction"):
        NetworkRegressor(loss=lambda y, t: hg.mean((y - t) ** 2)).fit(Z, T, sample_weight=np.ones(200))


def test_weights_of_classes_and_examples():
    A, labels = make_classification(400, weights=[0.95], flip_y=0.1, random_state=0)
    plain = NetworkClassifier((8,), max_iter=40, learning_rate_init=1e-2, random_state=0).fit(A, labels)
    balanced = clone(plain).set_params(class_weight="balanced").fit(A, labels)
    assert (balanced.predict(A) == 1).mean() > 1.5 * (plain.predict(A) == 1).mean()
    w = np.where(labels == 1, 400 / (2 * (labels == 1).sum()), 400 / (2 * (labels == 0).sum()))
    same = clone(plain).fit(A, labels, sample_weight=w)
    np.testing.assert_allclose(same.predict_proba(A), balanced.predict_proba(A), rtol=1e-9)


def test_early_stopping_keeps_the_best():
    A, labels = make_classification(300, 10, flip_y=0.3, random_state=0)
    net = NetworkClassifier(
        (64,), max_iter=300, learning_rate_init=1e-2, early_stopping=True, random_state=0, n_iter_no_change=5
    ).fit(A, labels)
    losses = net.validation_loss_curve_
    assert len(losses) == net.n_iter_ < 300
    assert np.argmin(losses) < len(losses) - 5
    assert net.best_loss_ == min(losses)


def test_going_on():
    warm = NetworkClassifier((8,), max_iter=5, warm_start=True, random_state=0).fit(X, y)
    first = warm.loss_
    warm.fit(X, y)
    assert warm.loss_ < first
    assert warm.n_iter_ == 10
    part = NetworkClassifier((8,), learning_rate_init=1e-2, random_state=0)
    for _ in range(60):
        part.partial_fit(X, y, classes=[0, 1, 2])
    assert part.score(X, y) > 0.9
    assert part.n_iter_ == 60
    kept = pickle.loads(pickle.dumps(part))  # with its moments
    assert (kept.partial_fit(X, y).predict_proba(X) == part.partial_fit(X, y).predict_proba(X)).all()
    with pytest.raises(ValueError, match=r"classes \[7\]"):
        part.partial_fit(X, np.full(150, 7))


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_sparse_is_as_dense(make, monkeypatch):
    A = np.where(RNG.random((120, 12)) < 0.3, RNG.standard_normal((120, 12)), 0)
    labels = (A.sum(axis=1) > 0).astype(int)
    net = NetworkClassifier((8,), max_iter=5, standardise=False, random_state=0)
    dense = clone(net).fit(A, labels).predict_proba(A)
    np.testing.assert_allclose(clone(net).fit(make(A), labels).predict_proba(make(A)), dense, rtol=1e-12)
    monkeypatch.setattr("handgrad.sklearn.inputs.IN_MEMORY", 0)  # by mini-batch
    np.testing.assert_allclose(clone(net).fit(make(A), labels).predict_proba(make(A)), dense, rtol=1e-9)
    scaled = clone(net).set_params(standardise=True).fit(make(A), labels)
    np.testing.assert_allclose(scaled.preparation_.std, A.std(axis=0))


def frame_of(library):
    frames = pytest.importorskip(library)
    n = 120
    rng = np.random.default_rng(1)
    size, city = rng.random(n) * 100, rng.choice(["Bern", "Jena", "Lyon"], n)
    price = size * 2 + 50 * (city == "Lyon")
    columns = {"size": size, "city": city, "is_new": rng.random(n) < 0.5}
    frame = frames.DataFrame(columns)
    if library == "pandas":
        frame["city"] = frame["city"].astype("category")
        frame.loc[3, "size"] = None
        frame.loc[4, "city"] = None
        return frame, frame.iloc[:20], price
    number = frames.arange(n)
    frame = frame.with_columns(
        size=frames.when(number != 3).then(frames.col("size")),
        city=frames.when(number != 4).then(frames.col("city")).cast(frames.Categorical),
    )
    return frame, frame.head(20), price


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_with_categories_and_missing_values(library):
    frame, few, price = frame_of(library)
    net = NetworkRegressor((32,), learning_rate_init=2e-2, impute=True, random_state=0).fit(frame, price)
    assert net.score(frame, price) > 0.9
    assert list(net.feature_names_in_) == ["size", "city", "is_new"]
    assert net.preparation_.columns == ("size", "city=Bern", "city=Jena", "city=Lyon", "is_new")
    assert net.predict(few).shape == (20,)
    with pytest.raises(ValueError, match=r"2 rows lack values: size \(1\), city \(1\)"):
        NetworkRegressor().fit(frame, price)


def test_pipelines_searches_and_wrappers():
    A, labels = make_classification(200, 8, random_state=0)
    net = NetworkClassifier((8,), max_iter=40, learning_rate_init=1e-2, random_state=0)
    made = make_pipeline(StandardScaler(), net)
    assert cross_val_score(made, A, labels, cv=3).mean() > 0.8
    inner = NetworkRegressor((16,), max_iter=40, learning_rate_init=1e-2, random_state=0)
    logs = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp)
    assert logs.fit(Z, np.exp(Z[:, 0])).score(Z, np.exp(Z[:, 0])) > 0.7


def test_a_grid_search_with_two_processes():
    A, labels = make_classification(200, 8, random_state=0)
    grid = {"hidden_layer_sizes": [(4,), (16,)], "learning_rate_init": [1e-3, 1e-2]}
    net = NetworkClassifier(max_iter=15, random_state=0)
    alone = GridSearchCV(net, grid, cv=2).fit(A, labels)
    two = GridSearchCV(net, grid, cv=2, n_jobs=2).fit(A, labels)
    assert (alone.cv_results_["mean_test_score"] == two.cv_results_["mean_test_score"]).all()
    assert alone.best_params_ == two.best_params_
    assert two.best_estimator_.score(A, labels) > 0.8


def test_processes_that_share_processors_have_one_thread_each(monkeypatch):
    from handgrad.engine.runtime.threads import threads

    monkeypatch.delenv("HANDGRAD_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as joblib sets it for its processes
    assert threads() == 1


def test_pickled_into_a_new_process(tmp_path):
    net = NetworkClassifier((8,), batch_norm=True, max_iter=10, random_state=0).fit(X, NAMES[y])
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(net))
    np.save(tmp_path / "x.npy", X)
    program = """
import pickle, sys, numpy as np
net = pickle.load(open(sys.argv[1] + "/net.pickle", "rb"))
np.save(sys.argv[1] + "/p.npy", net.predict_proba(np.load(sys.argv[1] + "/x.npy")))
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=120)
    assert (np.load(tmp_path / "p.npy") == net.predict_proba(X)).all()


def test_callbacks_end_a_fit_and_the_user_is_told_of_one_that_was_too_short():
    seen = []

    def stop(trainer, record):
        seen.append(record["loss"])
        return len(seen) == 3

    assert NetworkClassifier((4,), callbacks=[stop], random_state=0).fit(X, y).n_iter_ == 3
    with pytest.warns(ConvergenceWarning, match="still falling after max_iter=2"):
        NetworkClassifier((4,), max_iter=2).fit(X, y)


def test_what_cannot_be_fitted_is_said():
    with pytest.raises(ValueError, match="zero"):
        NetworkClassifier().fit(X, y, sample_weight=np.zeros(150))
    with pytest.raises(ValueError, match="partial_fit"):
        NetworkClassifier(early_stopping=True).partial_fit(X, y)
    with pytest.raises(ValueError, match="max_iter is a whole number"):
        NetworkClassifier(max_iter=0).fit(X, y)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        NetworkClassifier((0,)).fit(X, y)
