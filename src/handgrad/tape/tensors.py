"""Recorded tensors of PyTorch: its functions and methods, whose tables are loaded when first wanted."""

from __future__ import annotations

from typing import Any

from handgrad.arrays import stripped


def is_tensor(x: Any) -> bool:
    """Whether it is PyTorch's, or a recorded array of PyTorch's."""
    return type(stripped(x)).__module__.partition(".")[0] == "torch"


def call_torch(function: Any, args: tuple, options: dict) -> Any:
    from handgrad.tape import torch_functions

    return torch_functions.call_torch(function, args, options)


def call_method(name: str, args: tuple, options: dict) -> Any:
    """A method of a variable that holds a tensor."""
    import torch

    return call_torch(getattr(torch.Tensor, name), args, options)


def attribute(x: Any, name: str) -> Any:
    from handgrad.tape import torch_functions

    return torch_functions.attribute(x, name)
