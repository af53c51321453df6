"""HIPS autograd's primitives, with the vector-Jacobian products that ``defvjp`` gave them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

from handgrad.arrays import is_floating
from handgrad.checking.forms.form import Asked, Form
from handgrad.checking.forms.function import of_pair
from handgrad.checking.subject import Subject, label, parameter_names


class Primitive(Form):
    """A function made by ``@primitive``."""

    @classmethod
    def of(cls, target: Any, asked: Asked) -> Self | None:
        core = sys.modules.get("autograd.core")
        return cls(target, asked) if core is not None and target_in(core.primitive_vjps, target) else None

    @property
    def author(self) -> Callable:
        return self.target.fun

    def subject(self, inputs: tuple, options: dict) -> Subject:
        primitive = self.target
        vjps = sys.modules["autograd.core"].primitive_vjps[primitive]
        numbers = tuple(k for k, x in enumerate(inputs) if is_floating(x))

        def f(*xs: Any, **named: Any) -> tuple[Any, Callable]:
            out = primitive.fun(*xs, **named)
            back = vjps(numbers, out, xs, named)

            def backward(dout: Any) -> tuple:
                found = iter(back(dout))
                return tuple(next(found) if k in numbers else None for k in range(len(xs)))

            return out, backward

        made = of_pair(f, inputs, options, label(primitive), parameter_names(primitive.fun, len(inputs)))
        return replace(made, code=[primitive.fun], whose=f"the defvjp of {label(primitive)}")


def target_in(held: Any, target: Any) -> bool:
    try:
        return target in held
    except TypeError:  # what has no hash
        return False
