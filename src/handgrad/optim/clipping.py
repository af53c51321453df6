"""Gradients held within bounds: pure functions of a dict of gradients by name."""

from __future__ import annotations

from typing import Any

from handgrad.arrays import cast, xp


def norm(grads: dict[str, Any]) -> Any:
    """The Euclidean norm of all gradients as one vector."""
    return sum(xp.sum(dp * dp) for dp in grads.values()) ** 0.5


def clip_by_norm(grads: dict[str, Any], max_norm: float) -> dict[str, Any]:
    """All gradients scaled by one factor, so that their joint norm is at most ``max_norm``.

    Pascanu, Mikolov & Bengio 2013
    """
    total = norm(grads)
    factor = xp.minimum(max_norm / (total + 1e-6), 1.0)
    return {name: dp * cast(factor, like=dp) for name, dp in grads.items()}


def clip_by_value(grads: dict[str, Any], limit: float) -> dict[str, Any]:
    """Each element held within ±limit."""
    return {name: xp.clip(dp, -limit, limit) for name, dp in grads.items()}
