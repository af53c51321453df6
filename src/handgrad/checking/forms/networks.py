"""Networks put together of parts: layer objects one after the other, a loss behind them, handgrad's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Self

from handgrad.checking.forms.arrays import JaxArrays, TorchArrays, arrays_of
from handgrad.checking.forms.calling import is_dout, returned_names, wanted_by
from handgrad.checking.forms.form import Asked, Form
from handgrad.checking.forms.function import holds_backward, taken_apart
from handgrad.checking.forms.names import is_layer, methods_of
from handgrad.checking.forms.objects import Object, Way, of_layer
from handgrad.checking.forms.recorded import of_function
from handgrad.checking.layers import places
from handgrad.checking.subject import Subject, label
from handgrad.layers import Layer
from handgrad.tape import vjp
from handgrad.tree import leaves


class Layers(Form):
    """A list of layer objects, one after the other."""

    @classmethod
    def of(cls, target: Any, asked: Asked) -> Self | None:
        is_one = isinstance(target, (list, tuple)) and len(target) > 0 and all(map(is_layer, target))
        return cls(list(target), asked) if is_one else None

    @property
    def author(self) -> Callable:
        return Object(self.target[0], Asked()).author

    @property
    def arrays(self) -> list[Any]:
        return [place.get() for layer in self.target for place in places(layer)]

    def subject(self, inputs: tuple, options: dict) -> Subject:
        return of_layer(Chain(self.target), inputs, options, label(self.target), named=str, is_end=True)


class Network(Form):
    """One of handgrad's own networks, which has no backward but that of its rules."""

    @classmethod
    def of(cls, target: Any, asked: Asked) -> Self | None:
        is_one = isinstance(target, Layer) and type(target).backward is Layer.backward
        return cls(target, asked) if is_one else None

    @property
    def author(self) -> Callable:
        return self.target.forward

    @property
    def arrays(self) -> list[Any]:
        return list(self.target.parameters().values())

    def subject(self, inputs: tuple, options: dict) -> Subject:
        return of_network(self.target, inputs)


class Shared:
    """How a layer is called: seen once, and the same for all copies of a network."""

    way: Way | None = None

    def __deepcopy__(self, memo: dict) -> Shared:
        return self


class Step:
    """One layer object's forward and backward, whatever they are called and hand to each other."""

    def __init__(self, layer: Any, named: tuple[str, str] | None = None):
        self.layer, self.named, self.shared = layer, named, Shared()

    def run(self, *xs: Any) -> Any:
        self.xs = list(xs)
        if self.shared.way is None:
            way = Way(self.layer, xs, {}, self.named)
            self.found = way.look(self.layer, self.xs)
            self.shared.way = way
            return self.found[0] if way.plan is None else way.plan.out(self.found)
        out, self.found = self.shared.way.forward(self.layer, self.xs)
        return out

    def back(self, dout: Any) -> Any:
        assert self.shared.way is not None
        return self.shared.way.backward(self.layer, dout, self.xs, self.found)


class Chain:
    """Layer objects one after the other. Inputs beyond the first go to the last layer: labels, say."""

    def __init__(self, layers: list[Any]):
        self.layers = layers
        self.steps = [Step(layer) for layer in layers]
        self.whose = "the backward of each layer, the last first"

    def forward(self, x: Any, *rest: Any) -> Any:
        for step in self.steps[:-1]:
            x = step.run(x)
        return self.steps[-1].run(x, *rest)

    def backward(self, dout: Any) -> Any:
        for step in reversed(self.steps):
            dout = first_of(step.back(dout))
        return dout


class WithLoss:
    """A layer object and a loss object, whose last input are the labels."""

    def __init__(self, net: Any, loss: Any, named: tuple[str, str] | None = None):
        self.net, self.loss = net, loss
        self.step, self.last = Step(net, named), Step(loss)
        self.input_names = ["x", "t"]
        self.returned = returned_names(getattr(type(net), (named or methods_of(net) or ("", ""))[1], None))
        self.whose = f"{label(net)}'s backward, after {label(loss)}'s"
        called = named or methods_of(net) or ("", "")
        self.has_loss_inside = takes_labels(getattr(net, called[1], None))
        if self.has_loss_inside:
            self.author_methods = called

    @property
    def author(self) -> Any:
        """Whose code it is that may be wrong."""
        return self.net if self.has_loss_inside else self

    def forward(self, *inputs: Any) -> Any:
        """The loss of the network's output and the last input."""
        *xs, t = inputs
        out = self.step.run(*(inputs if self.has_loss_inside else xs))
        return self.last.run(first_of(out), t)

    def backward(self, dout: Any) -> Any:
        if self.has_loss_inside:
            return self.step.back(dout)
        return self.step.back(first_of(self.last.back(dout)))


def takes_labels(backward: Callable | None) -> bool:
    """Whether a backward knows the loss itself: it takes several things, and dout is none of them."""
    wanted = wanted_by(backward) if backward is not None else None
    return wanted is not None and len(wanted) > 1 and not any(is_dout(w, []) for w in wanted)


def first_of(grads: Any) -> Any:
    return grads[0] if isinstance(grads, tuple) else grads


class RuleLoss:
    """A loss that is a function, in the manner of a layer object: of rules, by hand, PyTorch's or JAX's."""

    def __init__(self, f: Callable):
        self.f = f
        self.__name__ = label(f)
        self.back: Callable[[Any], Any] | None = None

    def forward(self, y: Any, t: Any) -> Any:
        arrays = arrays_of(y)
        if isinstance(arrays, TorchArrays):
            return self._by_torch(y, t)
        made = self.f(y, t)
        if holds_backward(made):
            out, back = taken_apart(made, label(self.f), ["y", "t"])
            self.back = lambda dout: first_of(back(dout))
            return out
        if isinstance(arrays, JaxArrays):
            out, pull = sys.modules["jax"].vjp(lambda y: self.f(y, t), y)
            self.back = lambda dout: pull(dout)[0]
            return out
        out, pull = vjp(lambda y: self.f(y, t), y)
        self.back = lambda dout: pull(dout)[0]
        return out

    def _by_torch(self, y: Any, t: Any) -> Any:
        torch = sys.modules["torch"]
        leaf = y.detach().requires_grad_(not y.is_complex())
        with torch.enable_grad():
            out = self.f(leaf, t)
        self.back = lambda dout: torch.autograd.grad(out, leaf, dout, retain_graph=True)[0]
        return out.detach()

    def backward(self, dout: Any) -> Any:
        assert self.back is not None
        return self.back(dout)


def of_layers_with_loss(target: Any, inputs: tuple, options: dict, loss: Any, asked: Asked) -> Subject:
    """Layer objects and a loss, the last of the inputs being what it compares with."""
    name = f"{label(target)} with {label(loss)}"
    if isinstance(target, (list, tuple)):
        target = Chain(list(target))
    loss = loss() if isinstance(loss, type) else loss
    whole = WithLoss(target, loss if is_layer(loss) else RuleLoss(loss), asked.methods)
    return of_layer(whole, inputs, options, name, lambda path: path.removeprefix("net."), is_end=True)


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
    made.whose = f"handgrad's own, of the rules that {made.name} is made of"
    return made
