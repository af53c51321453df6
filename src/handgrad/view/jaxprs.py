"""Functions of JAX, run primitive by primitive on recorded arrays: each is a rule, its backward jax.vjp's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from handgrad.arrays import is_floating, stripped
from handgrad.rules import Rule
from handgrad.tape import Variable, scope
from handgrad.tree import leaves

INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # under which a primitive has what it only calls
CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "remat",
    "checkpoint",
    "custom_jvp_call",
    "custom_vjp_call",
)
NAMES = {1: ("x",), 2: ("x", "y"), 3: ("x", "y", "z")}


def is_jax(inputs: Sequence[Any]) -> bool:
    """Whether some of the inputs are JAX's arrays."""
    return any(type(stripped(x)).__module__.startswith("jaxlib") for x in leaves(list(inputs)))


def recorded_call(f: Callable, inputs: Sequence[Any]) -> Any:
    """The outputs of a function of JAX, of recorded inputs."""
    import jax

    bare = jax.tree.map(
        lambda x: stripped(x.value) if isinstance(x, Variable) else x, list(inputs), is_leaf=is_variable
    )
    closed, shape = jax.make_jaxpr(f, return_shape=True)(*bare)
    outs = run(closed.jaxpr, closed.consts, leaves(list(inputs)))
    return jax.tree.unflatten(jax.tree.structure(shape), outs)


def is_variable(x: Any) -> bool:
    return isinstance(x, Variable)


def run(jaxpr: Any, consts: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """A jaxpr, equation by equation."""
    known: dict[Any, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *given), strict=True))

    def read(atom: Any) -> Any:
        return atom.val if hasattr(atom, "val") else known[atom]

    for equation in jaxpr.eqns:
        xs = [read(atom) for atom in equation.invars]
        outs = step(equation, xs)
        known.update(zip(equation.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def step(equation: Any, xs: list[Any]) -> list[Any]:
    """One equation: what it calls, if it only calls; else its primitive as a rule."""
    name, params = equation.primitive.name, equation.params
    inner = next((params[key] for key in INNER if key in params), None)
    if name in CALLS and inner is not None:
        jaxpr, consts = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
        called = params.get("name") or name
        with scope(called, name):
            return run(jaxpr, consts, xs)
    if not any(map(is_variable, xs)):
        made = equation.primitive.bind(*map(stripped, xs), **params)
        return list(made) if equation.primitive.multiple_results else [made]
    out = rule_of(equation.primitive, params, len(xs))(*xs)
    return list(out) if equation.primitive.multiple_results else [out]


def rule_of(primitive: Any, params: dict[str, Any], count: int) -> Rule:
    """A primitive as a rule: values by JAX, and the way back by ``jax.vjp``."""
    import jax

    def body(*xs: Any) -> tuple[Any, Callable]:
        moved = [i for i, x in enumerate(xs) if is_floating(x)]

        def of_moved(*own: Any) -> Any:
            whole = list(xs)
            for i, x in zip(moved, own, strict=True):
                whole[i] = x
            made = primitive.bind(*whole, **params)
            return tuple(made) if primitive.multiple_results else made

        out, back = jax.vjp(of_moved, *(jax.numpy.asarray(xs[i]) for i in moved))

        def backward(dout: Any) -> tuple:
            found = dict(zip(moved, back(dout), strict=True))
            return tuple(found.get(i) for i in range(len(xs)))

        return out, backward

    names = NAMES.get(count, tuple(f"x{i + 1}" for i in range(count)))
    body.__name__ = body.__qualname__ = primitive.name
    body.__doc__ = f"JAX's {primitive.name}, differentiated by jax.vjp."
    vars(body)["__signature__"] = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    )
    return Rule(body)
