"""A reference made of handgrad's rules, or of NumPy's functions: its program, one operation at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.checking.kernels.arithmetic import (
    ARITHMETIC,
    PRODUCTS,
    SUMS,
    Arithmetic,
    computed,
    either,
    twice,
)
from handgrad.checking.subject import douts_like
from handgrad.program import trace
from handgrad.program.loops import LOOPS, meaning
from handgrad.program.program import Operation, Program
from handgrad.tape import vjp
from handgrad.tree import leaves, tree_map, unflatten

Pair = tuple[Any, Any]  # two computations of one value
Run = Callable[[Arithmetic | None, np.random.Generator], list[np.ndarray]]


def prepared(f: Callable, tree: list[Any], values: list[Any], douts: list[Any] | None) -> tuple[Run, bool]:
    """``run(arithmetic, rng) -> outputs`` and, where there are douts, gradients; whether each step is seen.

    Args:
        f: ``f(*inputs) -> outputs``, of rules.
        tree: inputs, nested as f takes them.
        values: their leaves; by the floating ones there are gradients.
        douts: one for each output.
    """
    chosen = [k for k, x in enumerate(values) if is_array(x)]
    floats = [values[k] for k in chosen]

    def given(xs: tuple) -> Any:
        at = dict(zip(chosen, xs, strict=True))
        return f(*unflatten(tree, [at.get(k, x) for k, x in enumerate(values)]))

    def whole(xs: list[Any], douts: list[Any]) -> Any:
        if not douts:
            return leaves(given(tuple(xs)))
        out, backward = vjp(lambda *xs: given(xs), *xs)
        grads = backward(douts_like(out, douts))
        return leaves(out) + leaves(grads)

    program = trace(whole, floats, douts or [])

    def run(arithmetic: Arithmetic | None, rng: np.random.Generator) -> list[np.ndarray]:
        if arithmetic is None:
            return program(floats, douts or [])
        pairs = [twice(x, arithmetic, rng) for x in [*floats, *(douts or [])]]
        outputs = len(leaves(program.outputs)) - (len(floats) if douts else 0)
        return interpreted(program, pairs, outputs, arithmetic, rng)

    return run, not any(o.name in LOOPS for o in program.operations)


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def interpreted(
    program: Program, values: list[Pair], outputs: int, arithmetic: Arithmetic, rng: np.random.Generator
) -> list[np.ndarray]:
    """A program on NumPy arrays, each result rounded; what its first ``outputs`` do not need is the way back.

    Everything is computed twice, and each step on the way back takes of the one or the other.
    """
    inputs = leaves(program.inputs)
    known = {id(x): pair for x, pair in zip(inputs, values, strict=True)}
    moving, ahead = {id(x) for x in inputs}, needed(program, outputs)
    ways = (0, 1) if len(ahead) < len(program.operations) else (0,)  # without a way back, once will do

    def resolve(tree: Any, which: int | None) -> Any:
        def value(x: Any) -> Any:
            pair = known.get(id(x))
            return x if pair is None else either(*pair, rng) if which is None else pair[which]

        return tree_map(value, tree)

    for operation in program.operations:
        is_back = id(operation) not in ahead
        if operation.uses & moving and operation.name not in ("ones_like", "zeros_like"):
            moving.update(map(id, operation.outs))
        made = []
        for which in ways:
            chosen = None if is_back and operation.name in ARITHMETIC else which
            args, options = resolve((operation.args, operation.options), chosen)
            made.append(stepped(operation, args, options, moving, arithmetic, is_back, rng))
        both = zip(*(x if isinstance(x, tuple) else (x,) for x in (made[0], made[-1])), strict=True)
        known.update(zip(map(id, operation.outs), both, strict=True))
    return [np.asarray(x) for x in leaves(resolve(program.outputs, 0))]


def needed(program: Program, outputs: int) -> set[int]:
    """The operations, by id, that the first of its outputs need."""
    wanted, found = set(map(id, leaves(program.outputs)[:outputs])), set()
    for operation in reversed(program.operations):
        if wanted & set(map(id, operation.outs)):
            found.add(id(operation))
            wanted |= operation.uses
    return found


def stepped(
    operation: Operation, args: tuple, options: dict, moving: set[int], arithmetic: Arithmetic, is_back: bool,
    rng: np.random.Generator,
) -> Any:  # fmt: skip
    """One operation; what hangs on no input, ``moving``, is a number that stays as it is."""
    f = meaning(operation.name)
    places = [k for k, x in enumerate(args) if is_array(x) and id(operation.args[k]) in moving]
    if operation.name in PRODUCTS | SUMS:
        places = [k for k, x in enumerate(args) if is_array(x)]
    if (
        operation.name in LOOPS
        or not operation.uses & moving
        or any(out.dtype.kind != "f" for out in operation.outs)
        or not places
    ):
        return f(*args, **options)

    def on(*arrays: Any) -> Any:
        at = dict(zip(places, arrays, strict=True))
        return f(*(at.get(k, x) for k, x in enumerate(args)), **options)

    return computed(operation.name, on, [args[k] for k in places], arithmetic, is_back, rng)
