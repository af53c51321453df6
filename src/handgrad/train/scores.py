"""Figures of all examples at once, which are no means over examples: AUC, F1, R², calibration.

Each is a function (y, t) -> number of a network's outputs, NumPy's y (N, ...), and of the targets. Trainers
measure them in validation and in ``evaluate``, not step by step.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from handgrad.optim.checks import checked_count

AVERAGES = ("macro", "weighted", "micro")


class Score:
    """Base of all; a class of your own below it has a ``__call__(y, t)``.

    Examples:
        >>> issubclass(hg.train.AUC, hg.train.Score)
        True

    Examples:
        >>> class Worst(hg.train.Score):
        ...     def __call__(self, y, t):
        ...         return float(np.max(np.abs(y - t)))
        >>> Worst()(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
        3.0
    """

    def __call__(self, y: np.ndarray, t: np.ndarray) -> float:
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class AUC(Score):
    """The area under the curve of true against false positives: how often, of one example of the class and
    one that is not, the first has the larger output, half for ties.

    y (N, 2), (N, 1) or (N,), t (N,) in {0, 1}; y (N, C), t (N,) or one-hot: each class against the rest, the
    mean over the classes, of softmax(y) where C > 2; y (N, M) and t (N, M) of zeros and ones: the mean over
    M. nan where a class has no example, or all.

    Hanley & McNeil 1982

    Examples:
        >>> y, t = np.array([[0.0, 0.1], [0.0, 0.4], [0.0, 0.35], [0.0, 0.8]]), np.array([0, 0, 1, 1])
        >>> float(hg.train.AUC()(y, t))
        0.75

    Examples:
        >>> hg.train.AUC()(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
        0.75
    """

    def __call__(self, y: np.ndarray, t: np.ndarray) -> float:
        y, t = flat(y), np.asarray(t)
        if t.ndim == 2 and t.shape[1] == 1:
            t = t[:, 0]
        if t.ndim == 2:
            columns = [(y[:, j], t[:, j] > 0) for j in range(t.shape[1])]
        elif y.shape[1] == 1:
            columns = [(y[:, 0], t > 0)]
        elif y.shape[1] == 2:
            columns = [(y[:, 1] - y[:, 0], t == 1)]
        else:
            p = softmax(y)
            columns = [(p[:, c], t == c) for c in range(y.shape[1])]
        return float(np.mean([area(score, is_positive) for score, is_positive in columns]))


def area(score: np.ndarray, is_positive: np.ndarray) -> float:
    """By the sum of the positives' ranks, of which ties share the mean: Mann & Whitney's U / (n₁·n₀)."""
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    n1 = int(is_positive.sum())
    n0 = len(score) - n1
    return float((ranks[is_positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0)) if n1 and n0 else math.nan


@dataclasses.dataclass(frozen=True)
class F1(Score):
    """2·precision·recall / (precision + recall) = 2·hits / (said + true), 0 where a class is neither.

    ``average`` over the classes that are said or true: "macro" their mean, "weighted" by how many examples
    they have, "micro" of all hits together. Of y (N, M) and t (N, M) of zeros and ones, said where y > 0.

    Examples:
        >>> y, t = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), np.array([1, 0, 0])
        >>> round(float(hg.train.F1()(y, t)), 4)  # precision 1/2 and recall 1, and the other way round
        0.6667

    Examples:
        >>> hg.train.F1("micro")(np.eye(3)[[0, 1, 1, 2]], np.array([0, 1, 2, 2]))
        0.75
    """

    average: str = "macro"

    def __post_init__(self) -> None:
        if self.average not in AVERAGES:
            raise ValueError(f"F1: average is one of {', '.join(AVERAGES)}, not {self.average!r}")

    def __call__(self, y: np.ndarray, t: np.ndarray) -> float:
        said, true = membership(flat(y), np.asarray(t))
        seen = (said | true).any(axis=0) if np.asarray(t).ndim == 1 else np.full(said.shape[1], True)
        hits, told, right = ((a[:, seen]).sum(axis=0) for a in (said & true, said, true))
        if self.average == "micro":
            return float(2 * hits.sum() / max((told + right).sum(), 1))
        each = 2 * hits / np.maximum(told + right, 1)
        weights = right if self.average == "weighted" else np.ones(len(each))
        return float((each * weights).sum() / max(weights.sum(), 1))


def membership(y: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which classes are said and which are true, bool (N, C)."""
    if t.ndim == 2 and t.shape[1] > 1:
        return y > 0, t > 0
    C = max(y.shape[1], 2)
    said = (y[:, 0] > 0).astype(int) if y.shape[1] == 1 else y.argmax(axis=1)
    places = np.arange(C)
    return said[:, None] == places, t.reshape(-1, 1) == places


@dataclasses.dataclass(frozen=True)
class R2(Score):
    """1 - Σ(y - t)² / Σ(t - mean t)², the mean over the targets; nan where one is constant.

    Examples:
        >>> float(hg.train.R2()(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])))
        1.0

    Examples:
        >>> hg.train.R2()(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
        0.5
    """

    def __call__(self, y: np.ndarray, t: np.ndarray) -> float:
        y, t = flat(y), np.asarray(t, np.float64).reshape(len(t), -1)
        spread = ((t - t.mean(axis=0)) ** 2).sum(axis=0)
        if not spread.all():
            return math.nan
        return float(np.mean(1 - ((y - t) ** 2).sum(axis=0) / spread))


@dataclasses.dataclass(frozen=True)
class CalibrationError(Score):
    """How far probabilities are from how often they are right: Σ n_b / N·|right - said| over ``bins`` of
    equal width.

    y (N, C) with t (N,): of the class that is said, by softmax; y (N,) or (N, 1) with t in {0, 1}: of class
    1, by 1 / (1 + e⁻ʸ).   Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017

    Examples:
        >>> y, t = np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([0, 1])
        >>> float(hg.train.CalibrationError()(y, t))  # says a half, and is right half of the time
        0.0

    Examples:
        >>> hg.train.CalibrationError(2)(np.zeros(4), np.array([0, 1, 0, 1]))  # says 1/2, right in 1/2
        0.0
    """

    bins: int = 15

    def __post_init__(self) -> None:
        checked_count("CalibrationError: bins", self.bins)

    def __call__(self, y: np.ndarray, t: np.ndarray) -> float:
        y, t = flat(y), np.asarray(t).reshape(len(t))
        if y.shape[1] == 1:
            said, right = 1 / (1 + np.exp(-np.clip(y[:, 0], -700, 700))), t > 0
        else:
            p = softmax(y)
            said, right = p.max(axis=1), y.argmax(axis=1) == t
        place = np.minimum((said * self.bins).astype(int), self.bins - 1)
        gaps = np.bincount(place, right - said, self.bins)  # n_b·(right - said) in each
        return float(np.abs(gaps).sum() / len(t))


def flat(y: Any) -> np.ndarray:
    """Outputs as float64 (N, M)."""
    y = np.asarray(y, np.float64)
    return y.reshape(len(y), -1)


def softmax(y: np.ndarray) -> np.ndarray:
    e = np.exp(y - y.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def parted(metrics: Mapping[str, Any] | None) -> tuple[dict[str, Any] | None, dict[str, Score]]:
    """Metrics of one number an example, and scores of all examples; None where nothing was said."""
    if metrics is None:
        return None, {}
    scores = {name: f for name, f in metrics.items() if isinstance(f, Score)}
    return {name: f for name, f in metrics.items() if name not in scores}, scores
