"""How good predictions are, in figures and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from handgrad.train import Run


def figures(
    outputs: np.ndarray,
    t: np.ndarray,
    classes: tuple[str, ...] | None,
    targets: tuple[str, ...] | None = None,
) -> dict[str, float]:
    """Accuracy of probabilities (N, C) for labels (N,); without classes RMSE and R², in t's units, of several
    targets for each. Of several labels (N, M), how many are right, and of how many examples all are.
    """
    if classes is not None:
        return {"test accuracy": float(np.mean(outputs.argmax(axis=1) == t))}
    if t.dtype == np.bool_:
        right = (outputs > 0.5) == t
        found = {"labels": right.mean(), "examples": right.all(axis=1).mean()}
        return {f"test accuracy of {what}": float(share) for what, share in found.items()}
    if targets is not None:
        parts = {name: figures(outputs[:, i], t[:, i], None) for i, name in enumerate(targets)}
        return {f"{what} of {name}": value for name, each in parts.items() for what, value in each.items()}
    outputs, t = outputs.reshape(len(t), -1), t.reshape(len(t), -1)
    squares = float(np.sum((outputs - t) ** 2))
    spread = float(np.sum((t - t.mean(axis=0)) ** 2))
    r2 = {"R²": 1 - squares / spread} if spread else {}  # of a constant there is none
    return {"RMSE": (squares / t.size) ** 0.5, **r2}


def taken_for_what(run: Run, outputs: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """How often each class was taken for each, and their names; of labels, how often true for false.

    outputs: (N, C), the largest of the class that it was taken for; or (N, M), positive for true.
    """
    from handgrad.train import confusion_counts

    if run.task == "classification":
        return confusion_counts(outputs.argmax(axis=1), t, len(run.names)), run.names
    return confusion_counts((outputs > 0).ravel().astype(int), t.ravel().astype(int), 2), ("false", "true")


def told(found: dict[str, float]) -> str:
    return ", ".join(
        f"{name} {100 * value:.2f} %" if "accuracy" in name else f"{name} {value:.4g}"
        for name, value in found.items()
    )
