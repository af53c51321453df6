"""Whose arrays a target takes: NumPy's, PyTorch's or JAX's. The checker itself keeps NumPy's."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from handgrad.arrays import is_floating
from handgrad.checking.subject import as_float64
from handgrad.tree import leaves, tree_map, unflatten


class Arrays:
    """NumPy's: handed on as they are."""

    def kept(self, x: Any) -> Any:
        """An input as the checker keeps it: float64 where it is floating."""
        return as_float64(x)

    def given(self, x: Any) -> Any:
        """A kept array as the target takes it."""
        return x

    def seen(self, x: Any) -> Any:
        """What the target returns, as the checker sees it."""
        return x

    def handed(self, tree: Any, values: list[Any]) -> Any:
        """Kept values in the structure of a tree, as the target takes them."""
        return unflatten(tree, [self.given(x) for x in values])

    def precise(self) -> contextlib.AbstractContextManager:
        """Inside, the library computes in 64 bits."""
        return contextlib.nullcontext()


class TorchArrays(Arrays):
    """PyTorch's tensors, in float64."""

    def kept(self, x: Any) -> Any:
        torch = sys.modules["torch"]
        if not isinstance(x, torch.Tensor):
            return as_float64(x)
        x = x.detach().cpu()
        return x.double().numpy().copy() if x.is_floating_point() else x.numpy().copy()

    def given(self, x: Any) -> Any:
        if not isinstance(x, (np.ndarray, np.generic)):
            return x
        torch = sys.modules["torch"]
        try:
            return torch.from_numpy(np.asarray(x))
        except (ValueError, TypeError):  # read-only, or of negative strides
            return torch.from_numpy(np.array(x))

    def seen(self, x: Any) -> Any:
        torch = sys.modules["torch"]
        if not isinstance(x, torch.Tensor):
            return x
        x = x if x.layout is torch.strided else x.detach().to_dense()
        return x.numpy(force=True)

    def handed(self, tree: Any, values: list[Any]) -> Any:
        if any(map(np.iscomplexobj, values)):  # PyTorch mixes no dtypes
            values = [x.astype(complex) if is_floating(x) else x for x in values]
        return super().handed(tree, values)


class JaxArrays(Arrays):
    """JAX's arrays, in 64 bits."""

    def kept(self, x: Any) -> Any:
        return as_float64(np.asarray(x) if isinstance(x, sys.modules["jax"].Array) else x)

    def given(self, x: Any) -> Any:
        return sys.modules["jax"].numpy.array(x) if isinstance(x, (np.ndarray, np.generic)) else x

    def seen(self, x: Any) -> Any:
        return np.asarray(x) if isinstance(x, sys.modules["jax"].Array) else x

    def precise(self) -> contextlib.AbstractContextManager:
        return sys.modules["jax"].enable_x64(True)


NUMPY = Arrays()


def arrays_of(*things: Any) -> Arrays:
    """Those of the library that the first foreign array among these belongs to; else NumPy's."""
    for x in leaves(list(things)):
        if is_of("torch", "Tensor", x):
            return TorchArrays()
        if is_of("jax", "Array", x):
            return JaxArrays()
    return NUMPY


def is_of(library: str, kind: str, x: Any) -> bool:
    """Whether x is of a class of a library, which is not imported to find out."""
    found = getattr(sys.modules.get(library), kind, None)
    return found is not None and isinstance(x, found)


def asked_for(inputs: Iterable[Any]) -> list[bool]:
    """Which inputs a gradient is wanted of: all that are floating, but of tensors those that require one,
    where any does."""
    flat = leaves(list(inputs))
    chosen = [getattr(x, "requires_grad", None) is True for x in flat]
    return [is_floating(x) and (wanted or not any(chosen)) for x, wanted in zip(flat, chosen, strict=True)]


def kept_tree(arrays: Arrays, inputs: tuple) -> list[Any]:
    """The inputs as the checker keeps them."""
    return tree_map(arrays.kept, list(inputs))
