"""JAX's functions as the line of primitives that they trace to."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.extend import core

from handgrad.checking.following.trace import Recording, Traced

NAMES = {
    "mul": "multiply",
    "div": "divide",
    "sub": "subtract",
    "reduce_max": "max",
    "reduce_sum": "sum",
    "integer_pow": "power",
    "dot_general": "matmul",
}


def followed(f: Any, given: list[Any]) -> list[Any]:
    """The outputs of f, its primitives noted one by one, those of functions inside it too."""
    tape = next(x.tape for x in given if isinstance(x, Traced))
    plain = [x.value if isinstance(x, Traced) else x for x in given]
    with jax.enable_x64(True):
        closed = jax.make_jaxpr(f)(*plain)
        return _run(tape, closed.jaxpr, closed.consts, given)


def _run(tape: Recording, jaxpr: Any, consts: Any, args: list[Any]) -> list[Any]:
    held: dict[Any, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))

    def value(v: Any) -> Any:
        return v.val if isinstance(v, core.Literal) else held[v]

    for equation in jaxpr.eqns:
        given = [value(v) for v in equation.invars]
        inner = _inner(equation)
        if inner is not None:
            outs = _run(tape, inner.jaxpr, inner.consts, given)
        else:
            outs = _note(tape, equation, given)
        held.update(zip(equation.outvars, outs, strict=True))
    return [value(v) for v in jaxpr.outvars]


def _inner(equation: Any) -> Any:
    """The body of a call that does nothing but call."""
    if equation.primitive.name in ("scan", "while", "cond"):
        return None
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        body = equation.params.get(name)
        if body is not None and hasattr(body, "eqns"):
            return body if hasattr(body, "consts") else core.ClosedJaxpr(body, ())
    return None


def _note(tape: Recording, equation: Any, given: list[Any]) -> list[Any]:
    """One primitive as a step; what it takes that is not followed, and its small numbers, stay inside."""
    traced = [i for i, x in enumerate(given) if isinstance(x, Traced)]
    numbers = [
        i
        for i, (x, v) in enumerate(zip(given, equation.invars, strict=True))
        if isinstance(v, core.Literal) and np.asarray(x).dtype.kind == "f"
    ]
    several = equation.primitive.multiple_results

    def with_numbers(constants: list[float]) -> Any:
        def call(values: list[np.ndarray]) -> Any:
            filled = [x.value if isinstance(x, Traced) else x for x in given]
            for i, x in zip((*traced, *numbers), (*values, *constants), strict=True):
                filled[i] = x
            with jax.enable_x64(True):
                filled = [jax.numpy.asarray(x) for x in filled]
                params = equation.primitive.get_bind_params(equation.params)
                out = equation.primitive.bind(*filled, **params)
            return [np.asarray(o) for o in out] if several else np.asarray(out)

        return call

    constants = [float(given[i]) for i in numbers]
    name = NAMES.get(equation.primitive.name, equation.primitive.name)
    made = tape.note(
        name,
        with_numbers(constants),
        [given[i].slot for i in traced],
        [np.array(given[i].value) for i in traced],
        constants,
        with_numbers,
    )
    return list(made) if several else [made]
