"""A class whose forward and backward take a context first, as PyTorch's Functions do, on any arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

from handgrad.checking.forms.arrays import arrays_of
from handgrad.checking.forms.form import Asked, Form
from handgrad.checking.forms.function import of_pair
from handgrad.checking.subject import Subject, label, numbers_of, parameter_names

CONTEXTS = ("ctx", "context", "cx")


class Context:
    """What such a class is handed first: it keeps what it is told to."""

    def __init__(self, count: int):
        self.needs_input_grad = (True,) * count
        self.saved_tensors: tuple = ()

    def save_for_backward(self, *arrays: Any) -> None:
        self.saved_tensors = arrays

    @property
    def saved_variables(self) -> tuple:
        return self.saved_tensors

    @property
    def saved_values(self) -> tuple:
        return self.saved_tensors

    def mark_non_differentiable(self, *arrays: Any) -> None:
        """As PyTorch has it."""

    def mark_dirty(self, *arrays: Any) -> None:
        """As PyTorch has it."""

    def set_materialize_grads(self, value: bool) -> None:
        """As PyTorch has it."""


class ContextClass(Form):
    """``forward(ctx, *inputs)`` and ``backward(ctx, dout)``, functions of a class or of an object."""

    @classmethod
    def of(cls, target: Any, asked: Asked) -> Self | None:
        is_one = all(_takes_context(target, name) for name in ("forward", "backward"))
        return cls(target, asked) if is_one else None

    @property
    def author(self) -> Callable:
        return self.target.forward

    @property
    def skipped(self) -> int:
        return 1

    def subject(self, inputs: tuple, options: dict) -> Subject:
        return of_context_class(self.target, inputs, options)


def _takes_context(target: Any, name: str) -> bool:
    f = getattr(target, name, None)
    try:
        return callable(f) and next(iter(inspect.signature(f).parameters), "").strip("_").lower() in CONTEXTS
    except (TypeError, ValueError):
        return False


def of_context_class(target: Any, inputs: tuple, options: dict) -> Subject:
    """As a function that makes the context and returns (out, backward)."""

    def f(*xs: Any, **named: Any) -> tuple[Any, Callable]:
        ctx = Context(len(xs))
        return target.forward(ctx, *xs, **named), lambda *douts: target.backward(
            ctx, *(douts[0] if isinstance(douts[0], tuple) else douts)
        )

    names = parameter_names(target.forward, len(inputs), 1)
    made = of_pair(f, inputs, options, label(target), names, arrays=arrays_of(list(inputs)))

    def rebuilt(rebinder: Any) -> Subject:
        return of_context_class(rebinder.kind(target), inputs, options)

    def follow(given: list[Any], rebinder: Any) -> Any:
        return rebinder.kind(target).forward(Context(len(given)), *given, **options)

    is_class = isinstance(target, type)
    return replace(
        made,
        code=[target.backward, target.forward],
        numbers=numbers_of(target.forward),
        functions=lambda: [target.backward],
        rebuilt=rebuilt if is_class else made.rebuilt,
        follow=follow if is_class else made.follow,
        whose=f"{label(target)}.backward",
    )
