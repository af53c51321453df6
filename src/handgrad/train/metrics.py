"""What is told of a network beside its loss: functions (outputs, targets) -> one number per example."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import shape, size, xp
from handgrad.optim.checks import checked_count

Metric = Callable[[Any, Any], Any]


def per_example(name: str, metric: Metric, y: Any, t: Any) -> Any:
    """What a metric gives for a mini-batch: a number for each example, whose mean over all is reported.

    Raises:
        ValueError: it gives something else, of which there is no mean over examples.
    """
    figures = metric(y, t)
    if len(shape(figures)) == 0 or size(figures) != shape(t)[0] or shape(figures)[0] != shape(t)[0]:
        raise ValueError(
            f"the metric {name} gives an array of shape {shape(figures)} for a mini-batch of {shape(t)[0]} "
            f"examples: it must give one number for each, shape ({shape(t)[0]},), and take no mean itself; "
            f"what is reported is the mean over all examples"
        )
    return figures


def correct(y: Any, t: Any) -> np.ndarray:
    """1 where the largest output is the labelled class.   y (N, C), t (N,) or (N, C) -> (N,)

    Of y (N, ..., C) and t (N, ...), as of each place in a text, the mean over an example's places.

    Examples:
        >>> print(hg.train.correct(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1])))
        [1. 0.]
    """
    labels = first_largest(t) if len(shape(t)) == len(shape(y)) else t
    hits = xp.astype(first_largest(y) == labels, np.float64)
    places = tuple(range(1, len(shape(hits))))
    return xp.sum(hits, axis=places) / math.prod(shape(hits)[1:]) if places else hits


@dataclasses.dataclass(frozen=True)
class TopK:
    """1 where the labelled class is among the k with the largest outputs, or ties with the last of them.

    y (N, C), t (N,) -> (N,)

    Examples:
        >>> y = np.array([[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]])
        >>> print(hg.train.TopK(2)(y, np.array([1, 0])))
        [1. 0.]

    Examples:
        >>> hg.train.TopK(2)(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), np.array([1, 2])).tolist()
        [1.0, 0.0]
    """

    k: int = 5

    def __post_init__(self) -> None:
        checked_count("TopK: k", self.k)

    def __call__(self, y: Any, t: Any) -> Any:
        is_true = xp.arange_like(y, shape(y)[-1]) == t[..., None]
        own = xp.sum(xp.where(is_true, y, 0), axis=-1, keepdims=True)
        larger = xp.sum(xp.astype(y > own, np.float64), axis=-1)
        return xp.astype(larger < self.k, np.float64)


def first_largest(y: Any) -> Any:
    """The class with the largest output, the first of those that tie.   (..., C) -> (...)"""
    C = shape(y)[-1]
    is_largest = y == xp.max(y, axis=-1, keepdims=True)
    return xp.min(xp.where(is_largest, xp.arange_like(y, C), C), axis=-1)


def default_metrics(t: Any) -> dict[str, Metric]:
    """Accuracy for class indices (N,) and one-hot integers (N, C); nothing beside the loss for others."""
    first = np.asarray(t[:1])
    is_labels = first.dtype.kind in "iub" and (first.ndim == 1 or first.shape[-1] > 1)
    return {"accuracy": correct} if is_labels else {}


def confusion_counts(predicted: Any, labels: Any, classes: int) -> np.ndarray:
    """How often each class (row) was taken for each (column).   (N,), (N,) -> (C, C)

    Examples:
        >>> hg.train.confusion_counts(np.array([0, 1, 1]), np.array([0, 1, 0]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    return np.bincount(np.asarray(labels) * classes + predicted, minlength=classes**2).reshape(
        classes, classes
    )


def measured(metrics: dict[str, Metric] | None, y: Any, t: Any) -> dict[str, Any]:
    """Of each metric one number for each example."""
    return {name: per_example(name, metric, y, t) for name, metric in (metrics or {}).items()}
