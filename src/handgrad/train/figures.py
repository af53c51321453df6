"""The figures of a network in evaluation: its loss, the means of metrics, and scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from handgrad.train.metrics import default_metrics, measured
from handgrad.train.scores import Score
from handgrad.train.step import Step, with_batch
from handgrad.tree import tree_map


def figures(
    step: Step, scores: Mapping[str, Score], outputs: Iterable[tuple[slice, Any]], t: Any
) -> dict[str, float]:
    """The loss without penalty or weights, metrics and scores, of the outputs for the rows of ``t``."""
    metrics, kept = step.metrics, []
    totals: dict[str, float] = {}
    with np.errstate(all="ignore"):
        for here, y in outputs:
            batch_t = step.cast(t[here])
            if metrics is None:
                metrics = default_metrics(t) if hasattr(y, "shape") else {}
            totals = with_batch(totals, step.loss(y, batch_t), measured(metrics, y, batch_t), len(batch_t))
            kept += [y] * bool(scores)
        whole: Any = tree_map(lambda *parts: np.concatenate(parts), *kept) if kept else None
        return means(totals) | {name: float(score(whole, t)) for name, score in scores.items()}


def means(totals: dict[str, float]) -> dict[str, float]:
    """Sums over examples as means."""
    n = max(totals.get("examples", 0.0), 1)
    return {name: value / n for name, value in totals.items() if name != "examples"}
