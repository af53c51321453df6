"""A part of a network, with what it really saw."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from handgrad.checking.subject import Back, Subject, Values
from handgrad.tree import leaves


@dataclass
class Part:
    """One step of a network's forward.

    ``sources`` says for each input of the part which of the network's inputs (by number) flow into it.
    """

    name: str
    order: int  # its place in the forward
    subject: Subject  # its values are those that it saw
    sources: list[frozenset[int]] = field(default_factory=list)
    kind: Any = None  # the rule, the class, the function: what two parts may have in common
    options: dict | None = None  # given where values, kind and options are all that a part is
    inside: tuple[int, ...] = ()  # the orders of the parts that this one is made of
    thing: Any = None  # equal for calls of one object

    def fingerprint(self) -> tuple | None:
        """Equal for parts whose check must come out the same; None where that cannot be told."""
        if self.options is None:
            return None
        seen = [digest(x) for x in self.subject.values]
        return (id(self.kind), tuple(self.subject.checked), *seen, *map(digest, leaves(self.options)))


def digest(x: Any) -> tuple:
    """What identifies a value."""
    if not isinstance(x, (np.ndarray, np.generic)):
        return type(x), repr(x)
    x = np.ascontiguousarray(x)
    return x.shape, x.dtype.str, hashlib.sha1(x.tobytes(), usedforsecurity=False).digest()


def numbered(names: Iterable[str]) -> list[str]:
    """The names, with the number of the call where one comes more than once."""
    names = list(names)
    count, met = Counter(names), Counter[str]()
    found = []
    for name in names:
        met[name] += 1
        found.append(f"{name}, call {met[name]}" if count[name] > 1 else name)
    return found


def so_far(subject: Subject) -> set[int]:
    """The inputs of a network that are there from the beginning: all that are no parameters."""
    return {k for k, c in enumerate(subject.checked) if c and k not in subject.parameters}


def only(subject: Subject, wanted: list[bool]) -> Subject:
    """The subject with gradients by some of its inputs alone: the network asks for no others."""
    checked = [c and w for c, w in zip(subject.checked, wanted, strict=True)]

    def pair(values: Values) -> tuple[list[Any], Back]:
        outs, back = subject.pair(values)

        def back_to_wanted(douts: list[Any]) -> list[Any]:
            grads = back(douts)
            if len(grads) != len(checked):
                return grads
            return [g if c else None for g, c in zip(grads, checked, strict=True)]

        return outs, back_to_wanted

    made = replace(subject, checked=checked, pair=pair)
    reused, rebuilt = subject.reused, subject.rebuilt
    if reused is not None:
        made.reused = lambda: only(reused(), wanted)
    if rebuilt is not None:
        made.rebuilt = lambda rebinder: only(rebuilt(rebinder), wanted)
    return made
