"""Layers: rules that own parameters.

A layer keeps its own arrays in ``params`` (trained), ``state`` (changed by a forward while training,
such as running statistics, or never) and ``grads`` (filled by ``backward``). Sublayers are found among its
attributes, and in lists, tuples and dicts of any depth there, so a layer of layers is written by composing
them in ``forward``:

    class Residual(Layer):
        def __init__(self, D, seed=None):
            self.inner = Affine(D, D, seed=seed)
            self.params = {"scale": np.ones(D, np.float32)}

        def forward(self, x):
            return x + self.params["scale"] * relu(self.inner(x))

The backward follows. It is used in one of three ways:

- ``net(x)``: the output.
- ``net.forward(x)``, then ``net.backward(dout)``: by hand; gives ``dx`` and fills ``grads``.
- ``net.bind(params)(x)``: a pure function of the parameters, for ``grad``, ``vjp``, ``trace`` and jit.

What a call gives by keyword, ``net(x, mask=m)``, is an option: ``backward`` has no gradient for it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

from handgrad.arrays import is_symbolic, shape, size
from handgrad.layers.history import History, graph_bytes
from handgrad.tape import scope, stripped, vjp
from handgrad.tree import leaves, named_leaves, tree_map

ARRAYS = ("params", "state", "grads")  # the attributes that hold a layer's own arrays


def _remembering(body: Callable) -> Callable:
    """A ``forward`` as its author wrote it, made to remember what its backward needs."""

    signature = inspect.signature(body)

    @functools.wraps(body)
    def forward(self: Layer, *xs: Any, **options: Any) -> Any:
        if self.is_bound:
            with scope(self.path, self.describe()):
                try:
                    return body(self, *xs, **options)
                except Exception as error:
                    error.add_note(f"in {self.label}")
                    raise
        xs, options = _inputs_and_options(signature, (self, *xs), options)
        return self.remember(*xs, **options)

    return forward


def _inputs_and_options(signature: inspect.Signature, given: tuple, named: dict) -> tuple[tuple, dict]:
    """Inputs, and options by name: an input that has no default is one, even if it is given by name."""
    names = [p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    inputs, options = list(given[1:]), dict(named)
    for name in names[len(given) :]:
        if name not in options or signature.parameters[name].default is not inspect.Parameter.empty:
            break
        inputs.append(options.pop(name))
    return tuple(inputs), options


class Layer:
    """Base of all layers; see the module's text for how to write one.

    Examples:
        >>> class Residual(hg.layers.Layer):
        ...     def __init__(self, D):
        ...         self.inner = hg.layers.Affine(D, D, seed=0)
        ...     def forward(self, x):
        ...         return x + self.inner(x)
        >>> net = Residual(3)
        >>> list(net.parameters()), net(np.ones((2, 3), np.float32)).shape
        (['inner.W', 'inner.b'], (2, 3))
    """

    params: dict[str, Any]
    state: dict[str, Any]
    grads: dict[str, Any]
    training: bool | None  # None until train() or evaluate() is called
    path: str  # its dotted name in the network that was bound
    is_bound: bool
    history: History
    _repr_html_: ClassVar[Callable[[Any], str]]  # what notebooks show, set by handgrad

    def __new__(cls, *args: Any, **options: Any) -> Self:
        layer = super().__new__(cls)
        layer.params, layer.state, layer.grads = {}, {}, {}
        layer.training = None
        layer.path = ""
        layer.is_bound = False
        layer.history = History()
        return layer

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "forward" in cls.__dict__:
            cls.forward = _remembering(cls.__dict__["forward"])  # type: ignore[method-assign]

    # To be written by each layer.

    def forward(self, x: Any) -> Any:
        """The output, from ``x``, ``self.params`` and sublayers."""
        raise TypeError(f"{type(self).__name__} has no forward; write def forward(self, x)")

    # Using a layer.

    def __call__(self, *xs: Any, **options: Any) -> Any:
        """The output; nothing is remembered for a backward."""
        if self.is_bound:
            return self.forward(*xs, **options)
        bound = self.bind()
        out = bound.forward(*xs, **options)
        self._keep_states(bound)
        return out

    def remember(self, *xs: Any, **options: Any) -> Any:
        """``forward`` of a layer that is used by hand: the output, and a backward kept."""
        bound = self.bind()
        held = 0

        def run(params: dict, *xs: Any) -> Any:
            nonlocal held
            bound._load("params", params, check=False)
            out = bound.forward(*xs, **options)
            held = graph_bytes(out)
            return out

        out, pullback = vjp(run, self.parameters(), *xs)
        self._keep_states(bound)
        self.history.push(pullback, held, self.label)
        return out

    def _keep_states(self, bound: Layer) -> None:
        """Take over what a bound copy's forward made of the states."""
        states = {name: stripped(x) for name, x in bound.states().items()}
        if any(map(is_symbolic, states.values())):
            raise TypeError(
                f"{self.label} would keep a state of a program that is traced: trace net.bind(params, "
                f"states) in its place, and return that one's states() too"
            )
        self._load("state", states, check=False)

    def backward(self, dout: Any) -> Any:
        """``dx`` for the last forward not yet answered, and ``grads`` filled, here and in sublayers.

        A layer of several inputs gives a tuple; options, given by keyword, have no gradient. When every
        forward is answered, the last answer is given again.

        Raises:
            ValueError: ``dout`` does not have the output's shape.
            RuntimeError: there was no forward.
        """
        by_name, *dxs = self.history.pop(self.label)(dout)
        owners = {(id(layer), key): by_name[name] for name, layer, key in self._entries("params")}
        for _, layer in self.walk():
            layer.grads = {name: owners[id(sub), key] for name, sub, key in layer._entries("params")}
        return dxs[0] if len(dxs) == 1 else tuple(dxs)

    def train(self) -> Self:
        """Switch to training: batch statistics, dropout on. Here and in all sublayers."""
        return self._set_training(True)

    def evaluate(self) -> Self:
        """Switch to evaluation: running statistics, dropout off. Here and in all sublayers."""
        return self._set_training(False)

    def eval(self) -> Self:
        """Another name of ``evaluate()``."""
        return self.evaluate()

    def _set_training(self, training: bool) -> Self:
        for _, layer in self.walk():
            layer.training = training
        return self

    def is_training(self) -> bool:
        """The mode, for layers that differ by it.

        Raises:
            RuntimeError: neither ``train()`` nor ``evaluate()`` was called.
        """
        if self.training is None:
            raise RuntimeError(
                f"{self.label} differs in training and evaluation: call train() or evaluate() first"
            )
        return self.training

    # Its arrays, by dotted name.

    def children(self) -> Iterator[tuple[str, Layer]]:
        """Sublayers by name, in the order in which they were set, in any nesting of lists, tuples, dicts."""
        for name, value in self._attributes():
            if isinstance(value, Layer):
                yield name, value
            elif isinstance(value, (list, tuple, dict)):
                yield from ((path, x) for path, x in named_leaves(value, name) if isinstance(x, Layer))

    def _attributes(self) -> list[tuple[str, Any]]:
        """What is set on this layer, but for its own arrays."""
        return [(name, value) for name, value in vars(self).items() if name not in ARRAYS]

    def walk(self, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Layer]]:
        """This layer and all below, each once, with its path."""
        seen = set() if seen is None else seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield path, self
        for name, child in self.children():
            yield from child.walk(f"{path}.{name}" if path else name, seen)

    def _entries(self, kind: str) -> Iterator[tuple[str, Layer, str]]:
        for path, layer in self.walk():
            for key in getattr(layer, kind):
                yield (f"{path}.{key}" if path else key), layer, key

    def parameters(self) -> dict[str, Any]:
        """All trained arrays by dotted name; a shared layer's appear once."""
        return {name: layer.params[key] for name, layer, key in self._entries("params")}

    def states(self) -> dict[str, Any]:
        """All arrays that a forward in training changes, by dotted name."""
        return {name: layer.state[key] for name, layer, key in self._entries("state")}

    def load_parameters(self, params: dict[str, Any]) -> None:
        """Set all parameters.

        Raises:
            ValueError: names or shapes are not this network's.
        """
        self._load("params", params)

    def load_states(self, states: dict[str, Any]) -> None:
        """Set all states.

        Raises:
            ValueError: names or shapes are not this network's.
        """
        self._load("state", states)

    def _load(self, kind: str, given: dict[str, Any], check: bool = True) -> None:
        entries = list(self._entries(kind))
        if check:
            _check_names({name: shape(getattr(layer, kind)[key]) for name, layer, key in entries}, given)
        for name, layer, key in entries:
            getattr(layer, kind)[key] = given[name]

    def bind(self, params: dict[str, Any] | None = None, states: dict[str, Any] | None = None) -> Self:
        """A copy that computes with these arrays and leaves the layer as it is.

        Its ``forward`` records nothing by itself and writes new states into the copy alone, so
        ``lambda params: net.bind(params)(x)`` is a pure function of the parameters.

        Raises:
            ValueError: names or shapes are not this network's.
        """
        bound = _copied(self, {})
        for path, layer in bound.walk():
            layer.path = path
        if params is not None:
            bound.load_parameters(params)
        if states is not None:
            bound.load_states(states)
        return bound

    # What it says of itself.

    @property
    def label(self) -> str:
        """How errors name this layer."""
        return f"{type(self).__name__} at {self.path!r}" if self.path else type(self).__name__

    def describe(self) -> str:
        """What this layer is, on one line."""
        return type(self).__name__

    def __repr__(self) -> str:
        """A table: each layer, the shapes of its parameters, and how many numbers they are."""
        rows = [("layer", "kind", "parameters", "count")]
        for path, layer in self.walk():
            shapes = ", ".join(f"{key} {shape(x)}" for key, x in layer.params.items())
            numbers = sum(size(x) for x in layer.params.values())
            rows.append((path or "·", layer.describe(), shapes, f"{numbers:,}" if numbers else ""))
        rows.append(("total", "", "", f"{sum(size(x) for x in self.parameters().values()):,}"))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}".rstrip()
            for a, b, c, d in rows
        ]
        return "\n".join(lines)


def _copied(layer: Layer, copies: dict[int, Any]) -> Any:
    """The layer and its sublayers anew, arrays shared; what was one layer stays one."""
    if id(layer) in copies:
        return copies[id(layer)]
    twin = object.__new__(type(layer))
    copies[id(layer)] = twin
    twin.__dict__.update(layer.__dict__)
    twin.params, twin.state, twin.is_bound = dict(layer.params), dict(layer.state), True
    for name, value in layer._attributes():
        if isinstance(value, Layer):
            setattr(twin, name, _copied(value, copies))
        elif isinstance(value, (list, tuple, dict)) and any(isinstance(x, Layer) for x in leaves(value)):
            anew = tree_map(lambda x: _copied(x, copies) if isinstance(x, Layer) else x, value)
            setattr(twin, name, anew)
    return twin


def _check_names(wanted: dict[str, tuple], given: dict[str, Any]) -> None:
    missing = [name for name in wanted if name not in given]
    unknown = [name for name in given if name not in wanted]
    if missing or unknown:
        raise ValueError(
            "these arrays are not this network's: "
            + "; ".join(
                [f"missing {', '.join(missing)}"] * bool(missing)
                + [f"unknown {', '.join(unknown)}"] * bool(unknown)
            )
        )
    for name, expected in wanted.items():
        if shape(given[name]) != expected:
            raise ValueError(f"{name} has shape {shape(given[name])}, the network's has {expected}")
