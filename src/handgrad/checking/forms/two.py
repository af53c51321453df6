"""A forward and a backward, two functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np

from handgrad.checking.forms.arrays import Arrays, arrays_of
from handgrad.checking.forms.calling import (
    CACHES,
    Plan,
    is_dout,
    options_of_each,
    planned,
    returned_names,
    wanted_by,
    with_its_cache,
)
from handgrad.checking.forms.form import Asked, Form
from handgrad.checking.forms.function import of_loss_and_gradients, of_pair, with_answered
from handgrad.checking.forms.gradients import by_return, times
from handgrad.checking.forms.names import is_layer
from handgrad.checking.subject import Subject, fixed_randomness, label, numbers_of, parameter_names
from handgrad.tree import tree_map


class Pair(Form):
    """``(forward, backward)``."""

    @classmethod
    def of(cls, target: Any, asked: Asked) -> Self | None:
        is_pair = isinstance(target, (tuple, list)) and len(target) == 2 and all(map(is_function, target))
        return cls(tuple(target), asked) if is_pair else None

    @property
    def author(self) -> Callable:
        return self.target[0]

    def subject(self, inputs: tuple, options: dict) -> Subject:
        forward, backward = self.target
        return of_two(forward, backward, inputs, options, self.asked.adapter)


def is_function(f: Any) -> bool:
    return callable(f) and not is_layer(f) and not isinstance(f, type)


def of_two(
    forward: Callable, backward: Callable, inputs: tuple, options: dict, adapter: Callable | None
) -> Subject:
    """Two plain functions. ``adapter(forward, backward)`` gives ``f(*xs) -> (out, backward(dout))``.

    Without one, each parameter of the backward is given what its name says: dout, an input, something that
    the forward returned (``cache``, or the name in its return statement). Inputs beyond the forward's own are
    the backward's: the targets of a loss that it computes itself.
    """
    arrays = arrays_of(list(inputs))
    own = own_inputs(forward, inputs)
    names = parameter_names(forward, own) + [f"input {i}" for i in range(own, len(inputs))]
    if adapter:
        joined = adapter(forward, backward)
        made = of_pair(joined, inputs, options, label(forward), names, arrays=arrays)
    else:
        two = Two(forward, backward, names, own, options)
        with fixed_randomness():
            sample = two.look(tree_map(arrays.kept, list(inputs)), arrays)
        if sample == "loss":
            made = of_loss_and_gradients(two.whole, inputs, {}, arrays, label(forward), two.names)
        else:
            made = of_pair(two.pair, inputs, {}, label(forward), two.names, arrays=arrays)
            if sample == "slope":
                made = with_answered(made, made.whose)

    def rebuilt(rebinder: Any) -> Subject:
        return of_two(rebinder.function(forward), rebinder.function(backward), inputs, options, adapter)

    return replace(
        made,
        code=[backward, forward],
        numbers=numbers_of(forward) | numbers_of(backward),
        functions=lambda: [backward],
        rebuilt=rebuilt,
        whose=label(backward),
    )


def own_inputs(forward: Callable, inputs: tuple) -> int:
    """How many of the inputs the forward itself takes."""
    try:
        parameters = list(inspect.signature(forward).parameters.values())
    except (TypeError, ValueError):
        return len(inputs)
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return len(inputs)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return min(len(positional), len(inputs))


class Two:
    """Two functions, and the plan by which the second is called after the first."""

    def __init__(self, forward: Callable, backward: Callable, names: list[str], own: int, options: dict):
        self.forward, self.backward, self.own = forward, backward, own
        self.names = self._with_extras(names)
        self.options, self.back_options = options_of_each(forward, backward, options)
        self.plan: Plan | None = None

    def _with_extras(self, names: list[str]) -> list[str]:
        """Inputs beyond the forward's are those of the backward's parameters that nothing else explains."""
        known = {*names, *filter(None, returned_names(self.forward)), *CACHES}
        free = [w for w in wanted_by(self.backward) or [] if w not in known and not is_dout(w, [])]
        extras = names[self.own :]
        return names[: self.own] + [new for _, new in zip(extras, [*free, *extras], strict=False)]

    def look(self, tree: list[Any], arrays: Arrays) -> str:
        """What the backward returns: gradients by a dout, a loss with its gradients, or the slope alone.

        Raises:
            CannotCall: its parameters do not say how to call it.
        """
        with arrays.precise():
            xs = tuple(tree_map(arrays.given, tree))
            made = self.forward(*xs[: self.own], **self.options)
            self.plan = planned(
                self.forward, self.backward, self.names, made, label(self.backward), self.back_options
            )
            if self.plan.douts:
                self.plan = with_its_cache(self.plan, self._answer, xs, made)
                return "dout"
            found = self._answer(self.plan.arguments(None, xs, made))
        is_loss = isinstance(found, tuple) and len(found) == 2 and np.shape(found[0]) == ()
        return "loss" if is_loss and np.shape(self.plan.out(made)) != () else "slope"

    def _answer(self, arguments: list[Any]) -> Any:
        return self.backward(*arguments, **self.back_options)

    def pair(self, *xs: Any) -> tuple[Any, Callable]:
        """``(out, backward)``."""
        assert self.plan is not None
        plan, made = self.plan, self.forward(*xs[: self.own], **self.options)

        def back(dout: Any) -> Any:
            grads = self._answer(plan.arguments(dout, xs, made))
            grads = grads if plan.douts else times(dout, grads)
            return by_return(grads, self.backward, self.names, list(xs))

        return plan.out(made), back

    def whole(self, *xs: Any) -> Any:
        """``(loss, grads)``."""
        assert self.plan is not None
        made = self.forward(*xs[: self.own], **self.options)
        return self._answer(self.plan.arguments(None, xs, made))
