"""Is this backward right? Its gradients against central differences in float64.

For out = f(x, ...), a random ``dout`` and L = Σ dout·out, each element of a gradient must be
∂L/∂xᵢ ≈ (L(xᵢ + h) - L(xᵢ - h)) / 2h. Two step sizes are combined (Richardson), so the error of
the difference is of order h⁴.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.rules.rule import Rule, describe
from handgrad.tree import leaves, tree_map

TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True)
class InputResult:
    """What came of one input."""

    name: str
    shape: tuple[int, ...]
    problem: str | None  # None: passed
    error: float = 0.0  # relative to the largest element of the gradient
    elements: int = 0

    def __str__(self) -> str:
        if self.problem:
            return f"FAIL  {self.name} {self.shape}: {self.problem}"
        digits = -np.log10(max(self.error, 1e-16))
        return f"pass  {self.name} {self.shape}: {self.elements} elements, {digits:.1f} digits agree"


@dataclasses.dataclass(frozen=True)
class Report:
    """The results of a check: ``ok``, and a line for each input in ``str(report)``."""

    target: str
    results: tuple[InputResult, ...]

    @property
    def ok(self) -> bool:
        return all(result.problem is None for result in self.results)

    def __str__(self) -> str:
        verdict = "right" if self.ok else "WRONG"
        return "\n".join([f"{self.target}: {verdict}", *(f"  {result}" for result in self.results)])


def check(target: Callable, *inputs: Any, seed: int = 0) -> Report:
    """Check a rule, or any function ``f(*inputs) -> (out, backward)``, against central differences.

    Inputs are arrays, numbers, or nested lists of them; floating-point ones are checked, in float64. The
    others (labels, indices) are passed along, and no gradient is expected of them.

    Raises:
        TypeError: the target does not return a pair.
    """
    pair = target.vjp if isinstance(target, Rule) else target
    name = getattr(target, "name", getattr(target, "__name__", type(target).__name__))
    names = target.inputs if isinstance(target, Rule) else [f"input {i}" for i in range(len(inputs))]
    xs = tree_map(_as_float64, list(inputs))
    rng = np.random.default_rng(seed)
    out, backward = _pair_of(pair, xs, name)
    douts = [rng.standard_normal(np.shape(o)) for o in leaves(out)]
    try:
        grads = backward(douts[0] if not isinstance(out, tuple) else tuple(douts))
    except ValueError as error:
        return Report(name, (InputResult("backward", (), str(error)),))
    grads = grads if isinstance(grads, tuple) else (grads,)
    if len(grads) != len(xs):
        problem = f"{len(grads)} gradients for {len(xs)} inputs"
        return Report(name, (InputResult("backward", (), problem),))

    def loss(xs: list) -> float:
        outs = leaves(pair(*xs)[0])
        return float(sum(np.sum(d * o) for d, o in zip(douts, outs, strict=True)))

    results = [result for i, dx in enumerate(grads) for result in _check_input(names[i], xs, i, dx, loss)]
    return Report(name, tuple(results))


def _as_float64(x: Any) -> Any:
    if isinstance(x, float) or (hasattr(x, "dtype") and np.asarray(x).dtype.kind == "f"):
        return np.array(x, np.float64)
    return x


def _pair_of(pair: Callable, xs: list, name: str) -> tuple[Any, Callable]:
    made = pair(*xs)
    if not (isinstance(made, tuple) and len(made) == 2 and callable(made[1])):
        raise TypeError(f"{name} returned {describe(made)}: a rule returns the pair (out, backward)")
    return made


def _check_input(name: str, xs: list, i: int, dx: Any, loss: Callable) -> Iterator[InputResult]:
    places = [k for k, x in enumerate(leaves(xs[i])) if _is_checked(x)]
    given = leaves(dx)
    for k in places:
        x = leaves(xs[i])[k]
        label = name if len(leaves(xs[i])) == 1 else f"{name}[{k}]"
        got = given[k] if dx is not None and k < len(given) else None
        yield _check_array(label, x, got, lambda moved, k=k: loss(_replaced(xs, i, k, moved)))


def _is_checked(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype == np.float64


def _replaced(xs: list, i: int, k: int, moved: np.ndarray) -> list:
    count = itertools.count()
    anew = tree_map(lambda x: moved if next(count) == k else x, xs[i])
    return [*xs[:i], anew, *xs[i + 1 :]]


def _check_array(name: str, x: np.ndarray, dx: Any, loss: Callable) -> InputResult:
    expected = numerical_gradient(loss, x)
    if dx is None:
        if np.max(np.abs(expected), initial=0.0) < TOLERANCE:
            return InputResult(name, x.shape, None, elements=x.size)
        return InputResult(name, x.shape, "there is no gradient, but the output depends on it")
    got = np.asarray(dx, float)
    if got.shape != x.shape:
        return InputResult(name, x.shape, f"its gradient has shape {got.shape}")
    scale = np.max(np.abs(expected), initial=np.finfo(float).tiny)
    errors = np.abs(got - expected) / scale
    errors = np.where(np.isfinite(errors), errors, np.inf)
    error = float(np.max(errors, initial=0.0))
    if error < TOLERANCE:
        return InputResult(name, x.shape, None, error, x.size)
    worst = tuple(int(j) for j in np.unravel_index(np.argmax(errors), x.shape))
    wrong = int(np.sum(errors >= TOLERANCE))
    problem = (
        f"{wrong} of {x.size} elements are wrong, the worst at {list(worst)}: "
        f"expected {expected[worst]:.8g}, got {got[worst]:.8g}"
    )
    return InputResult(name, x.shape, problem, error, x.size)


def numerical_gradient(loss: Callable, x: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """∂loss/∂x by central differences at h and h/2, combined to cancel the term in h²."""
    grad = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        h = step * max(abs(float(x[place])), 1.0)
        coarse, fine = (_difference(loss, x, place, width) for width in (h, h / 2))
        grad[place] = (4 * fine - coarse) / 3
    return grad


def _difference(loss: Callable, x: np.ndarray, place: tuple, h: float) -> float:
    up, down = x.copy(), x.copy()
    up[place] += h
    down[place] -= h
    return (loss(up) - loss(down)) / (up[place] - down[place])
