"""Calls that were made while a forward ran: of what, with what, and inside which other call."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Call:
    """One call, as it was when it began."""

    name: str
    owner: Any  # what was called
    args: tuple
    options: dict
    outer: Call | None = None
    inside: list[Call] = field(default_factory=list)
    thing: Any = None  # equal for calls of one object
    own: dict[str, int] = field(default_factory=dict)  # the network's numbers of its parameters, by name


class Calls:
    """Notes calls as they are made."""

    def __init__(self) -> None:
        self.ended: list[Call] = []  # in the order in which they ended: a call comes after those inside it
        self.current: Call | None = None

    @contextlib.contextmanager
    def note(self, call: Call) -> Iterator[None]:
        """A call that lasts as long as the context."""
        call.outer, self.current = self.current, call
        if call.outer is not None:
            call.outer.inside.append(call)
        try:
            yield
        finally:
            self.current = call.outer
            self.ended.append(call)


@contextlib.contextmanager
def patched(kind: type, name: str, make: Callable[[Callable], Any]) -> Iterator[None]:
    """Inside, ``kind.name`` is what ``make`` makes of it."""
    held, original = vars(kind).get(name), getattr(kind, name)
    setattr(kind, name, make(original))
    try:
        yield
    finally:
        if held is None:
            delattr(kind, name)
        else:
            setattr(kind, name, held)
