"""How large the gradient of each parameter is: what tells a layer that learns from one out of reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.layers import Layer
from handgrad.tape import grad
from handgrad.train.measuring import PASSES, Repeated

GRADIENT_NORM = "gradient_norm."  # before the names of the parameters


def gradient_norms(
    loss: Callable, x: Any, t: Any, engine: str | None = None
) -> Callable[[Layer], dict[str, float]]:
    """For ``Trainer(observe=...)``: the norm of the loss's gradient by each parameter, on these examples.

    The network computes as in training, with batch statistics and dropout, and stays as it was.

    Args:
        engine: "numpy", rule by rule; if not said, native code where that takes less time.

    Returns:
        A function of a network, which gives ``{"gradient_norm.1.W": ..., ...}``.

    Examples:
        >>> net, x, t = hg.layers.mlp([2, 3], seed=0), np.ones((4, 2), np.float32), np.zeros(4, int)
        >>> observe = hg.train.gradient_norms(hg.softmax_cross_entropy, x, t, engine="numpy")
        >>> sorted(observe(net))
        ['gradient_norm.1.W', 'gradient_norm.1.b']
    """

    repeated = Repeated(engine)

    def norms(net: Layer) -> dict[str, float]:
        def grads_of(params: dict[str, Any], states: dict[str, Any], x: Any, t: Any) -> Any:
            return grad(lambda params: loss(net.bind(params, states).train()(x), t))(params)

        args = (net.parameters(), net.states(), x, t)
        with np.errstate(all="ignore"):  # what overflows is told as it is
            grads = repeated.made(grads_of, args, PASSES)(*args)
            return {GRADIENT_NORM + name: norm(dp) for name, dp in grads.items()}

    return norms


def norm(x: Any) -> float:
    """The square root of the sum of all squares."""
    return float(np.sqrt(np.sum(np.square(np.asarray(x, np.float64)))))
