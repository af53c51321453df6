"""The names that people give an object's forward and backward."""

from __future__ import annotations

import types
from typing import Any

import numpy as np

FORWARDS = (
    *(("forward", "backward"), ("forward_prop", "back_prop"), ("forward_pass", "backward_pass")),
    *(("forward_propagation", "backward_propagation"), ("forward_propagate", "backward_propagate")),
    *(("fprop", "bprop"), ("feedforward", "backprop"), ("feed_forward", "back_prop"), ("fwd", "bwd")),
    *(("forward_prop", "backward_prop"), ("forwardprop", "backprop"), ("forward", "backprop")),
    *(("forward", "back"), ("forward", "bwd"), ("compute", "gradient"), ("forward", "gradient")),
    *(("__call__", "backward"), ("__call__", "gradient"), ("__call__", "derivative"), ("__call__", "grad")),
)
NETWORKS = (("loss", "gradient"), ("loss", "gradients"), ("loss", "backward"), ("loss", "grad"))  # loss(x, t)


def methods_of(x: Any) -> tuple[str, str] | None:
    """The names of an object's (or a class's) forward and backward; None where it has none.

    ``loss`` twice: a method that returns the loss and its gradients.
    """
    if isinstance(x, (types.FunctionType, types.ModuleType, np.ndarray)) or _is_foreign(x):
        return None
    found = next((two for two in (*FORWARDS, *NETWORKS) if all(_is_method(x, name) for name in two)), None)
    if (
        found is None
        and not isinstance(x, type)
        and _is_method(x, "loss")
        and isinstance(getattr(x, "params", None), dict)
    ):
        return "loss", "loss"
    return found


def _is_method(x: Any, name: str) -> bool:
    if name == "__call__":  # every class has one
        return (
            "__call__" in dir(x)
            if not isinstance(x, type)
            else any("__call__" in vars(k) for k in x.__mro__[:-1])
        )
    return callable(getattr(x, name, None))


def _is_foreign(x: Any) -> bool:
    """Whether its class is a library's: PyTorch's, JAX's or Python's own."""
    kind = x if isinstance(x, type) else type(x)
    return (kind.__module__ or "").partition(".")[0] in ("torch", "jax", "jaxlib", "builtins", "autograd")


def is_layer(x: Any) -> bool:
    """Whether this is an object with a forward and a backward."""
    return not isinstance(x, type) and methods_of(x) is not None
