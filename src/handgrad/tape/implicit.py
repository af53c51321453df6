"""What an equation defines, and its gradient by the equation alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad.arrays import is_floating, shape, stripped, xp
from handgrad.rules.rule import rule
from handgrad.tape.closures import Closure
from handgrad.tree import leaves, tree_map, unflatten


def fixed_point(f: Callable, x: Any, *args: Any, tolerance: float = 1e-10, steps: int = 1000) -> Any:
    """The x with x = f(x, a), from where ``x`` begins, for an f that brings points nearer to each other.

    out = f(out, a).   da = w ∂f/∂a with w = dout + w ∂f/∂x

    ``x`` is an array or a nested list, tuple or dict of them, and so are ``args``. It has no gradient, since
    the result does not depend on where it begins; what f closes over has. w is a fixed point itself, so no
    step is kept, and derivatives of derivatives are as exact.   Christianson 1994, Bai, Kolter & Koltun 2019

    It ends when no element changes by more than ``tolerance`` times the largest one (or 1).

    Raises:
        ArithmeticError: that is not so after ``steps`` steps, or numbers are no longer finite.
        TypeError: f gives an array of another shape.
    """
    x = tree_map(lambda v: xp.stop_gradient(v) if hasattr(v, "dtype") else v, x)
    closure = Closure(f, x, *args)
    if closure.level < 0:
        return _iterated(f, x, args, tolerance, steps)
    values = closure.lowered(args)
    out = fixed_point(closure.below, x, *values, tolerance=tolerance, steps=steps)
    places = [i for i, v in enumerate(leaves(out)) if is_floating(v)]
    inputs = [i for i, a in enumerate(leaves(args)) if closure.is_ours(a)]
    count = len(leaves(out))

    def backward(given: tuple) -> tuple:
        by_x = closure.way_back((out, *values), places)
        by_args = closure.way_back((out, *values), [count + i for i in inputs])

        def step(w: list, dout: list) -> list:
            _, dx = by_x(dict(zip(places, w, strict=True)))
            return [d if more is None else d + more for d, more in zip(dout, dx, strict=True)]

        w = fixed_point(step, list(given), list(given), tolerance=tolerance, steps=steps)
        return by_args(dict(zip(places, w, strict=True)))

    given = [leaves(args)[i] for i in inputs]
    return closure.recorded(FIXED_POINT, out, places, (closure.closed_over, given), backward)


def _iterated(f: Callable, x: Any, args: tuple, tolerance: float, steps: int) -> Any:
    """Steps until nothing changes any more."""
    change = float("inf")
    for _ in range(steps):
        new = f(x, *args)
        pairs = list(zip(leaves(x), leaves(new), strict=True))
        for before, after in pairs:
            if shape(before) != shape(after):
                raise TypeError(
                    f"fixed_point: x has shape {shape(before)}, and f gives {shape(after)}: it must stay so"
                )
        change = max((_largest(after - before) for before, after in pairs), default=0.0)
        size = max((_largest(after) for _, after in pairs), default=0.0)
        x = unflatten(x, leaves(new))
        if not change < float("inf"):
            raise ArithmeticError(f"fixed_point: numbers grew beyond all bounds, the last change is {change}")
        if change <= tolerance * max(size, 1.0):
            return x
    raise ArithmeticError(
        f"fixed_point: after {steps} steps an element still changes by {change:.3g}: f may not bring points "
        f"nearer to each other; a mean of x and f(x, a), or more steps, may help"
    )


def _largest(x: Any) -> float:
    x = xp.abs(stripped(x))
    return float(xp.max(x)) if 0 not in shape(x) else 0.0


@rule
def FIXED_POINT(closed_over, args):
    raise NotImplementedError


FIXED_POINT.name = "fixed_point"
