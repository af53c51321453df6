"""What an equation defines, and its gradient by the equation alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad.arrays import is_floating, namespace_of, shape, stripped, xp
from handgrad.tape.closures import Closure, replaced
from handgrad.tree import leaves, tree_map, unflatten


def fixed_point(f: Callable, x: Any, *args: Any, tolerance: float | None = None, steps: int = 1000) -> Any:
    """The x with x = f(x, a), from where ``x`` begins, for an f that brings points nearer to each other.

    out = f(out, a).   da = w ∂f/∂a with w = dout + w ∂f/∂x

    ``x`` is an array or a nested list, tuple or dict of them, and so are ``args``. It has no gradient, since
    the result does not depend on where it begins; what f closes over has. w is a fixed point itself, so no
    step is kept, and derivatives of derivatives are as exact.   Christianson 1994, Bai, Kolter & Koltun 2019

    It ends when no element changes by more than ``tolerance`` times the largest one (or 1); without a
    tolerance, when changes are so small that they are rounding, which is seen in that they shrink no more.

    Raises:
        ArithmeticError: that is not so after ``steps`` steps, or numbers are no longer finite.
        TypeError: f gives an array of another shape.

    Examples:
        >>> root = hg.fixed_point(lambda x, a: (x + a / x) / 2, 1.0, 4.0)  # Heron's x with x² = a
        >>> print(round(float(root), 6))
        2.0
        >>> dx = hg.grad(lambda a: hg.fixed_point(lambda x, a: (x + a / x) / 2, 1.0, a))(4.0)
        >>> print(round(float(dx), 6))  # 1 / 2√a
        0.25
    """
    x = tree_map(lambda v: xp.stop_gradient(v) if hasattr(v, "dtype") else v, x)
    closure = Closure(f, x, *args)
    if closure.level < 0:
        return _iterated(f, x, args, tolerance, steps)
    values = closure.lowered(args)
    solved = fixed_point(closure.below, x, *values, tolerance=tolerance, steps=steps)
    places = [i for i, v in enumerate(leaves(solved)) if is_floating(v)]
    inputs = [i for i, a in enumerate(leaves(args)) if closure.is_ours(a)]
    count = len(leaves(solved))
    first: Any = solved  # of the first call

    def body(closed_over: list, a: list) -> tuple:
        nonlocal first
        closure.require(closed_over)
        here = replaced(values, inputs, a)
        if first is None:
            out = fixed_point(closure.below, x, *here, tolerance=tolerance, steps=steps)
        else:
            out, first = first, None

        def backward(douts: tuple) -> tuple:
            by_x = closure.way_back((out, *here), places)
            by_args = closure.way_back((out, *here), [count + i for i in inputs])

            def step(w: list, dout: list) -> list:
                _, dx = by_x(dict(zip(places, w, strict=True)))
                return [d if more is None else d + more for d, more in zip(dout, dx, strict=True)]

            w = fixed_point(step, list(douts), list(douts), tolerance=tolerance, steps=steps)
            return by_args(dict(zip(places, w, strict=True)))

        return tuple(leaves(out)[i] for i in places), backward

    given = [leaves(args)[i] for i in inputs]
    return replaced(solved, places, closure.record(fixed_point, body, given))


def _iterated(f: Callable, x: Any, args: tuple, tolerance: float | None, steps: int) -> Any:
    """Steps until nothing changes any more."""
    change = float("inf")
    for _ in range(steps):
        last = change
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
        if is_settled(change, last, max(size, 1.0), tolerance, x):
            return x
    raise ArithmeticError(
        f"fixed_point: after {steps} steps an element still changes by {change:.3g}: f may not bring points "
        f"nearer to each other; a mean of x and f(x, a), or more steps, may help"
    )


def is_settled(change: float, before: float, size: float, tolerance: float | None, x: Any) -> bool:
    if tolerance is not None:
        return change <= tolerance * size
    arrays = [stripped(v) for v in leaves(x) if is_floating(v)]
    epsilon = max((namespace_of(v).finfo(getattr(v, "dtype", float)).eps for v in arrays), default=0.0)
    return change <= epsilon**0.5 * size and (change == 0 or change >= before)


def _largest(x: Any) -> float:
    x = xp.abs(stripped(x))
    return float(xp.max(x)) if 0 not in shape(x) else 0.0
