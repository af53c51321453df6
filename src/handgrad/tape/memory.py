"""Forwards that are computed again instead of kept."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from handgrad.arrays import is_floating
from handgrad.tape.closures import Closure, replaced
from handgrad.tree import leaves


def checkpoint(f: Callable) -> Callable:
    """f, of which a recording keeps the arguments alone: its backward runs it again, and records it then.

    out = f(x).   dx by the vjp of f at x, run again

    A network of n equal parts, each a checkpoint, needs the memory of one part and n arrays between, for one
    forward more.   Griewank 1992, Chen et al. 2016. What f closes over has its gradient too; f must give the
    same each time it is called. Compiled code keeps what it likes: for it, this is f.

    Examples:
        >>> def f(x):
        ...     return hg.sum(hg.tanh(x) ** 2)
        >>> x = np.array([0.5, 1.0])
        >>> bool((hg.grad(hg.checkpoint(f))(x) == hg.grad(f)(x)).all())
        True
    """

    @functools.wraps(f)
    def function(*xs: Any, **options: Any) -> Any:
        return _kept_by_its_arguments(functools.partial(f, **options), xs)

    return function


def _kept_by_its_arguments(f: Callable, xs: tuple) -> Any:
    closure = Closure(f, *xs)
    if closure.level < 0:
        return closure.made
    values, out = closure.lowered((xs, closure.made))
    inputs = [i for i, x in enumerate(leaves(xs)) if closure.is_ours(x)]
    outputs = [i for i, x in enumerate(leaves(closure.made)) if closure.is_ours(x) and is_floating(x)]
    closure.made = None  # with all that it was computed by
    if not outputs:
        return out
    made: Any = [leaves(out)[i] for i in outputs]  # by the first call

    def body(closed_over: list, x: list) -> tuple:
        nonlocal made
        closure.require(closed_over)
        here = replaced(values, inputs, x)
        if made is None:
            found = leaves(closure.below(*here))
            outs = tuple(found[i] for i in outputs)
        else:
            outs, made = tuple(made), None

        def backward(douts: tuple) -> tuple:
            return closure.way_back(here, inputs)(dict(zip(outputs, douts, strict=True)))

        return outs, backward

    given = [leaves(xs)[i] for i in inputs]
    return replaced(out, outputs, closure.record(checkpoint, body, given))
