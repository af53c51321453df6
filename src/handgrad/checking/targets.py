"""Which kind of target is this?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from handgrad.checking.layers import is_layer, of_layer
from handgrad.checking.memory import Memory
from handgrad.checking.subject import (
    Subject,
    as_float64,
    fixed_randomness,
    is_float,
    label,
    of_function,
    of_pair,
    of_rule,
    of_two,
)
from handgrad.layers import Layer
from handgrad.rules.rule import Rule, describe
from handgrad.tape import vjp
from handgrad.tree import leaves, tree_map

TARGETS = (
    "a rule, a function that returns (out, backward), a function of rules, a layer with forward and "
    "backward, a list of layers, a pair of functions (forward, backward), a torch.autograd.Function, an "
    "nn.Module, or a jax.custom_vjp function"
)


def subject_of(
    target: Any,
    inputs: tuple,
    options: dict | None = None,
    loss: Any = None,
    adapter: Callable | None = None,
) -> Subject:
    """The target as the checker sees it.

    Raises:
        TypeError: it is none of the kinds that can be checked, or its forward does not return what it should.
    """
    options = options or {}
    if loss is not None:
        return with_loss(target, inputs, options, loss)
    if is_torch(target, inputs):
        from handgrad.checking.torch_subject import of_torch

        return of_torch(target, inputs, options)
    if is_jax(target, inputs):
        from handgrad.checking.jax_subject import of_jax

        return of_jax(target, inputs, options)
    if isinstance(target, Rule):
        return of_rule(target, inputs, options)
    if isinstance(target, tuple) and len(target) == 2 and all(_is_function(f) for f in target):
        return of_two(*target, inputs, options, adapter)
    if isinstance(target, (list, tuple)) and target and all(map(is_layer, target)):
        return of_layer(Chain(list(target)), inputs, options, label(target), named=str)
    if isinstance(target, type):
        target = instance_of(target)
    if isinstance(target, Layer) and type(target).backward is Layer.backward:
        return of_network(target, inputs)
    if is_layer(target):
        return of_layer(target, inputs, options)
    if callable(target):
        return _of_callable(target, inputs, options)
    raise TypeError(f"{target!r} is a {type(target).__name__}; what can be checked is {TARGETS}")


def is_torch(target: Any, inputs: tuple) -> bool:
    if "torch" not in sys.modules:
        return False
    from handgrad.checking import torch_subject

    return torch_subject.is_torch(target, inputs)


def is_jax(target: Any, inputs: tuple) -> bool:
    if "jax" not in sys.modules:
        return False
    from handgrad.checking import jax_subject

    return jax_subject.is_jax(target, inputs)


def _is_function(f: Any) -> bool:
    return callable(f) and not is_layer(f) and not isinstance(f, type)


def instance_of(made: type) -> Any:
    """An instance of a layer class that needs no arguments.

    Raises:
        TypeError: it needs some, or it is no layer.
    """
    if not all(callable(getattr(made, name, None)) for name in ("forward", "backward")):
        raise TypeError(
            f"{made.__name__} is a class without forward and backward; what can be checked is {TARGETS}"
        )
    try:
        return made()
    except TypeError as error:
        raise TypeError(
            f"{made.__name__} needs arguments to be made; give an instance of it ({error})"
        ) from None


def _of_callable(f: Callable, inputs: tuple, options: dict) -> Subject:
    """A function that returns a pair, or one made of rules: seen by calling it."""
    tree = tree_map(as_float64, list(inputs))
    memory = Memory(f)
    with fixed_randomness(), memory.kept():
        made = f(*tree, **options)
    if isinstance(made, tuple) and len(made) == 2 and callable(made[1]):
        return of_pair(f, inputs, options, memory=memory)
    if any(is_float(x) for x in leaves(made)):
        return of_function(f, inputs, options)
    raise TypeError(f"{label(f)} returned {describe(made)}: a rule returns the pair (out, backward)")


# Networks.


class Chain:
    """Layer objects one after the other. Inputs beyond the first go to the last layer: labels, say."""

    def __init__(self, layers: list[Any]):
        self.layers = layers

    def forward(self, x: Any, *rest: Any) -> Any:
        for layer in self.layers[:-1]:
            x = layer.forward(x)
        return self.layers[-1].forward(x, *rest)

    def backward(self, dout: Any) -> Any:
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
            dout = dout[0] if isinstance(dout, tuple) else dout
        return dout


class WithLoss:
    """A layer object and a loss object, whose last input are the labels."""

    def __init__(self, net: Any, loss: Any):
        self.net, self.loss = net, loss

    def forward(self, *inputs: Any) -> Any:
        *xs, t = inputs
        return self.loss.forward(self.net.forward(*xs), t)

    def backward(self, dout: Any) -> Any:
        dx = self.loss.backward(dout)
        return self.net.backward(dx[0] if isinstance(dx, tuple) else dx)


def first_of(grads: Any) -> Any:
    return grads[0] if isinstance(grads, tuple) else grads


class RuleLoss:
    """A loss that is a rule, or a function of rules, in the manner of a layer object."""

    def __init__(self, f: Callable):
        self.f = f
        self.back: Callable[[Any], tuple] | None = None

    def forward(self, y: Any, t: Any) -> Any:
        made = self.f(y, t)
        if isinstance(made, tuple) and len(made) == 2 and callable(made[1]):  # (out, backward) by hand
            out, back = made
            self.back = lambda dout: (first_of(back(dout)),)
            return out
        out, self.back = vjp(lambda y: self.f(y, t), y)
        return out

    def backward(self, dout: Any) -> Any:
        assert self.back is not None
        return self.back(dout)[0]


def with_loss(target: Any, inputs: tuple, options: dict, loss: Any) -> Subject:
    """A network with its loss. The last input is what the loss compares with."""
    if len(inputs) < 2:
        raise TypeError(f"{label(target)} with a loss needs inputs and a target: check(net, x, t, loss=loss)")
    if is_torch(target, inputs):
        from handgrad.checking.torch_subject import with_torch_loss

        return with_torch_loss(target, inputs, options, loss)
    if isinstance(target, Layer):
        return of_network(target, inputs, loss)
    name = f"{label(target)} with {label(loss)}"
    if isinstance(target, (list, tuple)) and all(map(is_layer, target)):
        target = Chain(list(target))
    if is_layer(target):
        loss = loss() if isinstance(loss, type) else loss
        whole = WithLoss(target, loss if is_layer(loss) else RuleLoss(loss))
        return of_layer(whole, inputs, options, name, named=lambda path: path.removeprefix("net."))
    return subject_of(lambda *xs: loss(target(*xs[:-1], **options), xs[-1]), inputs)


def of_network(net: Layer, inputs: tuple, loss: Callable | None = None) -> Subject:
    """One of handgrad's networks as a function of its parameters and inputs."""
    params = net.parameters()
    states = net.states()

    def f(*given: Any) -> Any:
        *xs, by_name = given
        bound = net.bind(by_name, dict(states))
        return bound(*xs) if loss is None else loss(bound(*xs[:-1]), xs[-1])

    made = of_function(f, (*inputs, params), {})
    count = len(leaves(list(inputs)))
    first = (
        ["x", "t"] if loss is not None and len(inputs) == 2 else [f"input {i}" for i in range(len(inputs))]
    )
    first = ["x"] if len(inputs) == 1 else first
    made.name = label(net)
    made.names = [*first[:count], *params]
    made.parameters = frozenset(range(count, len(made.values)))
    return made
