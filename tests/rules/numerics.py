"""Derivatives by differences, and comparisons that know the scale of what they compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.tree import leaves, tree_map, unflatten


def is_differentiable(x: Any) -> bool:
    return isinstance(x, float) or getattr(x, "dtype", None) in (np.float64, np.float32)


def random_like(r: np.random.Generator, out: Any) -> Any:
    """A cotangent: random, of the structure, shapes and floating dtypes of ``out``."""

    def one(x: Any) -> Any:
        drawn = np.asarray(r.uniform(0.3, 1.7, np.shape(x)) * r.choice([-1.0, 1.0], np.shape(x)))
        return drawn.astype(x.dtype) if is_differentiable(x) and hasattr(x, "dtype") else drawn

    return tree_map(one, out)


def inner(a: Any, b: Any, of: Callable = np.asarray) -> Any:
    """⟨a, b⟩ over all leaves that have a gradient, in extended precision where there is one."""
    if a is None or b is None:
        return np.longdouble(0)
    if isinstance(a, (list, tuple)):
        return sum((inner(p, q, of) for p, q in zip(a, b, strict=True)), np.longdouble(0))
    return np.sum(of(np.asarray(a, np.longdouble)) * of(b))


def derivative(phi: Callable[[float], Any], step: float = 0.05, levels: int = 7) -> Any:
    """dφ/dh at 0: central differences over a sweep of steps, extrapolated to 0.   Ridders 1982"""
    rows: list[list[Any]] = []
    best, least = None, np.inf
    for i in range(levels):
        h = step / 2**i
        row = [(phi(h) - phi(-h)) / (2 * h)]
        for j in range(1, i + 1):
            row.append((4**j * row[j - 1] - rows[-1][j - 1]) / (4**j - 1))
            error = max(abs(row[j] - row[j - 1]), abs(row[j] - rows[-1][j - 1]))
            if error <= least:
                best, least = row[j], error
        rows.append(row)
    return best


def moved(xs: Any, direction: Any, h: float) -> Any:
    """xs + h·direction, where there is a direction."""
    return tree_map(lambda x, d: x if d is None else x + h * d, xs, direction)


def random_direction(r: np.random.Generator, xs: Any) -> Any:
    return tree_map(lambda x: np.asarray(r.uniform(-1, 1, np.shape(x))) if is_differentiable(x) else None, xs)


def element_directions(xs: Any) -> list[Any]:
    """A unit direction for each floating element."""
    found, flat = [], leaves(xs)
    for k, x in enumerate(flat):
        for i in range(np.size(x) if is_differentiable(x) else 0):
            unit = np.zeros(np.size(x))
            unit[i] = 1.0
            here = [unit.reshape(np.shape(x)) if j == k else None for j in range(len(flat))]
            found.append(unflatten(xs, here))
    return found


def assert_gradient(f: Callable, xs: Any, dout: Any, grads: Any, directions: list, tolerance: float) -> None:
    """``grads`` is the gradient of ⟨f(xs), dout⟩, by differences along each direction.

    The error is measured against the sizes of the terms that add up to the derivative, and against
    what rounding of the values leaves a difference of them to say: nothing is small in itself.
    """
    for direction in directions:
        magnitude = inner(f(moved(xs, direction, 0.05)), dout, np.abs)
        wanted = derivative(lambda h, d=direction: inner(f(moved(xs, d, h)), dout))
        got = inner(grads, direction)
        scale = inner(grads, direction, np.abs)
        assert abs(got - wanted) <= tolerance * scale + 1e-12 * magnitude, (
            f"differences {wanted}, backward {got}, apart {abs(got - wanted)}, scale {scale}"
        )


def assert_close(a: Any, b: Any, relative: float = 1e-12) -> None:
    """Equal structures; each array within ``relative`` of the other's largest element."""
    assert len(leaves(a)) == len(leaves(b))
    for p, q in zip(leaves(a), leaves(b), strict=True):
        assert (p is None) == (q is None), f"{p!r} against {q!r}"
        if q is None:
            continue
        p, q = np.asarray(p), np.asarray(q)
        assert p.shape == q.shape
        np.testing.assert_allclose(p, q, rtol=relative, atol=relative * np.max(np.abs(q), initial=0))
