"""NetworkClassifier and NetworkRegressor beside scikit-learn's MLPClassifier and MLPRegressor, and Keras.

``python -m bench.estimators`` writes ESTIMATORS.md, of 8 data sets. All have the same widths, rate, epochs
at most and rule to stop by, the same inputs of the same dtype, one thread, and take turns. Seeds are of the
split, the weights and the order. Keras, on JAX, is measured where it is installed.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bench.levels import processor
from bench.timing import Others

SEEDS = range(5)
FIRST = 2  # seeds of Keras, which takes long


@dataclasses.dataclass(frozen=True)
class Fit:
    score: float
    cpu: float
    wall: float
    epochs: int


def data_sets() -> dict[str, tuple[np.ndarray, np.ndarray, bool]]:
    """x, y, and whether y are classes; x and numbers are standardised."""
    from sklearn import datasets as d

    classes = {
        "wine": d.load_wine(return_X_y=True),
        "breast cancer": d.load_breast_cancer(return_X_y=True),
        "digits": d.load_digits(return_X_y=True),
        "moons": d.make_moons(2000, noise=0.25, random_state=0),
        "classification": d.make_classification(5000, 20, n_informative=8, n_classes=3, random_state=0),
    }
    numbers = {
        "diabetes": d.load_diabetes(return_X_y=True),
        "friedman1": d.make_friedman1(5000, noise=1.0, random_state=0),
        "regression": d.make_regression(2000, 30, noise=20.0, random_state=0),
    }
    made = {name: (scaled(x), y, True) for name, (x, y) in classes.items()}
    return made | {name: (scaled(x), scaled(y), False) for name, (x, y) in numbers.items()}


def scaled(x: np.ndarray) -> np.ndarray:
    std = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(std > 0, std, 1)


def contestants(is_classes: bool, seed: int) -> dict[str, Any]:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    from handgrad.sklearn import NetworkClassifier, NetworkRegressor

    ours, theirs = (NetworkClassifier, MLPClassifier) if is_classes else (NetworkRegressor, MLPRegressor)
    made = {"handgrad": ours(random_state=seed), "scikit-learn": theirs(random_state=seed)}
    return made | ({"Keras": Keras(is_classes, seed)} if has_keras() and seed < FIRST else {})


def has_keras() -> bool:
    return importlib.util.find_spec("keras") is not None and importlib.util.find_spec("jax") is not None


class Keras:
    """The same network, in Keras' own words; whole epochs are one call each, as its ``fit`` makes them."""

    def __init__(self, is_classes: bool, seed: int):
        self.is_classes, self.seed = is_classes, seed

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        import keras

        keras.utils.set_random_seed(self.seed)
        keras.config.set_floatx("float64")
        outputs = len(np.unique(y)) if self.is_classes else 1
        layers = keras.layers
        self.net = keras.Sequential([layers.Dense(100, activation="relu"), layers.Dense(outputs)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if self.is_classes else "mse"
        self.net.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
        stop = keras.callbacks.EarlyStopping("loss", min_delta=1e-4, patience=10)
        made = self.net.fit(x, y, batch_size=min(200, len(x)), epochs=200, callbacks=[stop], verbose=0)
        self.n_iter_ = len(made.history["loss"])

    def score(self, x: np.ndarray, y: np.ndarray) -> float:
        from sklearn.metrics import accuracy_score, r2_score

        out = np.asarray(self.net(x))
        return accuracy_score(y, out.argmax(axis=1)) if self.is_classes else r2_score(y, out[:, 0])


def fit(estimator: Any, x: np.ndarray, y: np.ndarray, seed: int) -> Fit:
    from sklearn.model_selection import train_test_split

    a, b, ya, yb = train_test_split(x, y, test_size=0.25, random_state=seed)
    cpu, wall = time.process_time(), time.perf_counter()
    estimator.fit(a, ya)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Fit(float(estimator.score(b, yb)), cpu, wall, estimator.n_iter_)


def measured(x: np.ndarray, y: np.ndarray, is_classes: bool) -> dict[str, list[Fit]]:
    """Of each contestant a fit for each seed; and the first of ours, which compiles."""
    first = fit(contestants(is_classes, 0)["handgrad"], x, y, 0)
    found: dict[str, list[Fit]] = {"first": [first], "handgrad": [], "scikit-learn": [], "Keras": []}
    for seed in SEEDS:
        for name, estimator in contestants(is_classes, seed).items():
            found[name].append(fit(estimator, x, y, seed))
    return found


def ratio(found: dict[str, list[Fit]], name: str, key: str) -> float:
    """A peer's time over handgrad's, of the same seed, at the median."""
    pairs = zip(found["handgrad"], found[name], strict=False)
    return statistics.median([getattr(t, key) / getattr(o, key) for o, t in pairs] or [np.nan])


def line(name: str, x: np.ndarray, found: dict[str, list[Fit]]) -> tuple[str, float, float]:
    """A row of the table, and the ratios of CPU and wall time."""
    ours, theirs = found["handgrad"], found["scikit-learn"]
    cpu, wall = (ratio(found, "scikit-learn", key) for key in ("cpu", "wall"))
    cells = [name, f"{x.shape[0]:,} x {x.shape[1]}"]
    cells += [spread([f.score for f in fits]) for fits in (ours, theirs)]
    cells += [f"{statistics.median(f.epochs for f in fits):.0f}" for fits in (ours, theirs)]
    cells += [f"{statistics.median(f.cpu for f in fits):.2f}" for fits in (found["first"], ours, theirs)]
    cells += [f"{cpu:.1f}", f"{wall:.1f}"]
    if found["Keras"]:
        score = statistics.mean(f.score for f in found["Keras"])
        cells += [f"{score:.3f}", f"{ratio(found, 'Keras', 'cpu'):.0f}"]
    else:
        cells += ["-", "-"]
    return f"| {' | '.join(cells)} |", cpu, wall


def spread(scores: list[float]) -> str:
    return f"{statistics.mean(scores):.3f} ± {statistics.stdev(scores):.3f}"


def differ(found: dict[str, list[Fit]]) -> bool:
    """Whether the mean scores are further apart than the seeds' spread, the larger of the two."""
    ours, theirs = ([f.score for f in found[name]] for name in ("handgrad", "scikit-learn"))
    return statistics.mean(theirs) - statistics.mean(ours) > max(map(statistics.stdev, (ours, theirs)))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--out", type=Path, default=Path(__file__).parent / "ESTIMATORS.md")
    out = asked.parse_args().out
    import sklearn
    from threadpoolctl import threadpool_limits

    warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
    os.environ |= {"HANDGRAD_THREADS": "1"}
    os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    others, rows, cpus, walls, worse = Others(), [], [], [], []
    with tempfile.TemporaryDirectory() as cache, threadpool_limits(1):
        os.environ["HANDGRAD_CACHE"] = cache
        for name, (x, y, is_classes) in data_sets().items():
            found = measured(x, y, is_classes)
            row, cpu, wall = line(name, x, found)
            print(row, flush=True)
            rows.append(row)
            cpus.append(cpu)
            walls.append(wall)
            worse += [name] * differ(found)
    said = f"worse by more than that on {', '.join(worse)}" if worse else "worse by more than that on none"
    columns = "data, size, score of handgrad, scikit-learn, epochs, , first fit, fit, scikit-learn, CPU, wall"
    columns += ", score of Keras, CPU"
    keras = (
        f"Keras {importlib.metadata.version('keras')} on JAX is of {FIRST} seeds, its compiling included."
        if has_keras()
        else "Keras was not run: it was not installed."
    )
    head = f"| {' | '.join(columns.split(', '))} |"
    out.write_text(
        f"""# Estimators beside scikit-learn's

{processor()}, one thread, float64, scikit-learn {sklearn.__version__}; seeds 0 to {SEEDS[-1]}. {others}
`python -m bench.estimators` made this.

100 hidden units, Adam 1e-3, batches of about 200, at most 200 epochs, the same rule to stop by. Scores,
accuracy or R² of the quarter held out, are means ± standard deviations over the seeds: handgrad's is {said}.
Times are medians, CPU seconds; the first fit compiles, where that is worth it, the others find its code on
disk. CPU and wall are scikit-learn's time over handgrad's, the median over the seeds; the last column is
Keras' CPU time over handgrad's. {keras}

Small sets, wine and diabetes: what is not worth compiling NumPy computes, in a straight line of its calls, as
scikit-learn's own loop does; beside these calls there are the trace (10 ms), the first steps, which go rule
by rule, and the figures of each epoch. Native code takes wine 0.05 s where it is on the disk, and 1.3 s to
get there, which a first fit does not get back; to count on the disk would make results hang on what is there.

{head}
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

At the median of the data sets scikit-learn takes {statistics.median(cpus):.1f} times as long (CPU;
{statistics.median(walls):.1f} by the wall clock).
"""
    )


if __name__ == "__main__":
    main()
