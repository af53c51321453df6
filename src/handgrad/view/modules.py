"""PyTorch's modules, run on recorded arrays: their parameters are leaves by name, their submodules boxes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from handgrad.arrays import stripped
from handgrad.tape import scope
from handgrad.tree import leaves

FLAT = ("_flat_weights", "_flat_weight_refs")
"""Where recurrent modules keep their parameters a second time."""


def is_module(target: Any) -> bool:
    """Whether this is an ``nn.Module`` with PyTorch's own backward, and no ``backward`` written for it."""
    kinds = type(target).__mro__
    return any(
        k.__module__ == "torch.nn.modules.module" and k.__name__ == "Module" for k in kinds
    ) and not hasattr(target, "backward")


@contextlib.contextmanager
def recording(module: Any, recorded: Callable[[Any, str], Any]) -> Iterator[None]:
    """The module with recorded parameters, and buffers of its own, as long as it runs.

    Args:
        recorded: makes a recorded array of a tensor and its name.
    """
    before = [(m._parameters, dict(m._parameters), m._buffers, dict(m._buffers)) for m in module.modules()]
    flat = [(vars(m), {name: vars(m)[name] for name in FLAT}) for m in module.modules() if FLAT[0] in vars(m)]
    in_place = [m for m in module.modules() if getattr(m, "inplace", False) is True]
    names = {id(p): name for name, p in module.named_parameters()}
    made = {id(p): recorded(p.detach(), names[id(p)]) for p in module.parameters()}
    with contextlib.ExitStack() as stack:
        for path, part in module.named_modules():
            if path:
                stack.enter_context(_scoped(part, path))
        try:
            for part in in_place:
                part.inplace = False
            for parameters, own, buffers, held in before:
                parameters.update((name, made[id(p)]) for name, p in own.items() if p is not None)
                buffers.update((name, b.clone()) for name, b in held.items() if b is not None)
            yield
        finally:
            for part in in_place:
                part.inplace = True
            for parameters, own, buffers, held in before:
                parameters.update(own)
                buffers.update(held)
            for own, kept in flat:
                own.update(kept)


def plain_output(module: Any, inputs: tuple) -> Any:
    """What the module gives by itself, where it writes in place; None where it does not, or is random."""
    import torch

    parts = list(module.modules())
    draws = any(getattr(m, "p", 0) and m.training for m in parts if type(m).__name__.startswith("Dropout"))
    if draws or not any(getattr(m, "inplace", False) is True for m in parts):
        return None
    held = [
        (m._buffers, {name: b if b is None else b.clone() for name, b in m._buffers.items()}) for m in parts
    ]
    try:
        with torch.no_grad():
            return module(*(x.clone() if isinstance(x, torch.Tensor) else x for x in inputs))
    finally:
        for buffers, own in held:
            buffers.update(own)


def check_same(module: Any, plain: Any, made: Any) -> None:
    """That a module computes the same where nothing is written in place.

    Raises:
        TypeError: it does not.
    """
    import torch

    pairs = zip(leaves(plain), leaves(made), strict=False)
    if not all(torch.allclose(a, stripped(b), rtol=1e-4, atol=1e-5, equal_nan=True) for a, b in pairs):
        raise TypeError(
            f"{type(module).__name__} uses an array again that one of its parts writes over (inplace=True), "
            f"which no graph of values shows: set inplace=False"
        )


@contextlib.contextmanager
def _scoped(part: Any, path: str) -> Iterator[None]:
    """Each call of a submodule is a box."""
    own = vars(part).get("forward")
    forward = part.forward

    def inside(*args: Any, **options: Any) -> Any:
        with scope(path, type(part).__name__):
            return forward(*args, **options)

    part.forward = inside
    try:
        yield
    finally:
        del part.forward
        if own is not None:
            part.forward = own
