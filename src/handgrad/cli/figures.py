"""How good predictions are, in figures and in words."""

from __future__ import annotations

import numpy as np


def figures(outputs: np.ndarray, t: np.ndarray, classes: tuple[str, ...] | None) -> dict[str, float]:
    """Accuracy of probabilities (N, C) for labels (N,); without classes RMSE and R², in t's units."""
    if classes is not None:
        return {"test accuracy": float(np.mean(outputs.argmax(axis=1) == t))}
    t = t.reshape(len(t), -1)
    squares = float(np.sum((outputs - t) ** 2))
    spread = float(np.sum((t - t.mean(axis=0)) ** 2))
    r2 = {"R²": 1 - squares / spread} if spread else {}  # of a constant there is none
    return {"RMSE": (squares / t.size) ** 0.5, **r2}


def told(found: dict[str, float]) -> str:
    return ", ".join(
        f"{name} {100 * value:.2f} %" if "accuracy" in name else f"{name} {value:.4g}"
        for name, value in found.items()
    )
