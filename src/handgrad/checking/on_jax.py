"""A rule as it runs on JAX's arrays, so that it is checked on the device that JAX has."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.tape import vjp
from handgrad.tree import tree_map


def on_jax(f: Callable) -> Callable:
    """``f`` as a function (x, ...) -> (out, backward) of NumPy's arrays that computes on JAX's, in float64.

    Raises:
        ImportError: there is no JAX.
        TypeError: ``f`` is not called with arrays.
    """
    if importlib.util.find_spec("jax") is None:
        raise ImportError("arrays of JAX need JAX: pip install jax")
    if not callable(f):
        raise TypeError(f"a rule, or a function of rules, is run on JAX's arrays, not {type(f).__name__}")
    import jax
    import jax.numpy as jnp

    def placed(x: Any) -> Any:
        return jnp.asarray(x) if isinstance(x, np.ndarray) else x

    def forward(*args: Any) -> tuple[Any, Callable]:
        with jax.enable_x64(True):
            out, backward = vjp(f, *tree_map(placed, args))

        def back(dout: Any) -> Any:
            with jax.enable_x64(True):
                return tree_map(np.asarray, backward(tree_map(placed, dout)))

        return tree_map(np.asarray, out), back

    name = getattr(f, "name", None) or getattr(f, "__name__", type(f).__name__)
    forward.__name__ = forward.__qualname__ = f"{name} on {jax.devices()[0].device_kind} by JAX"
    return forward
