"""Derivatives of functions, to any order: each is made of ``vjp``, and ``vjp`` nests."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

from handgrad.arrays import cast, is_array, shape, xp
from handgrad.tape.graph import backpropagate
from handgrad.tape.variable import Variable, checked_dout, owned, unit_dout
from handgrad.tree import leaves, tree_map, unflatten

_levels = itertools.count(1)  # 0 is for variables that the user made


def vjp(f: Callable, *xs: Any) -> tuple[Any, Callable[[Any], tuple]]:
    """``(out, backward)`` of any function of rules: ``backward(dout)`` gives one gradient for each x.

    ``xs`` are numbers, arrays, or nested lists, tuples and dicts of them; so is what ``f`` returns,
    and each gradient has the structure of its x. An x that does not matter has zeros for gradient.
    ``backward`` may be called any number of times.

    Raises:
        ValueError: ``dout`` does not have the structure or a shape of the output.
    """
    out, backward, _ = vjp_with_aux(lambda *xs: (f(*xs), None), *xs)
    return out, backward


def vjp_with_aux(f: Callable, *xs: Any) -> tuple[Any, Callable[[Any], tuple], Any]:
    """``vjp`` of a function that returns ``(out, aux)``: ``aux`` is handed on and not differentiated."""
    level = next(_levels)
    recorded = tree_map(lambda x: Variable(x, level) if is_array(x) else x, xs)
    result, aux = f(*recorded)
    outputs = leaves(result)

    def value(x: Any) -> Any:
        return x.value if isinstance(x, Variable) and x.level == level else x

    def backward(dout: Any) -> tuple:
        douts = leaves(dout) if isinstance(result, (list, tuple, dict)) else [dout]
        if len(douts) != len(outputs):
            raise ValueError(f"dout has {len(douts)} parts, but the function has {len(outputs)} outputs")
        seeds = [
            (out, checked_dout(d, out.value))
            for out, d in zip(outputs, douts, strict=True)
            if isinstance(out, Variable) and out.level == level
        ]
        wanted = {id(x) for x in leaves(recorded)}
        grads = owned([(x, dx) for x, dx in backpropagate(seeds) if id(x) in wanted], seeds)
        return tree_map(lambda x: grads[id(x)] if id(x) in grads else _zeros(value(x)), recorded)

    return tree_map(value, result), backward, tree_map(value, aux)


def _zeros(x: Any) -> Any:
    return xp.zeros_like(x) if hasattr(x, "dtype") else type(x)(0) if is_array(x) else None


def value_and_grad(f: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that gives ``(f(*xs), df/dx)``, for an ``f`` with a scalar result.

    ``argnums`` says by which argument; of a tuple, the gradients are a tuple too. With ``has_aux``
    ``f`` returns ``(loss, aux)`` and the result is ``((loss, aux), gradient)``.

    Raises:
        ValueError: (when called) the result is not a scalar.
    """
    picked = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def function(*xs: Any, **options: Any) -> tuple[Any, Any]:
        def of_picked(*chosen: Any) -> tuple[Any, Any]:
            args = list(xs)
            for i, x in zip(picked, chosen, strict=True):
                args[i] = x
            result = f(*args, **options)
            return result if has_aux else (result, None)

        out, backward, aux = vjp_with_aux(of_picked, *(xs[i] for i in picked))
        grads = backward(unit_dout(out, "grad"))
        return (out, aux) if has_aux else out, grads[0] if isinstance(argnums, int) else grads

    return function


def grad(f: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """The gradient of a scalar function as a function: ``grad(f)(x)`` = df/dx."""
    with_value = value_and_grad(f, argnums)

    def function(*xs: Any, **options: Any) -> Any:
        return with_value(*xs, **options)[1]

    return function


def jacobian(f: Callable, argnums: int = 0) -> Callable:
    """J of shape (*out.shape, *x.shape), by one backward for each element of the output.

    Where output or argument are nested, so is J: the output's structure, and in each place of it
    the argument's.
    """

    def function(*xs: Any, **options: Any) -> Any:
        def of_one(x: Any) -> Any:
            return f(*xs[:argnums], x, *xs[argnums + 1 :], **options)

        x = xs[argnums]
        out, backward = vjp(of_one, x)
        outs = leaves(out)

        def block(k: int) -> Any:
            """The derivative of output k: rows stacked, then shaped."""
            rows = [
                backward(unflatten(out, [_unit(o, i if j == k else None) for j, o in enumerate(outs)]))[0]
                for i in range(math.prod(shape(outs[k])))
            ]
            return tree_map(lambda x, *column: _stacked(column, shape(outs[k]), x), x, *rows)

        return unflatten(out, [block(k) for k in range(len(outs))])

    return function


def _unit(out: Any, i: int | None) -> Any:
    """Zeros like ``out`` with a 1 at flat place i."""
    if i is None or not hasattr(out, "dtype"):
        return _zeros(out) if i is None else type(out)(1)
    here = xp.arange_like(xp.stop_gradient(out), math.prod(shape(out))) == i
    return xp.reshape(cast(here, like=xp.stop_gradient(out)), shape(out))


def _stacked(rows: tuple, lead: tuple[int, ...], x: Any) -> Any:
    if not rows:
        return xp.reshape(_zeros(xp.reshape(x, (-1,)))[:0], (*lead, *shape(x)))
    return xp.reshape(xp.stack(list(rows)), (*lead, *shape(x)))


def hessian(f: Callable, argnums: int = 0) -> Callable:
    """H of shape (*x.shape, *x.shape) for a scalar function: the Jacobian of its gradient."""
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Callable, x: Any, v: Any) -> Any:
    """The Hessian of a scalar function at x, times v, in the time of two gradients.

    H v = d/dx ⟨df/dx, v⟩, so H itself is never formed.   Pearlmutter 1994
    """
    _, backward = vjp(grad(f), x)
    return backward(v)[0]
