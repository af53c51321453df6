"""JAX's functions as subjects, ``jax.custom_vjp`` before all. Imported only when the target is JAX's."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from handgrad.arrays import is_floating
from handgrad.checking.forms.gradients import aligned
from handgrad.checking.subject import (
    Back,
    Subject,
    Values,
    copied,
    flat_names,
    label,
    numbers_of,
    parameter_names,
)
from handgrad.tree import leaves, tree_map, unflatten

PAYS = 0.2  # seconds of calls one by one, after which compiling is worth it


class Repeated:
    """A function that is compiled once its calls have taken long enough, as those of a loop do at once."""

    def __init__(self, f: Callable):
        self.f, self.quick = f, jax.jit(f)
        self.spent = -PAYS  # the first call compiles each operation

    def __call__(self, *args: Any) -> Any:
        if self.spent < PAYS:
            return self.plainly(*args)
        try:
            return self.quick(*args)
        except Exception:
            if any(map(np.iscomplexobj, leaves(args))):
                raise  # it does not take complex numbers, compiled or not
            self.spent = -math.inf  # it looks at values, which jit does not have, or saves what is no array
            return self.f(*args)

    def plainly(self, *args: Any) -> Any:
        began = time.perf_counter()
        out = self.f(*args)
        self.spent = max(self.spent + time.perf_counter() - began, 0.0)
        return out


class Tried:
    """What changes of a backward that are tried share: the forward, at the same values."""

    def __init__(self) -> None:
        self.last: tuple[Any, Values, Any] | None = None  # the function, what it was given, what it gave

    def run(self, fwd: Callable, values: Values, call: Callable[[], Any]) -> Any:
        if self.last is not None and self.last[0] is fwd and all(map(np.array_equal, self.last[1], values)):
            return self.last[2]
        found = call()
        self.last = fwd, copied(values), found
        return found


def of_jax(target: Any, inputs: tuple, options: dict, tried: Tried | None = None) -> Subject:
    """A function of JAX arrays, in 64 bits.

    ``tried``: it runs once or twice, so that compiling its loops would take longer than all else.
    """
    tree = tree_map(lambda x: np.array(x, np.float64) if is_floating(x) else x, list(inputs))
    tree = tree_map(lambda x: np.asarray(x) if isinstance(x, jax.Array) else x, tree)
    flat = leaves(tree)
    static = set(getattr(target, "nondiff_argnums", ()))
    checked = [is_floating(x) and i not in static for i, part in enumerate(tree) for x in leaves(part)]

    def given(values: Values) -> list[Any]:
        xs = [jax.numpy.array(x) if isinstance(x, (np.ndarray, np.generic)) else x for x in values]
        back = unflatten(tree, xs)
        return [tree[i] if i in static else x for i, x in enumerate(back)]

    def call(values: Values) -> list[Any]:
        return leaves(target(*given(values), **options))

    def precise() -> contextlib.ExitStack:
        with contextlib.ExitStack() as inside:
            inside.enter_context(jax.enable_x64(True))
            if tried is not None:
                inside.enter_context(jax.disable_jit())
            return inside.pop_all()

    quick = Repeated(call)

    def forward(values: Values) -> list[Any]:
        with jax.enable_x64(True):
            is_of_arrays = all(isinstance(x, (np.ndarray, np.generic)) for x in values)
            return [np.asarray(o) for o in (quick if is_of_arrays else call)(values)]

    def pair(values: Values) -> tuple[list[Any], Back]:
        def of_floats(*floats: Any) -> list[Any]:
            drawn = iter(floats)
            return call([next(drawn) if c else x for x, c in zip(values, checked, strict=True)])

        if isinstance(target, jax.custom_vjp):
            return by_rule(values)
        with jax.enable_x64(True):
            floats = [jax.numpy.array(x) for x, c in zip(values, checked, strict=True) if c]
            try:
                out, pullback = jax.vjp(of_floats, *floats)
            except Exception as error:  # a custom_jvp raises as soon as it is asked
                return forward(values), raising(error)

        def back(douts: list[Any]) -> list[Any]:
            with jax.enable_x64(True):
                seeds = [_cotangent(d, o) for d, o in zip(douts, out, strict=True)]
                found = iter(pullback(seeds))
            return [np.asarray(next(found)) if c else None for c in checked]

        return [np.asarray(o) for o in out], back

    def follow(given_values: Values) -> list[Any]:
        from handgrad.checking.following.jax_forwards import followed

        floats = [x for x, c in zip(given_values, checked, strict=True) if c]

        def of_floats(*xs: Any) -> list[Any]:
            drawn = iter(xs)
            plain = [next(drawn) if c else x for x, c in zip(given_values, checked, strict=True)]
            return leaves(getattr(target, "fun", target)(*given(plain), **options))

        return followed(of_floats, floats)

    def fwd(*args: Any) -> Any:
        return target.fwd(*args, **options)

    def bwd(*args: Any) -> Any:
        return target.bwd(*args)

    if not static:
        fwd, bwd = Repeated(fwd), Repeated(bwd)

    def by_rule(values: Values) -> tuple[list[Any], Back]:
        """By the author's own fwd and bwd, so that a gradient of a wrong shape can be looked at."""
        with precise():
            xs = given(values)
            out, saved = fwd(*xs) if tried is None else tried.run(target.fwd, values, lambda: fwd(*xs))

        def back(douts: list[Any]) -> list[Any]:
            with precise():
                seeds = unflatten(out, [_cotangent(d, o) for d, o in zip(douts, leaves(out), strict=True)])
                grads = bwd(*[xs[i] for i in sorted(static)], saved, seeds)
            differentiable = [x for i, x in enumerate(tree) if i not in static]
            found = iter(aligned(grads if isinstance(grads, (tuple, list)) else (grads,), differentiable))
            flat_grads: list[Any] = []
            for i, x in enumerate(tree):
                flat_grads += [None if i in static else next(found) for _ in leaves(x)]
            return [
                None if g is None or not c or g.dtype == jax.dtypes.float0 else np.asarray(g)
                for g, c in zip(flat_grads, checked, strict=True)
            ]

        return [np.asarray(o) for o in leaves(out)], back

    changes = Tried()
    return Subject(
        name=label(target),
        style="jax",
        names=flat_names(parameter_names(getattr(target, "fun", target), len(inputs)), inputs),
        values=flat,
        checked=checked,
        forward=forward,
        pair=pair,
        code=sources(target),
        numbers=numbers_of(target),
        follow=lambda given, rebinder: follow(given),
        functions=lambda: [f for f in [getattr(target, "bwd", None)] if callable(f)],
        rebuilt=lambda rebinder: of_jax(_with_functions(target, rebinder), inputs, options, changes),
        inner=target,
        whose=whose(target),
    )


def raising(error: Exception) -> Back:
    """A backward that raises this."""

    def back(douts: list[Any]) -> list[Any]:
        raise error

    return back


def whose(target: Any) -> str:
    if isinstance(target, jax.custom_vjp):
        return f"the bwd of {label(target)}"
    if isinstance(target, jax.custom_jvp):
        return f"the jvp of {label(target)}, transposed by JAX"
    return f"JAX's own, of what {label(target)} is made of"


def _with_functions(target: Any, rebinder: Any) -> Any:
    """The same custom_vjp with its fwd and bwd replaced."""
    made = jax.custom_vjp(target.fun, nondiff_argnums=target.nondiff_argnums)
    made.defvjp(rebinder.function(target.fwd), rebinder.function(target.bwd))
    return made


def _cotangent(dout: Any, out: Any) -> Any:
    if jax.numpy.issubdtype(out.dtype, np.floating):
        return jax.numpy.asarray(dout, out.dtype)
    return np.zeros(out.shape, jax.dtypes.float0)


def sources(target: Any) -> list[Callable]:
    """Where the backward and the forward of a ``custom_vjp`` are written."""
    found = [getattr(target, name, None) for name in ("bwd", "fwd", "fun")]
    return [f for f in found if callable(f)]
