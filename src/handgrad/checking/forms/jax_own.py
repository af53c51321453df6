"""JAX's functions as subjects, ``jax.custom_vjp`` before all. Imported only when the target is JAX's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from handgrad.checking.forms.gradients import aligned
from handgrad.checking.subject import (
    Back,
    Subject,
    Values,
    flat_names,
    is_float,
    label,
    numbers_of,
    parameter_names,
)
from handgrad.tree import leaves, tree_map, unflatten

OFTEN = 30  # from then on it pays to compile the forward


def of_jax(target: Any, inputs: tuple, options: dict) -> Subject:
    """A function of JAX arrays, in 64 bits."""
    tree = tree_map(lambda x: np.array(x, np.float64) if is_float(x) else x, list(inputs))
    tree = tree_map(lambda x: np.asarray(x) if isinstance(x, jax.Array) else x, tree)
    flat = leaves(tree)
    checked = [is_float(x) for x in flat]
    static = set(getattr(target, "nondiff_argnums", ()))

    def given(values: Values) -> list[Any]:
        xs = [jax.numpy.array(x) if isinstance(x, (np.ndarray, np.generic)) else x for x in values]
        back = unflatten(tree, xs)
        return [tree[i] if i in static else x for i, x in enumerate(back)]

    def call(values: Values) -> list[Any]:
        return leaves(target(*given(values), **options))

    calls = 0
    quick: Any = None

    def forward(values: Values) -> list[Any]:
        nonlocal calls, quick
        calls += 1
        with jax.enable_x64(True):
            if calls < OFTEN or not all(isinstance(x, (np.ndarray, np.generic)) for x in values):
                return [np.asarray(o) for o in call(values)]
            if quick is None:
                quick = jax.jit(call)
            try:
                return [np.asarray(o) for o in quick(values)]
            except Exception:
                if any(np.iscomplexobj(x) for x in values):
                    raise  # it does not take complex numbers, compiled or not
                calls = -(10**9)  # it looks at values, which jit does not have
                return [np.asarray(o) for o in call(values)]

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

    compiled: dict[str, Any] = {}

    def own(name: str, *args: Any) -> Any:
        """The author's fwd or bwd; compiled when it has been called often."""
        nonlocal calls
        calls += 1
        plainly = getattr(target, name)
        if calls < OFTEN // 3 or static or options:
            return plainly(*args, **options) if name == "fwd" else plainly(*args)
        try:
            compiled.setdefault(name, jax.jit(plainly))
            return compiled[name](*args)
        except Exception:  # it looks at values, or saves what is no array
            return plainly(*args)

    def by_rule(values: Values) -> tuple[list[Any], Back]:
        """By the author's own fwd and bwd, so that a gradient of a wrong shape can be looked at."""
        with jax.enable_x64(True):
            xs = given(values)
            out, saved = own("fwd", *xs)

        def back(douts: list[Any]) -> list[Any]:
            with jax.enable_x64(True):
                seeds = unflatten(out, [_cotangent(d, o) for d, o in zip(douts, leaves(out), strict=True)])
                grads = own("bwd", *[xs[i] for i in sorted(static)], saved, seeds)
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
        rebuilt=lambda rebinder: of_jax(_with_functions(target, rebinder), inputs, options),
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
