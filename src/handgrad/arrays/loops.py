"""``scan``: a loop whose body is given what the last step carried on, and its part of each sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays.dispatch import namespace_of, stripped, xp
from handgrad.arrays.questions import is_array, is_symbolic, shape
from handgrad.tree import leaves, tree_map


def steps_of(xs: Any, length: int | None) -> int:
    """How many steps a scan over these sequences has.

    Raises:
        ValueError: the sequences are not of one length, or there is none and no ``length``.
    """
    found = {shape(x)[:1] for x in leaves(xs) if is_array(x)}
    if length is not None:
        found.add((int(length),))
    if len(found) != 1 or () in found:
        told = ", ".join(str(shape(x)) for x in leaves(xs) if is_array(x)) or "nothing"
        raise ValueError(
            f"scan goes along the first axis of its sequences, which are of one length: got {told}, "
            f"and length={length}"
        )
    return found.pop()[0]


def part(xs: Any, t: int) -> Any:
    """What step t sees of the sequences."""
    return tree_map(lambda x: _part(x, t) if is_array(x) else x, xs)


def _part(x: Any, t: int) -> Any:
    return x[t, ...] if len(shape(x)) > 1 else x[t]  # the standard asks for all axes


def _zeros(x: Any) -> Any:
    """What a step would see of a sequence of no step."""
    inner = stripped(x)
    library = np if is_symbolic(inner) else namespace_of(inner)
    return library.zeros(shape(x)[1:], dtype=x.dtype)


def result_of(made: Any, carry: Any, is_first: bool = False) -> tuple[Any, Any]:
    """What the body gave, if it is a pair, and if the carry is of the kind that came in.

    Raises:
        TypeError: it is no pair, or its carry is of another structure, shape or dtype; a number may become an
            array in the first step.
    """
    if not isinstance(made, tuple) or len(made) != 2:
        raise TypeError(f"the body of a scan returns (carry, y), not {type(made).__name__}")
    before, after = leaves(carry), leaves(made[0])
    if len(before) != len(after):
        raise TypeError(
            f"the body of a scan was given a carry of {len(before)} arrays, and returns {len(after)}"
        )
    for i, (x, y) in enumerate(zip(before, after, strict=True)):
        of_x, of_y = ((shape(v), str(getattr(v, "dtype", "number"))) for v in (x, y))
        if of_x != of_y and not (is_first and not hasattr(x, "dtype")):
            raise TypeError(
                f"array {i} of the carry is {of_x[1]}{list(of_x[0])}, and the body of the scan returns "
                f"{of_y[1]}{list(of_y[0])}: it must stay of one shape and dtype"
            )
    return made


def like(carry: Any, after: Any) -> Any:
    """Numbers of a first carry as arrays of the kind that the first step makes of them."""

    def one(x: Any, y: Any) -> Any:
        if hasattr(x, "dtype") or not hasattr(y, "dtype"):
            return x
        return xp.zeros_like(y) + x

    return tree_map(one, carry, after)


def order(length: int, reverse: bool) -> range:
    return range(length - 1, -1, -1) if reverse else range(length)


def stacked(ys: list[Any], like: Any, length: int, reverse: bool) -> Any:
    """The ys of all steps, in the order of the sequences; of no step, empty ones like that."""
    if not ys:
        return tree_map(lambda y: xp.zeros_like(xp.stack([y]))[:0, ...] if is_array(y) else y, like)
    ys = ys[::-1] if reverse else ys
    return tree_map(lambda *parts: xp.stack([*parts]) if is_array(parts[0]) else parts[0], *ys)


def scan(
    f: Callable, carry: Any, xs: Any = None, length: int | None = None, reverse: bool = False
) -> tuple[Any, Any]:
    """Step after step: a loop of Python's."""
    n = steps_of(xs, length)
    if not n:
        nothing = tree_map(lambda x: _zeros(x) if is_array(x) else x, xs)
        after, y = result_of(f(carry, nothing), carry, is_first=True)
        return like(carry, after), stacked([], y, 0, reverse)
    ys = []
    for i, t in enumerate(order(n, reverse)):
        carry, y = result_of(f(carry, part(xs, t)), carry, is_first=not i)
        ys.append(y)
    return carry, stacked(ys, None, n, reverse)
