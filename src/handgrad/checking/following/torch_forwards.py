"""PyTorch's forwards as the line of calls that they make, by its protocol for arrays that are not its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from handgrad.checking.following.trace import Recording, Traced, Untraceable
from handgrad.tree import leaves, tree_map, unflatten

NAMES = {"amax": "max", "mul": "multiply", "div": "divide", "sub": "subtract", "pow": "power"}


class TracedTensor(Traced):
    """A tensor that notes what is done to it."""

    dtype = property(lambda self: torch.float64)
    device = property(lambda self: torch.device("cpu"))

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        tape = next(x.tape for x in leaves([list(args), kwargs or {}]) if isinstance(x, Traced))
        name = function.__name__.strip("_")
        if function.__name__.endswith("_") and not function.__name__.startswith("__"):
            raise Untraceable(f"it writes in place by {function.__name__}")
        return tape.record(NAMES.get(name, name), on_arrays(function), args, kwargs or {})

    def size(self, axis: int | None = None) -> Any:
        return self.value.shape if axis is None else self.value.shape[axis]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not callable(getattr(torch.Tensor, name, None)):
            raise AttributeError(name)
        if name.endswith("_"):
            raise Untraceable(f"it writes in place by {name}")
        function = on_arrays(getattr(torch.Tensor, name))
        return lambda *args, **kwargs: self.tape.record(
            NAMES.get(name, name), function, (self, *args), kwargs
        )

    T = property(lambda self: self.__getattr__("transpose")(0, 1) if self.ndim == 2 else self)
    mT = property(lambda self: self.__getattr__("transpose")(-1, -2))


def on_arrays(function: Callable) -> Callable:
    """The function of tensors as one of arrays."""

    def of_arrays(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = (tree_map(_tensor, x) for x in (list(args), kwargs))
        out = function(*args, **kwargs)
        return (
            unflatten(out, [_array(o) for o in leaves(out)])
            if not hasattr(out, "_fields")
            else tuple(map(_array, out))
        )

    return of_arrays


def _tensor(x: Any) -> Any:
    return torch.from_numpy(np.array(x)) if isinstance(x, (np.ndarray, np.generic)) else x


def _array(x: Any) -> Any:
    return x.detach().resolve_conj().numpy() if isinstance(x, torch.Tensor) else x


class Context:
    """The ``ctx`` of a forward whose backward is not asked for."""

    needs_input_grad = (True,) * 64

    def save_for_backward(self, *tensors: Any) -> None:
        pass

    mark_non_differentiable = mark_dirty = set_materialize_grads = save_for_forward = save_for_backward


def followed(function: Any, given: list[Any], takes_context: bool) -> list[Any]:
    """The outputs of a Function's forward, its calls noted."""
    tape: Recording = next(x.tape for x in given if isinstance(x, Traced))
    tape.kind = TracedTensor
    tensors = [TracedTensor(x.tape, x.value, x.slot) if isinstance(x, Traced) else _tensor(x) for x in given]
    with torch.no_grad():
        out = function.forward(Context(), *tensors) if takes_context else function.forward(*tensors)
    return [o.numpy() if isinstance(o, torch.Tensor) else o for o in leaves(out)]
