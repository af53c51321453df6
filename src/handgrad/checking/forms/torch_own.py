"""PyTorch's functions and modules as subjects. Imported only when the target is PyTorch's."""

from __future__ import annotations

import ast
import copy
import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from handgrad.arrays import is_floating
from handgrad.checking.forms.arrays import TorchArrays, asked_for
from handgrad.checking.memory import names_of
from handgrad.checking.source import parsed
from handgrad.checking.subject import (
    Back,
    Subject,
    Values,
    fixed_randomness,
    flat_names,
    label,
    numbers_of,
    parameter_names,
)
from handgrad.tree import leaves, tree_map, unflatten

TORCH = TorchArrays()


def is_function_class(target: Any) -> bool:
    return isinstance(target, type) and issubclass(target, torch.autograd.Function)


def sets_context(target: Any) -> bool:
    """Whether a ``torch.autograd.Function`` has a ``setup_context``, so that its forward has no ``ctx``."""
    return target.setup_context is not torch.autograd.Function.setup_context


def of_torch(target: Any, inputs: tuple, options: dict) -> Subject:
    """A ``torch.autograd.Function``, an ``nn.Module`` (its parameters as further inputs), or any function."""
    tree = tree_map(_as_array, list(inputs))
    flat = leaves(tree)
    if isinstance(target, torch.nn.Module):
        return _of_module(target, inputs, tree, options)
    call = target.apply if is_function_class(target) else target
    made = _subject(target, call, tree, flat, options, _asked(inputs))
    if is_function_class(target):
        skipped = 0 if sets_context(target) else 1
        named = parameter_names(target.forward, len(inputs), skipped)

        def follow(given: list[Any], rebinder: Any) -> list[Any]:
            from handgrad.checking.following.torch_forwards import followed

            return followed(target, given, skipped == 1)

        return replace(
            made,
            names=flat_names(named, inputs),
            code=[target.backward, target.forward],
            numbers=numbers_of(target.forward),
            follow=follow,
            functions=lambda: [target.backward],
            whose=f"{label(target)}.backward",
            data=not_needed(target, len(inputs)),
            rebuilt=lambda rebinder: of_torch(_with_backward(target, rebinder), inputs, options),
        )
    return replace(made, names=flat_names(parameter_names(target, len(inputs)), inputs))


def _asked(inputs: tuple) -> list[bool]:
    """All that are floating; of tensors those that require a gradient, where any does."""
    return [
        a and not isinstance(x, float) for a, x in zip(asked_for(inputs), leaves(list(inputs)), strict=True)
    ]


def not_needed(target: Any, count: int) -> frozenset[int]:
    """The inputs that a backward which asks ``needs_input_grad`` of some does not ask it of."""
    code = getattr(inspect.unwrap(target.backward), "__code__", None)
    if code is not None and "needs_input_grad" not in names_of(code):
        return frozenset()
    source = parsed(target.backward)
    text = ast.unparse(source.tree) if source is not None else ""
    asked = {int(k) for k in re.findall(r"needs_input_grad\[(\d+)\]", text)}
    return frozenset(range(count)) - asked if asked else frozenset()


def _with_backward(target: Any, rebinder: Any) -> Any:
    """A subclass of the Function with functions replaced."""
    return rebinder.kind(target)


def _as_array(x: Any) -> Any:
    return x if isinstance(x, float) else TORCH.kept(x)


def _subject(
    target: Any, call: Callable, tree: list, flat: list, options: dict, asked: list[bool] | None = None
) -> Subject:
    checked = asked or [is_floating(x) and not isinstance(x, float) for x in flat]
    is_flat = all(x is y for x, y in zip(tree, flat, strict=False)) and len(tree) == len(flat)

    def called(xs: list[Any]) -> Any:
        return call(*(xs if is_flat else unflatten(tree, xs)), **options)

    def forward(values: Values) -> list[Any]:
        if any(map(np.iscomplexobj, values)):  # PyTorch mixes no dtypes
            values = [x.astype(complex) if c else x for x, c in zip(values, checked, strict=True)]
        with fixed_randomness(), torch.no_grad():
            out = called([TORCH.given(x) for x in values])
        return [TORCH.seen(o) for o in leaves(out)]

    def pair(values: Values) -> tuple[list[Any], Back]:
        tensors = [
            TORCH.given(x).requires_grad_() if c else TORCH.given(x)
            for x, c in zip(values, checked, strict=True)
        ]
        with fixed_randomness(), torch.enable_grad():
            # A view of each leaf, so that a forward which writes in place is not stopped by its being a leaf.
            given = [x.view_as(x) if c else x for x, c in zip(tensors, checked, strict=True)]
            out = leaves(called(given))
        recorded = [o for o in out if isinstance(o, torch.Tensor) and o.requires_grad]

        def back(douts: list[Any]) -> list[Any]:
            wanted = [x for x, c in zip(tensors, checked, strict=True) if c]
            seeds = [
                TORCH.given(d)
                for o, d in zip(out, douts, strict=True)
                if isinstance(o, torch.Tensor) and o.requires_grad
            ]
            if not recorded:
                return [None] * len(values)
            found = iter(torch.autograd.grad(recorded, wanted, seeds, retain_graph=True, allow_unused=True))
            grads = [next(found) if c else None for c in checked]
            return [None if g is None else TORCH.seen(g) for g in grads]

        return [TORCH.seen(o) for o in out], back

    return Subject(
        name=label(target),
        style="torch",
        names=[f"input {i}" for i in range(len(flat))],
        values=flat,
        checked=checked,
        forward=forward,
        pair=pair,
        code=[],
        whose=f"PyTorch's own, of what {label(target)} is made of",
    )


def _of_module(module: torch.nn.Module, inputs: tuple, tree: list, options: dict) -> Subject:
    """The parameters by name, after the inputs; buffers start as they were in each evaluation."""
    named = dict(module.named_parameters())
    widened = copy.deepcopy(module).double()
    count = len(leaves(tree))

    def call(*given: Any) -> Any:
        xs, params = given[: len(tree)], given[len(tree)]
        buffers = {name: b.clone() for name, b in widened.named_buffers()}
        return torch.func.functional_call(widened, {**params, **buffers}, xs, options)

    whole = [*tree, {name: _as_array(p) for name, p in named.items()}]
    flat = leaves(whole)
    made = _subject(module, call, whole, flat, {})
    names = flat_names(parameter_names(module.forward, len(inputs)), inputs)
    return replace(
        made,
        names=names + list(named),
        parameters=frozenset(range(count, len(flat))),
        inner=module,
    )


def with_torch_loss(target: Any, inputs: tuple, options: dict, loss: Callable) -> Subject:
    """A module and its loss, ``loss(module(*xs), t)``."""

    class WithLoss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = target

        def forward(self, *inputs: Any) -> Any:
            *xs, t = inputs
            return loss(self.net(*xs, **options), t)

    if not isinstance(target, torch.nn.Module):
        return of_torch(lambda *xs: loss(target(*xs[:-1], **options), xs[-1]), inputs, {})
    made = of_torch(WithLoss(), inputs, {})
    names = ["x", "t"] if len(inputs) == 2 else made.names[: len(inputs)]
    cut = [name.removeprefix("net.") for name in made.names[len(inputs) :]]
    return replace(made, name=f"{label(target)} with {label(loss)}", names=[*names, *cut])
