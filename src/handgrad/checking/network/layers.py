"""The parts of a layer object: the layer objects that it holds, each call of one a part."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from handgrad.checking.forms.names import is_layer, methods_of
from handgrad.checking.forms.objects import of_layer
from handgrad.checking.layers import places
from handgrad.checking.network.calls import Call, Calls, patched
from handgrad.checking.network.part import Part, numbered, so_far
from handgrad.checking.subject import Subject, copied, independent, label
from handgrad.tree import tree_map


def parts(subject: Subject) -> list[Part]:
    """The calls in the order of the forward; a layer made of layers comes after those that it is made of."""
    if not dict(sublayers(subject.inner)) or getattr(subject.inner, "has_loss_inside", False):
        return []
    ended = Forward(subject).run()
    orders = {id(call): order for order, call in enumerate(ended)}
    found, before = [], so_far(subject)
    for name, call in zip(numbered(call.name for call in ended), ended, strict=True):
        made = of_layer(call.owner, call.args, call.options, is_end=True)
        flows = [frozenset([call.own[n]]) if n in call.own else frozenset(before) for n in made.names]
        inside = tuple(orders[id(inner)] for inner in call.inside)
        found.append(Part(name, orders[id(call)], made, flows, type(call.owner), None, inside, call.thing))
        before |= set(call.own.values())
    return found


def sublayers(layer: Any, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """All layer objects below this one, each once, with its path."""
    seen = {id(layer)} if seen is None else seen
    for name, value in list(getattr(layer, "__dict__", {}).items()):
        for where, held in _items(value, f"{path}.{name}" if path else name):
            if is_layer(held) and id(held) not in seen:
                seen.add(id(held))
                yield where, held
                yield from sublayers(held, where, seen)


def _items(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """A value, or what nested lists and dicts hold."""
    if not isinstance(value, (list, tuple, dict)):
        yield path, value
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _items(item, f"{path}[{key}]")


class Forward:
    """One forward of a network, with the calls of its layers noted.

    The classes' ``forward`` is replaced while it runs, not the objects', because it runs on a copy of them.
    """

    def __init__(self, subject: Subject):
        self.subject = subject
        self.values = copied(subject.values)
        self.calls = Calls()
        self.paths: dict[int, str] | None = None  # of the layers of the copy, once it is there
        self.running: list[Any] = []

    def run(self) -> list[Call]:
        """The calls, in the order in which they ended."""
        whole = self.subject.inner
        layers = {type(layer): layer for layer in [whole, *(held for _, held in sublayers(whole))]}
        names = {kind: (methods_of(layer) or self.subject.forwards)[0] for kind, layer in layers.items()}
        names[type(whole)] = self.subject.forwards[0]
        with contextlib.ExitStack() as stack:
            for kind, name in names.items():
                stack.enter_context(patched(kind, name, self.noting))
            self.subject.forward(self.values)
        return self.calls.ended

    def noting(self, original: Callable) -> Callable:
        """A ``forward`` that notes its calls."""

        @functools.wraps(original)
        def forward(layer: Any, *args: Any, **options: Any) -> Any:
            if self.paths is None:
                self.paths = {id(held): path for path, held in sublayers(layer)}
            if id(layer) not in self.paths or any(layer is other for other in self.running):
                return original(layer, *args, **options)
            self.running.append(layer)
            try:
                with self.calls.note(self.call_of(layer, self.paths[id(layer)], args, options)):
                    return original(layer, *args, **options)
            finally:
                self.running.pop()

        return forward

    def call_of(self, layer: Any, path: str, args: tuple, options: dict) -> Call:
        """The layer as it is before this call, and what it is given."""
        numbers = {id(x): k for k, x in enumerate(self.values) if k in self.subject.parameters}
        own = {f"self.{p.path}": numbers[id(p.get())] for p in places(layer) if id(p.get()) in numbers}
        given = tree_map(independent, tuple(args))
        name = f"{path} ({label(layer)})"
        return Call(
            name, independent(layer), given, tree_map(independent, dict(options)), thing=id(layer), own=own
        )
