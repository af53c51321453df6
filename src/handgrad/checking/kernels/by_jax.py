"""A reference made of JAX's functions: its jaxpr, one equation at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from handgrad.checking.kernels.arithmetic import ARITHMETIC, Arithmetic, computed, either, twice
from handgrad.checking.kernels.by_program import Pair, Run, is_array
from handgrad.checking.subject import douts_like
from handgrad.tree import leaves, unflatten

LOOPS = frozenset(("scan", "while", "cond"))


def prepared(f: Callable, tree: list[Any], values: list[Any], douts: list[Any] | None) -> tuple[Run, bool]:
    """As ``by_program.prepared``, of a function of JAX's arrays."""
    chosen = [k for k, x in enumerate(values) if is_array(x)]
    floats = [values[k] for k in chosen]

    def given(*xs: Any) -> Any:
        at = dict(zip(chosen, xs, strict=True))
        return f(*unflatten(tree, [at.get(k, x) for k, x in enumerate(values)]))

    def whole(xs: list[Any], seeds: list[Any]) -> list[Any]:
        if not seeds:
            return leaves(given(*xs))
        out, backward = jax.vjp(given, *xs)
        return [*leaves(out), *backward(douts_like(out, seeds))]

    with jax.enable_x64(True):
        closed = jax.make_jaxpr(whole)(floats, douts or [])

    def run(arithmetic: Arithmetic | None, rng: np.random.Generator) -> list[np.ndarray]:
        arrays = [*floats, *(douts or [])]
        with jax.enable_x64(True):
            if arithmetic is None:
                return [np.asarray(x) for x in whole(floats, douts or [])]
            pairs = [twice(x, arithmetic, rng) for x in arrays]
            outputs = len(closed.jaxpr.outvars) - (len(floats) if douts else 0)
            made = evaluated(closed.jaxpr, closed.consts, pairs, outputs, arithmetic, rng)
            return [np.asarray(first) for first, _ in made]

    return run, not any(e.primitive.name in LOOPS for e in closed.jaxpr.eqns)


def evaluated(
    jaxpr: Any,
    consts: list[Any],
    given: list[Pair],
    outputs: int,
    arithmetic: Arithmetic,
    rng: np.random.Generator,
) -> list[Pair]:
    """A jaxpr on arrays, as ``by_program.interpreted`` runs a program: two computations of each output."""
    known: dict[Any, Pair] = {v: (x, x) for v, x in zip(jaxpr.constvars, consts, strict=True)}
    known.update(zip(jaxpr.invars, given, strict=True))
    ahead = needed(jaxpr, outputs)

    def pair(atom: Any) -> Pair:
        return (atom.val, atom.val) if hasattr(atom, "val") else known[atom]

    for equation in jaxpr.eqns:
        args, is_back = list(map(pair, equation.invars)), id(equation) not in ahead
        name = equation.primitive.name
        inner = next((p for p in equation.params.values() if hasattr(p, "eqns") or hasattr(p, "jaxpr")), None)
        if inner is not None and name not in LOOPS:
            body, held = getattr(inner, "jaxpr", inner), getattr(inner, "consts", [])
            outs = evaluated(body, held, args, 0 if is_back else len(body.outvars), arithmetic, rng)
        else:
            mixed = is_back and name in ARITHMETIC
            chosen = [[_picked(p, which if not mixed else None, rng) for p in args] for which in (0, 1)]
            outs = list(zip(*(stepped(equation, c, arithmetic, is_back, rng) for c in chosen), strict=True))
        known.update(zip(equation.outvars, outs, strict=True))
    return list(map(pair, jaxpr.outvars))


def _picked(pair: Pair, which: int | None, rng: np.random.Generator) -> Any:
    """One of two computations; None: of each element the one or the other."""
    if which is not None or pair[0] is pair[1]:
        return pair[which or 0]
    return either(np.asarray(pair[0]), np.asarray(pair[1]), rng)


def needed(jaxpr: Any, outputs: int) -> set[int]:
    """The equations, by id, that the first of its outputs need."""
    wanted, found = set(map(id, jaxpr.outvars[:outputs])), set()
    for equation in reversed(jaxpr.eqns):
        if wanted & set(map(id, equation.outvars)):
            found.add(id(equation))
            wanted |= set(map(id, equation.invars))
    return found


def stepped(equation: Any, args: list[Any], arithmetic: Arithmetic, is_back: bool, rng: Any) -> list[Any]:
    name = equation.primitive.name

    def bound(args: list[Any]) -> list[Any]:
        made = equation.primitive.bind(*args, **equation.params)
        return [np.asarray(x) for x in made] if equation.primitive.multiple_results else [np.asarray(made)]

    args = [np.asarray(x) if hasattr(x, "dtype") and np.asarray(x).dtype.kind in "fiub" else x for x in args]
    places = [k for k, x in enumerate(args) if is_array(x)]
    is_floating = all(v.aval.dtype.kind == "f" for v in equation.outvars)
    if name in LOOPS or len(equation.outvars) != 1 or not places or not is_floating:
        return bound(args)

    def on(*arrays: Any) -> Any:
        at = dict(zip(places, arrays, strict=True))
        return bound([at.get(k, x) for k, x in enumerate(args)])[0]

    return [computed(name, on, [args[k] for k in places], arithmetic, is_back, rng)]
