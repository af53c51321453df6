"""PyTorch's Functions and modules, JAX's functions with their own rule: seen without importing either."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Self

from handgrad.checking.forms.form import Asked, Form
from handgrad.checking.forms.names import is_layer
from handgrad.checking.subject import Subject


class TorchForm(Form):
    """A ``torch.autograd.Function``, or an ``nn.Module`` that PyTorch differentiates."""

    @classmethod
    def of(cls, target: Any, asked: Asked) -> Self | None:
        torch = sys.modules.get("torch")
        if torch is None or not hasattr(torch, "nn"):
            return None
        if isinstance(target, torch.nn.Module):
            return None if is_layer(target) else cls(target, asked)
        return cls(target, asked) if _is_kind(target, torch.autograd.Function) else None

    @property
    def author(self) -> Callable:
        return self.target.forward

    @property
    def skipped(self) -> int:
        from handgrad.checking.forms.torch_own import is_function_class, sets_context

        return int(is_function_class(self.target) and not sets_context(self.target))

    @property
    def arrays(self) -> list[Any]:
        return [] if isinstance(self.target, type) else list(self.target.parameters())

    def subject(self, inputs: tuple, options: dict) -> Subject:
        from handgrad.checking.forms.torch_own import of_torch

        return of_torch(self.target, inputs, options)


class JaxForm(Form):
    """A ``jax.custom_vjp`` or ``jax.custom_jvp`` function."""

    @classmethod
    def of(cls, target: Any, asked: Asked) -> Self | None:
        jax = sys.modules.get("jax")
        kinds = (getattr(jax, "custom_vjp", None), getattr(jax, "custom_jvp", None))
        is_one = any(kind is not None and isinstance(target, kind) for kind in kinds)
        return cls(target, asked) if is_one else None

    @property
    def author(self) -> Callable:
        return self.target.fun

    def subject(self, inputs: tuple, options: dict) -> Subject:
        from handgrad.checking.forms.jax_own import of_jax

        return of_jax(self.target, inputs, options)


def _is_kind(target: Any, base: type) -> bool:
    return isinstance(target, type) and issubclass(target, base)
