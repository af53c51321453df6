"""What every target is made into: arrays in, arrays out, and a way back.

However its author wrote it, the checker sees a target as a ``Subject``: a flat list of named
inputs, ``forward(values) -> outputs``, and ``pair(values) -> (outputs, back)`` with ``back(douts)``
giving one raw gradient for each input, unrepaired, so that what is wrong with it can be seen. Both are
given the very arrays: who calls them keeps copies.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import mtrand

from handgrad.arrays import is_floating
from handgrad.checking.generators import Rewind, generators_of, rewinds
from handgrad.checking.memory import Memory
from handgrad.rules.rule import Rule
from handgrad.tree import leaves, unflatten

Values = list[Any]
Back = Callable[[list[Any]], list[Any]]


class BackwardFailed(Exception):
    """The target's backward raised."""


class Unfit(ValueError):
    """The gradients that a backward returned do not go with its inputs."""


@dataclass
class Subject:
    """A target as the checker sees it. Floating-point inputs are float64; the rest is passed along."""

    name: str
    style: str  # rule, pair, function, layer, torch, jax
    names: list[str]
    values: Values
    checked: list[bool]
    forward: Callable[[Values], list[Any]]
    pair: Callable[[Values], tuple[list[Any], Back]]
    code: list[Callable] = field(default_factory=list)  # where its source may be read
    numbers: dict[str, float] = field(default_factory=dict)  # rates, epsilons: what may name a factor
    fit: Callable[[int, Any], Any] = lambda k, dx: dx  # sums a declared broadcast
    parameters: frozenset[int] = frozenset()  # which inputs are a layer's own arrays
    reused: Callable[[], Subject] | None = None  # the same object again, not a fresh copy
    narrow: frozenset[int] = frozenset()  # which inputs came as float32
    notes: list[str] = field(default_factory=list)
    follow: Callable | None = None  # (values, rebinder) -> outputs, for tracing the forward
    functions: Callable[[], list] = list  # the author's functions, the backward's first
    rebuilt: Any = None  # (rebinder) -> the subject with functions replaced
    memory: Memory | None = None  # what a function keeps between calls
    inner: Any = None  # what a network is made of, for finding the first wrong part
    data: frozenset[int] = frozenset()  # inputs for which None is no mistake
    whose: str = ""  # the backward that is called, as a report names it
    forwards: tuple[str, ...] = ("forward",)  # of an object: the method that runs forward
    own: int | None = None  # how many inputs that takes, if not all
    given: Callable[[Any], Any] = lambda x: x  # an array as the target's library has it
    seen: Callable[[Any], Any] = lambda x: x  # and back

    @property
    def is_of_library(self) -> bool:
        """Whether its rules are PyTorch's own, with no code of an author's."""
        return self.style == "torch" and not self.code

    def outputs(self, values: Values) -> np.ndarray:
        """All floating outputs, one after the other: real, or complex where the inputs are."""
        return joined(self.forward(values))


def joined(outs: list[Any]) -> np.ndarray:
    """The floating outputs as one vector."""
    parts = [np.asarray(out).ravel() for out in outs]
    wide = [p if p.dtype.kind == "c" else p.astype(np.float64) for p in parts if p.dtype.kind in "fc"]
    return np.concatenate(wide) if wide else np.zeros(0)


def parted(vector: np.ndarray, outs: list[Any]) -> list[Any]:
    """A vector as one dout for each output, of its shape and dtype; zeros for those that are not floating."""
    douts, start = [], 0
    for out in map(np.asarray, outs):
        if out.dtype.kind not in "fc":
            douts.append(np.zeros(out.shape))
            continue
        douts.append(vector[start : start + out.size].reshape(out.shape).astype(out.dtype, copy=True))
        start += out.size
    return douts


def narrow_of(inputs: tuple) -> frozenset[int]:
    """Which of the inputs' arrays are float32."""
    return frozenset(k for k, x in enumerate(leaves(list(inputs))) if getattr(x, "dtype", None) == np.float32)


def as_float64(x: Any) -> Any:
    return np.array(x, np.float64) if is_floating(x) else x


def copied(values: Values) -> Values:
    """Copies of the arrays, so that a target can spoil its own only."""
    return [x.copy() if isinstance(x, np.ndarray) else x for x in values]


SEED = 20101


PYTHONS = random.Random(SEED).getstate()


OWN: dict[int, tuple[Any, Rewind]] = {}  # the author's generators, while he is checked


class fixed_randomness:
    """The global generators, and those of the author's own, start at the same place inside."""

    def __enter__(self) -> None:
        np.random.seed(SEED)
        random.setstate(PYTHONS)
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.default_generator.manual_seed(SEED)
        for _, rewind in OWN.values():
            rewind()

    def __exit__(self, *exc: Any) -> None:
        pass


def drawn() -> tuple[float, ...]:
    """A number of each generator, which tells where it is."""
    torch = sys.modules.get("torch")
    torchs = () if torch is None else (float(torch.rand((), dtype=torch.float64)),)
    owns = [_number(generator) for generator, _ in OWN.values()]
    return (np.random.random(), random.random(), *torchs, *owns)


def _number(generator: Any) -> float:
    if hasattr(generator, "random"):
        return float(generator.random())
    return float(sys.modules["torch"].rand((), generator=generator, dtype=sys.modules["torch"].float64))


@contextlib.contextmanager
def own_randomness(target: Any = None) -> Iterator[None]:
    """Whatever is drawn inside, the caller's generators go on after it as if nothing had been."""
    theirs, numpys, pythons = (
        mtrand.get_bit_generator(),
        np.random.get_state(legacy=False),
        random.getstate(),
    )
    torch = sys.modules.get("torch")
    torchs = torch.get_rng_state() if torch is not None else None
    is_other = not isinstance(theirs, np.random.MT19937)  # which np.random.seed cannot seed
    if is_other:
        mtrand.set_bit_generator(np.random.MT19937(SEED))
    found = {id(g): (g, rewinds(g)) for g in generators_of(target) if id(g) not in OWN}
    mine = {key: (g, rewind) for key, (g, rewind) in found.items() if rewind is not None}
    OWN.update(mine)
    try:
        yield
    finally:
        for key, (_, rewind) in mine.items():
            rewind()
            del OWN[key]
        if is_other:
            mtrand.set_bit_generator(theirs)
        np.random.set_state(numpys)
        random.setstate(pythons)
        if torch is not None:
            torch.set_rng_state(torchs)


def label(target: Any) -> str:
    """How a report names the target."""
    if isinstance(target, Rule):
        return target.name
    if isinstance(target, (list, tuple)):
        return " -> ".join(label(part) for part in target)
    found = getattr(target, "__name__", None) or type(target).__name__
    return found if found != "<lambda>" else "the function"


def parameter_names(f: Callable, count: int, skipped: int = 0) -> list[str]:
    """The names of a function's positional parameters, as far as they can be had."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = names[skipped : skipped + count]
    return names + [f"input {i}" for i in range(len(names), count)]


def flat_names(names: list[str], inputs: tuple) -> list[str]:
    """One name for each array: x, or arrays[0], arrays[1] where an input is nested."""
    found = []
    for name, given in zip(names, inputs, strict=True):
        parts = leaves(given)
        nested = isinstance(given, (list, tuple, dict))
        found += [f"{name}[{i}]" for i in range(len(parts))] if nested else [name]
    return found


def numbers_of(f: Any) -> dict[str, float]:
    """Options of a function and numbers in its closure: what a factor may be made of."""
    found: dict[str, float] = {}
    with contextlib.suppress(TypeError, ValueError):
        for p in inspect.signature(f).parameters.values():
            if isinstance(p.default, (int, float)) and not isinstance(p.default, bool):
                found[p.name] = float(p.default)
    return found


def at_place(name: str, place: tuple[int, ...]) -> str:
    """One element of an input, as it is written in code."""
    return f"{name}[{', '.join(map(str, place))}]" if place else name


def douts_like(out: Any, douts: list[Any]) -> Any:
    """The douts in the structure of the output: bare for one, a tuple for several."""
    if not isinstance(out, (list, tuple, dict)):
        return douts[0]
    return unflatten(out, list(douts))


def counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def independent(target: Any) -> Any:
    """A deep copy, or the thing itself where it cannot be copied."""
    try:
        return copy.deepcopy(target)
    except Exception:
        return target
