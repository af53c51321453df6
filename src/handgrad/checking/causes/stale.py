"""Caches of another call: of another mode, of the first use, of a call that came before."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.checking.causes.evidence import Evidence
from handgrad.checking.equality import same
from handgrad.checking.findings import Cause
from handgrad.checking.kinds import Kind
from handgrad.checking.memory import equal
from handgrad.checking.subject import Back, Subject, copied, joined, parted


def stale(e: Evidence) -> Iterator[Cause]:
    """What was there before the forward, and moves the gradient without moving the output.

    A weight moves both, what the forward saves moves neither: it is written over.
    """
    for name, moved in (*_attributes(e.trial.subject), *_globals(e.trial.subject)):
        outs, back = moved()
        if not same(joined(outs), e.trial.f0, 1e-12) or _is_set(e.trial.subject, name):
            continue
        dx = back(parted(e.douts[0], e.trial.outs))[e.index]
        if dx is not None and np.shape(dx) == e.shape and not e.near(np.asarray(dx), e.got[0]):
            said = (
                f"{e.d} changes with {name} as it was before this forward, and the output does not: the "
                f"forward does not set it here, so the backward uses what another call left (another mode?)"
            )
            yield e.cause(Kind.STALE_CACHE, said, choices=3)
            return


def _is_set(subject: Subject, name: str) -> bool:
    """Whether the forward gives the layer's attribute another value: then it is this call's."""
    if not name.startswith("self.") or subject.reused is None:
        return False
    attribute, used = name.removeprefix("self."), subject.reused()
    _run(used, subject)
    return not equal(vars(used.inner).get(attribute), vars(subject.inner)[attribute])


class Changed:
    """In the place of a ``Rebinder``: the layer with another value in one attribute."""

    def __init__(self, name: str):
        self.name = name

    def layer(self, made: Any) -> Any:
        setattr(made, self.name, other(getattr(made, self.name)))
        return made


def _attributes(subject: Subject) -> Iterator[tuple[str, Any]]:
    """The arrays that a layer object came with, each with a way to run it with another in its place."""
    if subject.style != "layer":
        return
    for name, held in list(vars(subject.inner).items()):
        if f"self.{name}" not in subject.names and other(held) is not held:
            yield f"self.{name}", lambda name=name: _run(subject.rebuilt(Changed(name)), subject)


def _globals(subject: Subject) -> Iterator[tuple[str, Any]]:
    """What a function finds in globals and cells, likewise."""
    memory = subject.memory
    for i, first in enumerate(memory.first if memory is not None else ()):
        if other(first) is not first:
            yield "an array that the function keeps", lambda i=i: _with_memory(subject, i)


def _with_memory(subject: Subject, i: int) -> tuple[list[Any], Back]:
    assert subject.memory is not None
    first = subject.memory.first
    before, first[i] = first[i], other(first[i])
    try:
        return _run(subject, subject)
    finally:
        first[i] = before


def _run(made: Subject, subject: Subject) -> tuple[list[Any], Back]:
    return made.pair(copied(subject.values))


def other(held: Any) -> Any:
    """Another value of the same make; the very thing where it holds no array."""
    if isinstance(held, np.ndarray) and held.size:
        if held.dtype.kind == "b":
            return ~held
        return held * 1.25 + 0.125 if held.dtype.kind == "f" else held
    if isinstance(held, dict):
        made = {key: other(value) for key, value in held.items()}
        return made if any(made[key] is not held[key] for key in held) else held
    if isinstance(held, (list, tuple)):
        parts = [other(value) for value in held]
        is_same = all(a is b for a, b in zip(parts, held, strict=True))
        return held if is_same else type(copy.copy(held))(parts)
    return held
