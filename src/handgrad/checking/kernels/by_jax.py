"""A reference made of JAX's functions: its jaxpr, one equation at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from handgrad.checking.kernels.arithmetic import ARITHMETIC, Arithmetic, computed, either
from handgrad.checking.kernels.by_program import Run, is_array
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
            back = [k >= len(floats) for k in range(len(arrays))]
            pairs = [(x, x) for x in arrays]
            made, _ = evaluated(closed.jaxpr, closed.consts, pairs, back, arithmetic, rng)
            return [np.asarray(first) for first, _ in made]

    return run, not any(e.primitive.name in LOOPS for e in closed.jaxpr.eqns)


Pair = tuple[Any, Any]


def evaluated(
    jaxpr: Any, consts: list[Any], given: list[Pair], back: list[bool], arithmetic: Arithmetic,
    rng: np.random.Generator,
) -> tuple[list[Pair], list[bool]]:  # fmt: skip
    """A jaxpr on arrays, each result rounded, as ``by_program.interpreted`` does.

    Returns two computations of each output, and which of them hang on a dout, as ``back`` says of the inputs.
    """
    known: dict[Any, Pair] = {v: (x, x) for v, x in zip(jaxpr.constvars, consts, strict=True)}
    known.update(zip(jaxpr.invars, given, strict=True))
    is_back = dict(zip(jaxpr.invars, back, strict=True))

    def pair(atom: Any) -> Pair:
        return (atom.val, atom.val) if hasattr(atom, "val") else known[atom]

    def hangs(atom: Any) -> bool:
        return not hasattr(atom, "val") and is_back.get(atom, False)

    for equation in jaxpr.eqns:
        args, behind = list(map(pair, equation.invars)), list(map(hangs, equation.invars))
        name = equation.primitive.name
        inner = next((p for p in equation.params.values() if hasattr(p, "eqns") or hasattr(p, "jaxpr")), None)
        if inner is not None and name not in LOOPS:
            body, held = getattr(inner, "jaxpr", inner), getattr(inner, "consts", [])
            outs, behind = evaluated(body, held, args, behind, arithmetic, rng)
        else:
            made = []
            for which in (0, 1) if any(behind) else (0,):
                mixed = any(behind) and name in ARITHMETIC
                chosen = [
                    either(np.asarray(a), np.asarray(b), rng) if mixed and a is not b else (a, b)[which]
                    for a, b in args
                ]
                made.append(stepped(equation, chosen, arithmetic, any(behind), rng))
            outs = list(zip(made[0], made[-1], strict=True))
            behind = [any(behind)] * len(outs)
        known.update(zip(equation.outvars, outs, strict=True))
        is_back.update(zip(equation.outvars, behind, strict=True))
    return list(map(pair, jaxpr.outvars)), list(map(hangs, jaxpr.outvars))


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
