"""Arrays of a kernel's library, in its dtype: made of NumPy's float64 and seen as such again."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from types import ModuleType
from typing import Any

import numpy as np

from handgrad.checking.forms.arrays import is_of
from handgrad.checking.kernels.arithmetic import FORMATS, Format
from handgrad.checking.memory import enclosed, names_of
from handgrad.tree import leaves


class Library:
    """NumPy's arrays, bfloat16 by the package ml_dtypes."""

    name = "numpy"

    def dtype(self, name: str) -> Any:
        if name != "bfloat16":
            return np.dtype(name)
        try:
            import ml_dtypes
        except ImportError:
            raise ValueError(
                "NumPy has no bfloat16 of its own: install ml_dtypes, or give PyTorch's or JAX's arrays"
            ) from None
        return np.dtype(ml_dtypes.bfloat16)

    def made(self, x: Any, dtype: str) -> Any:
        """An array of values that the dtype holds; whole numbers and others as they are."""
        return x.astype(self.dtype(dtype)) if is_floating(x) else _copied(x)

    def seen(self, x: Any) -> np.ndarray:
        """A copy in float64; whole numbers as they are."""
        x = np.asarray(x)
        return x.copy() if x.dtype.kind in "iub" else x.astype(np.float64)

    def dtype_of(self, x: Any) -> str:
        return str(np.asarray(x).dtype)

    def span(self, x: Any) -> tuple[int, int]:
        """Where its memory begins and ends."""
        bounds = getattr(np.lib, "array_utils", np).byte_bounds
        return bounds(x) if isinstance(x, np.ndarray) and x.size else (0, 0)

    def apart(self, x: Any) -> Any:
        """The same values, every other element of a larger array: no kernel may count on their being side
        by side."""
        if not hasattr(x, "shape") or not x.shape:
            return x
        wide = self.empty((*x.shape[:-1], 2 * x.shape[-1]), x)
        wide[...] = 0
        wide[..., ::2] = x
        return wide[..., ::2]

    def empty(self, shape: tuple[int, ...], like: Any) -> Any:
        return np.empty(shape, like.dtype)

    def poison(self, sizes: list[tuple[int, ...]], dtype: str) -> None:
        """Memory that is free again, full of nan: what a kernel leaves unwritten shows."""
        for shape in sizes:
            self.made(np.full(shape, np.nan), dtype)


class TorchLibrary(Library):
    """PyTorch's tensors, on a device."""

    name = "torch"

    def __init__(self, device: str = "cpu"):
        self.device = device

    def dtype(self, name: str) -> Any:
        return getattr(_torch(), name)

    def made(self, x: Any, dtype: str) -> Any:
        if not isinstance(x, (np.ndarray, np.generic)):
            return x
        made = _torch().from_numpy(np.array(x))
        return made.to(self.device, self.dtype(dtype)) if is_floating(x) else made.to(self.device)

    def seen(self, x: Any) -> np.ndarray:
        torch = _torch()
        if not isinstance(x, torch.Tensor):
            return super().seen(x)
        x = x.detach()
        return (x.double() if x.is_floating_point() else x.clone()).cpu().numpy()

    def dtype_of(self, x: Any) -> str:
        return str(x.dtype).removeprefix("torch.") if hasattr(x, "dtype") else super().dtype_of(x)

    def span(self, x: Any) -> tuple[int, int]:
        if not isinstance(x, _torch().Tensor) or not x.numel():
            return (0, 0)
        last = sum((n - 1) * s for n, s in zip(x.shape, x.stride(), strict=True))
        return (x.data_ptr(), x.data_ptr() + (last + 1) * x.element_size())

    def empty(self, shape: tuple[int, ...], like: Any) -> Any:
        return _torch().empty(shape, dtype=like.dtype, device=like.device)


class JaxLibrary(Library):
    """JAX's arrays, which nobody can write into, and which lie side by side."""

    name = "jax"

    def made(self, x: Any, dtype: str) -> Any:
        made = super().made(x, dtype)
        return sys.modules["jax"].numpy.asarray(made) if isinstance(made, (np.ndarray, np.generic)) else made

    def span(self, x: Any) -> tuple[int, int]:
        return (0, 0)

    def apart(self, x: Any) -> Any:
        return x


def is_floating(x: Any) -> bool:
    """Whether this is an array of float64, as a check keeps what it rounds."""
    return isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "f"


def _copied(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _torch() -> Any:
    import torch

    return torch


def library(name: str) -> Library:
    """By its name: numpy, jax, torch, or torch:cuda.

    Raises:
        ValueError: it is none of these, or not installed.
    """
    kind, _, device = name.partition(":")
    if kind not in ("numpy", "torch", "jax"):
        raise ValueError(f"arrays are numpy, torch, torch:cuda or jax, not {name!r}")
    with contextlib.suppress(ImportError):
        if kind == "torch":
            _torch()
            return TorchLibrary(device or "cpu")
        if kind == "jax":
            importlib.import_module("jax")
            return JaxLibrary()
        return Library()
    raise ValueError(f"{kind} is not installed")


def library_of(f: Any, inputs: tuple = ()) -> str:
    """The library whose arrays a function takes: that of its inputs, else what its code names."""
    for x in leaves(list(inputs)):
        if is_of("torch", "Tensor", x):
            return f"torch:{x.device}"
        if is_of("jax", "Array", x):
            return "jax"
    named: set[str] = set()
    for part in f if isinstance(f, (tuple, list)) else [f]:
        named |= _libraries_named(part, set())
    return next((name for name in ("torch", "jax") if name in named), "numpy")


def _libraries_named(f: Any, seen: set[int]) -> set[str]:
    """The libraries that a function, or an object's methods, are of, or name in their code."""
    if id(f) in seen or f is None:
        return set()
    seen.add(id(f))
    kinds = f.__mro__ if isinstance(f, type) else type(f).__mro__
    found = {(getattr(x, "__module__", None) or "").partition(".")[0] for x in (f, *kinds)}
    code = getattr(inspect.unwrap(f), "__code__", None) if callable(f) else None
    if code is None:
        methods = [getattr(f, name, None) for name in ("forward", "backward", "__call__")]
        return found.union(*(_libraries_named(m, seen) for m in methods if hasattr(m, "__code__")))
    scope = getattr(inspect.unwrap(f), "__globals__", {})
    for used in (*(scope.get(name) for name in names_of(code)), *enclosed(inspect.unwrap(f))):
        if isinstance(used, ModuleType):
            found.add(used.__name__.partition(".")[0])
        elif callable(used):
            found |= _libraries_named(used, seen)
    return found


def format_of(dtype: str | None, inputs: tuple, library: Library) -> Format:
    """The format that is asked for, or that the inputs have.

    Raises:
        ValueError: it is none that kernels are checked in.
    """
    floating = [library.dtype_of(x) for x in leaves(list(inputs)) if "float" in library.dtype_of(x)]
    name = dtype or next(
        iter(sorted(set(floating), key=lambda n: FORMATS[n].bits if n in FORMATS else 99)), "none"
    )
    if name not in FORMATS:
        raise ValueError(
            f"a kernel is checked in {', '.join(FORMATS)}, not in {name}: give dtype=; a backward in float64 "
            f"is what handgrad.check is for"
        )
    return FORMATS[name]


def rounded_to(x: np.ndarray, dtype: str) -> np.ndarray:
    """Values that a dtype holds, in float64."""
    if dtype == "bfloat16":
        bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
        bits = (bits + np.uint64(0x7FFF) + ((bits >> np.uint64(16)) & np.uint64(1))) & np.uint64(0xFFFF0000)
        return np.where(np.isfinite(x), bits.astype(np.uint32).view(np.float32), x).astype(np.float64)
    return x.astype(dtype).astype(np.float64)
