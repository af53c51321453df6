"""The parts of a JAX function: the ``custom_vjp`` functions in it.

They are found among its equations, which are then evaluated one after the other, so each is seen with its
values, also inside ``vmap``, ``jit`` and ``checkpoint``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jax.extend import core

from handgrad.checking.forms.jax_own import of_jax
from handgrad.checking.network.calls import Call, Calls, patched
from handgrad.checking.network.part import Part, only
from handgrad.checking.subject import Subject, copied
from handgrad.tree import leaves, tree_map

Sources = frozenset[int]
NONE: Sources = frozenset()
BODIES = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # where an equation keeps the equations that it stands for
LOOPS = ("scan", "while", "cond")


@dataclass
class Equation:
    """A ``custom_vjp`` call with the values that it saw, and the network's inputs that flow into each."""

    eqn: Any
    values: list[Any]
    sources: list[Sources]

    @property
    def name(self) -> str:
        return self.eqn.params["call_jaxpr"].jaxpr.debug_info.func_name.split(" ")[0]


def parts(subject: Subject) -> list[Part]:
    """One part for each call of a ``custom_vjp`` function that a gradient flows through."""
    if isinstance(subject.inner, jax.custom_vjp):
        return []
    with jax.enable_x64(True), jax.disable_jit():
        closed, calls = traced(subject)
        equations = list(evaluated(closed, subject))
    if len(equations) != len(
        calls
    ):  # some were traced before and are remembered, so which is which is not known
        calls = [None] * len(equations)
    found = [(e, call) for e, call in zip(equations, calls, strict=True) if any(e.sources)]
    return [part_of(e, call, place, len(found)) for place, (e, call) in enumerate(found, 1)]


def traced(subject: Subject) -> tuple[Any, list[Any]]:
    """The function's equations, and the calls of ``custom_vjp`` functions as they were met."""
    values = copied(subject.values)
    numbers = [k for k, is_checked in enumerate(subject.checked) if is_checked]
    calls = Calls()

    def function(*floats: Any) -> tuple:
        given = dict(zip(numbers, floats, strict=True))
        with contextlib.suppress(
            jax.errors.TracerArrayConversionError
        ):  # when it makes arrays of the outputs
            subject.forward([given.get(k, x) for k, x in enumerate(values)])
        return ()

    def noting(original: Callable) -> Callable:
        def call(target: Any, *args: Any, **options: Any) -> Any:
            with calls.note(Call("", target, args, options)):
                return original(target, *args, **options)

        return call

    with patched(jax.custom_vjp, "__call__", noting):
        closed = jax.make_jaxpr(function)(*(values[k] for k in numbers))
    return closed, [call for call in calls.ended if call.outer is None]


def evaluated(closed: Any, subject: Subject) -> Iterator[Equation]:
    """The ``custom_vjp`` calls, one after the other as they are evaluated."""
    numbers = [k for k, is_checked in enumerate(subject.checked) if is_checked]
    args = [(jax.numpy.array(subject.values[k]), frozenset([k])) for k in numbers]
    consts = [(x, NONE) for x in closed.consts]
    yield from run(closed.jaxpr, consts, args)


def run(jaxpr: Any, consts: list, args: list) -> Any:
    """Evaluate equations on pairs of a value and its sources. Yields the calls met, returns the outputs."""
    held = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))

    def read(atom: Any) -> tuple[Any, Sources]:
        return (atom.val, NONE) if isinstance(atom, core.Literal) else held[atom]

    for eqn in jaxpr.eqns:
        given = [read(atom) for atom in eqn.invars]
        body = body_of(eqn)
        if eqn.primitive.name == "custom_vjp_call":
            yield Equation(eqn, [x for x, _ in given], [s for _, s in given])
        if body is not None:
            outs = yield from run(*body, given)
        else:
            flow = NONE.union(*(s for _, s in given))
            outs = [(out, flow) for out in bound(eqn, [x for x, _ in given])]
        held.update(zip(eqn.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def body_of(eqn: Any) -> tuple[Any, list] | None:
    """The equations that one equation stands for, and their constants, where it runs them just once."""
    if eqn.primitive.name in LOOPS or eqn.primitive.name == "custom_vjp_call":
        return None
    body = next((eqn.params[key] for key in BODIES if key in eqn.params), None)
    if isinstance(body, core.ClosedJaxpr):
        return body.jaxpr, [(x, NONE) for x in body.consts]
    return (body, []) if isinstance(body, core.Jaxpr) and not body.constvars else None


def bound(eqn: Any, xs: list[Any]) -> list[Any]:
    """One equation evaluated."""
    out = eqn.primitive.bind(*xs, **eqn.primitive.get_bind_params(eqn.params))
    return list(out) if eqn.primitive.multiple_results else [out]


def part_of(e: Equation, call: Call | None, place: int, count: int) -> Part:
    """A call as a subject: the author's function where it is known, else what the equation says."""
    name = f"{e.name} (call {place} of {count})"
    made = by_call(e, call) if call is not None else None
    subject, flows, kind = made or by_equation(e)
    return Part(name, place, only(subject, [bool(s) for s in flows]), flows, kind, {})


def by_call(e: Equation, call: Call) -> tuple[Subject, list[Sources], Any] | None:
    """The ``custom_vjp`` function on its own arguments, with the equation's values for the traced ones."""
    target, args = call.owner, list(call.args)
    traced_args = [i for i in range(len(args)) if i not in target.nondiff_argnums]
    flat, structure = jax.tree.flatten([args[i] for i in traced_args])
    start = e.eqn.params["num_consts"]
    if call.options or e.eqn.params["bwd"].f is not target.bwd or len(flat) != len(e.values) - start:
        return None
    flows = [tree_map(lambda _: NONE, x) for x in args]
    values = jax.tree.unflatten(structure, list(map(np.asarray, e.values[start:])))
    sources = jax.tree.unflatten(structure, e.sources[start:])
    for i, x, s in zip(traced_args, values, sources, strict=True):
        args[i], flows[i] = x, s
    return of_jax(target, tuple(args), {}), leaves(flows), target


def by_equation(e: Equation) -> tuple[Subject, list[Sources], Any]:
    """The equation as a function of flat arrays, its backward as JAX calls it."""
    backward = e.eqn.params["bwd"].f

    def call(*xs: Any) -> list[Any]:
        return bound(e.eqn, list(xs))

    call.__name__ = e.name
    made = of_jax(call, tuple(map(np.asarray, e.values)), {})
    names = [f"input {i}" for i in range(len(made.values))]
    code = [] if backward.__module__.startswith("jax.") else [backward]
    return replace(made, names=names, code=code, inner=None), e.sources, backward
