"""Gradients held within bounds: pure functions of a dict of gradients by name."""

from __future__ import annotations

from typing import Any

from handgrad.arrays import cast, xp


def norm(grads: dict[str, Any]) -> Any:
    """The Euclidean norm of all gradients as one vector.

    Examples:
        >>> print(hg.optim.norm({"W": np.array([3.0]), "b": np.array([4.0])}))
        5.0
    """
    return sum(xp.sum(dp * dp) for dp in grads.values()) ** 0.5


def clip_by_norm(grads: dict[str, Any], max_norm: float) -> dict[str, Any]:
    """All gradients scaled by one factor, so that their joint norm is at most ``max_norm``.

    Pascanu, Mikolov & Bengio 2013

    Examples:
        >>> hg.optim.clip_by_norm({"W": np.array([3.0, 4.0])}, 1.0)["W"].round(6).tolist()
        [0.6, 0.8]
    """
    total = norm(grads)
    factor = xp.minimum(max_norm / (total + 1e-6), 1.0)
    return {name: dp * cast(factor, like=dp) for name, dp in grads.items()}


def clip_by_value(grads: dict[str, Any], limit: float) -> dict[str, Any]:
    """Each element held within ±limit.

    Examples:
        >>> hg.optim.clip_by_value({"W": np.array([3.0, -4.0, 0.5])}, 1.0)["W"].tolist()
        [1.0, -1.0, 0.5]
    """
    return {name: xp.clip(dp, -limit, limit) for name, dp in grads.items()}
