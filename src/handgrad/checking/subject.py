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
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from handgrad.arrays import sum_to
from handgrad.checking.memory import Memory
from handgrad.rules.rule import Rule, describe, is_repeated
from handgrad.tape import Variable, vjp
from handgrad.tree import leaves, tree_map, unflatten

Values = list[Any]
Back = Callable[[list[Any]], list[Any]]

DOUT_NAMES = ("dout", "dy", "dz", "grad", "grad_out", "grad_output", "upstream", "delta", "gradient")


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

    @property
    def is_of_library(self) -> bool:
        """Whether its rules are PyTorch's own, with no code of an author's."""
        return self.style == "torch" and not self.code

    def outputs(self, values: Values) -> np.ndarray:
        """All floating outputs, one after the other: real, or complex where the inputs are."""
        return joined(self.forward(values))


def joined(outs: list[Any]) -> np.ndarray:
    """The floating outputs as one vector."""
    parts = [np.ravel(out) for out in map(np.asarray, outs) if out.dtype.kind in "fc"]
    wide = [p if p.dtype.kind == "c" else p.astype(np.float64) for p in parts]
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


def is_float(x: Any) -> bool:
    """Whether an input is one to differentiate by."""
    return isinstance(x, float) or (hasattr(x, "dtype") and np.asarray(x).dtype.kind == "f")


def narrow_of(inputs: tuple) -> frozenset[int]:
    """Which of the inputs' arrays are float32."""
    return frozenset(k for k, x in enumerate(leaves(list(inputs))) if getattr(x, "dtype", None) == np.float32)


def as_float64(x: Any) -> Any:
    return np.array(x, np.float64) if is_float(x) else x


def copied(values: Values) -> Values:
    """Copies of the arrays, so that a target can spoil its own only."""
    return [x.copy() if isinstance(x, np.ndarray) else x for x in values]


SEED = 20101


@contextlib.contextmanager
def fixed_randomness() -> Iterator[None]:
    """The global generators start at the same place inside."""
    np.random.seed(SEED)
    random.seed(SEED)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.manual_seed(SEED)
    yield


@contextlib.contextmanager
def own_randomness() -> Iterator[None]:
    """Whatever is drawn inside, the caller's global generators go on after it as if nothing had been."""
    numpys, pythons = np.random.get_state(), random.getstate()
    torch = sys.modules.get("torch")
    torchs = torch.get_rng_state() if torch is not None else None
    try:
        yield
    finally:
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


# A rule, and any function that returns a pair.


def of_rule(rule: Rule, inputs: tuple, options: dict) -> Subject:
    """A rule's body, its gradients as they are before the rule repairs or refuses them."""
    inputs, options = rule.bind(inputs, options)  # with those that may be left out
    made = of_pair(rule.body, inputs, options, rule.name, list(rule.inputs))

    def fit(k: int, dx: Any) -> Any:
        wanted = np.shape(made.values[k])
        if rule.broadcasts and np.shape(dx) != wanted and is_repeated(wanted, np.shape(dx)):
            return sum_to(dx, wanted)
        return dx

    return replace(made, style="rule", fit=fit)


def of_pair(
    f: Callable,
    inputs: tuple,
    options: dict,
    name: str | None = None,
    names: list[str] | None = None,
    memory: Memory | None = None,
) -> Subject:
    """``f(*inputs) -> (out, backward)``. Each evaluation starts from what f remembered at first.

    Raises:
        TypeError: it returns something else.
    """
    memory = memory or Memory(f)
    name = name or label(f)
    names = names or parameter_names(f, len(inputs))
    tree = tree_map(as_float64, list(inputs))
    forward, pair = _runs(f, tree, options, name, memory)
    flat = leaves(tree)

    def follow(given: list[Any], rebinder: Any) -> Any:
        return as_pair(rebinder.function(f)(*unflatten(tree, given), **options), name)[0]

    made = Subject(
        name=name,
        style="pair",
        names=flat_names(names, inputs),
        values=flat,
        checked=[is_float(x) for x in flat],
        forward=forward,
        pair=pair,
        code=[f],
        follow=follow,
        functions=lambda: [f],
        rebuilt=lambda rebinder: of_pair(rebinder.function(f), inputs, options, name, names, memory),
        numbers=numbers_of(f) | {k: float(v) for k, v in options.items() if isinstance(v, (int, float))},
        narrow=narrow_of(inputs),
        memory=memory,
    )
    return replace(made, reused=lambda: replace(made, pair=partial(pair, fresh=False)))


def _runs(
    f: Callable, tree: list[Any], options: dict, name: str, memory: Memory
) -> tuple[Callable[[Values], list[Any]], Callable[..., tuple[list[Any], Back]]]:
    """``forward(values)``, and ``pair(values, fresh=True)``: not fresh, f goes on remembering."""

    def run(values: Values) -> tuple[Any, Callable]:
        with fixed_randomness():
            return as_pair(f(*unflatten(tree, list(values)), **options), name)

    def forward(values: Values) -> list[Any]:
        with memory.kept():
            return leaves(run(values)[0])

    def pair(values: Values, fresh: bool = True) -> tuple[list[Any], Back]:
        if fresh:
            memory.restore()
        out, backward = run(values)

        def back(douts: list[Any]) -> list[Any]:
            return aligned(backward(douts_like(out, douts)), tree)

        return leaves(out), back

    return forward, pair


def as_pair(made: Any, name: str) -> tuple[Any, Callable]:
    if isinstance(made, tuple) and len(made) == 2 and callable(made[1]):
        return made
    raise TypeError(f"{name} returned {describe(made)}: a rule returns the pair (out, backward)")


def douts_like(out: Any, douts: list[Any]) -> Any:
    """The douts in the structure of the output: bare for one, a tuple for several."""
    if not isinstance(out, (list, tuple, dict)):
        return douts[0]
    return unflatten(out, list(douts))


def aligned(grads: Any, tree: list[Any]) -> list[Any]:
    """One gradient, or None, for each leaf of the inputs.

    Raises:
        Unfit: there are not as many as inputs.
    """
    if len(tree) == 1 and not (isinstance(grads, (tuple, list)) and len(grads) == 1):
        nested = isinstance(tree[0], (list, tuple, dict))
        grads = (grads,) if nested or not isinstance(grads, (tuple, list)) else grads
    if not isinstance(grads, (tuple, list)):
        grads = (grads,)
    if len(grads) != len(tree):
        floating = [any(map(is_float, leaves(x))) for x in tree]
        if len(grads) != sum(floating):
            raise Unfit(
                f"backward returned {counted(len(grads), 'gradient')} for {counted(len(tree), 'input')}"
            )
        given = iter(grads)
        grads = [next(given) if floats else None for floats in floating]
    flat: list[Any] = []
    for x, dx in zip(tree, grads, strict=True):
        parts = leaves(x)
        if dx is None:
            flat += [None] * len(parts)
        elif isinstance(x, (list, tuple, dict)):
            if len(leaves(dx)) != len(parts):
                raise Unfit(
                    f"backward returned {counted(len(leaves(dx)), 'gradient')} for {len(parts)} arrays"
                )
            flat += leaves(dx)
        else:
            flat.append(dx)
    return flat


def counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


# A function of rules: recorded, so its backward is ours and its rules are what can be wrong.


def of_function(f: Callable, inputs: tuple, options: dict, names: list[str] | None = None) -> Subject:
    """Any function of rules, by recording it.

    Raises:
        TypeError: what it returns was not computed by rules from its inputs.
    """
    tree = tree_map(as_float64, list(inputs))
    flat = leaves(tree)
    checked = [is_float(x) for x in flat]

    def call(values: Values) -> Any:
        with fixed_randomness():
            return f(*unflatten(tree, list(values)), **options)

    def of_floats(values: Values) -> Callable:
        def function(*floats: Any) -> Any:
            drawn = iter(floats)
            return call(
                [next(drawn) if is_checked else x for x, is_checked in zip(values, checked, strict=True)]
            )

        return function

    def pair(values: Values) -> tuple[list[Any], Back]:
        floats = [x for x, is_checked in zip(values, checked, strict=True) if is_checked]
        out, backward = vjp(of_floats(values), *floats)

        def back(douts: list[Any]) -> list[Any]:
            given = iter(backward(douts_like(out, douts)))
            return [next(given) if is_checked else None for is_checked in checked]

        return leaves(out), back

    recorded = call([Variable(x, 0) if c else x for x, c in zip(flat, checked, strict=True)])
    if not any(isinstance(x, Variable) for x in leaves(recorded)):
        raise TypeError(
            f"{label(f)} returned {describe(recorded)}, which no rule computed from its inputs: "
            f"a function to be checked returns the pair (out, backward), or is made of rules"
        )
    return Subject(
        name=label(f),
        style="function",
        names=flat_names(names or parameter_names(f, len(inputs)), inputs),
        values=flat,
        checked=checked,
        forward=lambda values: leaves(call(values)),
        pair=pair,
        inner=call,
    )


# A forward and a backward, apart.


def of_two(
    forward: Callable, backward: Callable, inputs: tuple, options: dict, adapter: Callable | None
) -> Subject:
    """Two plain functions. ``adapter(forward, backward)`` gives ``f(*xs) -> (out, backward(dout))``.

    Without one, a ``backward`` of two parameters after a ``forward`` that returns ``(out, cache)`` is
    called as ``backward(dout, cache)`` (or the other way round, by its parameters' names); any other as
    ``backward(dout, *inputs)``, dout first or last by its name.
    """
    joined_up = adapter(forward, backward) if adapter else _guessed(forward, backward, len(inputs))
    made = of_pair(joined_up, inputs, options, label(forward), parameter_names(forward, len(inputs)))

    def rebuilt(rebinder: Any) -> Subject:
        return of_two(rebinder.function(forward), rebinder.function(backward), inputs, options, adapter)

    return replace(
        made,
        code=[backward, forward],
        numbers=numbers_of(forward) | numbers_of(backward),
        functions=lambda: [backward],
        rebuilt=rebuilt,
    )


def _guessed(forward: Callable, backward: Callable, count: int) -> Callable:
    wanted = [
        p.name
        for p in inspect.signature(backward).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    dout_last = len(wanted) > 1 and wanted[-1].lower() in DOUT_NAMES and wanted[0].lower() not in DOUT_NAMES

    def f(*xs: Any, **options: Any) -> tuple[Any, Callable]:
        out = forward(*xs, **options)
        saved: tuple = xs
        has_cache = len(wanted) == 2 and isinstance(out, tuple) and len(out) == 2
        if has_cache and (count != 1 or "cache" in wanted):
            out, saved = out[0], out[1:]
        elif len(wanted) == count + 2:
            saved = (*xs, out)
        elif len(wanted) != count + 1:
            raise TypeError(
                f"how {label(backward)}({', '.join(wanted)}) is to be called after {label(forward)} of "
                f"{counted(count, 'input')} cannot be told; give adapter=, a function "
                f"(forward, backward) -> f with f(*inputs) -> (out, backward)"
            )

        def back(dout: Any) -> Any:
            return backward(*saved, dout) if dout_last else backward(dout, *saved)

        return out, back

    return f


def independent(target: Any) -> Any:
    """A deep copy, or the thing itself where it cannot be copied."""
    try:
        return copy.deepcopy(target)
    except Exception:
        return target
