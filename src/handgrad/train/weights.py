"""How much each example counts: weights that are given, or made of those of the classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, size
from handgrad.tree import leaves, tree_map


class Weighted(NamedTuple):
    """Targets (N, ...) with a weight for each, w (N,)."""

    t: Any
    w: Any


def count(t: Any) -> int:
    """How many targets there are."""
    return len(leaves(t)[0])


def rows(t: Any, index: Any) -> Any:
    """The targets at some places, with their weights."""
    return tree_map(lambda a: a[index], t)


def without_weights(t: Any) -> Any:
    return t.t if isinstance(t, Weighted) else t


def weighted_loss(loss: Callable, y: Any, t: Any) -> Any:
    """loss(y, t); with weights Σ w·l / N, where l (N, ...) are the losses of the examples, or their means.

    The loss must give these: ``loss(y, t, reduction="none")``, as all losses of ``handgrad.rules`` do.
    """
    if not isinstance(t, Weighted):
        return loss(y, t)
    each = loss(y, t.t, reduction="none")
    return rules.sum(each * t.w.reshape(shape(t.w) + (1,) * (len(shape(each)) - 1))) / max(size(each), 1)


def check_weighable(loss: Callable) -> None:
    """Whether a loss gives one number for each example, so that they can be weighed.

    Raises:
        TypeError: it has no ``reduction``.
    """
    try:
        parameters = inspect.signature(getattr(loss, "body", loss)).parameters
    except (TypeError, ValueError):
        return
    if "reduction" not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise TypeError(
            "weights need the loss of each example: a loss that takes reduction='none', as "
            "handgrad.softmax_cross_entropy does, or that passes it on: def loss(y, t, reduction='mean')"
        )


def weights_of(t: np.ndarray, sample_weight: Any, class_weight: Any) -> np.ndarray | None:
    """The weight of each example, float64 (N,), their mean 1; None where neither is given.

    Args:
        sample_weight: numbers from 0 on, (N,).
        class_weight: of class indices t (N,), "balanced" for N / (C·how many), or a number for each class: in
            a list, or in a dict, in which a class that is not named has 1. The two are multiplied.

    Raises:
        TypeError, ValueError: they are no such numbers, or all 0; or t are no class indices.
    """
    if sample_weight is None and class_weight is None:
        return None
    w = np.ones(len(t)) if sample_weight is None else _sample_weights(sample_weight, len(t))
    if class_weight is not None:
        w = w * _class_weights(class_weight, t)[t]
    mean = w.mean()
    if not mean > 0:
        raise ValueError("all weights are 0: there is nothing to learn from")
    return w / mean


def _sample_weights(given: Any, n: int) -> np.ndarray:
    w = np.asarray(given)
    if w.dtype.kind not in "biuf" or w.shape != (n,):
        raise ValueError(f"sample_weight is one number for each of {n:,} examples, not {w.dtype} {w.shape}")
    w = w.astype(np.float64)
    if not np.isfinite(w).all() or (w < 0).any():
        raise ValueError("sample_weight holds numbers that are negative or not finite")
    return w


def _class_weights(given: Any, t: np.ndarray) -> np.ndarray:
    """A number for each class, (C,)."""
    if t.dtype.kind not in "iub" or t.ndim != 1:
        raise TypeError(f"class_weight needs class indices (N,), and the targets are {t.dtype} {t.shape}")
    C = int(t.max()) + 1
    if isinstance(given, str):
        if given != "balanced":
            raise ValueError(f"class_weight is 'balanced', or numbers by class, not {given!r}")
        counts = np.bincount(t, minlength=C)
        return len(t) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    if isinstance(given, Mapping):
        weights = np.ones(max([C, *(int(c) + 1 for c in given)]))
        for c, weight in given.items():
            weights[int(c)] = weight
    else:
        weights = np.asarray(given, np.float64)
    if weights.ndim != 1 or len(weights) < C or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(f"class_weight is a number from 0 on for each of {C} classes, not {given!r}")
    return weights
